//! What qmail's own documents show, rebuilt: mail for aliases, for extensions, for lists, for everybody else;
//! hosts that only send; people who forward to each other.

use std::fs;

use tests::people::{HERE, await_new, maildir, start, write};
use tests::{House, Smtp, files, message};

/// A message from ann to `local`, both here.
fn send(house: &House, local: &str) {
    let reply = Smtp::connect(house.smtp()).send(
        &format!("ann@{HERE}"),
        &[&format!("{local}@{HERE}")],
        message(local).as_bytes(),
    );
    assert!(reply.starts_with("250 "), "{reply}");
}

fn header(text: &str, line: &str) -> bool {
    text.lines().take_while(|line| !line.is_empty()).any(|seen| seen == line)
}

#[test]
fn mail_for_an_alias_is_forwarded_to_a_user() {
    let Some(house) = start() else { return };
    maildir(&house, "ann", "Maildir");
    for name in ["postmaster", "mailer-daemon", "first:last"] {
        write(&house, "alias", &format!(".qmail-{name}"), &format!("&ann@{HERE}\n"));
    }
    for (count, to) in ["Postmaster", "MAILER-DAEMON", "First.Last"].into_iter().enumerate() {
        send(&house, to);
        let texts = await_new(&house, "ann", "Maildir", count + 1);
        let via = format!("Delivered-To: alias-{to}@{HERE}");
        let plain = format!("Delivered-To: {to}@{HERE}");
        assert!(texts.iter().any(|text| header(text, &via) || header(text, &plain)), "{to}: {texts:?}");
    }
}

#[test]
fn mail_for_an_extension_is_the_user_s_to_sort() {
    let Some(house) = start() else { return };
    maildir(&house, "ann", "sos");
    write(&house, "ann", ".qmail-sos", "./sos/\n|grep -c . >count\n");
    send(&house, "ann-sos");
    let text = &await_new(&house, "ann", "sos", 1)[0];
    assert!(header(text, &format!("Delivered-To: ann-sos@{HERE}")), "{text}");
    // One that no file is for is not even accepted.
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<bob@example.net>");
    let reply = smtp.command(&format!("RCPT TO:<ann-nothing@{HERE}>"));
    assert!(reply.starts_with("550 5.1.1 Sorry, no mailbox here by that name."), "{reply}");
}

#[test]
fn what_nobody_here_takes_is_sent_on_to_the_old_server() {
    let Some(house) = start() else { return };
    let old = House::start();
    let (ip, port) = (old.smtp().ip(), old.smtp().port());
    house.write("control/smtproutes", &format!("{}:[{ip}]:{port}\n", tests::DOMAIN));
    write(&house, "alias", ".qmail-default", &format!("|forward \"$LOCAL\"@{}\n", tests::DOMAIN));
    send(&house, "alice");
    let text = String::from_utf8(old.await_mail("alice", 1).remove(0)).unwrap();
    assert!(header(&text, &format!("Return-Path: <ann@{HERE}>")), "{text}");
    assert!(header(&text, &format!("Delivered-To: alice@{HERE}")), "{text}");
}

#[test]
fn a_list_hears_of_subscribers_that_fail_each_at_an_address_of_its_own() {
    let Some(house) = start() else { return };
    for folder in ["Maildir", "failures"] {
        maildir(&house, "ann", folder);
    }
    maildir(&house, "joe-smith", "Maildir");
    write(
        &house,
        "ann",
        ".qmail-club",
        &format!("&joe-smith@{HERE}\n&ann-gone@{HERE}\n|echo done >>club.log\n"),
    );
    write(&house, "ann", ".qmail-club-owner", "./Maildir/\n");
    write(&house, "ann", ".qmail-club-owner-default", "|echo \"$DEFAULT\" >>failed\n./failures/\n");
    send(&house, "ann-club");
    let text = &await_new(&house, "joe-smith", "Maildir", 1)[0];
    let verp = format!("Return-Path: <ann-club-owner-joe-smith={HERE}@{HERE}>");
    assert!(header(text, &verp), "{text}");
    // Who fails here and now is told in one message, to the list; a host that gives up later has an address.
    let text = &await_new(&house, "ann", "failures", 1)[0];
    assert!(header(text, &format!("Delivered-To: ann-club-owner-@{HERE}")), "{text}");
    assert!(text.contains(&format!("<ann-gone@{HERE}>:")), "{text}");
    house.send("", &format!("ann-club-owner-joe-smith={HERE}@{HERE}"), &message("undeliverable"));
    await_new(&house, "ann", "failures", 2);
    let failed = fs::read_to_string(house.path("people/ann/failed")).unwrap();
    assert_eq!(failed, format!("\njoe-smith={HERE}\n"));
    house.await_empty_queue();
    assert!(files(&house.path("people/ann/Maildir/new")).is_empty(), "nothing for the list's owner himself");
}

