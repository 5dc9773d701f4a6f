//! The real program with checkpassword programs that the test writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::io::Write;
use std::process::{Command, Stdio};

/// A session: what the client says, at once; the program; gives exit code and answers.
fn session(says: &str, program: &str) -> (i32, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_popup"));
    command.args(["pop.test", "bash", "-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    // It may have hung up before all is said.
    let _ = child.stdin.take().unwrap().write_all(says.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text.lines().map(|line| line.trim_end().to_owned()).collect())
}

const LOGIN: &str = "USER joe\r\nPASS se cret\r\n";

#[test]
fn the_program_gets_name_password_and_timestamp_and_goes_on_with_the_client() {
    let show = "tr '\\0' '|' <&3; echo; exec cat";
    let (code, lines) = session(&format!("{LOGIN}STAT\r\nQUIT\r\n"), show);
    assert_eq!((code, lines.len()), (0, 5), "{lines:?}");
    let timestamp = lines[0].split(' ').next_back().unwrap();
    assert!(timestamp.starts_with('<') && timestamp.ends_with("@pop.test>"), "{lines:?}");
    assert_eq!(lines[2], format!("joe|se cret|{timestamp}|"));
    assert_eq!(lines[3..], ["STAT", "QUIT"], "not one octet behind the password was read");
}

#[test]
fn apop_gives_the_digest_in_place_of_the_password() {
    let digest = "0123456789abcdef0123456789abcdef";
    let (code, lines) = session(&format!("APOP joe {digest}\r\n"), "tr '\\0' '|' <&3");
    assert_eq!(code, 0);
    assert!(lines[1].starts_with(&format!("joe|{digest}|<")), "{lines:?}");
}

#[test]
fn how_the_program_ends_is_told_to_the_client() {
    for (program, expect, code) in [
        ("exit 1", "-ERR [AUTH]", 1),
        ("exit 2", "-ERR [SYS/PERM]", 2),
        ("exit 111", "-ERR [SYS/TEMP]", 111),
        ("exit 3", "-ERR [SYS/TEMP]", 111),
        ("kill -9 $$", "-ERR [SYS/TEMP]", 111),
    ] {
        let (ended, lines) = session(LOGIN, program);
        assert!(lines.last().unwrap().starts_with(expect), "{program}: {lines:?}");
        assert_eq!(ended, code, "{program}");
    }
}

#[test]
fn before_a_login_there_is_nothing_else_and_no_program_runs() {
    let (code, lines) = session("STAT\r\nPASS x\r\nnonsense\r\nUSER joe\r\nQUIT\r\n", "echo ran");
    assert_eq!(code, 0);
    assert!(!lines.iter().any(|line| line == "ran"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("-ERR")).count(), 3, "{lines:?}");
    let long = format!("USER joe\r\nPASS {}\r\n", "x".repeat(600));
    assert!(!session(&long, "echo ran").1.iter().any(|line| line == "ran"));
}

#[test]
fn wrong_usage_is_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_popup")).arg("pop.test").output().unwrap();
    assert_eq!(output.status.code(), Some(100));
}
