//! Programs that live for one errand: one call of theirs fails, whichever it is, and they tell the truth about it.

use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tests::{DOMAIN, House, program};

use crate::power_loss::effort;
use crate::power_loss::trace::can_record;

const FAULTS: [(&str, &str); 11] = [
    ("write", "ENOSPC"),
    ("write", "EINTR"),
    ("fsync", "EIO"),
    ("openat", "EMFILE"),
    ("openat", "EIO"),
    ("renameat", "ENOSPC"),
    ("read", "EIO"),
    ("sendmsg", "ENOBUFS"),
    ("recvmsg", "EINTR"),
    ("recvmsg", "ENOMEM"),
    ("connect", "EAGAIN"),
];

/// A call of a program, and how it fails.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: &'static str,
    error: &'static str,
    when: usize,
}

/// Each of the first calls of each kind.
fn faults(most: usize) -> impl Iterator<Item = Fault> {
    FAULTS.into_iter().flat_map(move |(call, error)| (1..=most).map(move |when| Fault { call, error, when }))
}

/// An errand: the program, its words, its home, and what it reads from descriptors 0 and 1.
struct Errand<'a> {
    program: &'a str,
    words: &'a [&'a str],
    home: &'a Path,
    input: &'a str,
    addresses: &'a str,
}

impl Errand<'_> {
    /// Runs it under strace; gives its exit code. Nobody hangs.
    fn harmed(&self, fault: Fault) -> i32 {
        let Fault { call, error, when } = fault;
        let mut command = Command::new("timeout");
        command.args([
            "-k",
            "1",
            "20",
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={call}"),
        ]);
        command.args(["-e", &format!("inject={call}:error={error}:when={when}")]);
        let mut envelope = tempfile::tempfile().unwrap();
        envelope.write_all(self.addresses.as_bytes()).unwrap();
        envelope.rewind().unwrap();
        command.arg(program(self.program)).args(self.words).env("FULMAR_HOME", self.home);
        let mut child = command.stdin(Stdio::piped()).stdout(envelope).stderr(Stdio::null()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        let code = child.wait().unwrap().code().unwrap();
        assert!(!matches!(code, 124 | 137), "{} {fault:?}: hangs", self.program);
        code
    }
}

fn text(number: usize) -> String {
    format!("From: bob@{DOMAIN}\nSubject: errand\nX-Errand: {number};\n\nThe end.\n")
}

#[test]
fn who_hands_in_a_message_knows_whether_it_was_taken_whatever_call_fails() {
    // Q03
    if !can_record() {
        return;
    }
    let mut house = House::start();
    let (home, to) = (house.path(""), format!("alice@{DOMAIN}"));
    let envelope = format!("Fbob@{DOMAIN}\0T{to}\0\0");
    let (mut number, mut taken, mut refused) = (0, Vec::new(), 0);
    for (program, words) in [("enqueue", &[][..]), ("inject", &[to.as_str()])] {
        for fault in faults(effort(3, 40)) {
            number += 1;
            let input = &text(number);
            match (Errand { program, words, home: &home, input, addresses: &envelope }).harmed(fault) {
                0 => taken.push(number),
                // For good: 100 of all, 11 and 31 of qmail-queue. The loader's own trouble ends with 127.
                code => {
                    assert!(!matches!(code, 100 | 11 | 31), "{program} {fault:?}: {code}");
                    refused += 1;
                }
            }
        }
    }
    house.flush();
    let mail = house.mail("alice");
    for text in &mail {
        assert!(text.ends_with(b"The end.\n"), "{}", text.escape_ascii());
    }
    let copies = |number: &usize| {
        let mark = format!("X-Errand: {number};");
        mail.iter().filter(|text| String::from_utf8_lossy(text).contains(&mark)).count()
    };
    let lost: Vec<_> = taken.iter().filter(|number| copies(number) != 1).collect();
    assert!(lost.is_empty() && refused > 5, "{lost:?}, {refused} refused");
    println!("{} taken, {refused} refused, {} delivered", taken.len(), mail.len());
}

#[test]
fn a_table_is_the_old_or_the_new_one_whatever_call_fails() {
    // A20
    if !can_record() {
        return;
    }
    let mut house = House::start();
    house.services().kill_all();
    let (home, mut refused) = (house.path(""), 0);
    let rules = |word: &str| house.write("etc/tcp.smtp", &format!("127.:allow,WORLD=\"{word}\"\n:deny\n"));
    let table = || std::fs::read(house.path("etc/tcp.smtp.cdb")).unwrap();
    rules("old");
    house.well(&["cdb"]);
    let old = table();
    rules("new");
    house.well(&["cdb"]);
    let new = table();
    let errand = Errand { program: "fulmar", words: &["cdb"], home: &home, input: "", addresses: "" };
    for fault in faults(effort(4, 60)) {
        std::fs::write(house.path("etc/tcp.smtp.cdb"), &old).unwrap();
        let code = errand.harmed(fault);
        let now = table();
        assert!(now == old || now == new, "{fault:?}");
        assert!(code != 0 || now == new, "{fault:?}: silent");
        refused += usize::from(code != 0);
    }
    assert!(refused > 3, "{refused}");
    house.well(&["cdb"]);
    let left =
        tests::files(&house.path("etc")).into_iter().filter(|path| path.to_string_lossy().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
}