#[test]
fn two_who_forward_to_each_other_get_one_bounce_between_them() {
    // L14
    let Some(house) = start() else { return };
    maildir(&house, "ann", "bounces");
    write(&house, "ann", ".qmail-a", &format!("&joe-smith@{HERE}\n"));
    write(&house, "joe-smith", ".qmail", &format!("&ann-a@{HERE}\n"));
    write(&house, "ann", ".qmail", "./bounces/\n");
    send(&house, "ann-a");
    let texts = await_new(&house, "ann", "bounces", 1);
    assert!(texts[0].contains("looping"), "{texts:?}");
    house.await_empty_queue();
    assert_eq!(files(&house.path("people/ann/bounces/new")).len(), 1);
}

#[test]
fn condredirect_leads_to_an_autoresponder_while_its_owner_is_away_and_the_mail_is_kept() {
    let Some(house) = start() else { return };
    for name in ["ann", "joe-smith"] {
        maildir(&house, name, "Maildir");
    }
    let away = format!("|condredirect joe-smith-away@{HERE} test -f gone\n./Maildir/\n");
    let reply = "|( echo \"From: joe-smith@system.test\"; echo \"To: $SENDER\"; echo \"Subject: away\"; echo; echo Back soon. ) \
        | qmail-inject -f '' -- \"$SENDER\"\n|qreceipt joe-smith@system.test\n./Maildir/\n";
    write(&house, "joe-smith", ".qmail", &away);
    write(&house, "joe-smith", ".qmail-away", reply);
    write(&house, "joe-smith", "gone", "");
    let text = format!("Notice-Requested-Upon-Delivery-To: joe-smith@{HERE}\n{}", message("joe-smith"));
    let to = format!("joe-smith@{HERE}");
    let sent = Smtp::connect(house.smtp()).send(&format!("ann@{HERE}"), &[&to], text.as_bytes());
    assert!(sent.starts_with("250 "), "{sent}");
    await_new(&house, "joe-smith", "Maildir", 1);
    let texts = await_new(&house, "ann", "Maildir", 2);
    assert!(texts.iter().any(|text| text.contains("\nSubject: away\n")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("\nSubject: success notice\n")), "{texts:?}");
}

#[test]
fn a_null_client_keeps_nothing_and_sends_all_to_its_hub() {
    let hub = House::start();
    let mut house = House::empty();
    house.write("control/locals", "");
    house.write("control/virtualdomains", "");
    house.write("control/smtproutes", &format!(":[127.0.0.1]:{}\n", hub.smtp().port()));
    house.write("control/defaulthost", &format!("{}\n", tests::DOMAIN));
    house.run();
    let inject = house.path("bin/qmail-inject");
    let mut command = std::process::Command::new(inject);
    command.env("FULMAR_HOME", house.path("")).env("QMAILUSER", "bob").stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text = b"To: alice\nSubject: from a null client\n\nHello.\n";
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), text).unwrap();
    assert!(child.wait().unwrap().success());
    let text = String::from_utf8(hub.await_mail("alice", 1).remove(0)).unwrap();
    assert!(
        header(&text, "Subject: from a null client") && header(&text, "To: alice@example.test"),
        "{text}"
    );
    house.await_empty_queue();
}
