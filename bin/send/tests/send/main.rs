//! The real program between a real queue and fake neighbours: a `spawn` that answers by the
//! recipient's name, a `lookup` that knows one domain, a `bounce` that only exits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod faults;
mod house;
mod wishes;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use queue::Bell;
use sys::signals::Signal;

use crate::house::{DAY, House, UID, carrier, deliberate_lookup, give, lookup};

#[test]
fn a_message_is_delivered_and_its_story_is_in_the_log_as_qmail_send_writes_it() {
    let (mut house, _spawn) = House::running();
    house.until("spawn", || house.log().contains("remote 0/20"));
    let id = house.post("a b@x.test", &["k@Local.Test"]);
    house.until_gone(id);
    let order = house.orders.try_recv().unwrap();
    assert_eq!((&order.sender[..], &order.recipients[..]), ("a b@x.test", &["k@Local.Test".to_owned()][..]));
    assert_eq!(order.text, b"Subject: x\n\nhello\n");
    let story = format!(
        "new msg {id}\ninfo msg {id}: bytes 18 from <a_b@x.test> qp 8 uid 7\n\
         starting delivery 1: msg {id} to local k@Local.Test\nstatus: local 1/10 remote 0/20\n\
         delivery 1: success: did_1+0+0\nstatus: local 0/10 remote 0/20\nend msg {id}\n"
    );
    assert!(house.log().ends_with(&story), "{}", house.log());
}

#[test]
fn each_recipient_has_its_own_end_and_the_failed_one_is_noted_before_it_is_marked() {
    let (mut house, _spawn) = House::running();
    let id = house.post("a@x", &["k1@local.test", "d@local.test", "z@local.test", "mad@local.test"]);
    house.until_logged("report mangled, will defer");
    house.until_logged("deferral: 4.2.1_Not_now");
    house.until_logged("failure: 5.1.1_No_such_user");
    house.until("marks", || house.done(id) == [true, true, false, false]);
    let notes: Vec<_> = house.queue.notes(id).unwrap().unwrap().map(Result::unwrap).collect();
    assert_eq!((notes.len(), &notes[0].address[..]), (1, &b"d@local.test"[..]));
    house.until("a plan", || house.queue.stored(id).unwrap().touched() > sys::now());
    let due = house.queue.stored(id).unwrap().touched().duration_since(sys::now()).unwrap();
    assert!(due < Duration::from_secs(130), "the first local retry comes after 100 s");
    assert!(!house.log().contains("end msg"));
}

#[test]
fn a_failure_is_bounced_and_then_both_files_are_gone() {
    let (mut house, _spawn) = House::running();
    let id = house.post("a@x", &["d@local.test", "k@local.test"]);
    house.until_gone(id);
    assert!(!house.queue.has_notes(id));
}

#[test]
fn a_bounce_that_is_not_accepted_keeps_the_message_and_its_notes() {
    let mut house = House::new(&[], "/bin/false");
    let _spawn = house.spawn();
    house.start();
    let id = house.post("a@x", &["d@local.test"]);
    house.until_logged(&format!("trouble injecting bounce message of msg {id}, will try later"));
    assert!(house.file(id).exists() && house.queue.has_notes(id));
    house.kill();
    fs::remove_file(house.path("bin/bounce")).unwrap();
    fs::copy("/bin/true", house.path("bin/bounce")).unwrap();
    house.start();
    house.until_gone(id);
    assert!(!house.log().contains("starting delivery 2"), "no recipient twice");
}

#[test]
fn what_spawn_takes_to_its_grave_is_tried_again_and_not_bounced() {
    let (mut house, spawn) = House::running();
    // Old enough that any deferral by a deliverer would bounce it.
    let id = house.put(8 * DAY, "a@x", &["slow@local.test", "k@local.test"]);
    house.signal(Signal::SIGALRM);
    fs::write(house.path("queue/lock/rescan"), "").unwrap();
    house.signal(Signal::SIGALRM);
    house.until_logged("success: did_1+0+0");
    drop(spawn);
    house.until_logged("deferral: the_deliverer_went_away");
    assert!(!house.queue.has_notes(id) && house.file(id).exists());
    let _spawn = house.spawn();
    house.until("another try", || {
        house.signal(Signal::SIGALRM);
        house.log().matches("slow@local.test").count() > 1
    });
}

