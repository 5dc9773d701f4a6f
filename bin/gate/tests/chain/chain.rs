//! From the greeting to the mailbox, and what must not stop or mislead anyone on the way.

use std::fs;

use sys::process::Exit;

use crate::dialog;
use crate::house::{House, PASSWORD, STAMP, USER, dialogs, digest_of};

#[test]
fn every_dialog_goes_as_it_is_written() {
    let house = House::new();
    for path in dialog::dialogs(&dialogs()) {
        house.fill();
        dialog::run_dialog(&path, &mut house.connect());
    }
}

#[test]
fn a_good_login_leads_to_the_mailbox_and_the_program_ends_well() {
    let house = House::new();
    let mut client = house.connect();
    client.greeting();
    assert_eq!(client.login(PASSWORD), "+OK 3 messages");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!(client.exit(), Exit::Code(0));
    let log = house.log();
    let asked = house.lookup().asked.clone();
    assert_eq!(asked[1], format!("auth pop3 192.0.2.7  PASS {USER} {PASSWORD}"));
    assert!(log.contains(&format!(" login service=pop3 ip=192.0.2.7 method=PASS user={USER}\n")), "{log}");
    assert!(log.contains(&format!(" end user={USER} messages=3 opened=0 deleted=0 left=3\n")), "{log}");
    // The lines of one connection bear one id.
    let ids: Vec<&str> = log.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(ids[0], ids[1], "{log}");
}

#[test]
fn a_digest_of_the_timestamp_lets_in() {
    let house = House::new();
    let mut client = house.connect();
    assert_eq!(client.greeting(), format!("+OK POP3 ready {STAMP}"));
    let wrong = digest_of("looking-glass");
    assert_eq!(client.say(&format!("APOP {USER} {wrong}")), "-ERR [AUTH] Wrong user name or password");
    assert_eq!(client.say(&format!("APOP {USER} {}", digest_of(PASSWORD))), "+OK 3 messages");
}

#[test]
fn what_is_pipelined_behind_the_password_reaches_the_mailbox() {
    let house = House::new();
    let mut client = house.connect();
    client.greeting();
    client.send(&format!("USER {USER}\r\nPASS {PASSWORD}\r\nSTAT\r\nLIST 1\r\nQUIT\r\n"));
    assert_eq!(
        client.rest(),
        "+OK Password, please\r\n+OK 3 messages\r\n+OK 3 160\r\n+OK 1 57\r\n+OK Good bye\r\n"
    );
}

#[test]
fn a_lookup_that_is_down_is_not_a_wrong_password() {
    let house = House::without_lookup();
    let mut client = house.connect();
    assert_eq!(client.greeting(), "+OK POP3 ready");
    assert_eq!(client.login(PASSWORD), "-ERR [SYS/TEMP] Logins cannot be checked now, try again later");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert!(house.log().contains(" later service=pop3 ip=192.0.2.7"));
}

#[test]
fn a_lookup_that_talks_nonsense_lets_nobody_in() {
    let house = House::new();
    let mut client = house.connect();
    client.greeting();
    for said in ["K", "k", "X", "Z4.3.0 store is down", "Csurprise"] {
        house.lookup().auth = Some(said.into());
        assert!(client.login(PASSWORD).starts_with("-ERR [SYS/TEMP] "), "{said}");
    }
}

#[test]
fn a_ticket_that_cannot_be_redeemed_opens_nothing_and_the_client_is_told() {
    let house = House::new();
    house.lookup().auth = Some("Kffffffffffffffffffffffffffffffff".into());
    let worker = house.worker();
    let mut client = worker.job();
    client.greeting();
    assert_eq!(client.login(PASSWORD), "-ERR [SYS/TEMP] The mailbox cannot be reached now, try again later");
    assert_eq!(client.rest(), "");
    assert_eq!(worker.answer().unwrap(), b"K");
    assert!(
        house.log().contains("later cause=lookup opens nothing: 5.7.8 no such ticket"),
        "{}",
        house.log()
    );
}

#[test]
fn a_user_name_never_makes_a_second_line_or_field_in_the_log() {
    // P12
    let house = House::new();
    let mut client = house.connect();
    client.greeting();
    for name in ["../../etc/passwd", "' OR 1=1--", "a%u%h", "x ip=192.0.2.9 login", "é"] {
        client.say(&format!("USER {name}"));
        assert_eq!(client.say("PASS x"), "-ERR [AUTH] Wrong user name or password", "{name}");
    }
    let log = house.log();
    let refusals: Vec<&str> = log.lines().filter(|line| line.contains(" refuse ")).collect();
    assert_eq!(refusals.len(), 5, "{log}");
    assert!(refusals.iter().all(|line| line.matches(" ip=").count() == 1), "{log}");
}

