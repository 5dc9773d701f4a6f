//! The admin's command, from an empty folder to a working house.

use std::os::unix::fs::MetadataExt;

use tests::{House, Pop3, message};

#[test]
fn domains_and_users_come_and_go() {
    let house = House::start();
    house.well(&["domain", "add", "example.org"]);
    assert_eq!(house.well(&["domain", "list"]), "DOMAIN\nexample.org\nexample.test\n");
    house.well(&["user", "add", "carol@example.org", "--password", "first word"]);
    assert!(house.well(&["user", "list", "example.org"]).contains("carol"));
    Pop3::login(house.pop3(), "carol@example.org", "first word").good("QUIT");
    house.well(&["user", "passwd", "carol@example.org", "--password", "second word"]);
    Pop3::login(house.pop3(), "carol@example.org", "second word").good("QUIT");
    assert_eq!(house.fulmar(&["domain", "del", "example.org"]).status.code(), Some(100), "it has a user");
    house.well(&["alias", "add", "sales@example.org", "carol@example.org", "u@example.net"]);
    let aliases = house.well(&["alias", "list", "example.org"]);
    assert!(aliases.contains("sales@example.org  carol@example.org, u@example.net"), "{aliases}");
    house.well(&["alias", "del", "sales@example.org"]);
    house.well(&["user", "set", "carol@example.org", "quota=5M"]);
    assert!(house.well(&["user", "show", "carol@example.org"]).contains("5M"));
    house.well(&["user", "del", "carol@example.org"]);
    house.well(&["domain", "del", "example.org"]);
    assert_eq!(house.well(&["domain", "list"]), "DOMAIN\nexample.test\n");
}

#[test]
fn what_cannot_be_done_says_why_and_exits_100() {
    let house = House::start();
    for words in [
        &["user", "add", "alice@example.test", "--password", "x"][..],
        &["user", "add", "alice@nowhere.test", "--password", "x"],
        &["user", "add", "../x@example.test", "--password", "x"],
        &["user", "passwd", "nobody@example.test", "--password", "x"],
        &["user", "show", "nobody@example.test"],
        &["domain", "add", "exam ple"],
        &["domain", "add", "../etc"],
        &["domain", "del", "nowhere.test"],
        &["no-such-command"],
    ] {
        let output = house.fulmar(words);
        assert_eq!(output.status.code(), Some(100), "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?} says nothing");
    }
}

#[test]
fn a_new_user_in_a_domain_that_is_not_here_is_told_so_before_a_password_is_asked_for() {
    let house = House::start();
    let output = house.fulmar(&["user", "add", "carol@nowhere.test"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(100), "{said}");
    assert!(said.contains("fulmar domain add nowhere.test") && !said.contains("password"), "{said}");
}

#[test]
fn without_lookup_a_change_is_to_be_tried_again() {
    let house = House::empty();
    let output = house.fulmar(&["domain", "list"]);
    assert_eq!(output.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&output.stderr).contains("lookup"));
}

#[test]
fn lists_are_json_when_asked() {
    let house = House::start();
    let domains = house.well(&["--json", "domain", "list"]);
    assert_eq!(domains.split_whitespace().collect::<String>(), "[{\"domain\":\"example.test\"}]");
    assert_eq!(house.well(&["queue", "list", "--json"]).trim(), "[]");
    assert!(house.well(&["user", "list", "example.test", "--json"]).contains("alice"));
}

#[test]
fn a_new_house_has_no_trouble_and_a_broken_file_is_told_with_line_and_cure() {
    // K01, K04
    let house = House::start();
    house.well(&["check"]);
    house.write("control/databytes", "12abc\n");
    house.write("etc/tcp.smtp", "127.:allow\nnonsense\n");
    let output = house.fulmar(&["check"]);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(100), "{said}");
    assert!(said.contains("control/databytes") && said.contains("etc/tcp.smtp"), "{said}");
    assert!(said.contains("line 2"), "{said}");
    let json = house.fulmar(&["check", "--json"]);
    let json = String::from_utf8_lossy(&json.stdout).into_owned();
    assert!(json.contains("\"file\"") && json.contains("\"cure\""), "{json}");
}

#[test]
fn the_folders_of_sockets_and_of_all_mail_never_stay_with_somebody_who_is_not_root() {
    let house = House::empty();
    let root = std::fs::metadata(house.path("bin")).unwrap().uid() == 0;
    for name in ["run", "mail"].into_iter().filter(|_| root) {
        assert_eq!(std::fs::metadata(house.path(name)).unwrap().uid(), 0, "{name}");
        std::os::unix::fs::chown(house.path(name), Some(64_006), None).unwrap();
        let said = house.fulmar(&["check"]);
        assert!(String::from_utf8_lossy(&said.stdout).contains("belongs to uid 64006"), "{said:?}");
        house.well(&["init", "--link"]);
        assert_eq!(std::fs::metadata(house.path(name)).unwrap().uid(), 0, "{name}");
    }
}

#[test]
fn init_keeps_what_an_admin_has_written() {
    let house = House::empty();
    house.write("control/me", "changed.example.test\n");
    house.write("etc/tcp.smtp", "# mine\n:allow\n");
    house.well(&["init", "--link"]);
    assert_eq!(std::fs::read_to_string(house.path("control/me")).unwrap(), "changed.example.test\n");
    assert_eq!(std::fs::read_to_string(house.path("etc/tcp.smtp")).unwrap(), "# mine\n:allow\n");
}

#[test]
fn what_waits_in_the_queue_is_listed_and_shown() {
    let mut house = House::start();
    house.services().stop("send", nix::sys::signal::Signal::SIGTERM);
    house.send("bob@example.test", "alice@example.test", &message("waiting"));
    let list = house.well(&["queue", "list", "--json"]);
    assert!(list.contains("bob@example.test"), "{list}");
    let id: String =
        list.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() > 12).unwrap().to_owned();
    let shown = house.well(&["queue", "show", &id]);
    assert!(shown.contains("alice@example.test") && shown.contains("Subject: waiting"), "{shown}");
    assert!(house.well(&["queue", "stats"]).contains('1'));
    assert_eq!(house.fulmar(&["queue", "show", "1"]).status.code(), Some(100));
    house.run();
    house.await_mail("alice", 1);
    house.await_empty_queue();
    assert_eq!(house.well(&["queue", "list"]), "");
}

#[test]
fn help_and_completions_are_there() {
    let house = House::empty();
    assert!(house.well(&["--help"]).contains("Examples:"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(house.well(&["completions", shell]).contains("domain"), "{shell}");
    }
}
