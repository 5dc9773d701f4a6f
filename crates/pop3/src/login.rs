//! The session up to the login: RFC 1939 §4, the AUTHORIZATION state.
//!
//! Ends in [`Flow::Handover`] once the house has let someone in: the `+OK` to his password is
//! then the first word of the program that serves his mailbox.

use std::io::{self, Write};

use wire::{Flow, Session};

use crate::command::{Command, CommandLines, Said, Takes, find, split, unfit};
use crate::mailbox::VERBS_AFTER_LOGIN;
use crate::reply::{self, Reply};

/// Wrong passwords in one session.
const REFUSALS: u32 = 5;
/// Lines that are no command in one session.
const FAULTS: u32 = 20;

/// What a login session needs from the world. One implementation in `bin/login`, one fake in tests.
pub trait Door: 'static {
    /// The timestamp for the greeting, such as `<1896.697@example.org>`, if APOP is offered.
    fn timestamp(&mut self) -> Option<String>;
    /// May TLS begin? Reserves what that takes; false: not now. RFC 2595 §4.
    fn reserve_tls(&mut self) -> bool {
        false
    }
    /// May `user` in with this password? Waits as long as the answer is meant to take.
    fn password(&mut self, user: &str, password: &[u8]) -> Verdict;
    /// May `user` in with this digest (32 hexadecimal digits) of the timestamp and his password?
    fn digest(&mut self, user: &str, digest: &str) -> Verdict;
}

/// The house's answer to a proof of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// He is who he says. The house remembers who that is.
    Welcome,
    /// Wrong name or password, or a disabled account; the client isn't told which.
    Refused,
    /// It can't be told now.
    Later,
}

/// What is offered, and asked for, of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// STLS is there.
    pub offered: bool,
    /// Nobody logs in without TLS.
    pub before_login: bool,
}

/// A session in the AUTHORIZATION state.
#[derive(Debug)]
pub struct Login<D> {
    door: D,
    encryption: Encryption,
    /// TLS has begun.
    secret: bool,
    lines: CommandLines,
    apop: bool,
    user: Option<String>,
    refusals: u32,
    faults: u32,
    unread: Vec<u8>,
}

