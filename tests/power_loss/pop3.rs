//! POP3 removes messages, and the power failing at any step: what was not marked stays, and what QUIT has said to be
//! removed does not come back.

use tests::{DOMAIN, House, PASSWORD, Pop3, message};

use super::cut::{State, states};
use super::disk::{Act, Disk};
use super::seed;
use super::trace::{Recorder, can_record};

/// The subjects in alice's Maildir.
fn subjects(disk: &Disk, state: &State) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["new", "cur"] {
        for (_, id) in state.files(disk, &format!("mail/{DOMAIN}/alice/Maildir/{folder}")) {
            let text = state.text(disk, id);
            assert!(text == disk.text(id), "in part, after {} ({})", state.after, state.how);
            let text = String::from_utf8_lossy(text);
            found.extend(text.lines().find_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned));
        }
    }
    found
}

/// The act that tells of the session's good end: the answer after the last removal.
fn told(disk: &Disk) -> usize {
    let removed = |act: &Act| matches!(act, Act::Name { name, target: None, .. } if name.contains(",S="));
    let last = disk.acts.iter().rposition(removed).expect("a removal");
    let answer = |act: &Act| matches!(act, Act::Said(said) if said.starts_with(b"+OK"));
    last + 1 + disk.acts[last..].iter().position(answer).expect("an answer")
}

#[test]
fn what_pop3_has_removed_is_gone_and_nothing_else_whenever_the_power_fails() {
    // P05
    if !can_record() {
        return;
    }
    let mut house = House::start();
    let alice = format!("alice@{DOMAIN}");
    for number in 0..4 {
        house.send(&format!("bob@{DOMAIN}"), &alice, &message(&format!("number {number}")));
        house.await_mail("alice", number + 1);
    }
    house.await_empty_queue();
    let mut disk = Disk::of(&house.path(""));
    let trace = tempfile::NamedTempFile::new().unwrap();
    let pids: Vec<i32> = house.processes().into_iter().map(|(pid, _)| pid).collect();
    let recorder = Recorder::attach(&pids, trace.path());
    let mut pop3 = Pop3::login(house.pop3(), &alice, PASSWORD);
    for words in ["STAT", "DELE 1", "DELE 3", "QUIT"] {
        pop3.good(words);
    }
    house.services().kill_all();
    disk.replay(recorder.end());
    disk.check();
    let (end, mut gone) = (told(&disk), 0);
    let count = states(&disk, seed(), |state| {
        let there = subjects(&disk, &state);
        let stays = ["number 1", "number 3"].iter().all(|subject| there.contains(&(*subject).to_owned()));
        assert!(stays, "after {} ({}): {there:?}", state.after, state.how);
        if state.after >= end {
            assert_eq!(there.len(), 2, "after {} ({}): {there:?}", state.after, state.how);
            gone += 1;
        }
    });
    assert!(gone > 0);
    println!("{} changes, {count} states read, {gone} of them after the answer", disk.acts.len());
}
