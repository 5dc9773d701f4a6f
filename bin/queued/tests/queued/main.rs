//! The real program in a house of its own: what it accepts is whole, whatever happens to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod faults;
mod house;

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use queue::Trigger;
use sys::Packets;

use crate::house::{House, id, send, start};

#[test]
fn messages_come_into_the_queue_as_they_were_sent_with_one_line_above_them() {
    let house = House::new();
    let packets = house.connect();
    let mut last = 0;
    for round in 0..3 {
        let body = format!("Subject: {round}\n\n\0\r\n\u{e9} no final newline");
        let answer = send(
            &packets,
            &[b"Ltoken-1", &[b"M", body.as_bytes()].concat(), b"EFs@x\0Ta@b\0", b"ETc", b"E@d\0"],
        );
        let id = id(&answer);
        assert!(id > last);
        last = id;
        let text = String::from_utf8(house.text(id)).unwrap();
        let (line, rest) = text.split_once('\n').unwrap();
        assert_eq!(rest, body);
        let own = format!("Received: (fulmar {} invoked by uid {}); ", std::process::id(), sys::uid());
        assert!(line.starts_with(&own) && line.ends_with(" -0000"), "{line}");
        assert_eq!(house.recipients(id), [b"a@b", b"c@d"]);
        let head = house.queue().stored(id).unwrap().head().unwrap();
        assert_eq!((&head.sender[..], &head.token[..], head.uid), (&b"s@x"[..], &b"token-1"[..], sys::uid()));
    }
}

#[test]
fn what_is_not_committed_is_never_seen() {
    // S59
    let house = House::new();
    for parts in [&[&b"Mtext"[..]][..], &[b"Mtext", b"EFs\0Ta@b\0"], &[b"EFs\0Ta@b\0"]] {
        let packets = house.connect();
        parts.iter().for_each(|part| packets.send(part, &[]).unwrap());
        drop(packets);
    }
    let packets = house.connect();
    packets.send(&[&b"M"[..], &[b'x'; 60_000]].concat(), &[]).unwrap();
    for _ in 0..20 {
        packets.send(&[&b"M"[..], &[b'x'; 60_000]].concat(), &[]).unwrap();
    }
    drop(packets);
    let packets = house.connect();
    let only = id(&send(&packets, &[b"Mx", b"EF\0Ta@b\0"]));
    assert_eq!(house.queue().ids().unwrap(), [only]);
    let start = Instant::now();
    while house.unfinished() > 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "a left-over in tmp");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn mangled_envelopes_are_refused_and_the_next_message_is_taken() {
    let house = House::new();
    let packets = house.connect();
    let long = |length| [&b"EFa\0T"[..], &vec![b'x'; length], b"\0"].concat();
    for bad in
        [&b"ETa@b\0"[..], b"EFa\0Fb\0", b"EFa\0Tb", b"EFa\0\0Tb\0", b"Ex\0", b"Xwhat", b"EF", &long(1004)]
    {
        let answer = send(&packets, &[b"Mx", bad]);
        assert!(answer.starts_with("D5."), "{answer}");
        assert!(send(&packets, &[b"Mx", b"EF\0Ta@b\0\0"]).starts_with('K'));
    }
    assert!(send(&packets, &[]).starts_with('D'), "no envelope");
    assert!(send(&packets, &[b"Mx"]).starts_with('D'), "no envelope");
    assert!(send(&packets, &[b"EF\0Ta@b\0", b"Mlate"]).starts_with('D'), "text behind the envelope");
    assert!(send(&packets, &[b"Mx", &long(1003)]).starts_with('K'));
    assert!(send(&packets, &[b"EF\0"]).starts_with('K'), "neither text nor recipients, as qmail-queue");
    assert_eq!(house.unfinished(), 0);
}

#[test]
fn a_hundred_thousand_recipients_fit() {
    let house = House::new();
    let packets = house.connect();
    packets.send(b"Mx", &[]).unwrap();
    packets.send(b"EFs\0", &[]).unwrap();
    for group in 0..100 {
        let mut part = b"E".to_vec();
        (0..1000).for_each(|n| part.extend(format!("Tuser{}@example.test\0", group * 1000 + n).bytes()));
        packets.send(&part, &[]).unwrap();
    }
    let id = id(&send(&packets, &[]));
    assert_eq!(house.queue().show(id).unwrap().recipients, 100_000);
}

#[test]
fn a_copy_of_everything_goes_to_the_extra_recipient() {
    let house = House::new();
    fs::write(house.path("control/extraqueue"), "journal@example.test\n").unwrap();
    std::thread::sleep(Duration::from_millis(1100)); // how long an answer is kept
    let packets = house.connect();
    let id = id(&send(&packets, &[b"Mx", b"EF\0Ta@b\0"]));
    assert_eq!(house.recipients(id), [&b"a@b"[..], b"journal@example.test"]);
    fs::remove_file(house.path("control/extraqueue")).unwrap();
    fs::create_dir(house.path("control/extraqueue")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    assert!(send(&packets, &[b"Mx", b"EF\0Ta@b\0"]).starts_with('Z'), "a copy that can't be made");
}

#[test]
fn the_trigger_tells_of_each_message_and_without_a_reader_a_rescan_is_wished() {
    // Q07
    let house = House::new();
    let packets = house.connect();
    send(&packets, &[b"Mx", b"EF\0Ta@b\0"]);
    // Answered when all is done for the message before.
    send(&packets, &[]);
    assert!(house.queue().take_rescan());
    let start = Instant::now();
    let mut trigger = Trigger::open(&house.queue()).unwrap();
    let id = id(&send(&packets, &[b"Mx", b"EF\0Ta@b\0"]));
    let mut seen = Vec::new();
    while seen.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30));
        seen = trigger.take().ids;
    }
    assert_eq!(seen, [id]);
}

