//! Deliveries that run programs: `dot-qmail`, started as the owner for this one delivery.
//!
//! The owner's programs see qmail-local's world: no confinement, a clean environment, the message on
//! descriptor 0. All that they may cost is bounded: the time of the whole process group, and what of
//! their words is kept.

use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::Home;
use orders::{Order, TEXT_MAX};
use owner::Owner;
use sys::Env;
use sys::process::{Child, Exit, sibling};
use sys::wait::{self, Interest};
use wire::{Code, Fate, Text};

use crate::as_owner;

/// What whoever hands mail in is told by (RFC 8689): forwards may leave by TLS only.
const REQUIRETLS: &str = "REQUIRETLS";
/// What a delivery without a .qmail file does when its account names nothing else.
const USUAL: &str = "./Maildir/";

/// An end that somebody else has been told: nobody knows what was done.
const LOST: Exit = Exit::Code(-1);
/// Between looks for an end that has come and is not told: somebody traces the program.
const WITHHELD: Duration = Duration::from_millis(100);

/// Has `dot-qmail` deliver `message`; at most `patience`.
pub(crate) fn deliver(
    house: &Home,
    order: &Order,
    owner: &Owner,
    message: OwnedFd,
    patience: Duration,
) -> Fate {
    let started = start(house, order, owner, message);
    let (mut child, report) = match started {
        Ok(started) => started,
        Err(error) => {
            sys::log!("spawn: warning: can't start dot-qmail uid={}: {error}", owner.identity.uid);
            return Fate::later(3, 0, "unable to start dot-qmail");
        }
    };
    let mut words = Words(Vec::new());
    match listen(&mut child, report, &mut words, sys::monotonic() + patience) {
        Some(exit) => fate(exit, &words.0),
        None => {
            // Its owner can keep its end from us (ptrace(2)): whoever looks after the dead buries it.
            let _ = child.kill_group();
            let _ = child.kill();
            Fate::later(3, 0, format!("programs took longer than {} seconds", patience.as_secs()))
        }
    }
}

fn start(
    house: &Home,
    order: &Order,
    owner: &Owner,
    message: OwnedFd,
) -> std::io::Result<(Child, PipeReader)> {
    let (report, end) = std::io::pipe()?;
    let default: String = owner
        .instructions
        .iter()
        .filter(|line| *line != ".qmail")
        .fold(String::new(), |all, line| if all.is_empty() { line.clone() } else { all + "\n" + line });
    let default = if default.is_empty() { USUAL.to_owned() } else { default };
    let start = as_owner::start(program(house), &owner.identity)
        .env_only(&environment(house, order, owner))
        .chdir(Path::new("/"));
    let start = start.arg("--").arg(&owner.user).arg(&owner.home).arg(&owner.local).arg(&owner.dash);
    let start = start.arg(&owner.ext).arg(&owner.domain).arg(os(&order.sender)).arg(default);
    let start = start.fd(0, message).fd(1, end.try_clone()?).fd(2, end).group();
    Ok((start.spawn()?, report))
}

fn os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

fn program(house: &Home) -> PathBuf {
    let ours = house.program("dot-qmail");
    if ours.exists() { ours } else { sibling("dot-qmail").into() }
}

/// What can't be read is told when the message is.
fn requires_tls(order: &Order) -> bool {
    let head = queue::Stored::of(&order.file).and_then(|stored| stored.head());
    head.is_ok_and(|head| head.requiretls)
}

fn environment(house: &Home, order: &Order, owner: &Owner) -> Env {
    let mut env = Env::new();
    let bin = house.program("");
    let mut path = bin.as_os_str().as_encoded_bytes().to_vec();
    path.extend_from_slice(b":/usr/local/bin:/usr/bin:/bin");
    env.set("PATH", path);
    env.set("FULMAR_HOME", house.path().as_os_str().as_encoded_bytes());
    env.set("DELIVERY_QUOTA", owner.quota.to_string());
    env.set("DELIVERY_ID", &order.id);
    if requires_tls(order) {
        env.set(REQUIRETLS, "1");
    }
    if !owner.instructions.iter().any(|line| line == ".qmail") {
        env.set("DELIVERY_PLAIN", "1");
    }
    env
}