#[test]
fn spawn_may_come_and_go_and_nothing_is_lost() {
    let mut house = House::new(&[], "/bin/true");
    house.start();
    let ids: Vec<u64> = (0..20).map(|n| house.post("a@x", &[&format!("k{n}@local.test")])).collect();
    house.until_logged("new msg");
    assert!(!house.log().contains("starting delivery"), "nobody to order from");
    let spawn = house.spawn();
    house.signal(Signal::SIGALRM);
    ids.iter().for_each(|id| house.until_gone(*id));
    let dying = house.post("a@x", &["die@local.test"]);
    house.until_logged("deferral: the_deliverer_went_away");
    let id = house.post("a@x", &["k@local.test"]);
    house.until_gone(id);
    assert!(house.file(dying).exists());
    drop(spawn);
}

#[test]
fn a_message_past_its_life_gets_one_more_try_whose_deferral_is_a_failure() {
    let mut house = House::new(&[], "/bin/false");
    let _spawn = house.spawn();
    let id = house.put(8 * DAY, "a@x", &["z@local.test"]);
    let young = house.put(6 * DAY, "a@x", &["z@local.test"]);
    house.start();
    house.until_logged("been_in_the_queue_too_long");
    let notes: Vec<_> = house.queue.notes(id).unwrap().unwrap().map(Result::unwrap).collect();
    assert_eq!(notes[0].fate, wire::Fate::later(2, 1, "Not now"));
    house.until_logged("deferral: 4.2.1_Not_now");
    assert!(!house.queue.has_notes(young));
}

#[test]
fn a_bounce_may_have_a_shorter_life_than_other_mail() {
    let mut house = House::new(&[("bouncelifetime", "86400\n")], "/bin/false");
    let _spawn = house.spawn();
    let other = house.put(2 * DAY, "a@x", &["z@local.test"]);
    let bounce = house.put(2 * DAY, "", &["z@local.test"]);
    house.start();
    house.until_logged("been_in_the_queue_too_long");
    house.until_logged("deferral: 4.2.1_Not_now\n");
    assert!(house.queue.has_notes(bounce) && !house.queue.has_notes(other));
}

#[test]
fn a_recipient_gets_one_message_and_then_a_pause_and_others_need_not_wait() {
    let mut house = House::new(&[("recipientpause", "3600\n")], "/bin/true");
    let _spawn = house.spawn();
    house.start();
    let first = house.post("a@x", &["k@local.test"]);
    house.until_gone(first);
    let second = house.post("a@x", &["k@Local.test"]);
    let other = house.post("a@x", &["k2@local.test"]);
    house.until_gone(other);
    assert!(house.file(second).exists());
    fs::remove_file(house.path("control/recipientpause")).unwrap();
    house.signal(Signal::SIGHUP);
    house.until_gone(second);
}

#[test]
fn a_clock_that_leapt_does_not_bounce_what_waits() {
    // L02, Q09
    let mut house = House::new(&[], "/bin/true");
    let _spawn = house.spawn();
    let long_ago = sys::unix_seconds() - 3650 * DAY;
    fs::write(house.path("queue/lock/clock"), format!("{long_ago}\n")).unwrap();
    give(&house.path("queue/lock/clock"));
    let ids = [8 * DAY, 3650 * DAY, 0].map(|age| house.put(age, "a@x", &["z@local.test"]));
    house.start();
    house.until("three tries", || house.log().matches("deferral: 4.2.1_Not_now").count() == 3);
    assert!(ids.iter().all(|id| house.file(*id).exists() && !house.queue.has_notes(*id)));
}

#[test]
fn a_lookup_that_is_down_defers_and_never_bounces() {
    let mut house = House::new(&[], "/bin/true");
    let _spawn = house.spawn();
    let id = house.put(8 * DAY, "a@x", &["k@ours.test"]);
    house.start();
    house.until_logged("does not answer, mail for unlisted domains waits");
    assert!(house.file(id).exists() && !house.queue.has_notes(id));
    let _lookup = lookup(&house);
    house.until_gone(id);
}

#[test]
fn domains_that_lookup_knows_are_local_and_others_remote_which_waits_without_its_program() {
    let mut house = House::new(&[], "/bin/true");
    let (_spawn, _lookup) = (house.spawn(), lookup(&house));
    house.start();
    let id = house.post("a@x", &["k@ours.test", "K2@Ours.TEST", "k@other.test"]);
    house.until_logged("to remote k@other.test");
    house.until_logged("deferral: 4.4.0_No_program_delivers_to_other_hosts_here");
    house.until("marks", || house.done(id)[0] && !house.done(id)[2]);
}

