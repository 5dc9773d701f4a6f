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
    deliver_now(&mut house);
    let mail = house.await_mail("alice", 20);
    assert_eq!(mail.len(), 20);
    house.await_empty_queue();
}

#[test]
fn term_stops_every_service_and_nothing_is_left_running() {
    let mut house = House::start();
    for name in ["smtp", "submission", "pop3", "send", "spawn", "queued", "lookup"] {
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

/// ALRM to send: everything is due now.
fn deliver_now(house: &mut House) {
    let pid = nix::unistd::Pid::from_raw(house.services().pid("send"));
    nix::sys::signal::kill(pid, Signal::SIGALRM).unwrap();
}
