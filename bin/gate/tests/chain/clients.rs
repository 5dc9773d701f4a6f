//! Other people's clients fetch the mail. One that is not installed is passed over, with a word.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::house::{ALICE, House, PASSWORD, USER};

fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success());
    if !there {
        eprintln!("{program} is not installed");
    }
    there
}

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{text}\n{errors}");
    text.into_owned()
}

#[test]
fn poplib_reads_and_deletes() {
    if !installed("python3") {
        return;
    }
    let house = House::new();
    let script = r#"
import poplib, sys
port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
box = poplib.POP3("127.0.0.1", port, timeout=20)
assert "UIDL" in box.capa() and "UTF8" in box.capa(), box.capa()
box.utf8()
box.apop(user, password)
assert box.stat() == (3, 160), box.stat()
assert [line.split()[1] for line in box.list()[1]] == [b"57", b"59", b"44"]
reply, lines, octets = box.retr(2)
assert lines == [b"Subject: dots", b"", b".", b"..", b".hidden", b"last line without an end"], lines
assert octets == 59, octets
assert box.top(1, 0)[1][:2] == [b"From: Alice <alice@example.test>", b"Subject: one"]
assert len(box.uidl()[1]) == 3
box.dele(1)
box.quit()
box = poplib.POP3("127.0.0.1", port, timeout=20)
box.user(user)
try:
    box.pass_("wrong")
    raise SystemExit("let in")
except poplib.error_proto as refused:
    assert b"[AUTH]" in refused.args[0]
box.user(user)
box.pass_(password)
assert box.stat() == (2, 103), box.stat()
box.quit()
"#;
    run(Command::new("python3").args(["-c", script, &house.listen().to_string(), USER, PASSWORD]));
}

#[test]
fn curl_reads() {
    if !installed("curl") {
        return;
    }
    let house = House::new();
    let port = house.listen();
    let fetch = |path: &str, more: &[&str]| {
        let url = format!("pop3://127.0.0.1:{port}/{path}");
        run(Command::new("curl")
            .args(["-sS", "-m", "20", "-u", &format!("{USER}:{PASSWORD}"), &url])
            .args(more))
    };
    assert_eq!(fetch("2", &[]), "Subject: dots\r\n\r\n.\r\n..\r\n.hidden\r\nlast line without an end\r\n");
    assert_eq!(fetch("", &[]), "1 57\r\n2 59\r\n3 44\r\n");
    assert_eq!(fetch("", &["-X", "UIDL"]).lines().count(), 3);
    fetch("1", &["-X", "DELE", "-I"]);
    assert_eq!(fetch("", &[]).lines().count(), 2);
}

#[test]
fn fetchmail_takes_all_mail_away() {
    if !installed("fetchmail") {
        return;
    }
    let house = House::new();
    let (rc, out) = (house.path("fetchmailrc"), house.path("fetched"));
    let port = house.listen();
    let lines = format!(
        "poll 127.0.0.1 service {port} protocol pop3 timeout 20\n user \"{USER}\" password \"{PASSWORD}\" sslproto \"\" \
         mda \"cat >> {}\" fetchall\n",
        out.display()
    );
    fs::write(&rc, lines).unwrap();
    fs::set_permissions(&rc, Permissions::from_mode(0o600)).unwrap();
    run(Command::new("fetchmail")
        .arg("-f")
        .arg(&rc)
        .args(["--nosyslog", "-v"])
        .env("FETCHMAILHOME", house.path("")));
    let fetched = fs::read_to_string(&out).unwrap();
    for subject in ["Subject: one", "Subject: dots", "Subject: eight bits"] {
        assert!(fetched.contains(subject), "{fetched}");
    }
    assert!(fetched.contains("\n.\n..\n.hidden\nlast line"), "{fetched}");
    assert_eq!(fs::read_dir(house.path(ALICE).join("Maildir/new")).unwrap().count(), 0);
}

#[test]
fn getmail_keeps_mail_and_takes_no_message_twice() {
    if !installed("getmail") {
        return;
    }
    let house = House::new();
    let (folder, out) = (house.path("getmail"), house.path("fetched"));
    fs::create_dir(&folder).unwrap();
    let port = house.listen();
    let lines = format!(
        "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {port}\nusername = {USER}\n\
         password = {PASSWORD}\ntimeout = 20\n[destination]\ntype = MDA_external\npath = /bin/sh\n\
         arguments = (\"-c\", \"cat >> {}\")\nallow_root_commands = true\n\
         [options]\nread_all = false\ndelete = false\n",
        out.display()
    );
    fs::write(folder.join("rc"), lines).unwrap();
    for _ in 0..2 {
        run(Command::new("getmail").arg("--getmaildir").arg(&folder).args(["--rcfile", "rc"]));
        assert_eq!(fs::read_to_string(&out).unwrap().matches("\nSubject: ").count(), 3);
    }
}
