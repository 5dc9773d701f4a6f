//! System calls fail, one at a time, in every program of a running house: strace does the harm. Whoever is refused is told
//! "later"; what was promised holds; and the next try goes well, without hands.
//!
//! Everyday's tests take some rows of the table; with `FULMAR_HEAVY=1` all of them are taken, and
//! `FULMAR_FAULTS=send:fsync` takes those that contain the word.

#[path = "failing_calls/deeds.rs"]
mod deeds;
#[path = "failing_calls/full_disk.rs"]
mod full_disk;
#[path = "failing_calls/short_programs.rs"]
mod short_programs;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tests::{House, PATIENCE};

use crate::power_loss::cut::Dice;
use crate::power_loss::trace::{Recorder, can_record};
use crate::power_loss::{effort, seed};
use deeds::Promises;

/// Programs, and those that they start, which are harmed as well.
const PROGRAMS: [(&str, &[&str]); 12] = [
    ("queued", &[]),
    ("send", &["bounce"]),
    ("spawn", &["local-deliver"]),
    ("local-deliver", &[]),
    ("lookup", &[]),
    ("smtpd", &[]),
    ("login", &[]),
    ("imapd", &["login"]),
    ("pop3d", &["login"]),
    ("tcpserver", &["smtpd", "imapd", "pop3d"]),
    ("tlsd", &[]),
    ("remote", &[]),
];

