//! Whom `gate` becomes, and what the server program may then do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use sys::process::Exit;

use crate::house::{ALICE, Client, House, PASSWORD, USER, owner_uid};

fn refused(house: &House) {
    let mut client = house.connect();
    client.greeting();
    let said = client.login(PASSWORD);
    assert_eq!(said, "-ERR [SYS/TEMP] The mailbox cannot be reached now, try again later");
    assert_eq!(client.rest(), "");
}

#[test]
fn nobody_is_logged_in_as_root() {
    // P11
    let house = House::new();
    house.lookup().owner = house.owner().replace(&format!("uid={}", owner_uid()), "uid=0");
    refused(&house);
    assert!(
        house.log().contains("later cause=lookup opens nothing: 4.3.5 refusing to act for root"),
        "{}",
        house.log()
    );
}

#[test]
fn a_home_that_everybody_can_write_to_is_not_opened() {
    // P11
    let house = House::new();
    fs::set_permissions(house.path(ALICE), Permissions::from_mode(0o777)).unwrap();
    refused(&house);
    assert!(house.log().contains("everybody may write to the home"), "{}", house.log());
}

#[test]
fn a_home_of_somebody_else_is_not_opened() {
    // P11
    let house = House::new();
    let home = house.path(ALICE);
    fs::rename(&home, house.path("moved")).unwrap();
    symlink(house.path("moved"), &home).unwrap();
    refused(&house);
}

#[test]
fn a_first_login_finds_an_empty_mailbox_of_its_own() {
    let house = House::new();
    fs::remove_dir_all(house.path("mail")).unwrap();
    let mut client = house.connect();
    client.greeting();
    assert_eq!(client.login(PASSWORD), "+OK 0 messages");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    let home = fs::metadata(house.path(ALICE)).unwrap();
    assert_eq!((home.permissions().mode() & 0o777, home.uid()), (0o700, owner_uid()));
}

#[test]
fn a_suite_without_root_opens_no_other_users_mailbox() {
    if !sys::is_root() {
        let house = House::new();
        house.lookup().owner = house.owner().replace(&format!("uid={}", owner_uid()), "uid=54321");
        refused(&house);
    }
}

/// A shell in place of the server program, its commands coming from the client.
fn shell(house: &House) -> Client {
    shell_as(house, "/bin/sh")
}

fn shell_as(house: &House, server: &str) -> Client {
    let mut client = house.connect_to(server);
    client.greeting();
    client.send(&format!("USER {USER}\r\n"));
    client.line();
    client.send(&format!("PASS {PASSWORD}\r\n"));
    // What comes before login has ended would be found on descriptor 3.
    while !house.lookup().asked.iter().any(|question| question.starts_with("login ")) {
        std::thread::yield_now();
    }
    client
}

/// Does the shell say that `command` went well?
fn goes(client: &mut Client, command: &str) -> bool {
    client.send(&format!("({command}) 2>&1 && echo yes || echo no\n"));
    loop {
        match client.line().as_str() {
            "yes" => return true,
            "no" | "" => return false,
            _ => {}
        }
    }
}

