//! Mail that is refused at the door, so that nobody gets a bounce for what he did not send.

use tests::{House, PASSWORD, Pop3, Smtp, message};

#[test]
fn unknown_users_are_refused_at_rcpt_and_nothing_is_queued() {
    // Q13
    let house = House::start();
    let mut smtp = Smtp::connect(house.smtp());
    for number in 0..10 {
        smtp.command(&format!("MAIL FROM:<forged{number}@example.org>"));
        let reply = smtp.command(&format!("RCPT TO:<nobody{number}@example.test>"));
        assert!(reply.starts_with("550 5.1.1"), "{reply}");
        smtp.command("RSET");
    }
    assert_eq!(house.queued(), 0);
}

#[test]
fn with_lookup_down_mail_is_deferred_and_never_refused_for_good() {
    let mut house = House::start();
    house.services().stop("lookup", nix::sys::signal::Signal::SIGKILL);
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<bob@example.test>");
    let reply = smtp.command("RCPT TO:<alice@example.test>");
    assert!(reply.starts_with('4'), "{reply}");
    let mut pop3 = Pop3::connect(house.pop3());
    pop3.good("USER alice@example.test");
    let reply = pop3.command(&format!("PASS {PASSWORD}"));
    assert!(reply.starts_with("-ERR [SYS/TEMP]"), "{reply}");
    house.run();
    house.send("bob@example.test", "alice@example.test", &message("after all"));
    house.await_mail("alice", 1);
}

#[test]
fn with_queued_down_nothing_is_accepted() {
    // S58
    let mut house = House::start();
    house.services().stop("queued", nix::sys::signal::Signal::SIGKILL);
    let reply =
        Smtp::connect(house.smtp()).send("bob@example.test", &["alice@example.test"], b"Subject: x\n\nx\n");
    assert!(reply.starts_with("451 "), "{reply}");
    house.run();
    house.send("bob@example.test", "alice@example.test", &message("after all"));
    house.await_mail("alice", 1);
}

#[test]
fn a_message_over_databytes_is_refused_and_the_session_goes_on() {
    // S32
    let house = House::start();
    house.write("control/databytes", "10000\n");
    let mut smtp = Smtp::connect(house.smtp());
    let large = format!("{}{}", message("large"), "0123456789abcde\n".repeat(1000));
    let reply = smtp.send("bob@example.test", &["alice@example.test"], large.as_bytes());
    assert!(reply.starts_with("552 "), "{reply}");
    let reply = smtp.send("bob@example.test", &["alice@example.test"], message("small").as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
    house.await_mail("alice", 1);
}

#[test]
fn a_broken_control_file_defers_and_never_opens_anything() {
    // K04, S57
    let house = House::start();
    for (name, text) in
        [("databytes", "12abc\n"), ("databytes", "-1\n"), ("databytes", "99999999999999999999\n")]
    {
        house.write(&format!("control/{name}"), text);
        let refused = match Smtp::try_connect(house.smtp()) {
            Ok(mut smtp) => smtp.send("bob@example.test", &["alice@example.test"], b"Subject: x\n\nx\n"),
            Err(error) => error.to_string(),
        };
        assert!(!refused.starts_with("250"), "{name} = {text}: {refused}");
    }
    std::fs::remove_file(house.path("control/databytes")).unwrap();
    house.send("bob@example.test", "alice@example.test", &message("mended"));
}
