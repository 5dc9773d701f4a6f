//! Who has fetched his mail may send from there for a while, where tcp.smtp asks the relay table; nobody else.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use tests::{House, PASSWORD, Pop3, Smtp, tool};

fn relays(house: &House, from: &str) -> String {
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command(&format!("MAIL FROM:<{from}>"));
    smtp.command("RCPT TO:<dan@example.net>")
}

fn named(house: &House, name: &str, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(house.path("bin").join(name));
    let output = command.args(words).env("FULMAR_HOME", house.path("")).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn who_has_fetched_mail_sends_from_there_until_relay_clear_forgets_him() {
    let house = House::to_strangers();
    let (Some(curl), Some(swaks)) = (tool("curl"), tool("swaks")) else { return };
    let send = || {
        let server = house.smtp().to_string();
        let mut command = Command::new(&swaks);
        command.args(["--server", &server, "--from", "alice@example.test", "--to", "dan@example.net"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let fetch = |password: &str| {
        let url = format!("pop3://{}/", house.pop3());
        let user = format!("alice@example.test:{password}");
        Command::new(&curl).args(["-sS", "--user", &user, &url]).output().unwrap().status.success()
    };
    assert!(!fetch("wrong"));
    assert!(send().contains("<** 553 5.7.1"), "a wrong password opens nothing");
    assert!(fetch(PASSWORD));
    let told = send();
    assert!(told.contains("<-  250 2.0.0 ok"), "{told}");
    assert_eq!(house.queued(), 1);
    let cron = std::fs::read_to_string(house.path("etc/cron")).unwrap();
    let line = cron.lines().find(|line| line.ends_with("/relay-clear")).unwrap();
    let command = line.split_whitespace().skip(6).collect::<Vec<_>>().join(" ");
    let output =
        Command::new("sh").args(["-c", &command]).env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "cron: {}",
        said(&output)
    );
    assert_eq!(named(&house, "relay-clear", &[]), (Some(0), String::new()), "a young row stays");
    assert!(relays(&house, "x@example.org").starts_with('2'), "whatever the sender");
    assert_eq!(named(&house, "clearopensmtp", &["0"]), (Some(0), String::new()));
    assert!(send().contains("<** 553 5.7.1") && house.queued() == 1);
}

#[test]
fn rows_that_are_old_or_switched_off_or_of_another_sender_open_nothing() {
    let house = House::to_strangers();
    let old = (now() - 61 * 60).to_string();
    house.well(&["relay", "add", "127.0.0.1", &old, "--login", "alice@example.test"]);
    assert!(relays(&house, "alice@example.test").starts_with("553"));
    house.write("control/relayminutes", "90\n");
    assert!(relays(&house, "alice@example.test").starts_with('2'));
    house.write("etc/tcp.smtp", ":allow,CHECKRELAY=\"\",RELAY_CLEAR_MINUTES=\"60\"\n");
    house.well(&["cdb"]);
    assert!(relays(&house, "alice@example.test").starts_with("553"), "the rule knows better");
    house.well(&["relay", "add", "127.0.0.1", "--login", "alice@example.test"]);
    assert!(relays(&house, "bob@example.test").starts_with('2'));
    house.write("control/relaytable", "sender\n");
    assert!(relays(&house, "alice@example.test").starts_with('2'));
    assert!(relays(&house, "bob@example.test").starts_with("553") && relays(&house, "").starts_with("553"));
    house.write("control/relaytable", "off\n");
    assert!(relays(&house, "alice@example.test").starts_with("553"));
    house.write("control/relaytable", "maybe\n");
    assert!(relays(&house, "alice@example.test").starts_with("451"), "what is broken is put off");
    let told = || house.log().contains("`maybe` is no way to use the relay table").then_some(());
    house.until("the admin to be told", told);
    house.write("control/relaytable", "address\n");
    house.write("etc/tcp.smtp", ":allow\n");
    house.well(&["cdb"]);
    assert!(relays(&house, "alice@example.test").starts_with("553"), "nobody has asked for it");
}

#[test]
fn without_lookup_nobody_relays_and_nobody_is_refused_for_good() {
    let mut house = House::to_strangers();
    house.well(&["relay", "add", "127.0.0.1"]);
    house.services().stop("lookup", Signal::SIGKILL);
    assert!(relays(&house, "alice@example.test").starts_with("451"));
}

#[test]
fn a_session_that_stays_open_keeps_its_row() {
    let house = House::to_strangers();
    house.write("control/relayminutes", "1\n");
    let mut pop3 = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    house.well(&["relay", "delete", "127.0.0.1"]);
    assert!(relays(&house, "alice@example.test").starts_with("553"));
    house.until("the row of the open session", || house.path("relay/127.0.0.1").exists().then_some(()));
    assert!(relays(&house, "alice@example.test").starts_with('2'));
    pop3.command("QUIT");
}

#[test]
fn the_verbs_of_vsmtprelay_do_what_they_did_and_a_list_can_be_edited_and_read_again() {
    let house = House::to_strangers();
    let ctl = |words: &[&str]| named(&house, "vsmtprelay", words);
    let (code, usage) = ctl(&[]);
    assert!(code == Some(0) && usage.contains("expire [N]"), "{usage}");
    let (old, later) = ((now() - 7200).to_string(), (now() + 9_999_999).to_string());
    for words in [
        &["add", "192.0.2.1"][..],
        &["add", "192.0.2.2", &old],
        &["add", "192.0.2.3", &later],
        &["add", "2001:db8::9", &old],
    ] {
        assert_eq!(ctl(words).0, Some(0), "{words:?}");
    }
    assert_eq!(ctl(&["list"]).1, format!("192.0.2.2\t{old}\n2001:db8::/64\t{old}\n"));
    assert_eq!(ctl(&["list", "300"]).1, "");
    assert_eq!(ctl(&["dump"]).1.lines().count(), 4);
    let edited = ctl(&["list"]).1.replace(&old, &later);
    house.write("edited", &edited);
    assert_eq!(ctl(&["load", house.path("edited").to_str().unwrap()]).0, Some(0));
    assert_eq!(ctl(&["list"]).1, "");
    assert_eq!(ctl(&["expire", "0"]).0, Some(0));
    assert_eq!(ctl(&["dump"]).1.lines().count(), 3, "what is to come stays");
    assert_eq!(ctl(&["delete", "192.0.2.2", "192.0.2.3"]).0, Some(0));
    assert_eq!(ctl(&["dump"]).1, format!("2001:db8::/64\t{later}\n"));
    for wrong in [
        &["add", "1.2.3.4\n5.6.7.8"][..],
        &["add", "../../x"],
        &["add", "1.2.3.4", "-1"],
        &["expire", "soon"],
        &["delete"],
        &["x"],
    ] {
        assert_eq!(ctl(wrong).0, Some(100), "{wrong:?}");
    }
    house.write("edited", "192.0.2.7 5\n192.0.2.8 x\n");
    let refused = house.fulmar(&["relay", "load", house.path("edited").to_str().unwrap()]);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("line 2") && ctl(&["dump"]).1.lines().count() == 1
    );
    house.write("edited", "192.0.2.9 5 ann@x\n");
    house.well(&["relay", "load", "--replace", house.path("edited").to_str().unwrap()]);
    assert_eq!(house.well(&["relay", "dump"]), "192.0.2.9 5 ann@x\n");
}

#[test]
fn a_relayers_db_is_read_and_written() {
    if tool("db_load").is_none() || tool("db_dump").is_none() {
        return;
    }
    let house = House::to_strangers();
    let file = house.path("relayers.db");
    house.well(&["relay", "add", "192.0.2.1", "1700000000"]);
    house.well(&["relay", "add", "192.0.2.1", "1700000007", "--login", "ann@x"]);
    house.well(&["relay", "add", "192.0.2.2", "4000000000"]);
    house.well(&["relay", "export", file.to_str().unwrap()]);
    let dump = Command::new("db_dump").arg("-p").arg(&file).output().unwrap();
    let dump = String::from_utf8(dump.stdout).unwrap();
    assert!(dump.contains("type=hash") && dump.contains("\n 192.0.2.1\n 1700000007\n"), "{dump}");
    house.well(&["relay", "delete", "192.0.2.1", "192.0.2.2"]);
    house.well(&["relay", "import", file.to_str().unwrap()]);
    assert_eq!(house.well(&["relay", "dump"]), "192.0.2.1 1700000007 -\n192.0.2.2 4000000000 -\n");
    house.write("garbage", "no database");
    assert_eq!(
        house.fulmar(&["relay", "import", house.path("garbage").to_str().unwrap()]).status.code(),
        Some(100)
    );
}

#[test]
fn any_number_of_cleaners_at_any_moment_take_only_what_is_old() {
    // T02, T03
    let house = House::to_strangers();
    let rows: String =
        (0..200).map(|n| format!("192.0.2.{n} {}\n", if n % 2 == 0 { now() } else { 5 })).collect();
    house.write("rows", &rows);
    house.well(&["relay", "load", house.path("rows").to_str().unwrap()]);
    let mut cleaners: Vec<_> = (0..8)
        .map(|_| {
            Command::new(house.path("bin/relay-clear")).env("FULMAR_HOME", house.path("")).spawn().unwrap()
        })
        .collect();
    cleaners[0].kill().unwrap();
    assert_eq!(
        cleaners.iter_mut().filter_map(|child| child.wait().ok()).filter(|end| end.success()).count() / 7,
        1
    );
    assert_eq!(house.well(&["relay", "dump"]).lines().count(), 100);
}