#[test]
fn a_mailbox_server_gets_its_control_files_its_index_and_what_is_shared_with_the_owner() {
    let house = House::new();
    let server = house.path("imapd");
    symlink("/bin/sh", &server).unwrap();
    for (name, text) in [("indexdir", "index\n"), ("undelete", "7\n"), ("users", "secret\n")] {
        fs::write(house.path("control").join(name), text).unwrap();
    }
    let mail = house.path("mail");
    let other = mail.join("shared/other");
    fs::create_dir_all(&other).unwrap();
    house.lookup().owner += &format!("\0shared={}/shared/sales", mail.display());
    let mut uids = fs::read_to_string(house.path("control/uids")).unwrap();
    uids += &format!("fulmar-mail:{0}:{0}\n", owner_uid());
    fs::write(house.path("control/uids"), uids).unwrap();
    let mut client = shell_as(&house, server.to_str().unwrap());
    client.send("echo $INDEX $SHARED $FULMAR_HOME\n");
    let home = house.path("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    assert_eq!(
        client.line(),
        format!("{home}/index/example.test/alice sales={home}/mail/shared/sales {home}")
    );
    let client = &mut client;
    assert!(goes(client, "read x < ../../../control/undelete && [ $x = 7 ]"));
    assert!(goes(client, ": > $INDEX/x && : > ../../shared/sales/x"));
    assert!(goes(client, ": < /etc/localtime || ! [ -e /etc/localtime ]"));
    for closed in ["read x < ../../../control/users", ": > ../../shared/other/x", ": > $INDEX/../x"] {
        assert!(!goes(client, closed), "{closed}");
    }
    let seen = fs::metadata(house.path("index/example.test/alice")).unwrap();
    assert_eq!((seen.uid(), seen.permissions().mode() & 0o777), (owner_uid(), 0o700));
}

#[test]
fn other_servers_get_neither_and_an_index_out_of_place_opens_nothing() {
    let house = House::new();
    fs::write(house.path("control/indexdir"), "mail/example.test/alice/nowhere/index\n").unwrap();
    house.lookup().owner += &format!("\0shared={}/shared/sales", house.path("mail").display());
    let mut client = shell(&house);
    client.send("echo \"[$INDEX$SHARED]\"\n");
    assert_eq!(client.line(), "[]");
    let server = house.path("imapd");
    symlink("/bin/sh", &server).unwrap();
    let mut client = house.connect_to(server.to_str().unwrap());
    client.greeting();
    assert!(client.login(PASSWORD).starts_with("-ERR [SYS/TEMP]"));
}

#[test]
fn the_server_program_finds_what_it_was_promised() {
    let house = House::new();
    let mut client = shell(&house);
    client.send(
        "echo $USER $HOME $MAILDIR $QUOTA $SERVICE $TCPREMOTEIP $PROTO; pwd; echo worker=$FULMAR_WORKER\n",
    );
    let home = house.path(ALICE);
    let home = home.display();
    assert_eq!(client.line(), format!("{USER} {home} {home}/Maildir 0 pop3 192.0.2.7 TCP"));
    assert_eq!(client.line(), home.to_string());
    assert_eq!(client.line(), "worker=");
    client.send("exit 7\n");
    assert_eq!(client.exit(), Exit::Code(7));
}

#[test]
fn the_server_program_reaches_the_owners_folder_and_nothing_else() {
    let house = House::new();
    fs::write(house.path("control/secret"), "secret\n").unwrap();
    let mut client = shell(&house);
    let mut ask = |command: &str| {
        client.send(&format!("({command}) 2>&1 && echo yes || echo no\n"));
        loop {
            let line = client.line();
            if line == "yes" || line == "no" || line.is_empty() {
                return line;
            }
        }
    };
    assert_eq!(ask("echo x > mine && read x < mine"), "yes");
    assert_eq!(ask(": > Maildir/new/mine"), "yes");
    assert_eq!(ask("read x < ../control/secret"), "no");
    assert_eq!(ask("read x < /etc/passwd"), "no");
    assert_eq!(ask(": > ../theirs"), "no");
    assert_eq!(ask("/bin/true"), "no");
    assert_eq!(ask(": <&3"), "yes");
    // The end of a pipe that tells when the session is over.
    assert_eq!(ask(": >&4"), "yes");
    for number in 5..10 {
        assert_eq!(ask(&format!(": <&{number}")), "no", "descriptor {number} is open");
    }
}

#[test]
fn the_server_program_is_the_owner() {
    if sys::is_root() {
        let house = House::new();
        let mut client = house.connect_to("/usr/bin/id");
        client.greeting();
        let said = client.login(PASSWORD);
        assert_eq!(said, "uid=20001 gid=20001 groups=20001");
    }
}
