//! How long a program takes from fork to its end.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A program that has not ended by then serves somebody.
const PATIENCE: Duration = Duration::from_secs(5);

/// Median of so many runs, in ms. `-`: it did not end. `None`: it can't be started.
pub(crate) fn time(count: usize, program: &str, arguments: &[&str]) -> Option<String> {
    let mut times = Vec::new();
    for _ in 0..count {
        match once(program, arguments)? {
            Some(took) => times.push(took),
            None => return Some("-".into()),
        }
    }
    times.sort_unstable();
    times.get(times.len() / 2).map(|took| format!("{:.2}", took.as_secs_f64() * 1000.0))
}

/// `Some(None)`: it had to be ended.
fn once(program: &str, arguments: &[&str]) -> Option<Option<Duration>> {
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.env_clear().spawn().ok()?;
    let watched = child.id();
    let (ended, gone) = std::sync::mpsc::channel::<()>();
    let watcher = thread::spawn(move || {
        let late = gone.recv_timeout(PATIENCE).is_err();
        if late {
            let pid = nix::unistd::Pid::from_raw(watched.cast_signed());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        late
    });
    child.wait().ok()?;
    let took = start.elapsed();
    let _ = ended.send(());
    let late = watcher.join().unwrap_or(true);
    Some((!late).then_some(took))
}
