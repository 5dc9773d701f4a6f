//! `pop3d` on real Maildirs: what other programs, and odd ones, leave in them.

#[cfg(test)]
mod client;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use client::{Client, Mailbox};

const TEXT: &str = "Subject: x\n\nbody\n";

#[test]
fn a_mailbox_that_is_not_there_yet_is_empty_and_made() {
    // P16
    let mailbox = Mailbox::without_maildir();
    let mut client = Client::start(&mailbox);
    assert_eq!(client.greeting, "+OK 0 messages");
    assert_eq!(client.say("STAT"), "+OK 0 0");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert!(["tmp", "new", "cur"].iter().all(|name| mailbox.path().join(name).is_dir()));
}

#[test]
fn a_mailbox_that_cannot_be_read_is_neither_empty_nor_a_crash() {
    // P16
    for name in ["new", "cur", "tmp", ""] {
        let mailbox = Mailbox::new();
        mailbox.put("new/1.a", TEXT);
        let folder = mailbox.path().join(name);
        fs::set_permissions(&folder, Permissions::from_mode(0o000)).unwrap();
        let client = Client::start(&mailbox);
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        assert!(client.greeting.starts_with("-ERR [SYS/TEMP] "), "{name}: {}", client.greeting);
        assert_eq!(client.exit_code(), Some(111));
    }
}

#[test]
fn nothing_but_regular_files_is_listed_and_no_session_hangs_or_leaves_the_maildir() {
    // P14
    let mailbox = Mailbox::new();
    let secret = mailbox.path().join("../secret");
    fs::write(&secret, "secret").unwrap();
    for (n, name) in
        ["new/1.a b\nc", "cur/2.x:2,XyZ", "cur/3.x:1,odd", "cur/4:2,", "new/5.,S=,W=x"].iter().enumerate()
    {
        mailbox.put(name, &"y\n".repeat(n + 1));
    }
    mailbox.put("new/.6.hidden", TEXT);
    fs::create_dir(mailbox.path().join("new/7.folder,S=5,W=6")).unwrap();
    symlink(&secret, mailbox.path().join("cur/8.link,S=6,W=7")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(mailbox.path().join("new/9.fifo,S=5,W=6"))
            .status()
            .unwrap()
            .success()
    );
    let mut client = Client::start(&mailbox);
    assert_eq!(client.say("STAT"), "+OK 5 45");
    let uids = client.many("UIDL");
    assert_eq!(uids[1..], ["2 2.x", "3 3.x", "4 4", "5 5.,S=,W=x"]);
    assert_eq!(uids[0].len(), "1 ".len() + 40, "a hash: {}", uids[0]);
    for n in 1..=5 {
        assert_eq!(client.many(&format!("RETR {n}")).len(), n);
    }
    assert_eq!(client.say("QUIT"), "+OK Good bye");
}

#[test]
fn nothing_is_removed_or_moved_when_the_connection_breaks() {
    // P05
    let mailbox = Mailbox::new();
    mailbox.put("new/1.a", TEXT);
    let mut client = Client::start(&mailbox);
    client.many("RETR 1");
    assert_eq!(client.say("DELE 1"), "+OK Marked as deleted");
    assert_eq!(client.break_off(), Some(0));
    assert_eq!(mailbox.names("new"), ["1.a"]);
}

#[test]
fn what_was_retrieved_moves_to_cur_and_what_was_deleted_goes() {
    let mailbox = Mailbox::new();
    for name in ["new/1.a", "new/2.b", "new/3.c", "cur/4.d:2,RS"] {
        mailbox.put(name, TEXT);
    }
    let mut client = Client::start(&mailbox);
    let before = client.many("UIDL");
    client.many("RETR 1");
    client.many("TOP 3 0");
    client.say("DELE 2");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!(
        (mailbox.names("new"), mailbox.names("cur")),
        (vec!["3.c".into()], vec!["1.a:2,".into(), "4.d:2,RS".into()])
    );
    let after = Client::start(&mailbox).many("UIDL");
    assert_eq!(after, ["1 1.a", "2 3.c", "3 4.d"]);
    assert_eq!(before, ["1 1.a", "2 2.b", "3 3.c", "4 4.d"]);
}

#[test]
fn a_file_that_another_program_took_away_ends_no_session() {
    // P06
    let mailbox = Mailbox::new();
    mailbox.put("new/1.a", TEXT);
    mailbox.put("new/2.b", TEXT);
    mailbox.put("new/3.c", TEXT);
    let mut client = Client::start(&mailbox);
    client.many("LIST");
    fs::remove_file(mailbox.path().join("new/1.a")).unwrap();
    fs::rename(mailbox.path().join("new/2.b"), mailbox.path().join("cur/2.b:2,S")).unwrap();
    assert_eq!(client.say("RETR 1"), "-ERR This message has been removed meanwhile");
    assert_eq!(client.many("RETR 2").join("\n") + "\n", TEXT);
    assert_eq!(client.say("DELE 2"), "+OK Marked as deleted");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert_eq!((mailbox.names("new"), mailbox.names("cur").len()), (vec!["3.c".into()], 0));
}