#[test]
fn a_kill_at_any_moment_leaves_each_accepted_message_whole_and_no_half_one() {
    // Q01, S58
    let mut house = House::new();
    let mut accepted = Vec::new();
    for round in 0..12 {
        let stop = AtomicBool::new(false);
        let path = house.path("run/queue");
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut done = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            done.extend(one_message(&path));
                        }
                        done
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(20 + 7 * round));
            house.queued.kill().unwrap();
            house.queued.wait().unwrap();
            stop.store(true, Ordering::Relaxed);
            clients.into_iter().for_each(|client| accepted.extend(client.join().unwrap()));
        });
        house.restart();
    }
    let ids = house.queue().ids().unwrap();
    assert!(accepted.len() > 20, "{}", accepted.len());
    for id in &ids {
        assert!(house.text(*id).ends_with(&[b'x'; 100_000]) && house.recipients(*id) == [b"a@b"]);
    }
    for id in &accepted {
        assert!(ids.contains(id), "{id} was accepted and is lost");
    }
    let mut once = accepted.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), accepted.len(), "a number was given twice");
}

fn one_message(path: &std::path::Path) -> Option<u64> {
    let packets = Packets::connect(path).ok()?;
    for _ in 0..2 {
        packets.send(&[&b"M"[..], &[b'x'; 50_000]].concat(), &[]).ok()?;
    }
    packets.send(b"EF\0Ta@b\0", &[]).ok()?;
    let answer = packets.ask(b".").ok()?;
    Some(id(std::str::from_utf8(&answer.bytes).unwrap()))
}

#[test]
fn two_on_one_queue_are_one_too_many() {
    let house = House::new();
    let mut second = start(&house.home, "exec \"$0\"");
    assert_eq!(second.wait().unwrap().code(), Some(111));
    assert!(send(&house.connect(), &[b"Mx", b"EF\0Ta@b\0"]).starts_with('K'));
}

#[test]
fn when_descriptors_run_out_the_rest_is_served_and_all_is_well_afterwards() {
    // Q03, X01
    let house = House::in_folder(tempfile::tempdir().unwrap(), "ulimit -n 60; exec \"$0\"");
    let mut crowd: Vec<Packets> = (0..200).filter_map(|_| house.try_connect()).collect();
    // Those who sit hold all descriptors: their messages can't be written.
    let answers: Vec<char> = crowd[..20]
        .iter()
        .filter_map(|packets| {
            packets.send(b"Mx", &[]).ok()?;
            packets.send(b"EF\0Ta@b\0", &[]).ok()?;
            Some(packets.ask(b".").ok()?.bytes[0] as char)
        })
        .collect();
    assert!(!answers.is_empty() && answers.iter().all(|answer| "KZ".contains(*answer)), "{answers:?}");
    crowd.clear();
    let start = Instant::now();
    loop {
        let packets = house.connect();
        packets.send(b"Mx", &[]).unwrap();
        packets.send(b"EF\0Ta@b\0", &[]).unwrap();
        if packets.ask(b".").is_ok_and(|answer| answer.bytes[0] == b'K') {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "does not recover");
    }
}

#[test]
fn a_full_disk_is_a_later_and_leaves_nothing_behind() {
    // Q03, Q04
    let home = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=20m", "tmpfs"])
        .arg(home.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no right to mount a small disk");
        return;
    }
    let path = home.path().to_owned();
    let unmount = Unmount(path.clone());
    {
        let house = House::in_folder(home, "exec \"$0\"");
        let packets = house.connect();
        let piece = [&b"M"[..], &[b'x'; 60_000]].concat();
        let mut parts: Vec<&[u8]> = vec![&piece; 400];
        parts.push(b"EF\0Ta@b\0");
        let answer = send(&packets, &parts);
        assert!(answer.starts_with("Z4.3.1"), "{answer}");
        assert_eq!((house.unfinished(), house.queue().ids().unwrap().len()), (0, 0));
        std::thread::sleep(Duration::from_millis(1100)); // how long an answer about the disk is kept
        assert!(send(&packets, &[b"Mx", b"EF\0Ta@b\0"]).starts_with('K'));
        fs::write(house.path("filler"), vec![0; 6 << 20]).unwrap();
        std::thread::sleep(Duration::from_millis(1100));
        assert!(send(&packets, &[b"Mx", b"EF\0Ta@b\0"]).starts_with("Z4.3.1"), "refused early");
        let _ = fs::remove_file(house.path("filler"));
    }
    drop(unmount);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

#[test]
fn an_orderly_end_is_an_exit_with_0() {
    let mut house = House::new();
    send(&house.connect(), &[b"Mx", b"EF\0Ta@b\0"]);
    sys::signals::send(house.queued.id(), sys::signals::Signal::SIGTERM).unwrap();
    assert_eq!(house.queued.wait().unwrap().code(), Some(0));
    let mut ids = String::new();
    fs::File::open(house.path("queue/lock/ids")).unwrap().read_to_string(&mut ids).unwrap();
    assert_eq!(ids.trim().parse::<u64>().unwrap(), *house.queue().ids().unwrap().last().unwrap());
    house.restart();
}

#[test]
fn what_a_killed_predecessor_accepted_and_told_nobody_is_looked_for() {
    // Q01: killed between its answer and the bell.
    let house = House::new();
    // Its socket is there before its queue is; who is answered knows that it is up.
    send(&house.connect(), &[]);
    assert!(house.queue().take_rescan());
    assert!(!house.queue().take_rescan());
}
