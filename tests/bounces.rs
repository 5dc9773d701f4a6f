//! What cannot be delivered comes back, once, in a form that programs understand.

use tests::{House, message};

#[test]
fn mail_that_cannot_be_delivered_comes_back_as_a_report() {
    let house = House::start();
    house.user("carol", &["--forward", "nobody@example.test"]);
    house.send("bob@example.test", "carol@example.test", &message("lost"));
    let mail = house.await_mail("bob", 1);
    let text = String::from_utf8_lossy(&mail[0]);
    for part in [
        "Return-Path: <>\n",
        "multipart/report",
        "report-type=delivery-status",
        "message/delivery-status",
        "nobody@example.test",
        "Action: failed",
        "Status: 5.",
        "Subject: lost\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    house.await_empty_queue();
}

#[test]
fn a_bounce_that_cannot_be_delivered_goes_to_the_postmaster() {
    // Q11
    let house = House::start();
    house.user("carol", &["--forward", "nobody@example.test"]);
    house.send("", "carol@example.test", &message("a bounce"));
    let mail = house.await_mail("alice", 1);
    assert!(String::from_utf8_lossy(&mail[0]).contains("Subject: a bounce\n"));
    house.await_empty_queue();
    assert!(house.mail("alice").len() == 1 && house.mail("bob").is_empty());
}

#[test]
fn a_bounce_for_the_postmaster_that_cannot_be_delivered_is_the_last() {
    // Q11
    let house = House::start();
    house.write("control/doublebounceto", "carol\n");
    house.user("carol", &["--forward", "nobody@example.test"]);
    house.send("", "carol@example.test", &message("a bounce"));
    house.await_empty_queue();
    assert!(house.mail("alice").is_empty() && house.mail("bob").is_empty());
}
