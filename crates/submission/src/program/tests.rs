//! Queue programs of all kinds, as shell scripts.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

struct Scripts(tempfile::TempDir);

impl Scripts {
    fn write(&self, script: &str) -> PathBuf {
        let path = self.0.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        path
    }

    fn start(&self, script: &str) -> io::Result<Program> {
        self.start_named(self.write(script).as_os_str().as_bytes())
    }

    fn start_named(&self, name: &[u8]) -> io::Result<Program> {
        let mut env = Env::here();
        env.set(VARIABLE, name);
        env.set("PLACE", self.0.path().as_os_str().as_bytes());
        Program::start(&self.socket(), &env)
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("run").join("queue")
    }
}

fn scripts() -> Scripts {
    Scripts(tempfile::tempdir().unwrap())
}

/// What a script that takes a message answers.
fn run(script: &str) -> Fate {
    run_with(script, b"Subject: a\n\nbody\n")
}

fn run_with(script: &str, text: &[u8]) -> Fate {
    let scripts = scripts();
    let mut program = scripts.start(script).unwrap();
    program.message(text);
    program.envelope(b"Fa@b\0");
    program.envelope(b"Tc@d\0Te@f\0");
    program.commit()
}

fn told(script: &str) -> String {
    String::from_utf8(run(script).to_bytes()).unwrap()
}

#[test]
fn the_program_gets_message_and_envelope_as_qmail_queue_does() {
    let script = r#"cat > "$PLACE/m"; cat <&1 > "$PLACE/e"
        printf 'Subject: a\n\nbody\n' | cmp - "$PLACE/m" || exit 54
        printf 'Fa@b\0Tc@d\0Te@f\0\0' | cmp - "$PLACE/e" || exit 91"#;
    assert!(matches!(run(script), Fate::Done(id) if id.sentence.parse::<u32>().is_ok()));
}

#[test]
fn it_is_started_in_the_home_where_a_relative_name_is_looked_for() {
    let scripts = scripts();
    scripts.write("test \"$(pwd -P)\" = \"$(cd \"$PLACE\" && pwd -P)\"");
    let program = scripts.start_named(b"./program").unwrap();
    assert!(program.commit().is_done());
}

#[test]
fn every_exit_code_but_0_is_a_refusal_of_its_kind() {
    // S58
    for (number, start) in [
        (53, "Z4.3.0"),
        (91, "Z4.3.0"),
        (31, "D5.3.0"),
        (11, "D5.1.3"),
        (40, "D5.3.0"),
        (41, "Z4.3.0"),
        (72, "Z4.4.1"),
        (99, "Z4.3.0"),
        (100, "Z4.3.0"),
        (111, "Z4.3.0"),
        (1, "Z4.3.0"),
        (82, "Z4.3.0"),
    ] {
        assert!(told(&format!("cat >/dev/null; exit {number}")).starts_with(start), "{number}");
    }
    assert!(told("kill -9 $$").starts_with("Z4.3.0"));
}

#[test]
fn code_82_speaks_in_the_programs_own_words() {
    // S58
    assert_eq!(told("printf 'D5.7.1 a virus' >&6; exit 82"), "D5.7.1 a virus");
    assert_eq!(told("printf 'Zcome back' >&6; exit 82"), "Z4.3.0 come back");
    assert_eq!(told("printf 'Dno\\r\\n250 ok\\n' >&6; exit 82"), "D5.3.0 no");
    assert!(told("printf 'Kfine' >&6; exit 82").starts_with('Z'));
}

#[test]
fn a_program_that_says_very_much_is_heard_to_its_end() {
    // 200 kB, more than a pipe holds: were it not read, the program would wait for us and we for it.
    let script = "cat >/dev/null; printf 'D5.7.1 no\\n' >&6; head -c 200000 /dev/zero >&6; exit 82";
    assert_eq!(told(script), "D5.7.1 no");
}

#[test]
fn a_child_that_lives_on_with_all_descriptors_is_not_waited_for() {
    let scripts = scripts();
    let script = "cat >/dev/null; sh -c 'echo $$ > \"$PLACE/pid\"; exec sleep 1000' & \
                  while [ ! -s \"$PLACE/pid\" ]; do :; done; exit 0";
    let program = scripts.start(script).unwrap();
    assert!(program.commit().is_done());
    let pid = std::fs::read_to_string(scripts.0.path().join("pid")).unwrap();
    sys::signals::send(pid.trim().parse().unwrap(), sys::signals::Signal::SIGKILL).unwrap();
}

#[test]
fn a_program_that_reads_half_and_says_yes_is_not_believed() {
    let big = [b'x'; 500_000];
    let unwritten = codes::fate(codes::UNWRITTEN);
    assert_eq!(run_with("head -c 100 >/dev/null; exec 0<&-; exit 0", &big), unwritten);
    assert_eq!(told("exec 0<&- 1<&-; exit 31"), "D5.3.0 The mail server refuses this message for good");
    assert_eq!(run_with("exit 0", &big), unwritten);
}

#[test]
fn a_message_given_up_is_never_taken_for_a_whole_one() {
    let scripts = scripts();
    let script = "cat >/dev/null; touch \"$PLACE/whole\"; exit 0";
    let mut program = scripts.start(script).unwrap();
    program.message(b"half");
    program.abort();
    assert!(!scripts.0.path().join("whole").exists());
}

#[test]
fn what_can_not_be_started_is_named() {
    let scripts = scripts();
    let said = scripts.start_named(b"/no/such/program").unwrap_err().to_string();
    assert!(said.starts_with("QMAILQUEUE is /no/such/program: "), "{said}");
}