impl<D: Door> Login<D> {
    const COMMANDS: &'static [Command<Login<D>>] = &[
        Command { name: "USER", takes: Takes::Something, run: Self::user },
        Command { name: "PASS", takes: Takes::Something, run: Self::pass },
        Command { name: "APOP", takes: Takes::Something, run: Self::apop },
        Command { name: "CAPA", takes: Takes::Nothing, run: Self::capa },
        Command { name: "STLS", takes: Takes::Nothing, run: Self::stls },
        Command { name: "UTF8", takes: Takes::Nothing, run: |_, _, _| Ok(Reply::UTF8) },
        Command { name: "LANG", takes: Takes::Maybe, run: |_, rest, out| reply::language(rest, out) },
        Command { name: "QUIT", takes: Takes::Nothing, run: |_, _, _| Ok(Reply::BYE) },
    ];

    /// A session at `door`.
    pub fn new(door: D) -> Login<D> {
        let lines = CommandLines::new();
        let encryption = Encryption::default();
        Login {
            door,
            encryption,
            secret: false,
            lines,
            apop: false,
            user: None,
            refusals: 0,
            faults: 0,
            unread: Vec::new(),
        }
    }

    /// The same session with TLS to offer or to ask for.
    pub fn with(self, encryption: Encryption) -> Login<D> {
        Login { encryption, ..self }
    }

    /// TLS has begun: what was said before it counts for nothing. RFC 2595 §4.
    pub fn secured(&mut self) {
        self.secret = true;
        self.user = None;
        self.lines = CommandLines::new();
    }

    fn capa(&mut self, _: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
        reply::capabilities(out, self.encryption.offered && !self.secret)
    }

    fn stls(&mut self, _: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        Ok(match () {
            () if self.secret => self.fault(Reply::SECRET_ALREADY),
            () if !self.encryption.offered => self.fault(Reply::NO_STLS),
            () if !self.door.reserve_tls() => Reply::NO_TLS,
            () => Reply::BEGIN_TLS,
        })
    }

    /// Is it too early for a password?
    fn must_encrypt(&self) -> bool {
        self.encryption.before_login && !self.secret
    }

    /// The house, to learn after [`Flow::Handover`] who was let in.
    pub fn door(&mut self) -> &mut D {
        &mut self.door
    }

    /// After [`Flow::Handover`]: what the client sent behind its password, for the next program.
    pub fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// After [`Flow::Handover`]: nobody took the connection; says so. Hang up after it.
    pub fn stranded(&mut self, out: &mut dyn Write) -> io::Result<()> {
        Reply::NOT_OPENED.write(out)
    }

    fn line(&mut self, line: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
        let (verb, rest) = split(line);
        let Some(command) = find(Self::COMMANDS, verb) else { return Ok(self.no_command(verb)) };
        match unfit(command.takes, rest) {
            Some(reply) => Ok(self.fault(reply)),
            None => (command.run)(self, rest, out),
        }
    }

    fn no_command(&mut self, verb: &[u8]) -> Reply {
        let later = VERBS_AFTER_LOGIN.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(verb));
        self.fault(if later { Reply::NOT_YET } else { Reply::UNKNOWN })
    }

    fn user(&mut self, rest: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        if self.must_encrypt() {
            return Ok(self.fault(Reply::ENCRYPT_FIRST));
        }
        if self.user.is_some() {
            return Ok(self.fault(Reply::NAMED_ALREADY));
        }
        Ok(match name(rest) {
            None => self.fault(Reply::BAD_NAME),
            user => {
                self.user = user;
                Reply::PASSWORD_PLEASE
            }
        })
    }

    fn pass(&mut self, password: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        let Some(user) = self.user.take() else { return Ok(self.fault(Reply::NAME_FIRST)) };
        // A NUL would end a field on the way to where passwords are checked.
        let verdict =
            if password.contains(&0) { Verdict::Refused } else { self.door.password(&user, password) };
        Ok(self.judged(verdict))
    }

    fn apop(&mut self, rest: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        if !self.apop {
            return Ok(self.fault(Reply::NO_APOP));
        }
        if self.must_encrypt() {
            return Ok(self.fault(Reply::ENCRYPT_FIRST));
        }
        let Some((user, digest)) = proof(rest) else { return Ok(self.fault(Reply::BAD_APOP)) };
        self.user = None;
        let verdict = self.door.digest(&user, &digest);
        Ok(self.judged(verdict))
    }

    fn judged(&mut self, verdict: Verdict) -> Reply {
        match verdict {
            Verdict::Welcome => Reply::handover(),
            Verdict::Refused => {
                self.refusals += 1;
                if self.refusals < REFUSALS { Reply::REFUSED } else { Reply::REFUSED.and_close() }
            }
            Verdict::Later => self.fault(Reply::LATER),
        }
    }

    fn fault(&mut self, reply: Reply) -> Reply {
        self.faults += 1;
        if self.faults < FAULTS { reply } else { reply.and_close() }
    }
}

impl<D: Door> Session for Login<D> {
    fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        let timestamp = self.door.timestamp();
        self.apop = timestamp.is_some();
        let text = timestamp.map_or("POP3 ready".into(), |stamp| format!("POP3 ready {stamp}"));
        Reply::ok(text).write(out)?;
        Ok(Flow::More)
    }

    fn feed(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        while let Some(said) = self.lines.take(&mut input) {
            let mut reply = match said {
                Said::Line(line) => self.line(&line, out)?,
                Said::TooLong => self.fault(Reply::TOO_LONG),
                Said::Endless => Reply::ENDLESS,
            };
            // What follows STLS before its answer is somebody else's word.
            if reply.flow == Flow::Secure && !input.is_empty() {
                reply = Reply::INJECTED;
            }
            reply.write(out)?;
            if reply.flow != Flow::More {
                self.unread = input.to_vec();
                return Ok(reply.flow);
            }
        }
        Ok(Flow::More)
    }

    /// RFC 1939 §3: a connection that was idle for too long is closed without a word.
    fn timed_out(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// A user name: UTF-8 without control characters. RFC 6856 §2.2.
fn name(bytes: &[u8]) -> Option<String> {
    let name = str::from_utf8(bytes).ok()?.trim_matches(' ');
    let fit = !name.is_empty() && !name.chars().any(char::is_control);
    fit.then(|| name.to_owned())
}

/// APOP's argument: a name, a blank, a digest. RFC 1939 §7.
fn proof(rest: &[u8]) -> Option<(String, String)> {
    let blank = rest.iter().rposition(|b| *b == b' ')?;
    let digest = str::from_utf8(&rest[blank + 1..]).ok()?;
    let fit = digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    fit.then(|| Some((name(&rest[..blank])?, digest.to_ascii_lowercase())))?
}
