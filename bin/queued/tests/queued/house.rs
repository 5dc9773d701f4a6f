//! A home with the program running in it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use queue::Queue;
use sys::Packets;

pub(crate) struct House {
    pub(crate) home: tempfile::TempDir,
    pub(crate) queued: Child,
}

impl House {
    pub(crate) fn new() -> House {
        House::in_folder(tempfile::tempdir().unwrap(), "exec \"$0\"")
    }

    /// `script`: how the shell is to start the program, `$0`.
    pub(crate) fn in_folder(home: tempfile::TempDir, script: &str) -> House {
        for folder in ["run", "control"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        // Also as root the tests keep their own user, whose files they look at.
        let queued = start(&home, script);
        let house = House { home, queued };
        house.wait();
        house
    }

    pub(crate) fn wait(&self) {
        let start = Instant::now();
        while self.try_connect().is_none() {
            assert!(start.elapsed() < Duration::from_secs(30), "queued does not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn try_connect(&self) -> Option<Packets> {
        let packets = Packets::connect(&self.home.path().join("run/queue")).ok()?;
        packets.set_timeout(Duration::from_secs(30)).unwrap();
        Some(packets)
    }

    pub(crate) fn connect(&self) -> Packets {
        self.try_connect().unwrap()
    }

    /// Kills it, and what it was started by.
    pub(crate) fn kill(&mut self) {
        let group = format!("-{}", self.queued.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
        self.queued.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.queued = start(&self.home, "exec \"$0\"");
        self.wait();
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue::open(&self.path("queue")).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn unfinished(&self) -> usize {
        fs::read_dir(self.path("queue/tmp")).unwrap().count()
    }

    pub(crate) fn text(&self, id: u64) -> Vec<u8> {
        let stored = self.queue().stored(id).unwrap();
        stored.check_message().unwrap();
        stored.check().unwrap();
        stored.message_start(usize::MAX).unwrap()
    }

    pub(crate) fn recipients(&self, id: u64) -> Vec<Vec<u8>> {
        let window = self.queue().stored(id).unwrap().recipients(0, 1000).unwrap();
        window.recipients.into_iter().map(|recipient| recipient.address).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn start(home: &tempfile::TempDir, script: &str) -> Child {
    let own = nobody_else();
    fs::write(home.path().join("control/uids"), format!("fulmar-queue:{own}\n")).unwrap();
    if own != "0:0" {
        let (uid, gid) = own.split_once(':').unwrap();
        let (uid, gid) = (uid.parse().ok(), gid.parse().ok());
        for path in [home.path().to_owned(), home.path().join("run"), home.path().join("control")] {
            std::os::unix::fs::chown(path, uid, gid).unwrap();
        }
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_queued")]);
    command.env("FULMAR_HOME", home.path()).stderr(Stdio::null()).process_group(0);
    command.spawn().unwrap()
}

/// uid:gid that the program runs as: started by root it needs one that is not root.
fn nobody_else() -> String {
    if sys::is_root() { "65111:65111".to_owned() } else { format!("{0}:{0}", sys::uid()) }
}

pub(crate) fn send(packets: &Packets, parts: &[&[u8]]) -> String {
    for part in parts {
        packets.send(part, &[]).unwrap();
    }
    let answer = packets.ask(b".").unwrap();
    String::from_utf8(answer.bytes).unwrap()
}

pub(crate) fn id(answer: &str) -> u64 {
    answer.strip_prefix('K').unwrap_or_else(|| panic!("{answer}")).trim().parse().unwrap()
}
