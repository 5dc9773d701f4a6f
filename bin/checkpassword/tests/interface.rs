//! checkpassword's interface: descriptor 3 and exit codes, with a `lookup` that the test plays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use sys::Listener;

/// Runs it in a shell line, which may set up descriptor 3; gives code, standard output and error.
fn run(home: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new("bash");
    command.arg("-c").arg(line).arg(env!("CARGO_BIN_EXE_checkpassword"));
    command.env("FULMAR_HOME", home).env("TCPREMOTEIP", "192.0.2.1").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A `lookup` that answers the two questions; gives what it was asked.
fn lookup(home: &Path, answers: [String; 2]) -> thread::JoinHandle<Vec<String>> {
    std::fs::create_dir(home.join("run")).unwrap();
    let listener = Listener::bind(&home.join("run/lookup-root"), 0o600).unwrap();
    thread::spawn(move || {
        let client = listener.accept().unwrap();
        let mut asked = Vec::new();
        for answer in answers {
            let Some(packet) = client.recv().unwrap() else { break };
            asked.push(String::from_utf8(packet.bytes).unwrap().replace('\0', "|"));
            client.send(answer.replace('|', "\0").as_bytes(), &[]).unwrap();
        }
        asked
    })
}

fn owner(home: &Path) -> String {
    // Who delivers mail: root would have to become somebody else.
    let (uid, gid) = if sys::is_root() { (64_501, 64_501) } else { (sys::uid(), sys::gid()) };
    let folder = home.join("joe");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).unwrap();
    std::fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let folder = folder.display();
    format!(
        "K|uid={uid}|gid={gid}|groups=|home={folder}|maildir={folder}/Maildir|quota=7|user=joe|local=joe|domain=|dash=|ext=|programs=yes|do=.qmail"
    )
}

#[test]
fn what_is_no_proof_is_a_misuse_and_asks_nobody() {
    let home = tempfile::tempdir().unwrap();
    for line in [
        "\"$0\"",
        "\"$0\" true 3<&-",
        "\"$0\" true 3</dev/null",
        "\"$0\" true 3< <(printf 'joe')",
        "\"$0\" true 3< <(printf '\\0secret\\0\\0')",
        "\"$0\" true 3< <(head -c 513 /dev/zero)",
        "\"$0\" true 3< <(printf 'joe\\0'; head -c 600 /dev/zero | tr '\\0' x; printf '\\0\\0')",
    ] {
        let (code, _, said) = run(home.path(), line);
        assert_eq!(code, 2, "{line}: {said}");
        assert!(said.starts_with("checkpassword: "), "{said}");
    }
}

#[test]
fn without_lookup_nobody_is_let_in_and_nobody_is_refused_for_good() {
    let home = tempfile::tempdir().unwrap();
    let (code, _, said) = run(home.path(), "\"$0\" true 3< <(printf 'joe\\0secret\\0\\0')");
    assert_eq!(code, 111, "{said}");
}

#[test]
fn a_wrong_password_is_1_and_trouble_111() {
    for (answer, expect) in [("D5.7.8 wrong", 1), ("Z4.3.0 slow", 111), ("nonsense", 111), ("", 111)] {
        let home = tempfile::tempdir().unwrap();
        let asked = lookup(home.path(), [answer.to_owned(), String::new()]);
        let (code, out, said) = run(home.path(), "\"$0\" echo in 3< <(printf 'joe\\0secret\\0\\0')");
        assert_eq!((code, out.as_str()), (expect, ""), "{answer}: {said}");
        assert_eq!(asked.join().unwrap()[0], "proof|pop3|192.0.2.1||PASS|joe|secret");
    }
}

#[test]
fn the_right_one_runs_the_program_as_the_user_in_his_home_with_his_variables() {
    let home = tempfile::tempdir().unwrap();
    let owner = owner(home.path());
    let asked = lookup(home.path(), ["Kticket|user=joe".to_owned(), owner]);
    let line = "\"$0\" sh -c 'echo $USER $HOME $SHELL $MAILDIR $QUOTA $KEPT; pwd; id -u; (echo open >&3) 2>/dev/null || echo closed' 3< <(printf 'joe\\0secret\\0<1.2@x>\\0')";
    let (code, out, said) = run(home.path(), &format!("export KEPT=kept; {line}"));
    let joe = home.path().join("joe").display().to_string();
    let uid = if sys::is_root() { 64_501 } else { sys::uid() };
    assert_eq!(code, 0, "{said}");
    assert_eq!(out, format!("joe {joe} /bin/sh {joe}/Maildir 7 kept\n{joe}\n{uid}\nclosed\n"));
    assert_eq!(asked.join().unwrap()[1], "login|ticket");
}

#[test]
fn a_digest_of_the_timestamp_is_asked_for_as_apop() {
    let home = tempfile::tempdir().unwrap();
    let asked = lookup(home.path(), ["D5.7.8 wrong".to_owned(), String::new()]);
    let digest = "fedcba9876543210fedcba9876543210";
    let (code, ..) = run(home.path(), &format!("\"$0\" true 3< <(printf 'joe\\0{digest}\\0<1.2@x>\\0')"));
    assert_eq!(code, 1);
    assert_eq!(asked.join().unwrap()[0], format!("proof|pop3|192.0.2.1||APOP|joe|{digest}|<1.2@x>"));
}
