//! QMAILQUEUE: another program takes the message, by qmail-queue's interface.
//!
//! The message on descriptor 0, the envelope on 1; the exit code says what became of it, and with
//! code 82 descriptor 6 says it in words. Whoever comes here must be able to execute programs:
//! workers are not.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use sys::process::{Child, Exit, Start};
use sys::wait::{self, Interest};
use sys::{Env, Timed};
use wire::{Code, Fate, Text};

/// How long the program may keep us waiting before it reads on.
const PATIENCE: Duration = Duration::from_secs(300);
/// Seconds it may take to end once it has everything; then this process ends by SIGALRM, and whoever
/// gave it the message has no answer and tries again.
const LAST_PATIENCE: u32 = 3600;
/// Octets of the program's own words that are looked at.
const WORDS: usize = 1000;

/// A program that is being given a message.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    message: Timed,
    envelope: Timed,
    words: OwnedFd,
    broken: bool,
}

impl Program {
    /// Starts `path` with the environment of the job.
    pub(crate) fn start(path: &[u8], env: &Env) -> io::Result<Program> {
        let (message_out, message) = io::pipe()?;
        let (envelope_out, envelope) = io::pipe()?;
        let (words, words_in) = io::pipe()?;
        let start = Start::new(OsStr::from_bytes(path)).env_only(env);
        let start = start.fd(0, message_out).fd(1, envelope_out).fd(6, words_in);
        let child = start.spawn()?;
        let timed = |end: io::PipeWriter| {
            let end = OwnedFd::from(end);
            Ok::<Timed, io::Error>(Timed::new(end.try_clone()?, end, PATIENCE))
        };
        Ok(Program {
            child,
            message: timed(message)?,
            envelope: timed(envelope)?,
            words: words.into(),
            broken: false,
        })
    }

    /// The next piece of the message. A program that reads no further has its reasons: its exit
    /// code tells.
    pub(crate) fn write(&mut self, part: &[u8]) {
        self.broken = self.broken || self.message.write_all(part).is_err();
    }

    /// Gives the envelope's records, without the NUL that ends them all, and waits for the end; the
    /// program's process id is the message's id.
    pub(crate) fn commit(self, records: &[u8]) -> Fate {
        let Program { mut child, message, envelope: mut to, words, broken } = self;
        drop(message);
        let written = to.write_all(records).and_then(|()| to.write_all(b"\0"));
        drop(to);
        sys::signals::alarm(LAST_PATIENCE);
        let exit = child.wait();
        sys::signals::alarm(0);
        match exit {
            Ok(Exit::Code(0)) if broken || written.is_err() => code(53),
            Ok(Exit::Code(0)) => Fate::done(child.pid().to_string()),
            Ok(Exit::Code(82)) => said(words),
            Ok(Exit::Code(number)) => code(number),
            _ => code(81),
        }
    }

    /// The message is not wanted: the program is ended before it can have an envelope.
    pub(crate) fn abort(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Exit code of a queue program, the enhanced status code's last two numbers, what to say.
const CODES: &[(i32, u16, u16, &str)] = &[
    (11, 1, 3, "An envelope address is too long for the queue"),
    (31, 3, 0, "The mail server refuses this message for good"),
    (51, 3, 0, "The queue program is out of memory"),
    (52, 3, 0, "The queue program ran out of time"),
    (53, 3, 0, "The queue could not be written, or the disk is full"),
    (54, 3, 0, "The queue program could not read the message"),
    (55, 3, 0, "The queue program could not read its configuration"),
    (56, 3, 0, "The queue program has trouble with a network connection"),
    (61, 3, 0, "The queue program can't enter its home directory"),
    (62, 3, 0, "The queue program can't enter the queue directory"),
    (63, 3, 0, "The queue program can't make files in the queue"),
    (64, 3, 0, "The queue program can't make files in the queue"),
    (65, 3, 0, "The queue program can't make files in the queue"),
    (66, 3, 0, "The queue program can't make files in the queue"),
    (71, 3, 0, "The mail server refuses this message for now"),
    (72, 4, 1, "The connection to the mail server timed out"),
    (73, 4, 1, "The connection to the mail server was refused"),
    (74, 4, 2, "The talk with the mail server broke off"),
    (81, 3, 0, "The queue program has a bug"),
    (91, 3, 0, "The queue program could not understand the envelope"),
    (115, 3, 0, "The queue program was built without what this message needs"),
    (120, 3, 0, "The queue program could not be executed"),
];

/// 11 to 40 are for ever, all others for now (qmail-queue(8)).
fn code(number: i32) -> Fate {
    let forever = (11..=40).contains(&number);
    let (subject, detail, sentence) = match CODES.iter().find(|row| row.0 == number) {
        Some((_, subject, detail, sentence)) => (*subject, *detail, *sentence),
        None if forever => (3, 0, "The queue program refuses this message for good"),
        None => (3, 0, "The queue program has temporary trouble"),
    };
    match forever {
        true => Fate::never(subject, detail, sentence),
        false => Fate::later(subject, detail, sentence),
    }
}

/// Code 82: what the program wrote to descriptor 6, `D...` or `Z...`.
fn said(words: OwnedFd) -> Fate {
    let ready = wait::until(std::os::fd::AsFd::as_fd(&words), Interest::Read, Some(Duration::ZERO));
    let mut text = vec![0; WORDS];
    let count = if ready.unwrap_or(false) { File::from(words).read(&mut text).unwrap_or(0) } else { 0 };
    let text = String::from_utf8_lossy(&text[..count]).into_owned();
    let (letter, text) = text.split_at_checked(1).unwrap_or(("", ""));
    let (status, sentence) = Code::split(text);
    let sentence = sentence.split(['\n', '\0']).next().unwrap_or_default().to_owned();
    let fits = |class, general| if status.0 == class { status } else { general };
    match letter {
        "D" => Fate::Never(Text::new(fits(5, Code(5, 3, 0)), sentence)),
        "Z" => Fate::Later(Text::new(fits(4, Code(4, 3, 0)), sentence)),
        _ => code(82),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// What a script that takes a message answers.
    fn run(script: &str) -> Fate {
        run_with(script, b"Subject: a\n\nbody\n")
    }

    fn run_with(script: &str, text: &[u8]) -> Fate {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        let mut env = Env::here();
        env.set("PLACE", home.path().as_os_str().as_bytes());
        let mut program = Program::start(path.as_os_str().as_bytes(), &env).unwrap();
        program.write(text);
        program.commit(b"Fa@b\0Tc@d\0Te@f\0")
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
        assert_eq!(told("printf 'Dno\\r\\n250 ok\\n' >&6; exit 82"), "D5.3.0 no_");
        assert!(told("printf 'Kfine' >&6; exit 82").starts_with('Z'));
    }

    #[test]
    fn a_program_that_reads_half_and_says_yes_is_not_believed() {
        let big = [b'x'; 500_000];
        assert_eq!(run_with("head -c 100 >/dev/null; exec 0<&-; exit 0", &big), code(53));
    }
}
