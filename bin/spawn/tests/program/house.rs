//! A house for one test: accounts, sockets, the running program.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Once};
use std::time::Duration;

use queue::{Draft, Head, Queue};
use sys::{Listener, Packets};

/// Whom accounts belong to: a uid of their own where the tests run as root.
pub fn owner() -> u32 {
    if sys::is_root() { 64_010 } else { sys::uid() }
}

pub struct House {
    folder: tempfile::TempDir,
    spawn: Child,
    pub send: Packets,
}

impl House {
    /// A house in which every account is found and belongs to [`owner`].
    pub fn new() -> House {
        House::with(&[], &[], |house, address| Some(account(house, address, "do=./Maildir/")))
    }

    /// `args`: of the program. `programs`: scripts put in place of others, by name. `answer`: what
    /// `lookup` says about an address; `None`: it hangs up.
    pub fn with(
        args: &[&str],
        programs: &[(&str, &str)],
        answer: impl Fn(&Path, &str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> House {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        mode(&path, 0o755);
        for name in ["bin", "run", "control", "mail", "mail/x.test", "queue", "queue/tmp"] {
            std::fs::create_dir(path.join(name)).unwrap();
            mode(&path.join(name), 0o755);
        }
        std::fs::write(path.join("control/uids"), "fulmar-queue:64002:64002\n").unwrap();
        install(&path, programs);
        lookup(&path, answer);
        let mut command = Command::new(env!("CARGO_BIN_EXE_spawn"));
        command.args(args).env_clear().env("FULMAR_HOME", &path).stderr(Stdio::piped());
        let mut spawn = command.spawn().unwrap();
        // Ready when it says so.
        let log = spawn.stderr.take().unwrap();
        let log = Log::follow(log, &path.join("log"));
        log.wait_for("ready");
        let send = connect(&path);
        House { folder, spawn, send }
    }

    /// Hangs up and comes anew.
    pub fn reconnect(&mut self) {
        self.send = connect(self.folder.path());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the home of an account of [`owner`].
    pub fn home(&self, name: &str) -> PathBuf {
        let home = self.path("mail/x.test").join(name);
        std::fs::create_dir(&home).unwrap();
        mode(&home, 0o700);
        give(&home);
        home
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// Orders without waiting for the answer.
    pub fn order(&self, slot: &str, recipients: &[&str], message: &[u8]) {
        let mut bytes = format!("{slot}\x001795248000000001\0\0sender@x.test").into_bytes();
        for recipient in recipients {
            bytes.push(0);
            bytes.extend_from_slice(recipient.as_bytes());
        }
        let file = self.queue_file(message);
        self.send.send(&bytes, &[file.as_fd()]).unwrap();
    }

    fn queue_file(&self, message: &[u8]) -> OwnedFd {
        let queue = Queue::make(&self.path("queue")).unwrap();
        let mut draft = Draft::new(&queue, 1, Vec::new());
        draft.message(message).unwrap();
        let head = Head { sender: b"secret-envelope@x.test".to_vec(), ..Head::default() };
        draft.envelope(&head).unwrap();
        draft.recipient(b"secret-recipient@x.test").unwrap();
        draft.save().unwrap();
        let file: OwnedFd = queue.stored(1).unwrap().file().try_clone().unwrap().into();
        queue.remove(1).unwrap();
        file
    }

    /// The next answer: its slot and one line per recipient.
    pub fn answer(&self) -> (String, Vec<String>) {
        let packet = self.send.recv().unwrap().expect("spawn hung up").bytes;
        let mut fields = packet.split(|b| *b == 0).map(|field| String::from_utf8(field.to_vec()).unwrap());
        (fields.next().unwrap(), fields.collect())
    }

    /// Orders and waits.
    pub fn deliver(&self, recipients: &[&str], message: &[u8]) -> Vec<String> {
        self.order("1", recipients, message);
        self.answer().1
    }

    /// The messages in `new` of an account.
    pub fn mail(&self, name: &str) -> Vec<Vec<u8>> {
        let Ok(files) = std::fs::read_dir(self.path("mail/x.test").join(name).join("Maildir/new")) else {
            return vec![];
        };
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// Process ids of the workers whose working folder is the home of `name`.
    pub fn workers(&self, name: &str) -> Vec<u32> {
        let home = self.path("mail/x.test").join(name);
        let here = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == home);
        self.children().into_iter().filter(here).collect()
    }

    fn children(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.spawn.id())).unwrap();
        let children = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")));
        children
            .flat_map(|list| {
                list.unwrap_or_default().split_whitespace().map(|p| p.parse().unwrap()).collect::<Vec<u32>>()
            })
            .collect()
    }

    pub fn signal(&self, signal: sys::signals::Signal) {
        sys::signals::send(self.spawn.id(), signal).unwrap();
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.spawn.wait().unwrap().code()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.spawn.kill();
        let _ = self.spawn.wait();
    }
}

struct Log(PathBuf);

impl Log {
    /// Copies what the program logs to a file.
    fn follow(mut from: impl Read + Send + 'static, to: &Path) -> Log {
        let mut file = File::create(to).unwrap();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count) = from.read(&mut piece) {
                if count == 0 {
                    break;
                }
                file.write_all(&piece[..count]).unwrap();
            }
        });
        Log(to.to_owned())
    }

    fn wait_for(&self, word: &str) {
        until(|| {
            let log = std::fs::read_to_string(&self.0).unwrap();
            assert!(!log.contains("fatal"), "{log}");
            log.contains(word)
        });
    }
}

