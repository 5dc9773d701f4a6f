//! What an admin does with waiting mail: every verb and filter of `fulmar queue`, on a house whose
//! next host is dead.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use tests::{House, message, program};

/// A house with nobody behind the relay of dead.test, and the ids of the messages `mails` (sender,
/// recipients) that wait in it.
fn waiting(mails: &[(&str, &[&str])]) -> (House, Vec<String>) {
    let house = House::start();
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    house.write("control/smtproutes", &format!("dead.test:127.0.0.1:{}\n", dead.port()));
    house.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n");
    house.well(&["cdb"]);
    let mut ids = Vec::new();
    for (number, (sender, recipients)) in mails.iter().enumerate() {
        let text = message(&format!("waits {number}"));
        let reply = tests::Smtp::connect(house.smtp()).send(sender, recipients, text.as_bytes());
        assert!(reply.starts_with("250 "), "{reply}");
        ids.push(house.until("the message", || list(&house, &[]).into_iter().find(|id| !ids.contains(id))));
    }
    house.until("a last answer for each", || {
        let all = ids.iter().all(|id| shown(&house, id).contains("can't be reached"));
        all.then_some(())
    });
    (house, ids)
}

/// The ids that `fulmar queue list` with these filters shows.
fn list(house: &House, filters: &[&str]) -> Vec<String> {
    let text = house.well(&[&["queue", "list"][..], filters].concat());
    text.lines().skip(1).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn shown(house: &House, id: &str) -> String {
    house.well(&["queue", "show", id])
}

#[test]
fn messages_are_found_by_what_they_are() {
    let (house, ids) = waiting(&[
        ("bob@example.test", &["a@dead.test"]),
        ("alice@example.test", &["b@dead.test", "c@dead.test"]),
    ]);
    let (first, second) = (&ids[0], &ids[1]);
    for (filters, expect) in [
        (&["--all"][..], &[first, second][..]),
        (&["--sender", "bob@*"], &[first]),
        (&["--sender", "<>"], &[]),
        (&["--recipient", "C@dead.test"], &[second]),
        (&["--domain", "dead.test"], &[first, second]),
        (&["--domain", "live.test"], &[]),
        (&["--older", "1h"], &[]),
        (&["--younger", "1h", "--sender", "alice@example.test"], &[second]),
        (&["--larger", "1M"], &[]),
        (&["--smaller", "1M"], &[first, second]),
        (&["--error", "can't be reached"], &[first, second]),
        (&["--error", "mailbox full"], &[]),
        (&["--held"], &[]),
        (&[second], &[second]),
    ] {
        assert_eq!(list(&house, filters).iter().collect::<Vec<_>>(), expect, "{filters:?}");
    }
    assert_eq!(house.fulmar(&["queue", "list", "17"]).status.code(), Some(100));
    assert_eq!(house.fulmar(&["queue", "list", "--older", "soon"]).status.code(), Some(100));
    let view = house.well(&["queue", "view", first]);
    assert!(view.starts_with("Received: ") && view.ends_with("Subject: waits 0\n\nHello.\n"), "{view}");
    let stats = house.well(&["queue", "stats"]);
    assert!(stats.contains("3  dead.test"), "{stats}");
    let json = house.well(&["queue", "show", second, "--json"]);
    assert!(json.contains("\"answer\": \"4.4.1 127.0.0.1 can't be reached"), "{json}");
}

#[test]
fn a_dry_run_changes_nothing_and_no_verb_means_everything_by_itself() {
    let (house, ids) = waiting(&[("bob@example.test", &["a@dead.test"])]);
    for verb in ["retry", "hold", "release", "delete", "bounce"] {
        let said = house.well(&["queue", verb, "--all", "--dry-run"]);
        assert_eq!(said, format!("would {verb} {} from <bob@example.test>\n", ids[0]));
        let said = house.fulmar(&["queue", verb]);
        assert_eq!(said.status.code(), Some(100), "{verb}");
    }
    house.well(&["queue", "route", "relay.test", "--all", "--dry-run"]);
    house.well(&[
        "queue",
        "rcpt",
        "--from",
        "a@dead.test",
        "--to",
        "alice@example.test",
        "--all",
        "--dry-run",
    ]);
    assert!(tests::files(&house.path("queue/ask")).is_empty());
    assert_eq!(list(&house, &[]), ids);
}

#[test]
fn held_mail_waits_through_a_restart_and_goes_when_it_is_released() {
    let (mut house, ids) = waiting(&[("bob@example.test", &["a@dead.test"])]);
    house.well(&["queue", "hold", &ids[0]]);
    assert_eq!(list(&house, &["--held"]), ids);
    let far = House::start();
    far.well(&["domain", "add", "dead.test"]);
    far.well(&["user", "add", "a@dead.test", "--password", "x"]);
    house.write("control/smtproutes", &format!("dead.test:127.0.0.1:{}\n", far.smtp().port()));
    house.services().stop("send", Signal::SIGKILL);
    house.run();
    house.well(&["queue", "retry", "--all"]);
    assert_eq!(list(&house, &["--held"]), ids, "still there");
    house.well(&["queue", "release", "--held"]);
    house.await_empty_queue();
}

#[test]
fn a_message_is_deleted_or_bounced() {
    let (house, ids) =
        waiting(&[("bob@example.test", &["a@dead.test"]), ("alice@example.test", &["b@dead.test"])]);
    house.well(&["queue", "delete", &ids[0]]);
    house.well(&["queue", "bounce", "--sender", "alice@example.test"]);
    let bounce = &house.await_mail("alice", 1)[0];
    let bounce = String::from_utf8_lossy(bounce);
    assert!(bounce.contains("b@dead.test") && bounce.contains("given this message up"), "{bounce}");
    house.await_empty_queue();
    assert!(house.mail("bob").is_empty());
    assert!(tests::files(&house.path("queue/defer")).is_empty());
}

#[test]
fn mail_takes_another_route() {
    let (house, ids) = waiting(&[("bob@example.test", &["dora@dead.test"])]);
    let far = House::start();
    far.well(&["domain", "add", "dead.test"]);
    far.well(&["user", "add", "dora@dead.test", "--password", "x"]);
    assert_eq!(house.fulmar(&["queue", "route", "a b", &ids[0]]).status.code(), Some(100));
    house.well(&["queue", "route", &format!("[127.0.0.1]:{}", far.smtp().port()), &ids[0]]);
    house.await_empty_queue();
    far.await_empty_queue();
    assert_eq!(tests::files(&far.path("mail/dead.test/dora/Maildir/new")).len(), 1);
    assert!(tests::files(&house.path("queue/steer")).is_empty());
}

#[test]
fn a_recipient_is_replaced_added_or_dropped() {
    let (house, ids) = waiting(&[("bob@example.test", &["a@dead.test", "b@dead.test"])]);
    house.well(&["queue", "rcpt", "--from", "a@dead.test", "--to", "alice@example.test", &ids[0]]);
    let mail = &house.await_mail("alice", 1)[0];
    assert!(String::from_utf8_lossy(mail).contains("Subject: waits 0"));
    let text = shown(&house, &ids[0]);
    assert!(text.contains("done     a@dead.test") && text.contains("waiting  b@dead.test"), "{text}");
    house.well(&["queue", "rcpt", "--to", "bob@example.test", &ids[0]]);
    house.await_mail("bob", 1);
    house.well(&["queue", "rcpt", "--from", "b@dead.test", "--all"]);
    house.await_empty_queue();
}

#[test]
fn the_queue_is_seen_in_qmails_form_under_qmails_names() {
    let (house, ids) = waiting(&[("bob@example.test", &["a@dead.test"])]);
    let run = |name: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(house.path("bin").join(name));
        let output = command.args(arguments).env("FULMAR_HOME", house.path("")).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let qread = run("qmail-qread", &[]);
    let (head, recipients) = qread.split_once('\n').unwrap();
    let (date, rest) = head.split_once(" GMT  #").unwrap();
    assert_eq!(date.split(' ').count(), 4, "{date}");
    assert!(rest.starts_with(&format!("{}  ", ids[0])) && rest.ends_with("  <bob@example.test> "), "{head}");
    assert_eq!(recipients, "\tremote\ta@dead.test\n");
    assert_eq!(run("mailq", &[]), qread);
    let qstat = "messages in queue: 1\nmessages in queue but not yet preprocessed: 0\n";
    assert_eq!(run("qmail-qstat", &[]), qstat);
    assert_eq!(run("qmailctl", &["queue"]), format!("{qstat}{qread}"));
    assert!(run("qmail-showctl", &[]).contains("\nme: mail.example.test\n"));
    assert!(run("qmailctl", &["cdb"]).contains("tcp.smtp"));
    assert!(program("fulmar").is_file());
}