#[test]
fn many_domains_are_asked_for_at_once_and_each_goes_where_it_belongs() {
    let mut house = House::new(&[], "/bin/true");
    let _spawn = house.spawn();
    let _remote = carrier(house.path("run/remote"), "remote", house.told.clone());
    let _lookup = deliberate_lookup(&house, 50);
    let mut to: Vec<String> = (0..300).map(|n| format!("k@d{n}.test")).collect();
    to[130] = "k@ours.test".to_owned();
    house.start();
    let id = house.post("a@x", &to.iter().map(String::as_str).collect::<Vec<_>>());
    house.until_gone(id);
    assert!(house.log().contains("to local k@ours.test"), "{}", house.log());
    let mut had: Vec<String> = house.orders.try_iter().flat_map(|order| order.recipients).collect();
    had.sort_unstable();
    to.sort_unstable();
    assert_eq!(had, to);
}

#[test]
fn remote_mail_goes_in_groups_and_verp_senders_one_by_one() {
    let mut house = House::new(&[], "/bin/true");
    let (_spawn, _lookup) = (house.spawn(), lookup(&house));
    let _remote = carrier(house.path("run/remote"), "remote", house.told.clone());
    house.start();
    let id = house.post("a@x", &["k1@far.test", "k2@far.test", "k3@far.test"]);
    house.until_gone(id);
    assert_eq!(house.orders.try_recv().unwrap().recipients.len(), 3);
    let id = house.post("list-@l.test-@[]", &["k1@far.test", "k2@far.test"]);
    house.until_gone(id);
    let mut senders: Vec<String> = house.orders.try_iter().map(|order| order.sender).collect();
    senders.sort();
    assert_eq!(senders, ["list-k1=far.test@l.test", "list-k2=far.test@l.test"]);
}

#[test]
fn hup_rereads_the_files_alrm_tries_everything_and_a_broken_file_changes_nothing() {
    let (mut house, _spawn) = House::running();
    let id = house.post("a@x", &["k@new.test"]);
    house.until_logged("does not answer");
    fs::write(house.path("control/locals"), "local.test\nnew.test\n").unwrap();
    fs::write(house.path("control/queuelifetime"), "12x\n").unwrap();
    house.signal(Signal::SIGHUP);
    house.until_logged("alert: unable to reread controls: control/queuelifetime: line 1");
    assert!(house.file(id).exists());
    fs::remove_file(house.path("control/queuelifetime")).unwrap();
    house.signal(Signal::SIGHUP);
    house.until("a delivery", || {
        house.signal(Signal::SIGALRM);
        !house.file(id).exists()
    });
}

#[test]
fn held_mail_stays_until_the_hold_is_over() {
    let mut house = House::new(&[("holdlocal", "1\n")], "/bin/true");
    let _spawn = house.spawn();
    house.start();
    let id = house.post("a@x", &["k@local.test"]);
    house.until_logged("info msg");
    house.signal(Signal::SIGALRM);
    fs::write(house.path("control/holdlocal"), "0\n").unwrap();
    assert!(!house.log().contains("starting delivery"));
    house.signal(Signal::SIGHUP);
    house.until_gone(id);
}

#[test]
fn term_waits_for_what_is_under_way_and_starts_nothing() {
    // Q15
    let (mut house, spawn) = House::running();
    house.post("a@x", &["slow@local.test"]);
    house.until_logged("to local slow@local.test");
    for _ in 0..200 {
        house.signal(Signal::SIGHUP);
        house.signal(Signal::SIGALRM);
    }
    house.signal(Signal::SIGTERM);
    house.until_logged("exitasap");
    let late = house.post("a@x", &["k@local.test"]);
    assert!(house.send.as_mut().unwrap().try_wait().unwrap().is_none());
    drop(spawn); // its deliveries end with it
    let exit = house.send.take().unwrap().wait().unwrap();
    assert_eq!(exit.code(), Some(0));
    assert!(house.log().ends_with("status: exiting\n"));
    assert!(!house.log().contains(&format!("msg {late}")));
    let _spawn = house.spawn();
    house.start();
    house.until_gone(late);
}

#[test]
fn two_senders_on_one_queue_are_one_too_many() {
    // Q06
    let (mut house, _spawn) = House::running();
    let mut second = Command::new(house.path("bin/send"));
    second.env("FULMAR_HOME", house.home.path());
    if sys::is_root() {
        second.uid(UID).gid(UID);
    }
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another send is already running"));
    let id = house.post("a@x", &["k@local.test"]);
    house.until_gone(id);
}