/// The first words of a report; a program may say as much as it likes.
struct Words(Vec<u8>);

impl Words {
    /// False when there will be no more.
    fn read(&mut self, report: &mut PipeReader) -> bool {
        let mut piece = [0; 16 * 1024];
        match report.read(&mut piece) {
            Ok(0) => false,
            Ok(count) => {
                let room = TEXT_MAX.saturating_sub(self.0.len()).min(count);
                self.0.extend_from_slice(&piece[..room]);
                true
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }
}

/// Hears the report out and waits for the end; `None`: it does not come before `until`. What a program
/// left running does not keep us, even if it holds the report's other end.
fn listen(child: &mut Child, mut report: PipeReader, words: &mut Words, until: Duration) -> Option<Exit> {
    let end = child.watch().ok()?;
    let mut open = true;
    loop {
        let left = until.checked_sub(sys::monotonic())?;
        let both = [(end.as_fd(), Interest::Read), (report.as_fd(), Interest::Read)];
        let ready = wait::poll(&both[..1 + usize::from(open)], Some(left)).unwrap_or_default();
        let [ended, said] = [0, 1].map(|at| ready.get(at).is_some_and(|ready| ready.read));
        // The words of a program that has ended are heard to their end, unless nothing more is kept.
        if said && !(ended && words.0.len() >= TEXT_MAX) {
            open = words.read(&mut report);
        } else if ended {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(WITHHELD.min(left)),
                Ok(exit) => return exit,
                // Its number may be another's by now: nothing is to be ended by it.
                Err(_) => return Some(LOST),
            }
        }
    }
}

/// By the exit code; the report's words, line ends as `/`.
fn fate(exit: Exit, words: &[u8]) -> Fate {
    let text = String::from_utf8_lossy(words).trim_end().replace('\n', "/");
    let or = |other: &str| if text.is_empty() { other.to_owned() } else { text.clone() };
    match exit {
        Exit::Code(0) => Fate::done(text + "/"),
        Exit::Code(100) => told(Fate::Never, 5, or("a program refuses this message")),
        Exit::Code(111) => told(Fate::Later, 4, or("a program can't take this message now")),
        Exit::Code(code) => Fate::later(3, 0, or(&format!("dot-qmail ended with {code}"))),
        Exit::Signal(signal) => Fate::later(3, 0, format!("dot-qmail was ended by signal {signal}")),
    }
}

/// With the status code that the words begin with, if it is of the right class.
fn told(kind: fn(Text) -> Fate, class: u8, words: String) -> Fate {
    match Code::split(&words) {
        (code, rest) if code.0 == class => kind(Text::new(code, rest.to_owned())),
        _ => kind(Text::new(Code(class, 3, 0), words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_decides_and_the_words_explain() {
        let text = |exit, words: &str| String::from_utf8(fate(exit, words.as_bytes()).to_bytes()).unwrap();
        assert_eq!(text(Exit::Code(0), "hello\ndid 0+0+1\n"), "Khello/did 0+0+1/");
        assert_eq!(text(Exit::Code(100), "5.7.1 no\nno\n"), "D5.7.1 no/no");
        assert_eq!(text(Exit::Code(100), "I don't like you\n"), "D5.3.0 I don't like you");
        assert_eq!(text(Exit::Code(100), ""), "D5.3.0 a program refuses this message");
        assert_eq!(text(Exit::Code(111), "5.0.0 x"), "Z4.3.0 5.0.0 x");
        assert_eq!(text(Exit::Code(1), ""), "Z4.3.0 dot-qmail ended with 1");
        assert_eq!(text(Exit::Signal(9), "x"), "Z4.3.0 dot-qmail was ended by signal 9");
    }
}