#[test]
fn no_password_is_ever_logged() {
    let house = House::new();
    let mut client = house.connect();
    client.greeting();
    client.login("looking-glass");
    client.login(PASSWORD);
    client.say("QUIT");
    let log = house.log();
    assert!(!log.contains("looking-glass") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn a_worker_serves_on_after_a_failed_login_and_ends_with_the_mailbox() {
    let house = House::new();
    let worker = house.worker();
    for _ in 0..3 {
        let mut client = worker.job();
        client.greeting();
        assert_eq!(client.login("wrong"), "-ERR [AUTH] Wrong user name or password");
        assert_eq!(client.say("QUIT"), "+OK Good bye");
        assert_eq!(client.rest(), "");
        assert_eq!(worker.answer().unwrap(), b"K");
    }
    let mut client = worker.job();
    client.greeting();
    assert_eq!(client.login(PASSWORD), "+OK 3 messages");
    assert_eq!(worker.answer(), None);
    assert!(worker.is_running());
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!(worker.wait(), Exit::Code(0));
}

#[test]
fn a_login_that_crashes_takes_only_its_own_client_with_it() {
    let house = House::new();
    let worker = house.worker();
    let mut client = worker.job();
    client.greeting();
    kill(worker.login());
    assert_eq!(client.rest(), "");
    // Whoever tries to break in shall not have the same process to try at again.
    assert_eq!(worker.answer().unwrap(), b"X");
    assert_eq!(worker.wait(), Exit::Code(0));
    assert!(house.log().contains("login: ended in the midst of its work"), "{}", house.log());
}

#[test]
fn a_login_that_dies_while_it_waits_is_noticed_by_no_client() {
    let house = House::new();
    let worker = house.worker();
    kill(worker.login());
    let mut client = worker.job();
    client.greeting();
    assert_eq!(client.login(PASSWORD), "+OK 3 messages");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
}

#[test]
fn where_logins_stem_has_died_one_more_client_is_served_and_then_all_are_started_anew() {
    let house = House::new();
    let worker = house.worker();
    let waiting = worker.login();
    kill(worker.logins()[0]);
    kill(waiting);
    let mut client = worker.job();
    client.greeting();
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!(worker.answer().unwrap(), b"X");
    assert_eq!(worker.wait(), Exit::Code(0));
    assert!(house.log().contains("login makes no copy, it is started anew"), "{}", house.log());
    assert!(worker.makes_no_copy(), "tcpserver starts another stem then");
}

#[test]
fn a_house_that_was_started_without_new_privileges_lets_in_and_leaves_no_login_behind() {
    let house = House::new();
    let worker = house.worker_under(&["setpriv", "--no-new-privs"]);
    let mut client = worker.job();
    client.greeting();
    let login = worker.login();
    assert!(client.login("wrong").starts_with("-ERR"));
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!(worker.answer().unwrap(), b"K");
    wait_for_the_end_of(login);
    let mut client = worker.job();
    client.greeting();
    let login = worker.login();
    assert_eq!(client.login(PASSWORD), "+OK 3 messages");
    wait_for_the_end_of(login);
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!(client.rest(), "", "one server, and nobody else, has spoken with him");
}

#[test]
fn login_holds_no_privilege_and_no_mail_process_holds_login() {
    let house = House::new();
    let worker = house.worker();
    let mut client = worker.job();
    client.greeting();
    let login = worker.login();
    let status = fs::read_to_string(format!("/proc/{login}/status")).unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".into(), "2".into()));
    if sys::is_root() {
        assert_eq!(field("Uid:"), "20002\t20002\t20002\t20002");
        assert_eq!(field("Groups:"), "");
    }
    assert_eq!(client.login(PASSWORD), "+OK 3 messages");
    wait_for_the_end_of(login);
    assert_eq!(worker.logins().len(), 1, "the stem");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!(worker.wait(), Exit::Code(0));
}

#[test]
fn a_parent_that_goes_away_leaves_no_process_behind() {
    let house = House::new();
    let worker = house.worker();
    // Once a client has been greeted, all of them are running.
    worker.job().greeting();
    assert_eq!(worker.answer().unwrap(), b"K");
    let login = worker.login();
    assert_eq!(worker.leave(), [Exit::Code(0); 2]);
    wait_for_the_end_of(login);
}

fn kill(pid: u32) {
    let done = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(done.success());
    wait_for_the_end_of(pid);
}

fn wait_for_the_end_of(pid: u32) {
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
}