#[test]
fn garbled_and_foreign_files_are_moved_aside_and_never_delivered() {
    // Q05
    let mut house = House::new(&[], "/bin/true");
    let _spawn = house.spawn();
    let whole = house.put(0, "a@x", &["k@local.test"]);
    let octets = fs::read(house.file(whole)).unwrap();
    let mut bad = Vec::new();
    for cut in [0, 1, octets.len() / 2, octets.len() - 33, octets.len() - 1] {
        house.next += 1;
        fs::write(house.file(house.next), &octets[..cut]).unwrap();
        bad.push(house.next);
    }
    for name in ["0/hello", "1/01", "2/1", "3/-"] {
        fs::write(house.path("queue/mess").join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", house.path("queue/mess/4/4")).unwrap();
    fs::create_dir(house.path("queue/mess/5/5")).unwrap();
    // The text is wrong, the envelope right: found when it is to be copied.
    let changed = house.put(0, "a@x", &["k2@local.test"]);
    fs::write(house.file(changed), [b"X", &fs::read(house.file(changed)).unwrap()[1..]].concat()).unwrap();
    give(&house.path("queue"));
    house.start();
    house.until_gone(whole);
    house.until("all to be moved", || fs::read_dir(house.path("queue/bad")).unwrap().count() == 12);
    assert!(house.queue.ids().unwrap().is_empty());
    let kept = fs::read(house.path(&format!("queue/bad/{}", bad[2]))).unwrap();
    assert_eq!(kept, &octets[..octets.len() / 2]);
    assert!(
        house.orders.try_iter().all(|order| order.recipients[0] == "k@local.test" || order.text.is_empty())
    );
}

#[test]
fn a_note_without_message_is_removed_and_never_bounced() {
    let mut house = House::new(&[], "/bin/true");
    let failure = queue::Failure { address: b"a@b".to_vec(), fate: wire::Fate::never(1, 1, "no") };
    house.queue.note(77, &[failure]).unwrap();
    give(&house.path("queue"));
    house.start();
    assert!(!house.queue.has_notes(77));
}

#[test]
fn a_crowd_of_triggers_costs_nothing_and_a_lost_one_only_time() {
    // Q07
    let (mut house, _spawn) = House::running();
    let bell = Bell::new(&house.queue);
    (1..200_000).for_each(|id| bell.ring(&house.queue, id));
    let id = house.post("a@x", &["k@local.test"]);
    house.signal(Signal::SIGALRM);
    house.until_gone(id);
    fs::remove_file(house.path("queue/lock/trigger")).unwrap();
    let id = house.post("a@x", &["k@local.test"]);
    house.signal(Signal::SIGALRM);
    house.until_gone(id);
    let id = house.post("a@x", &["k@local.test"]);
    house.until_gone(id);
}

#[test]
fn a_message_for_ten_thousand_is_delivered_to_each_once_and_nobody_waits_for_it() {
    // Q08
    let (mut house, _spawn) = House::running();
    let names: Vec<String> = (0..10_000).map(|n| format!("k{n}@local.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let large = house.post("list@x", &names);
    house.until_logged("starting delivery 100:");
    let small = house.post("a@x", &["k@local.test"]);
    house.until_gone(small);
    assert!(house.file(large).exists(), "the large one was over first");
    house.until_gone(large);
    let mut seen: Vec<String> = house.orders.try_iter().flat_map(|order| order.recipients).collect();
    assert_eq!(seen.len(), 10_001);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10_001);
}

#[test]
fn a_kill_at_any_moment_loses_no_recipient() {
    // Q01
    let (mut house, _spawn) = House::running();
    let mut expected = std::collections::BTreeSet::new();
    for round in 0..10 {
        for n in 0..30 {
            let names = [0, 1].map(|which| format!("k{round}.{n}.{which}@local.test"));
            expected.extend(names.iter().cloned());
            house.post("a@x", &[&names[0], &names[1]]);
        }
        thread::sleep(Duration::from_millis(5 + 3 * round));
        house.kill();
        house.start();
    }
    house.until("an empty queue", || house.queue.ids().unwrap().is_empty());
    let seen: std::collections::BTreeSet<String> =
        house.orders.try_iter().flat_map(|order| order.recipients).collect();
    assert_eq!(seen, expected);
}
