//! Orders that cannot be carried out now: each is deferred, and takes no other with it.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::time::Duration;

use sys::signals::{Signal, send};
use sys::{Listener, Packets};

use crate::house::{House, account, lookup, until};

const MESSAGE: &[u8] = b"Subject: hello\n\nHello.\n";

/// A house in which `slow` forwards to a queue that the test plays.
fn with_a_slow_account(args: &[&str]) -> (House, Listener) {
    let house = House::with(args, &[], |house, address| {
        let slow = address.starts_with("slow");
        Some(account(house, address, if slow { "do=&bob@x.test" } else { "do=./Maildir/" }))
    });
    house.home("slow");
    house.home("alice");
    let queue = Listener::bind(&house.path("run/queue"), 0o666).unwrap();
    (house, queue)
}

fn read_submission(queue: &Packets) {
    while queue.recv().unwrap().unwrap().bytes != b"." {}
}

#[test]
fn what_lookup_does_not_know_for_certain_is_tried_again() {
    let house = House::with(&[], &[], |house, address| match address.split('@').next().unwrap() {
        "gone" => None,
        "later" => Some(b"Z4.3.0 slow".to_vec()),
        "odd" => Some(b"\0\0".to_vec()),
        "root" => {
            let text = String::from_utf8(account(house, address, "do=./Maildir/")).unwrap();
            let at = text.find("uid=").unwrap();
            let rest = &text[at..][text[at..].find('\0').unwrap()..];
            Some(format!("{}uid=0{rest}", &text[..at]).into_bytes())
        }
        _ => Some(b"D5.1.1 no such user".to_vec()),
    });
    let fates = house.deliver(
        &["gone@x.test", "later@x.test", "odd@x.test", "root@x.test", "nobody@x.test", "gone@x.test"],
        MESSAGE,
    );
    let letters: String = fates.iter().map(|fate| &fate[..1]).collect();
    assert_eq!(letters, "ZZZZDZ", "{fates:?}");
    assert!(fates[3].contains("root"), "{}", fates[3]);
}

#[test]
fn a_lookup_that_is_down_defers() {
    let house = House::new();
    std::fs::remove_file(house.path("run/lookup-root")).unwrap();
    let fates = house.deliver(&["alice@x.test", "bob@x.test"], MESSAGE);
    assert!(fates.iter().all(|fate| fate.starts_with("Z4.3.0")), "{fates:?}");
}

#[test]
fn mail_is_not_deferred_because_lookup_is_away_for_a_moment() {
    let house = House::new();
    std::fs::remove_file(house.path("run/lookup-root")).unwrap();
    house.order("1", &["alice@x.test", "bob@x.test"], MESSAGE);
    until(|| house.log().contains("lookup is away"));
    lookup(&house.path(""), |house, address| Some(account(house, address, "do=./Maildir/")));
    assert_eq!(house.answer().1, ["Kdid 1+0+0/", "Kdid 1+0+0/"]);
    assert_eq!(house.log().matches("lookup is away").count(), 1);
}

