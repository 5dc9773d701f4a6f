//! A message's way from the 250 to the Maildir, forwards and bounces included, and the power failing at any step of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Seek, Write};
use std::process::{Command, Stdio};
use std::rc::Rc;

use queue::Stored;
use tests::{DOMAIN, House, Smtp, program};

use super::cut::{Dice, State, states};
use super::disk::{Act, Disk, Id};
use super::trace::{Recorder, can_record};
use super::{effort, seed, wake};

/// A message that was handed in, and what has to come of it.
struct Deed {
    mark: String,
    /// Whose mailbox it, or the bounce of it, has to reach in the end.
    reaches: &'static [&'static str],
    /// Recipients by whom it may be on its way there.
    by: Vec<String>,
}

/// All that is known of what happened.
pub(crate) struct Story {
    pub(crate) disk: Disk,
    deeds: Vec<Deed>,
    /// For each deed, the act that told of its acceptance.
    accepted: Vec<usize>,
    /// What `fulmar check` says when nothing has happened.
    troubles: Vec<String>,
    /// Every message that was ever whole in the queue.
    known: HashSet<Vec<u8>>,
    /// What the reader of the queue says of a file, by its print.
    read: RefCell<Read>,
}

type Read = HashMap<(Id, u64), Option<Rc<Waiting>>>;

/// A whole message in the queue.
struct Waiting {
    message: Vec<u8>,
    /// Is it one that was ever accepted?
    known: bool,
    /// Recipients, and which are done.
    recipients: Vec<(String, bool)>,
}

fn mark(number: usize) -> String {
    format!("X-Crash: {number};")
}

fn text(number: usize, octets: usize) -> String {
    let body = "All that is here was promised.\n".repeat(octets / 31);
    format!("From: alice@{DOMAIN}\nSubject: crash\n{}\n\n{body}The end {number}.\n", mark(number))
}

/// Octets of the text, local parts of the recipients, and whom it or a bounce of it reaches.
type Plan = (usize, &'static [&'static str], &'static [&'static str]);

const PLANS: [Plan; 5] = [
    (100, &["alice"], &["alice"]),
    (300_000, &["alice", "bob"], &["alice", "bob"]),
    (100, &["nobody"], &["alice"]),
    (5000, &["list"], &["alice", "bob"]),
    (10, &["alice", "nobody", "list", "nobody2"], &["alice", "bob"]),
];

/// Has mail sent while all is recorded.
fn story() -> Option<(House, Story)> {
    if !can_record() {
        return None;
    }
    let mut house = House::start();
    house.well(&[
        "alias",
        "add",
        &format!("list@{DOMAIN}"),
        &format!("alice@{DOMAIN}"),
        &format!("bob@{DOMAIN}"),
    ]);
    let mut disk = Disk::of(&house.path(""));
    let trace = tempfile::NamedTempFile::new().unwrap();
    let pids: Vec<i32> = house.processes().into_iter().map(|(pid, _)| pid).collect();
    let recorder = Recorder::attach(&pids, trace.path());
    let mut told = Vec::new();
    for (number, (octets, to, reaches)) in PLANS.into_iter().enumerate() {
        let by: Vec<String> = to.iter().map(|name| format!("{name}@{DOMAIN}")).collect();
        hand_in(&mut house, &by, &text(number, octets));
        told.push(Deed { mark: mark(number), reaches, by });
    }
    house.flush();
    let troubles = troubles(&house);
    house.services().kill_all();
    disk.replay(recorder.end());
    disk.check();
    Some((house, Story::of(disk, told, troubles)))
}

fn troubles(house: &House) -> Vec<String> {
    let output = house.fulmar(&["check"]);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).lines().map(str::to_owned).collect()
}

/// By SMTP, or if there are recipients that SMTP would not take, as a program of this host.
fn hand_in(house: &mut House, to: &[String], text: &str) {
    let sender = format!("alice@{DOMAIN}");
    if to.iter().any(|to| to.starts_with("nobody")) {
        let mut inject = Command::new(program("inject"));
        inject.args(["-f", &sender]).args(to).env("FULMAR_HOME", house.path(""));
        let mut child = inject.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    } else {
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let reply = Smtp::connect(house.smtp()).send(&sender, &to, text.as_bytes());
        assert!(reply.starts_with("250 "), "{reply}");
    }
}

