//! What cannot be delivered comes back, once, in a form that programs understand.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
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

#[test]
fn a_bounce_goes_to_the_program_that_the_run_script_of_send_names() {
    let mut house = House::start();
    house.services().stop("send", Signal::SIGTERM);
    let folder = house.path("caught");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let catch = house.path("catch");
    fs::write(&catch, format!("#!/bin/sh\ncat >{0}/new && mv {0}/new {0}/letter\n", folder.display()))
        .unwrap();
    fs::set_permissions(&catch, fs::Permissions::from_mode(0o755)).unwrap();
    let script = fs::read_to_string(house.path("etc/run/send/run")).unwrap();
    let named = format!("env - QMAILQUEUE={} ", catch.display());
    fs::write(house.path("etc/run/send/run"), script.replace("env - ", &named)).unwrap();
    house.run();
    house.user("carol", &["--forward", "nobody@example.test"]);
    house.send("bob@example.test", "carol@example.test", &message("lost"));
    let letter = house.until("the bounce", || fs::read_to_string(folder.join("letter")).ok());
    assert!(letter.contains("Subject: lost\n") && letter.contains("multipart/report"), "{letter}");
    house.await_empty_queue();
    assert!(house.mail("bob").is_empty());
}