#[test]
fn the_end_of_the_program_does_not_wait_for_a_lookup_that_is_away() {
    let mut house = House::new();
    std::fs::remove_file(house.path("run/lookup-root")).unwrap();
    house.order("1", &["alice@x.test"], MESSAGE);
    until(|| house.log().contains("lookup is away"));
    let start = std::time::Instant::now();
    house.signal(Signal::SIGTERM);
    assert!(house.answer().1[0].starts_with("Z4.3.0"));
    assert_eq!(house.exit_code(), Some(0));
    assert!(start.elapsed() < std::time::Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn a_worker_that_dies_takes_only_its_own_delivery_with_it() {
    let (house, queue) = with_a_slow_account(&[]);
    house.order("slow", &["slow@x.test"], MESSAGE);
    let client = queue.accept().unwrap();
    read_submission(&client);
    let workers = house.workers("slow");
    assert_eq!(workers.len(), 1);
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    send(workers[0], Signal::SIGKILL).unwrap();
    assert_eq!(house.answer(), ("slow".to_owned(), vec!["Z4.3.0 local-deliver died".to_owned()]));
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    until(|| house.log().contains("died"));
}

/// The beginning of a worker in Python: `s` leads to the parent.
const STEM: &str = "#!/usr/bin/python3
import array, ctypes, os, platform, socket
clone = {'x86_64': 56}.get(platform.machine(), 220)
stem = socket.socket(fileno=3)
while True:
    asked, rights = stem.recvmsg(1, socket.CMSG_SPACE(4))[:2]
    if not asked: os._exit(0)
    s = socket.socket(fileno=array.array('i', rights[0][2])[0])
    if ctypes.CDLL(None).syscall(clone, 0x8000 | 17, 0, 0, 0, 0) == 0: break
    s.close()
stem.close()
s.send(b'I')
";

#[test]
fn a_worker_that_says_more_than_a_report_holds_still_gives_one() {
    // A mailbox owner has power over the worker of his own uid.
    let script = &[STEM, "while s.recv(65536): s.send(b'D' + b'\\xff' * 65000)\n"].concat();
    let answer = |house: &std::path::Path, address: &str| Some(account(house, address, "do=./Maildir/"));
    let house = House::with(&[], &[("local-deliver", script)], answer);
    house.home("alice");
    let fates = house.deliver(&["alice@x.test"; 8], MESSAGE);
    assert!(fates.len() == 8 && fates.iter().all(|fate| fate.starts_with('D') && fate.len() > 100));
}

#[test]
fn a_worker_that_has_done_its_number_of_jobs_is_given_no_more() {
    let work =
        "for _ in range(int(os.environ['FULMAR_WORKER'])): s.recv(65536) and s.send(b'K')\ns.recv(65536)\n";
    let script = &[STEM, work].concat();
    let answer = |house: &std::path::Path, address: &str| Some(account(house, address, "do=./Maildir/"));
    let house = House::with(&[], &[("local-deliver", script)], answer);
    house.home("a");
    for _ in 0..6 {
        assert!(house.deliver(&["a@x.test"; 2000], MESSAGE).iter().all(|fate| fate == "K"));
    }
}

#[test]
fn a_worker_that_died_while_idle_costs_no_delivery() {
    let house = House::new();
    house.home("alice");
    for count in 1..4 {
        assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
        assert_eq!(house.mail("alice").len(), count);
        house.workers("alice").into_iter().for_each(|pid| send(pid, Signal::SIGKILL).unwrap());
        until(|| house.workers("alice").is_empty());
    }
}

#[test]
fn workers_killed_all_the_time_lose_no_message_and_leave_no_part_of_one() {
    // L08
    const COUNT: usize = 200;
    let house = House::new();
    house.home("alice");
    let text = |number: usize| format!("Subject: {number}\n\n{}", "x".repeat(50_000)).into_bytes();
    let (mut waiting, mut ordered, mut killed) = ((0..COUNT).collect::<Vec<_>>(), 0, 0);
    while !waiting.is_empty() || ordered > 0 {
        while let Some(number) = waiting.pop_if(|_| ordered < 8) {
            house.order(&number.to_string(), &["alice@x.test"], &text(number));
            ordered += 1;
        }
        if killed < COUNT / 2 {
            let worker = house.workers("alice").into_iter().next();
            killed += usize::from(worker.is_some());
            worker.into_iter().for_each(|pid| send(pid, Signal::SIGKILL).unwrap());
        }
        let (number, fates) = house.answer();
        ordered -= 1;
        if fates[0].starts_with('Z') {
            waiting.push(number.parse().unwrap());
        }
    }
    let head = b"Return-Path: <sender@x.test>\nDelivered-To: alice@x.test\n";
    let whole: HashSet<Vec<u8>> = (0..COUNT).map(|number| [&head[..], &text(number)].concat()).collect();
    let mail = house.mail("alice");
    assert!(mail.iter().all(|mail| whole.contains(mail)), "a part of a message");
    assert_eq!(mail.iter().collect::<HashSet<_>>().len(), COUNT, "{killed} workers killed");
}

#[test]
fn a_delivery_that_hangs_is_ended_by_the_clock() {
    let (house, queue) = with_a_slow_account(&["-t", "1"]);
    house.order("slow", &["slow@x.test"], MESSAGE);
    let _client = queue.accept().unwrap();
    assert_eq!(house.answer().1, ["Z4.3.0 local-deliver took too long"]);
    until(|| house.workers("slow").is_empty());
}

#[test]
fn an_owner_whose_deliveries_never_end_does_not_hold_up_those_of_others() {
    let (house, _queue) = with_a_slow_account(&[]);
    // Ten at one time by default; three quarters of them may be his.
    for slot in 0..8 {
        house.order(&format!("slow{slot}"), &["slow@x.test"], MESSAGE);
    }
    house.order("other", &["alice@x.test"], MESSAGE);
    assert_eq!(house.answer(), ("other".to_owned(), vec!["Kdid 1+0+0/".to_owned()]));
    let (slot, fates) = house.answer();
    assert!(slot.starts_with("slow") && fates[0].starts_with("Z4.2.1 too many deliveries"), "{fates:?}");
}

#[test]
fn a_worker_that_talks_nonsense_is_not_believed() {
    let script = &[STEM, "s.recv(65536)\ns.send(b'nonsense')\ns.recv(65536)\n"].concat();
    let house = House::with(&[], &[("local-deliver", script)], |house, address| {
        Some(account(house, address, "do=./Maildir/"))
    });
    house.home("alice");
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Z4.3.0 report mangled"]);
}

#[test]
fn a_worker_that_is_not_needed_any_more_ends() {
    let house = House::new();
    house.home("alice");
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    assert!(!house.workers("alice").is_empty());
    let maildir = house.path("mail/x.test/alice/Maildir");
    std::fs::remove_dir_all(&maildir).unwrap();
    std::fs::write(&maildir, "").unwrap();
    // After trouble another one shall try.
    assert!(house.deliver(&["alice@x.test"], MESSAGE)[0].starts_with('Z'));
    until(|| house.workers("alice").is_empty());
}

#[test]
fn a_stem_that_talks_nonsense_makes_no_worker() {
    let script = "#!/bin/sh\nhead -c 1 <&3 >/dev/null\nprintf 'nonsense' >&3\ncat <&3 >/dev/null\n";
    let house = House::with(&[], &[("local-deliver", script)], |house, address| {
        Some(account(house, address, "do=./Maildir/"))
    });
    house.home("alice");
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Z4.3.0 unable to start local-deliver"]);
}

#[test]
fn a_worker_that_ends_at_once_or_is_missing_defers() {
    for script in ["#!/bin/sh\nexit 0\n", "#!/nonexistent\n"] {
        let house = House::with(&[], &[("local-deliver", script)], |house, address| {
            Some(account(house, address, "do=./Maildir/"))
        });
        house.home("alice");
        assert!(house.deliver(&["alice@x.test"], MESSAGE)[0].starts_with("Z4.3.0"), "{script}");
    }
}

#[test]
fn a_mangled_order_is_told_so_and_the_next_is_carried_out() {
    let house = House::new();
    house.home("alice");
    house.send.send(b"7\0nothing", &[]).unwrap();
    assert_eq!(house.answer().0, "7");
    let null = std::fs::File::open("/dev/null").unwrap();
    house.send.send(b"8\x001\0\0s@x.test\0alice@x.test\0", &[null.as_fd()]).unwrap();
    assert_eq!(house.answer(), ("8".to_owned(), vec!["Z4.3.0 order mangled".to_owned()]));
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
}

#[test]
fn a_damaged_queue_file_is_never_delivered() {
    let house = House::new();
    house.home("alice");
    let file = std::fs::File::open("/etc/passwd").unwrap();
    house.send.send(b"9\x001\0\0s@x.test\0alice@x.test\0bob@x.test", &[file.as_fd()]).unwrap();
    let (slot, fates) = house.answer();
    assert_eq!((&slot[..], fates.len()), ("9", 2));
    assert!(fates.iter().all(|fate| fate.starts_with("Z4.3.0")), "{fates:?}");
    assert!(house.mail("alice").is_empty());
}

#[test]
fn told_to_end_it_finishes_what_it_has_begun() {
    let (mut house, queue) = with_a_slow_account(&[]);
    house.order("slow", &["slow@x.test"], MESSAGE);
    let client = queue.accept().unwrap();
    read_submission(&client);
    house.signal(Signal::SIGHUP);
    house.signal(Signal::SIGALRM);
    house.signal(Signal::SIGTERM);
    until(|| house.log().contains("status: exiting"));
    client.send(b"K17", &[]).unwrap();
    assert_eq!(house.answer(), ("slow".to_owned(), vec!["Kdid 0+1+0/qp 17/".to_owned()]));
    assert_eq!(house.exit_code(), Some(0));
}

#[test]
fn a_client_that_goes_away_leaves_its_deliveries_to_end_and_may_come_back() {
    let (mut house, queue) = with_a_slow_account(&[]);
    house.order("slow", &["slow@x.test"], MESSAGE);
    let client = queue.accept().unwrap();
    read_submission(&client);
    house.reconnect();
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    client.send(b"K17", &[]).unwrap();
    until(|| house.log().contains("done recipient=slow@x.test"));
    house.send.set_timeout(Duration::from_millis(50)).unwrap();
    assert!(house.send.recv().is_err(), "an answer to somebody else's order");
}

#[test]
fn an_owner_that_only_root_could_become_is_deferred_without_root() {
    if sys::is_root() {
        eprintln!("SKIPPED: this test runs as root");
        return;
    }
    let house = House::with(&[], &[], |house, address| {
        let text = String::from_utf8(account(house, address, "do=./Maildir/")).unwrap();
        Some(text.replace("uid=", "uid=6").into_bytes())
    });
    assert!(house.deliver(&["alice@x.test"], MESSAGE)[0].contains("only root"));
}

#[test]
fn a_socket_for_orders_is_open_to_the_queue_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let mode = std::fs::metadata(house.path("run/spawn")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