impl Story {
    fn of(disk: Disk, deeds: Vec<Deed>, troubles: Vec<String>) -> Story {
        let mut story = Story {
            disk,
            deeds,
            accepted: Vec::new(),
            troubles,
            known: HashSet::new(),
            read: RefCell::default(),
        };
        let mut files: BTreeMap<String, usize> = BTreeMap::new();
        let mut accepted = vec![usize::MAX; story.deeds.len()];
        for (at, act) in story.disk.acts.iter().enumerate() {
            if let Act::Rename { to, target, .. } = act {
                files.insert(format!("K{}", to.1), *target);
            }
            let Act::Said(said) = act else { continue };
            let Some(file) = std::str::from_utf8(said).ok().and_then(|said| files.get(said)) else {
                continue;
            };
            for (deed, accepted) in story.deeds.iter().zip(&mut accepted) {
                if holds(story.disk.text(*file), &deed.mark) {
                    *accepted = at.min(*accepted);
                }
            }
        }
        assert!(accepted.iter().all(|at| *at < usize::MAX), "not seen to be accepted: {accepted:?}");
        story.accepted = accepted;
        for file in files.values() {
            if let Some(waiting) = story.read(story.disk.text(*file)) {
                story.known.insert(waiting.message);
            }
        }
        story
    }

    /// What the queue's own reader makes of a file.
    fn waiting(&self, state: &State, id: Id) -> Option<Rc<Waiting>> {
        let mut read = self.read.borrow_mut();
        let waiting =
            read.entry(state.print(id)).or_insert_with(|| self.read(state.text(&self.disk, id)).map(Rc::new));
        waiting.clone()
    }

    fn read(&self, text: &[u8]) -> Option<Waiting> {
        let mut file = tempfile::tempfile_in("/dev/shm").unwrap();
        file.write_all(text).unwrap();
        file.rewind().unwrap();
        let stored = Stored::of(file).ok()?;
        stored.check().ok()?;
        stored.check_message().ok()?;
        let message = stored.message_start(usize::MAX).ok()?;
        let window = stored.recipients(0, 1000).ok()?;
        let shown = |one: queue::Recipient| (String::from_utf8_lossy(&one.address).into_owned(), one.done);
        let recipients = window.recipients.into_iter().map(shown).collect();
        Some(Waiting { known: self.known.contains(&message), message, recipients })
    }

    /// Why this state breaks a promise.
    pub(crate) fn wrong(&self, state: &State) -> Option<String> {
        let mut waiting = BTreeMap::new();
        for (name, id) in state.files(&self.disk, "queue/mess") {
            if let Some(whole) = self.waiting(state, id) {
                if !whole.known {
                    return Some(format!("mess/{name} would be delivered and is not as it was accepted"));
                }
                waiting.insert(name.rsplit('/').next().unwrap_or_default().to_owned(), whole);
            }
        }
        let mut boxes: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
        for user in ["alice", "bob"] {
            for folder in ["new", "cur"] {
                for (name, id) in state.files(&self.disk, &format!("mail/{DOMAIN}/{user}/Maildir/{folder}")) {
                    let text = state.text(&self.disk, id);
                    if text != self.disk.text(id) {
                        return Some(format!("{user} has {folder}/{name}, which is not whole"));
                    }
                    boxes.entry(user).or_default().push(text);
                }
            }
        }
        let notes: Vec<(String, &[u8])> = state
            .files(&self.disk, "queue/bounce")
            .into_iter()
            .map(|(name, id)| (name, state.text(&self.disk, id)))
            .collect();
        let accepted = self.deeds.iter().zip(&self.accepted).filter(|(_, at)| **at < state.after);
        for (deed, _) in accepted {
            for user in deed.reaches {
                let there =
                    boxes.get(user).is_some_and(|texts| texts.iter().any(|text| holds(text, &deed.mark)));
                if !there && !on_its_way(deed, user, &waiting, &notes) {
                    return Some(format!("message {} to {user} is lost", deed.mark));
                }
            }
        }
        None
    }

