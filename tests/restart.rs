//! Nothing is lost when the whole house is switched off and on again.

use nix::sys::signal::Signal;
use tests::{House, message};

#[test]
fn what_was_accepted_before_a_restart_is_delivered_after_it() {
    let mut house = House::start();
    house.services().stop("spawn", Signal::SIGTERM);
    for number in 0..20 {
        house.send("bob@example.test", "alice@example.test", &message(&format!("number {number}")));
    }
    assert!(house.queued() > 0 && house.mail("alice").is_empty());
    house.services().kill_all();
    house.run();
    house.flush();
    assert_eq!(house.mail("alice").len(), 20);
}

#[test]
fn term_stops_every_service_and_nothing_is_left_running() {
    let mut house = House::start();
    for name in [
        "smtp",
        "submission",
        "submissions",
        "pop3",
        "pop3s",
        "imap",
        "imaps",
        "tlsd",
        "send",
        "spawn",
        "remote",
        "queued",
        "lookup",
    ] {
        house.services().stop(name, Signal::SIGTERM);
    }
    house.until("the end of all processes", || house_is_still(&house).then_some(()));
    house.run();
    house.send("bob@example.test", "alice@example.test", &message("after"));
    house.await_mail("alice", 1);
}

fn house_is_still(house: &House) -> bool {
    house.processes().is_empty()
}