#[test]
fn two_sessions_that_delete_the_same_message_remove_no_other() {
    // P15
    let mailbox = Mailbox::new();
    mailbox.put("new/1.a", TEXT);
    mailbox.put("new/2.b", TEXT);
    let (mut one, mut two) = (Client::start(&mailbox), Client::start(&mailbox));
    for client in [&mut one, &mut two] {
        client.many("RETR 1");
        assert_eq!(client.say("DELE 1"), "+OK Marked as deleted");
    }
    assert_eq!(one.say("QUIT"), "+OK Good bye");
    assert_eq!(two.say("QUIT"), "+OK Good bye");
    assert_eq!(mailbox.names("new"), ["2.b"]);
}

#[test]
fn quit_says_so_when_a_message_could_not_be_removed() {
    // P16; qmail-pop3d says +OK
    let mailbox = Mailbox::new();
    mailbox.put("cur/1.a:2,", TEXT);
    mailbox.put("new/2.b", TEXT);
    let cur = mailbox.path().join("cur");
    fs::set_permissions(&cur, Permissions::from_mode(0o500)).unwrap();
    let mut client = Client::start(&mailbox);
    client.many("RETR 2");
    client.say("DELE 1");
    assert_eq!(client.say("QUIT"), "-ERR [SYS/TEMP] Some deleted messages could not be removed");
    fs::set_permissions(&cur, Permissions::from_mode(0o700)).unwrap();
    assert_eq!((mailbox.names("new"), mailbox.names("cur")), (vec!["2.b".into()], vec!["1.a:2,".into()]));
}

#[test]
fn sizes_are_those_of_what_is_sent_whatever_is_on_disk() {
    let mailbox = Mailbox::new();
    for (n, text) in ["", "a", "a\n", ".\n..\n", "\n\n\n", "lone\rcr\n", "no end\n."].iter().enumerate() {
        mailbox.put(&format!("new/{}.x", n + 1), text);
    }
    let mut client = Client::start(&mailbox);
    let listed = client.many("LIST");
    for (n, line) in listed.iter().enumerate() {
        let sent = client.octets(&format!("RETR {}", n + 1));
        assert_eq!(*line, format!("{} {sent}", n + 1));
    }
    assert_eq!(listed.len(), 7);
}

#[test]
fn a_hundred_thousand_messages_make_no_login_slow() {
    // P14
    let mailbox = Mailbox::new();
    for n in 0..100_000 {
        // The names tell the sizes, so that no file is looked at: were one, the sizes would be others.
        let name = format!("cur/{}.M1P1.h,S=1,W=2:2,S", 1_700_000_000 + n);
        fs::File::create(mailbox.path().join(name)).unwrap();
    }
    let mut client = Client::start(&mailbox);
    assert_eq!(client.greeting, "+OK 100000 messages");
    assert_eq!(client.say("STAT"), "+OK 100000 200000");
    assert_eq!(client.many("UIDL").len(), 100_000);
    assert_eq!(client.many("LIST").len(), 100_000);
    assert!(client.peak_memory_kib() < 128 * 1024);
}

#[test]
fn ten_thousand_commands_at_once_take_no_memory() {
    // P18
    let mailbox = Mailbox::new();
    let mut client = Client::start(&mailbox);
    let answers = client.flood("NOOP", 10_000);
    assert!(answers.iter().all(|line| line == "+OK Nothing done") && answers.len() == 10_000);
    assert!(client.peak_memory_kib() < 24 * 1024, "{} KiB", client.peak_memory_kib());
    assert_eq!(client.say("QUIT"), "+OK Good bye");
}

#[test]
fn root_is_served_no_mail() {
    // P11
    if client::is_root() {
        let mailbox = Mailbox::new();
        mailbox.put("new/1.a", TEXT);
        let client = Client::start_as_root(&mailbox);
        assert!(client.greeting.starts_with("-ERR [SYS/TEMP] "), "{}", client.greeting);
    }
}

#[test]
fn what_the_client_sent_before_the_handover_is_not_lost() {
    let mailbox = Mailbox::new();
    mailbox.put("new/1.a", TEXT);
    let mut client = Client::handed_over(&mailbox, b"\0STAT\r\nNO");
    assert_eq!(client.greeting, "+OK 1 messages");
    assert_eq!(client.line(), "+OK 1 20");
    assert_eq!(client.say("OP"), "+OK Nothing done");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
}

#[test]
fn two_files_of_one_name_get_two_ids() {
    let mailbox = Mailbox::new();
    mailbox.put("new/1.a", "one\n");
    mailbox.put("cur/1.a:2,S", "two\n");
    let uids = Client::start(&mailbox).many("UIDL");
    assert_eq!(uids.len(), 2);
    assert_ne!(uids[0].split(' ').nth(1), uids[1].split(' ').nth(1));
}

#[test]
fn names_that_are_no_text_are_served_too() {
    let mailbox = Mailbox::new();
    let name = Path::new("cur").join(OsStr::from_bytes(b"1.\xff\xfe:2,S"));
    mailbox.put_path(&name, TEXT);
    let mut client = Client::start(&mailbox);
    client.say("DELE 1");
    assert_eq!(client.say("QUIT"), "+OK Good bye");
    assert!(mailbox.names("cur").is_empty());
}