    /// Starts the real programs on a state; gives how many messages came twice.
    fn really(&self, house: &mut House, state: &State) -> usize {
        wake(house, &self.disk, state);
        house.run();
        house.flush();
        let trouble: Vec<String> =
            troubles(house).into_iter().filter(|line| !self.troubles.contains(line)).collect();
        assert!(trouble.is_empty(), "after {} ({}): fulmar check: {trouble:?}", state.after, state.how);
        let mut twice = 0;
        let accepted = self.deeds.iter().zip(&self.accepted).filter(|(_, at)| **at < state.after);
        let boxes: BTreeMap<&str, Vec<Vec<u8>>> =
            ["alice", "bob"].into_iter().map(|user| (user, house.mail(user))).collect();
        for (deed, _) in accepted {
            for user in deed.reaches {
                let copies = boxes[user].iter().filter(|text| holds(text, &deed.mark)).count();
                assert!(copies > 0, "after {} ({}): {} to {user} is lost", state.after, state.how, deed.mark);
                let once = self.disk_copies(user, &deed.mark);
                twice += copies.saturating_sub(once);
            }
        }
        for text in boxes.values().flatten() {
            assert!(
                is_whole(text),
                "after {} ({}): in part: {}",
                state.after,
                state.how,
                text.escape_ascii()
            );
        }
        twice
    }

    /// How many there are if nothing fails.
    fn disk_copies(&self, user: &str, mark: &str) -> usize {
        let place = format!("mail/{DOMAIN}/{user}/Maildir/");
        let all = State::last(&self.disk);
        ["new", "cur"]
            .iter()
            .flat_map(|folder| all.files(&self.disk, &format!("{place}{folder}")))
            .filter(|(_, id)| holds(self.disk.text(*id), mark))
            .count()
    }
}

/// Every message ends so, and so does every bounce.
fn is_whole(text: &[u8]) -> bool {
    let end = text.trim_ascii_end();
    let line = end.rsplit(|octet| *octet == b'\n').next().unwrap_or_default();
    line.starts_with(b"The end ") && line.ends_with(b".") || line.starts_with(b"--") && line.ends_with(b"--")
}

fn on_its_way(
    deed: &Deed,
    user: &str,
    waiting: &BTreeMap<String, Rc<Waiting>>,
    notes: &[(String, &[u8])],
) -> bool {
    let own = format!("{user}@{DOMAIN}");
    waiting.iter().filter(|(_, one)| holds(&one.message, &deed.mark)).any(|(name, one)| {
        let to_do = |to: &(String, bool)| !to.1 && (to.0 == own || deed.by.contains(&to.0));
        let noted = |(note, text): &(String, &[u8])| {
            note == name
                && text
                    .split(|octet| *octet == b'\n')
                    .any(|line| line.ends_with(b"\0") && line.starts_with(b"nobody"))
        };
        one.recipients.iter().any(to_do) || notes.iter().any(noted)
    })
}

/// Marks stand near the beginning.
fn holds(text: &[u8], mark: &str) -> bool {
    text[..text.len().min(8192)].windows(mark.len()).any(|part| part == mark.as_bytes())
}

#[test]
fn no_accepted_message_is_lost_or_cut_whenever_the_power_fails() {
    // Q01, Q02, L08
    let Some((mut house, story)) = story() else { return };
    let (mut dice, mut chosen, mut wrong) = (Dice(seed()), Vec::new(), Vec::new());
    let want = effort(6, 400);
    let mut number = 0;
    let count = states(&story.disk, seed(), |state| {
        number += 1;
        if let Some(how) = story.wrong(&state) {
            wrong.push(format!("after {} of {} ({}): {how}", state.after, story.disk.acts.len(), state.how));
        }
        // Each one with the same chance.
        match chosen.len() < want {
            true => chosen.push(state),
            false => {
                let at = dice.below(number);
                if at < want {
                    chosen[at] = state;
                }
            }
        }
    });
    assert!(
        wrong.is_empty(),
        "{} of {count} states; the first: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    let twice: usize = chosen.iter().map(|state| story.really(&mut house, state)).sum();
    println!(
        "{} changes, {count} states read, {} started, {twice} messages came twice there",
        story.disk.acts.len(),
        chosen.len()
    );
}
