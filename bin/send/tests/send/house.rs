//! A home with a queue, the program, and its fake neighbours.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use queue::{Bell, Draft, Head, Queue, Wish};
use sys::signals::Signal;
use sys::{Listener, Packets};

/// Whom the program runs as when the tests are root.
pub(crate) const UID: u32 = 65_111;
const PATIENCE: Duration = Duration::from_secs(40);
pub(crate) const DAY: u64 = 86_400;

pub(crate) struct House {
    pub(crate) home: tempfile::TempDir,
    pub(crate) queue: Queue,
    pub(crate) send: Option<Child>,
    pub(crate) orders: Receiver<Order>,
    pub(crate) told: Sender<Order>,
    pub(crate) next: u64,
}

#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) route: String,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) text: Vec<u8>,
}

impl House {
    /// With control files `files`; `bounce` is a copy of that program.
    pub(crate) fn new(files: &[(&str, &str)], bounce: &str) -> House {
        let home = tempfile::tempdir().unwrap();
        for folder in ["bin", "run", "control"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        let queue = Queue::make(&home.path().join("queue")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_send"), home.path().join("bin/send")).unwrap();
        fs::copy(bounce, home.path().join("bin/bounce")).unwrap();
        fs::write(home.path().join("control/me"), "mx.test\n").unwrap();
        fs::write(home.path().join("control/locals"), "local.test\n").unwrap();
        files
            .iter()
            .for_each(|(name, text)| fs::write(home.path().join("control").join(name), text).unwrap());
        let (told, orders) = channel();
        let house = House { home, queue, send: None, orders, told, next: sys::unix_micros() };
        give(house.home.path());
        house
    }

    pub(crate) fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = Command::new(self.path("bin/send"));
        command.env("FULMAR_HOME", self.home.path()).stderr(log);
        if sys::is_root() {
            command.uid(UID).gid(UID);
        }
        let before = self.log().matches("status: local").count();
        self.send = Some(command.spawn().unwrap());
        self.until("it to start", || self.log().matches("status: local").count() > before);
    }

    pub(crate) fn spawn(&self) -> Neighbour {
        carrier(self.path("run/spawn"), "spawn", self.told.clone())
    }

    /// A house with everything running.
    pub(crate) fn running() -> (House, Neighbour) {
        let mut house = House::new(&[], "/bin/true");
        let spawn = house.spawn();
        house.start();
        (house, spawn)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A message in the queue, as `queued` leaves it, that arrived `age` seconds ago.
    pub(crate) fn put(&mut self, age: u64, sender: &str, recipients: &[&str]) -> u64 {
        self.next += 1;
        let id = self.next;
        let mut draft = Draft::new(&self.queue, id, Vec::new());
        draft.message(b"Subject: x\n\nhello\n").unwrap();
        let arrival = sys::unix_micros() - age * 1_000_000;
        let head =
            Head { arrival, uid: 7, pid: 8, token: Vec::new(), requiretls: false, sender: sender.into() };
        draft.envelope(&head).unwrap();
        recipients.iter().for_each(|recipient| draft.recipient(recipient.as_bytes()).unwrap());
        draft.save().unwrap();
        let path = self.file(id);
        give(&path);
        if age > 0 {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(sys::now() - Duration::from_secs(age)).unwrap();
        }
        id
    }

    /// As [`House::put`], and the trigger is rung.
    pub(crate) fn post(&mut self, sender: &str, recipients: &[&str]) -> u64 {
        let id = self.put(0, sender, recipients);
        Bell::new(&self.queue).ring(&self.queue, id);
        id
    }

    /// As `fulmar queue` does.
    pub(crate) fn wish(&self, id: u64, wish: &Wish) {
        self.queue.wish(id, wish).unwrap();
        Bell::new(&self.queue).ring_for_wishes();
        if self.send.is_some() {
            self.until("the wish", || !self.queue.is_wished(id, wish));
        }
    }

    pub(crate) fn file(&self, id: u64) -> PathBuf {
        self.path(&format!("queue/mess/{}/{id}", id % queue::SPLIT))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn until(&self, what: &str, mut met: impl FnMut() -> bool) {
        let start = Instant::now();
        while !met() {
            assert!(start.elapsed() < PATIENCE, "waiting for {what}; log:\n{}", self.log());
            thread::sleep(Duration::from_millis(3));
        }
    }

    pub(crate) fn until_logged(&self, text: &str) {
        self.until(text, || self.log().contains(text));
    }

    pub(crate) fn until_gone(&self, id: u64) {
        self.until_logged(&format!("end msg {id}"));
        assert!(!self.file(id).exists());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        sys::signals::send(self.send.as_ref().unwrap().id(), signal).unwrap();
    }

    pub(crate) fn done(&self, id: u64) -> Vec<bool> {
        let window = self.queue.stored(id).unwrap().recipients(0, 100).unwrap();
        window.recipients.iter().map(|recipient| recipient.done).collect()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut send) = self.send.take() {
            send.kill().unwrap();
            send.wait().unwrap();
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Gives a file or a whole folder to whom the program runs as.
pub(crate) fn give(path: &Path) {
    if sys::is_root() {
        let owner = format!("{UID}:{UID}");
        let given = Command::new("chown").args(["-R", &owner]).arg(path).status().unwrap();
        assert!(given.success());
    }
}

/// A fake program on a socket, until it is dropped.
pub(crate) struct Neighbour {
    path: PathBuf,
    stop: Sender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = self.stop.send(());
        let _ = self.thread.take().unwrap().join();
    }
}

/// Serves `path` with `answer`, one client after the other.
fn neighbour(
    path: PathBuf,
    hello: Vec<u8>,
    mut answer: impl FnMut(&Packets, sys::Packet) -> bool + Send + 'static,
) -> Neighbour {
    let listener = Listener::bind(&path, 0o666).unwrap();
    let (stop, stopped) = channel();
    let thread = thread::spawn(move || {
        use std::os::fd::AsFd;
        use sys::wait::{Interest, poll};
        let mut client: Option<Packets> = None;
        while stopped.try_recv().is_err() {
            let mut fds = vec![(listener.as_fd(), Interest::Read)];
            fds.extend(client.as_ref().map(|client| (client.as_fd(), Interest::Read)));
            let ready = poll(&fds, Some(Duration::from_millis(10))).unwrap();
            let talks = ready.get(1).is_some_and(|ready| ready.read);
            if ready[0].read {
                let new = listener.accept().unwrap();
                if hello.is_empty() || new.send(&hello, &[]).is_ok() {
                    client = Some(new);
                }
            } else if talks {
                let packet = client.as_ref().unwrap().recv().unwrap();
                if !packet.is_some_and(|packet| answer(client.as_ref().unwrap(), packet)) {
                    client = None;
                }
            }
        }
    });
    Neighbour { path, stop, thread: Some(thread) }
}

/// A `spawn` or `remote`: recipients beginning with `k` are delivered to, `d` fail, `z` are deferred,
/// `mad` get nonsense, `slow` no answer at all, `die` end it.
pub(crate) fn carrier(path: PathBuf, name: &'static str, told: Sender<Order>) -> Neighbour {
    neighbour(path, format!("{name}\x0010").into_bytes(), move |client, packet| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let fields = wire::fields(&packet.bytes);
        let recipients: Vec<String> = fields[4..].iter().map(|field| text(field)).collect();
        let mut answer = fields[0].to_vec();
        for recipient in &recipients {
            answer.extend_from_slice(match recipient.as_bytes()[0] {
                b'k' => b"\0Kdid 1+0+0",
                b'd' if recipient.starts_with("die") => return false,
                b'd' => b"\0D5.1.1 No such user",
                b'm' => b"\0what?",
                _ => b"\0Z4.2.1 Not now",
            });
        }
        let file = fs::File::from(packet.fds.into_iter().next().unwrap());
        let copy = queue::Stored::whole(&file).and_then(|stored| stored.copy_message(Path::new("/tmp")));
        if copy.is_err() {
            answer = [fields[0], b"\0Z4.3.0 can't read it"].concat();
        }
        let message = copy.map(|fd| sys::memory::read_all(fd, 1 << 20).unwrap()).unwrap_or_default();
        let slow = recipients[0].starts_with("slow");
        let _ =
            told.send(Order { route: text(fields[2]), sender: text(fields[3]), recipients, text: message });
        slow || client.send(&answer, &[]).is_ok()
    })
}

pub(crate) fn lookup(house: &House) -> Neighbour {
    neighbour(house.path("run/lookup"), Vec::new(), |client, packet| {
        client.send(verdict(&packet.bytes), &[]).is_ok()
    })
}

/// A `lookup` that says nothing before it has heard so many questions.
pub(crate) fn deliberate_lookup(house: &House, questions: usize) -> Neighbour {
    let mut heard = Vec::new();
    neighbour(house.path("run/lookup"), Vec::new(), move |client, packet| {
        heard.push(packet.bytes);
        heard.len() < questions
            || heard.drain(..).all(|question| client.send(verdict(&question), &[]).is_ok())
    })
}

fn verdict(question: &[u8]) -> &'static [u8] {
    match question {
        b"domain\0ours.test" => b"K name=ours.test",
        _ => b"D5.1.2 no such domain",
    }
}
