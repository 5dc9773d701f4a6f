//! In the house: orders from `send`, carried out by threads.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use control::{Control, Home, Role, Uids};
use orders::{Concurrency, Crew, Desk};
use sys::confine::Confine;
use sys::signals::{Signal, Signals};
use sys::{Identity, Stop};

use crate::TCPTO;
use crate::authorities;
use crate::carrier::{Courier, Shared};
use crate::lines::Lines;
use crate::notes::Notes;
use crate::sts::Policies;
use crate::tcpto::Memory;

/// Orders at one time. Connections are as many as `control/concurrencyremote` says: the others wait for hosts that do
/// not answer.
const MOST: usize = 1000;
/// How long deliveries under way are waited for at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(30);
/// The folders of policies (MTA-STS), and of notes for reports (TLS-RPT).
const STS: &str = "sts";
const TLSRPT: &str = "tlsrpt";

/// Serves until it is told to end.
pub(crate) fn serve() -> Result<(), Stop> {
    let home = Home::find();
    let uids = Uids::read(&home).map_err(Stop::temporary)?;
    let known = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM];
    let mut signals = Signals::new(&known).map_err(Stop::temporary)?;
    let _ = sys::confine::raise_file_limit();
    let mut desk =
        Desk::open("remote", Concurrency::Unless("concurrencyremote"), MOST, home.clone(), uids.clone())?;
    let memory = memory(&home)?;
    let myself = uids.identity(Role::Remote).map_err(Stop::temporary)?;
    for name in [STS, TLSRPT] {
        make_folder(&home, name, myself.as_ref())?;
    }
    let control = Control::open(&home);
    authorities::read(&control);
    if let Some(myself) = myself {
        sys::become_user(&myself).map_err(Stop::temporary)?;
    }
    confine(&home).apply().map_err(Stop::temporary)?;
    let talking = control.number("concurrencyremote").map_err(Stop::temporary)?;
    let shared = Arc::new(Shared {
        memory,
        lines: Lines::new(talking.min(MOST as u64) as usize),
        policies: Policies::at(Some(home.run(STS))),
        notes: Notes::at(Some(home.run(TLSRPT))),
        home,
    });
    let lines = Arc::clone(&shared);
    let mut crew = Crew::new(MOST, move || Box::new(Courier(Arc::clone(&shared))));
    sys::log!("remote: status: ready");
    // Control files are read for each delivery: HUP has nothing to do, nor has ALRM.
    let ends = |signal| matches!(signal, Some(Signal::SIGTERM | Signal::SIGINT));
    while !(desk.attend(&signals, &crew)? && ends(signals.take())) {
        lines.lines.sweep(false);
    }
    sys::log!("remote: status: exiting");
    drop(desk);
    give_up_in(LAST_PATIENCE);
    crew.finish();
    lines.lines.sweep(true);
    Ok(())
}

/// A server that drips must not keep a restart waiting: what is cut off is tried again.
fn give_up_in(patience: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(patience);
        sys::log!("remote: warning: giving up what is still under way");
        std::process::exit(0);
    });
}

/// Opened while we may; another uid keeps only the descriptor.
fn memory(home: &Home) -> Result<Memory, Stop> {
    let path = home.run(TCPTO);
    let at = |error| Stop::temporary(format_args!("{}: {error}", path.display()));
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(at)?;
    Ok(Memory::open(file))
}

/// A folder in run/ that is ours.
fn make_folder(home: &Home, name: &str, myself: Option<&Identity>) -> Result<(), Stop> {
    let path = home.run(name);
    let failed = |error| Stop::temporary(format_args!("cannot make {}: {error}", path.display()));
    if !path.exists() {
        sys::durable::open_any(&home.join("run"))
            .and_then(|run| run.make_folder(name, 0o755))
            .map_err(failed)?;
    }
    match myself {
        Some(myself) => std::os::unix::fs::chown(&path, Some(myself.uid), Some(myself.gid)).map_err(failed),
        None => Ok(()),
    }
}

fn confine(home: &Home) -> Confine {
    let own = Confine::new().read(home.control()).write(home.run(STS)).write(home.run(TLSRPT));
    dns::FOLDERS.iter().fold(own.internet(), Confine::read)
}
