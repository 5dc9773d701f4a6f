//! The services of a house as processes: started by their run scripts, watched, killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What all services have said, and a bell for whoever waits for more.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    news: Condvar,
}

/// The running services of one house.
pub struct Services {
    home: PathBuf,
    running: BTreeMap<String, Child>,
    log: Arc<Log>,
    /// Shell commands run before a service is, such as `ulimit -v 65536`.
    before: String,
    /// Where the services' words go instead of to us.
    sink: Option<File>,
}

impl Services {
    pub(crate) fn new(home: &Path) -> Services {
        let (running, log) = (BTreeMap::new(), Arc::default());
        Services { home: home.to_owned(), running, log, before: ":".to_owned(), sink: None }
    }

    /// From now on each service is started in a shell that has run `commands`.
    pub fn before_each(&mut self, commands: &str) {
        self.before = commands.to_owned();
    }

    /// From now on what services say goes to `sink`.
    pub fn log_to(&mut self, sink: impl Into<std::os::fd::OwnedFd>) {
        self.sink = Some(File::from(sink.into()));
    }

    /// Starts every service that does not run.
    pub fn start_all(&mut self) {
        for folder in super::files(&self.home.join("etc/run")) {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            self.start(&name);
        }
    }

    /// Starts the service `name` unless it runs.
    pub fn start(&mut self, name: &str) {
        if self.running.get_mut(name).is_some_and(|child| child.try_wait().unwrap().is_none()) {
            return;
        }
        let script = self.home.join("etc/run").join(name).join("run");
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{}; exec \"$0\"", self.before)).arg(script).stdin(Stdio::null());
        match &self.sink {
            Some(sink) => command.stdout(sink.try_clone().unwrap()).stderr(sink.try_clone().unwrap()),
            None => command.stdout(writer.try_clone().unwrap()).stderr(writer),
        };
        self.running.insert(name.to_owned(), command.spawn().unwrap());
        drop(command);
        let (log, name) = (Arc::clone(&self.log), name.to_owned());
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                let line = format!("{name}: {}", String::from_utf8_lossy(&line));
                log.lines.lock().unwrap().push(line);
                log.news.notify_all();
            }
        });
    }

    /// Sends a signal to the service `name` and waits for its end.
    pub fn stop(&mut self, name: &str, signal: Signal) {
        let Some(mut child) = self.running.remove(name) else { panic!("{name} does not run") };
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        child.wait().unwrap();
    }

    /// The process id of the service `name`.
    pub fn pid(&self, name: &str) -> i32 {
        self.running[name].id() as i32
    }

    /// Every process of the house, with the name of its program.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let roots: BTreeSet<i32> = self.running.values().map(|child| child.id() as i32).collect();
        let table: Vec<Process> =
            super::files(Path::new("/proc")).iter().filter_map(|path| Process::read(path)).collect();
        let mark = format!("FULMAR_HOME={}", self.home.display()).into_bytes();
        let mut ours: BTreeSet<i32> =
            table.iter().filter(|p| p.has(&mark)).map(|p| p.pid).chain(roots).collect();
        loop {
            let before = ours.len();
            ours.extend(table.iter().filter(|p| ours.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>());
            if ours.len() == before {
                break;
            }
        }
        table.iter().filter(|p| ours.contains(&p.pid)).map(|p| (p.pid, p.name.clone())).collect()
    }

    /// Kills everything at once, with signal 9, and waits until all is gone.
    pub fn kill_all(&mut self) {
        loop {
            let left = self.processes();
            for (pid, _) in &left {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            for child in self.running.values_mut() {
                let _ = child.wait();
            }
            self.running.clear();
            if left.is_empty() {
                return;
            }
        }
    }

    /// All that has been said so far.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap().join("\n")
    }

    /// Waits until a service says something, or `limit` is over.
    pub fn await_news(&self, limit: Duration) {
        let lines = self.log.lines.lock().unwrap();
        drop(self.log.news.wait_timeout(lines, limit).unwrap());
    }
}

struct Process {
    pid: i32,
    parent: i32,
    name: String,
    environment: Vec<u8>,
}

impl Process {
    /// From its folder in /proc; `None` when it is gone or a zombie.
    fn read(path: &Path) -> Option<Process> {
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let (head, tail) = stat.rsplit_once(") ")?;
        let mut fields = tail.split(' ');
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let name = head.split_once('(')?.1.to_owned();
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        (state != "Z").then_some(Process { pid, parent, name, environment })
    }

    fn has(&self, variable: &[u8]) -> bool {
        self.environment.split(|byte| *byte == 0).any(|one| one == variable)
    }
}