/// Waits until something has become true; fails when that takes too long.
pub fn until(mut check: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An account's entry as `lookup` gives it.
pub fn account(house: &Path, address: &str, instructions: &str) -> Vec<u8> {
    let (local, domain) = address.rsplit_once('@').unwrap();
    let (name, ext) = local.split_once('-').unwrap_or((local, ""));
    let dash = if ext.is_empty() { "" } else { "-" };
    let (uid, home) = (owner(), house.join("mail").join(domain).join(name));
    let home = home.display();
    let fields = format!(
        "K|uid={uid}|gid={uid}|groups=|home={home}|maildir={home}/Maildir|quota=0|user={address}|local={local}|\
         domain={domain}|dash={dash}|ext={ext}|{instructions}"
    );
    fields.replace('|', "\0").into_bytes()
}

pub fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

pub fn give(path: &Path) {
    if sys::is_root() {
        chown(path, Some(owner()), Some(owner())).unwrap();
    }
}

fn connect(house: &Path) -> Packets {
    let send = Packets::connect(&house.join("run/spawn")).unwrap();
    send.set_timeout(Duration::from_secs(30)).unwrap();
    let greeting = send.recv().unwrap().unwrap().bytes;
    assert_eq!(greeting, b"spawn\x0010");
    send
}

/// The programs stand in the house itself, where a mailbox owner can execute them.
fn install(house: &Path, programs: &[(&str, &str)]) {
    for (name, script) in programs {
        std::fs::write(house.join("bin").join(name), script).unwrap();
        mode(&house.join("bin").join(name), 0o755);
    }
    if programs.iter().any(|(name, _)| *name == "local-deliver") {
        return;
    }
    let built = |name| Path::new(env!("CARGO_BIN_EXE_spawn")).with_file_name(name);
    static BUILD: Once = Once::new();
    BUILD.call_once(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "local-deliver", "-p", "dot-qmail"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let done = build.status().is_ok_and(|status| status.success());
        assert!(done || built("dot-qmail").exists(), "can't build local-deliver and dot-qmail");
    });
    for name in ["local-deliver", "dot-qmail"] {
        let own = house.join("bin").join(name);
        std::fs::copy(built(name), &own).unwrap();
        mode(&own, 0o755);
    }
}

/// Answers at `run/lookup-root` in place of `lookup`, or of the one that answered before.
pub fn lookup(house: &Path, answer: impl Fn(&Path, &str) -> Option<Vec<u8>> + Send + Sync + 'static) {
    let listener = Listener::bind(&house.join("run/lookup-root"), 0o600).unwrap();
    let (answer, house) = (Arc::new(answer), house.to_owned());
    std::thread::spawn(move || {
        while let Ok(client) = listener.accept() {
            let (answer, house) = (Arc::clone(&answer), house.clone());
            std::thread::spawn(move || {
                while let Ok(Some(question)) = client.recv() {
                    let question = String::from_utf8(question.bytes).unwrap();
                    let Some(answer) = answer(&house, question.strip_prefix("owner\0").unwrap()) else {
                        return;
                    };
                    if client.send(&answer, &[]).is_err() {
                        return;
                    }
                }
            });
        }
    });
}
