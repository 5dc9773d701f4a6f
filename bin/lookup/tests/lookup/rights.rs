//! Who may ask what.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use sys::Packets;

use crate::house::{House, NET, SOMEBODY, USERS};

/// Not a test of its own: what another uid gets is seen by starting this program anew as that uid.
#[test]
fn probe() {
    let Some(path) = std::env::var_os("PROBE") else { return };
    let answer = Packets::connect(path.as_ref()).and_then(|socket| socket.ask(b"domain\0example.test"));
    println!(
        "PROBED {}",
        answer.map_or_else(|_| "nothing".into(), |a| String::from_utf8_lossy(&a.bytes).into_owned())
    );
}

fn as_uid(uid: u32, house: &House, socket: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "rights::probe", "--nocapture"]).env("PROBE", house.path("run").join(socket));
    let output = command.uid(uid).gid(uid).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let probed =
        text.lines().find_map(|line| line.split_once("PROBED ").map(|(_, answer)| answer.replace('\0', " ")));
    probed.unwrap_or_else(|| panic!("{output:?}"))
}

#[test]
fn started_by_root_each_socket_answers_only_those_it_is_for() {
    let Some(house) = House::of_root() else { return };
    let house = house.with_users();
    assert_eq!(as_uid(NET, &house, "lookup"), "K name=example.test");
    assert_eq!(as_uid(SOMEBODY, &house, "lookup"), "nothing");
    for socket in ["lookup-root", "admin"] {
        assert_eq!(as_uid(NET, &house, socket), "nothing", "{socket}");
        assert_eq!(as_uid(SOMEBODY, &house, socket), "nothing", "{socket}");
    }
    assert!(house.ask("lookup-root", &["domain", "example.test"]).starts_with('K'));
}

#[test]
fn no_socket_answers_the_questions_of_another() {
    let house = House::new().with_users();
    for (socket, question) in [
        ("lookup", &["owner", "alice@example.test"][..]),
        ("lookup", &["login", "x"]),
        ("lookup", &["admin", "domain-list"]),
        ("lookup-root", &["admin", "domain-list"]),
        ("lookup-root", &["auth", "pop3", "", "", "PASS", "alice@example.test", "secret"]),
        ("admin", &["owner", "alice@example.test"]),
        ("admin", &["auth", "pop3", "", "", "PASS", "alice@example.test", "secret"]),
    ] {
        assert!(house.ask(socket, question).starts_with('Z'), "{socket} {question:?}");
    }
}

#[test]
fn it_gives_up_root_and_everything_but_its_own_folders() {
    let Some(house) = House::of_root() else { return };
    let house = house.with_users();
    let status = fs::read_to_string(format!("/proc/{}/status", house.pid())).unwrap();
    let ids = format!("Uid:\t{USERS}\t{USERS}\t{USERS}\t{USERS}");
    assert!(
        status.contains(&ids) && status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"),
        "{status}"
    );
    assert!(status.contains("CapEff:\t0000000000000000"));
    let seen = fs::metadata(house.path("users/example.test/passwords")).unwrap();
    assert_eq!((seen.uid(), seen.permissions().mode() & 0o777), (USERS, 0o600));
    let users = fs::metadata(house.path("users")).unwrap();
    assert_eq!((users.uid(), users.permissions().mode() & 0o077), (USERS, 0));
}

#[test]
fn what_root_compiles_beside_it_stays_readable_for_it() {
    let Some(house) = House::of_root() else { return };
    let house = house.with_users();
    fs::write(house.path("users/example.test/accounts"), "alice:\ndave:\n").unwrap();
    assert!(users::compile_all(&house.path("users")).unwrap()[0].problems.is_empty());
    assert_eq!(house.ask("lookup", &["recipient", "dave@example.test"]), "K");
    assert_eq!(fs::metadata(house.path("users/example.test/cdb")).unwrap().uid(), USERS);
    assert!(house.admin(&["user-add", "erin@example.test", ""]).starts_with('K'));
}

#[test]
fn a_second_one_does_not_take_the_sockets_of_the_first() {
    let mut house = House::new().with_users();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lookup"));
    command.env("FULMAR_HOME", house.home.path());
    if sys::is_root() {
        command.uid(SOMEBODY).gid(SOMEBODY);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(111));
    assert_eq!(house.ask("lookup", &["recipient", "alice@example.test"]), "K");
    house.kill_and_restart();
    assert_eq!(house.ask("lookup", &["recipient", "alice@example.test"]), "K");
}

#[test]
fn it_takes_no_arguments() {
    let status = Command::new(env!("CARGO_BIN_EXE_lookup")).arg("-x").output().unwrap().status;
    assert_eq!(status.code(), Some(100));
}