/// Calls, and how they fail.
const FAULTS: [(&str, &[&str]); 19] = [
    ("write", &["ENOSPC", "EDQUOT", "EIO", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EIO", "EINTR"]),
    ("writev", &["ENOSPC", "EIO"]),
    ("fsync", &["EIO", "ENOSPC", "EDQUOT"]),
    ("openat", &["EMFILE", "ENFILE", "EIO", "ENOSPC", "EINTR", "ENOMEM"]),
    ("renameat", &["ENOSPC", "EDQUOT", "EIO"]),
    ("renameat2", &["ENOSPC", "EDQUOT", "EIO"]),
    ("linkat", &["ENOSPC", "EDQUOT", "EIO"]),
    ("unlinkat", &["EIO", "EROFS"]),
    ("mkdirat", &["ENOSPC", "EDQUOT"]),
    ("read", &["EIO", "EINTR", "ENOMEM"]),
    ("pread64", &["EIO", "EINTR"]),
    ("getdents64", &["EIO", "ENOMEM"]),
    ("recvmsg", &["EINTR", "ENOMEM", "ENOBUFS"]),
    ("sendmsg", &["EINTR", "ENOBUFS", "EPIPE"]),
    ("accept4", &["EMFILE", "ENFILE", "EINTR", "ECONNABORTED", "ENOMEM"]),
    ("clone", &["EAGAIN", "ENOMEM"]),
    ("clone3", &["EAGAIN", "ENOMEM"]),
    ("socket", &["EMFILE", "ENFILE", "ENOBUFS"]),
];

struct Row {
    program: &'static str,
    call: &'static str,
    error: &'static str,
    when: usize,
}

impl Row {
    fn shown(&self) -> String {
        format!("{}:{}:{}:{}", self.program, self.call, self.error, self.when)
    }
}

/// All rows in which a call fails that is made at all.
fn table(made: &BTreeSet<(String, String)>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (program, children) in PROGRAMS {
        for (call, errors) in FAULTS {
            let makes = |program: &&str| made.contains(&((*program).to_owned(), call.to_owned()));
            if !children.iter().chain([&program]).any(makes) {
                continue;
            }
            for error in errors {
                rows.extend([1, 2, 4].map(|when| Row { program, call, error, when }));
            }
        }
    }
    rows
}

/// All rows, or some of each program.
fn chosen(made: &BTreeSet<(String, String)>) -> Vec<Row> {
    let mut rows = table(made);
    if let Ok(words) = std::env::var("FULMAR_FAULTS") {
        rows.retain(|row| row.shown().contains(&words));
        return rows;
    }
    let (mut dice, each) = (Dice(seed()), effort(2, usize::MAX));
    let mut taken = Vec::new();
    for (program, _) in PROGRAMS {
        let (mine, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.program == program);
        rows = others;
        let mut mine: Vec<(usize, Row)> = mine.into_iter().map(|row| (dice.below(1 << 20), row)).collect();
        mine.sort_by_key(|(lot, row)| if each == usize::MAX { 0 } else { *lot + row.when });
        taken.extend(mine.into_iter().take(each).map(|(_, row)| row));
    }
    taken
}

#[test]
fn a_call_that_fails_anywhere_delays_and_loses_nothing() {
    // Q03, Q04, L05, L11
    if !can_record() {
        return;
    }
    let mut house = House::start();
    let mut promises = Promises::settle(&house);
    let trace = tempfile::NamedTempFile::new().unwrap();
    let pids: Vec<i32> = house.processes().into_iter().map(|(pid, _)| pid).collect();
    let recorder = Recorder::list(&pids, trace.path());
    assert_eq!(promises.try_all(&house), Vec::<String>::new());
    house.flush();
    let (rows, mut harmed) = (chosen(&recorder.listed()), 0);
    for row in &rows {
        let pids: Vec<i32> = house
            .processes()
            .into_iter()
            .filter(|(_, name)| name == row.program)
            .map(|(pid, _)| pid)
            .collect();
        let begun = Instant::now();
        let harm = Recorder::harm(&pids, row.call, &format!("error={}:when={}", row.error, row.when));
        let refused = promises.try_all(&house);
        harmed += usize::from(!refused.is_empty());
        harm.end();
        let before = begun.elapsed();
        recovers(&mut house, &mut promises, &row.shown());
        println!("{} {refused:?} in {before:.1?} and {:.1?}", row.shown(), begun.elapsed() - before);
    }
    let begun = Instant::now();
    let all = promises.check(&mut house);
    println!("checked in {:.1?}", begun.elapsed());
    println!("{} faults, {harmed} of them seen by a client; {all}", rows.len());
}

/// The supervisor starts what has ended; then everything works again at once.
fn recovers(house: &mut House, promises: &mut Promises, row: &str) {
    house.run();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let refused = promises.try_all(house);
        if refused.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{row}: does not recover: {refused:?}");
        house.services().await_news(Duration::from_millis(200));
        house.services().start_all();
    }
}

/// What a start needs.
const AT_START: [(&str, &str); 10] = [
    ("openat", "EMFILE"),
    ("openat", "ENFILE"),
    ("openat", "EIO"),
    ("socket", "ENFILE"),
    ("bind", "EADDRINUSE"),
    ("read", "EIO"),
    ("write", "ENOSPC"),
    ("clone", "EAGAIN"),
    ("mmap", "ENOMEM"),
    ("fchmodat", "EIO"),
];

#[test]
fn services_that_could_not_start_start_at_the_next_try() {
    // Q03
    if !can_record() {
        return;
    }
    let mut house = House::start();
    let mut promises = Promises::settle(&house);
    assert_eq!(promises.try_all(&house), Vec::<String>::new());
    let mut dice = Dice(seed());
    for _ in 0..effort(2, 150) {
        let (call, error) = AT_START[dice.below(AT_START.len())];
        // The shell's own calls are among them.
        let row = format!("{call}:error={error}:when={}", 1 + dice.below(60));
        house.services().kill_all();
        // Not in what it starts: there each would have its own such call, for as long as the service lives.
        let strace = format!("strace -qq -o /dev/null -e trace={call} -e inject={row}");
        house.services().before_each(&format!("exec {strace} \"$0\""));
        house.services().start_all();
        house.services().await_news(Duration::from_millis(500));
        let refused = promises.try_all(&house).len();
        house.services().before_each(":");
        let begun = Instant::now();
        recovers(&mut house, &mut promises, &row);
        println!("{row}: {refused} refused, up again in {:.1?}", begun.elapsed());
    }
    println!("{}", promises.check(&mut house));
}
