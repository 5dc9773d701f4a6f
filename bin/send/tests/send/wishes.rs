//! What the admin wants done with messages, and when it meets what is under way (Q14).

use queue::{Bell, Steering, Wish};
use sys::signals::Signal;

use crate::house::{House, carrier, lookup};

fn deferred() -> (House, crate::house::Neighbour, u64) {
    let (mut house, spawn) = House::running();
    let id = house.post("a@x", &["z@local.test"]);
    house.until_logged("delivery 1: deferral");
    (house, spawn, id)
}

#[test]
fn retry_tries_at_once_and_the_last_answer_is_there_to_be_read() {
    let (house, _spawn, id) = deferred();
    assert_eq!(house.queue.last_answers(id)[&b"z@local.test"[..]].text().to_string(), "4.2.1 Not now");
    house.wish(id, &Wish::Retry);
    house.until_logged("delivery 2: deferral");
}

#[test]
fn a_held_message_is_not_tried_not_even_by_alrm_or_after_a_restart_until_it_is_released() {
    let (mut house, _spawn) = House::running();
    house.kill();
    let id = house.put(0, "a@x", &["k@local.test"]);
    house.wish(id, &Wish::Hold);
    house.start();
    let other = house.post("a@x", &["k2@local.test"]);
    house.until_gone(other);
    house.signal(Signal::SIGALRM);
    house.kill();
    house.start();
    house.signal(Signal::SIGALRM);
    let other = house.post("a@x", &["k3@local.test"]);
    house.until_gone(other);
    assert!(house.file(id).exists());
    assert!(house.queue.steering(id).unwrap().held);
    house.wish(id, &Wish::Release);
    house.until_gone(id);
    assert_eq!(house.queue.steering(id).unwrap(), Steering::default());
}

#[test]
fn what_is_deleted_is_gone_without_a_bounce() {
    let (house, _spawn, id) = deferred();
    house.wish(id, &Wish::Delete);
    house.until_gone(id);
    assert!(!house.queue.has_notes(id));
    assert!(house.queue.last_answers(id).is_empty());
}

#[test]
fn what_is_deleted_under_way_leaves_when_its_deliveries_are_over_and_nobody_is_told() {
    // Q14
    let (mut house, spawn) = House::running();
    let id = house.post("a@x", &["slow@local.test", "d@local.test"]);
    house.until_logged("failure: 5.1.1");
    house.wish(id, &Wish::Delete);
    assert!(house.file(id).exists(), "one is under way");
    drop(spawn);
    house.until_gone(id);
    assert!(!house.queue.has_notes(id));
    assert!(!house.log().contains("bounce msg"));
}

#[test]
fn what_is_given_up_is_bounced_with_each_recipient_that_was_open() {
    let mut house = House::new(&[], "/bin/false");
    let spawn = house.spawn();
    house.start();
    let id = house.post("a@x", &["k@local.test", "z@local.test", "slow@local.test"]);
    house.until_logged("deferral: 4.2.1");
    house.until("the success", || house.done(id)[0]);
    house.wish(id, &Wish::Bounce);
    assert_eq!(house.done(id), [true, true, false], "who is under way is waited for");
    let notes: Vec<_> = house.queue.notes(id).unwrap().unwrap().map(Result::unwrap).collect();
    assert_eq!((notes.len(), &notes[0].address[..]), (1, &b"z@local.test"[..]));
    assert!(notes[0].fate.text().to_string().contains("given this message up"));
    drop(spawn);
    // It was not told that it failed, so it is tried again; that is its last try.
    let _spawn = carrier(house.path("run/spawn"), "spawn", house.told.clone());
    house.signal(Signal::SIGALRM);
    house.until("the last try", || house.log().matches("slow@local.test").count() == 2);
}

#[test]
fn a_message_that_is_bouncing_can_still_be_deleted() {
    let mut house = House::new(&[], "/bin/false");
    let _spawn = house.spawn();
    house.start();
    let id = house.post("a@x", &["d@local.test"]);
    house.until_logged("trouble injecting bounce");
    house.wish(id, &Wish::Hold);
    house.wish(id, &Wish::Retry);
    house.until("another try", || house.log().matches("trouble injecting bounce").count() == 2);
    house.wish(id, &Wish::Delete);
    house.until_gone(id);
    assert!(!house.queue.has_notes(id));
}

#[test]
fn a_recipient_is_dropped_and_the_others_stay() {
    let (mut house, _spawn) = House::running();
    let id = house.post("a@x", &["z1@local.test", "Z2@local.test"]);
    house.until("two deferrals", || house.log().matches("deferral").count() == 2);
    house.wish(id, &Wish::Drop(vec![b"z2@LOCAL.test".to_vec(), b"stranger@x".to_vec()]));
    assert_eq!(house.done(id), [false, true]);
    house.wish(id, &Wish::Drop(vec![b"z1@local.test".to_vec()]));
    house.until_gone(id);
}

#[test]
fn a_route_goes_with_every_order_and_lives_as_long_as_the_message() {
    let mut house = House::new(&[], "/bin/true");
    let _spawn = house.spawn();
    let _lookup = lookup(&house);
    let _remote = carrier(house.path("run/remote"), "remote", house.told.clone());
    house.start();
    let id = house.post("a@x", &["z@far.test"]);
    house.until_logged("delivery 1: deferral");
    assert_eq!(house.orders.recv().unwrap().route, "");
    house.wish(id, &Wish::Route(Some("relay.test:26".into())));
    house.until_logged("delivery 2: deferral");
    assert_eq!(house.orders.recv().unwrap().route, "relay.test:26");
    house.kill();
    house.start();
    house.wish(id, &Wish::Retry);
    house.until_logged("to remote z@far.test\nstatus: local 0/10 remote 1/20\ndelivery 1: deferral");
    assert_eq!(house.orders.recv().unwrap().route, "relay.test:26");
    house.wish(id, &Wish::Route(None));
    assert_eq!(house.queue.steering(id).unwrap(), Steering::default());
    house.wish(id, &Wish::Delete);
    house.until_gone(id);
}

#[test]
fn a_wish_about_a_message_that_is_gone_is_over_and_one_that_waited_for_send_is_carried_out() {
    let (mut house, _spawn) = House::running();
    house.wish(12_345, &Wish::Delete);
    house.until_logged("wish msg 12345: delete: there is no such message any more");
    house.kill();
    let id = house.put(0, "a@x", &["z@local.test"]);
    house.wish(id, &Wish::Delete);
    house.start();
    house.until_gone(id);
}

#[test]
fn a_wish_whose_bell_is_not_heard_is_seen_at_the_next_look_around() {
    let (house, _spawn, id) = deferred();
    house.queue.wish(id, &Wish::Delete).unwrap();
    // ALRM hastens the look around.
    house.signal(Signal::SIGALRM);
    house.until_gone(id);
    assert!(Bell::new(&house.queue).ring_for_wishes());
}
