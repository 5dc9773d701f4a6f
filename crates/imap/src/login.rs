//! The session up to the login: RFC 9051 §3.1, the not authenticated state.
//!
//! Ends in [`Flow::Handover`] once the house has let someone in: the tagged OK to his command is then the first word of
//! the program that serves his mailboxes.

#[path = "login_reply.rs"]
mod reply;
#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;

use std::io::{self, Write};

use data_encoding::BASE64;
use wire::{Flow, Session};

use crate::frame::{Announced, Frame, Frames, Limits, Refused, Taken};
use crate::parse::{parse, tag_of};
use crate::syntax::{Command, Request};
pub use reply::CAPABILITIES_BEFORE_LOGIN;
use reply::Reply;

/// Wrong passwords in one session.
const REFUSALS: u32 = 5;
/// Commands that can't be taken, in one session.
const FAULTS: u32 = 20;
/// Steps of one exchange; SCRAM has three.
const STEPS: u32 = 8;

/// What a login session needs from the world. One implementation in `bin/login`, one fake in tests.
pub trait Door: 'static {
    /// The mechanisms that are offered now. RFC 4422.
    fn mechanisms(&mut self) -> Vec<&'static str>;
    /// May TLS begin? Reserves what that takes; false: not now.
    fn reserve_tls(&mut self) -> bool {
        false
    }
    /// May `user` in with this password? Waits as long as the answer is meant to take.
    fn password(&mut self, user: &str, password: &[u8]) -> Step;
    /// Begins the exchange of a mechanism.
    fn begin(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Step;
    /// Goes on with it, by what the client answered to a challenge.
    fn go_on(&mut self, message: &[u8]) -> Step;
}

/// What the house says to a step of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The mechanism goes on with this.
    Challenge(Vec<u8>),
    /// He is who he says. The house remembers who that is.
    Welcome,
    /// Wrong name or password, or a disabled account; the client isn't told which.
    Refused,
    /// That was no message of the mechanism.
    Malformed,
    /// There is no such mechanism.
    Unknown,
    /// It can't be told now.
    Later,
}

/// What is offered, and asked for, of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// STARTTLS is there.
    pub offered: bool,
    /// Nobody logs in without TLS.
    pub before_login: bool,
}

/// A session before the login.
#[derive(Debug)]
pub struct Login<D> {
    door: D,
    encryption: Encryption,
    /// TLS has begun.
    secret: bool,
    frames: Frames,
    /// The next line answers a challenge, of an exchange of so many steps.
    exchange: Option<u32>,
    /// Of the command that logs in.
    tag: String,
    refusals: u32,
    faults: u32,
    unread: Vec<u8>,
}

impl<D: Door> Login<D> {
    /// A session at `door`.
    pub fn new(door: D) -> Login<D> {
        Login {
            door,
            encryption: Encryption::default(),
            secret: false,
            frames: Frames::new(Limits::BEFORE_LOGIN),
            exchange: None,
            tag: String::new(),
            refusals: 0,
            faults: 0,
            unread: Vec::new(),
        }
    }

    /// The same session with TLS to offer or to ask for.
    pub fn with(self, encryption: Encryption) -> Login<D> {
        Login { encryption, ..self }
    }

    /// TLS has begun: what was said before it counts for nothing. RFC 9051 §6.2.1.
    pub fn secured(&mut self) {
        self.secret = true;
        self.exchange = None;
        self.frames = Frames::new(Limits::BEFORE_LOGIN);
    }

    /// The house, to learn after [`Flow::Handover`] who was let in.
    pub fn door(&mut self) -> &mut D {
        &mut self.door
    }

    /// After [`Flow::Handover`]: the tag of the command that logged in, to which the next program says OK.
    pub fn tag(&self) -> &[u8] {
        self.tag.as_bytes()
    }

    /// After [`Flow::Handover`]: what the client sent behind that command, for the next program.
    pub fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// After [`Flow::Handover`]: nobody took the connection; says so. Hang up after it.
    pub fn stranded(&mut self, out: &mut dyn Write) -> io::Result<()> {
        Reply::to(&self.tag, reply::NOT_OPENED).and_bye(reply::GOOD_BYE).write(out)
    }

    /// What can be done now: RFC 9051 §6.1.1.
    pub fn capabilities(&mut self) -> String {
        let mut words = CAPABILITIES_BEFORE_LOGIN.to_owned();
        if self.encryption.offered && !self.secret {
            words.push_str(" STARTTLS");
        }
        if self.must_encrypt() {
            words.push_str(" LOGINDISABLED");
            return words;
        }
        for mechanism in self.door.mechanisms() {
            words.push_str(" AUTH=");
            words.push_str(mechanism);
        }
        words
    }

    /// Is it too early for a password?
    fn must_encrypt(&self) -> bool {
        self.encryption.before_login && !self.secret
    }

    fn taken(&mut self, taken: Taken<'_>) -> Reply {
        match taken {
            Taken::Command(frame) => self.command(&frame),
            Taken::Literal(announced) => self.literal(announced),
            Taken::Line(line) => self.answered(&line),
            Taken::TooLong(head) => self.too_long(&head),
            Taken::Endless => Reply::bye(reply::ENDLESS),
            // No literal is spooled here.
            Taken::Octets(_) | Taken::LiteralEnd => Reply::NONE,
        }
    }

    fn command(&mut self, frame: &Frame) -> Reply {
        match parse(frame, false) {
            Ok(Command { tag, request }) => self.request(&tag, request),
            Err(fault) => self.fault(Reply::line(fault.line())),
        }
    }

    fn request(&mut self, tag: &str, request: Request) -> Reply {
        match request {
            Request::Capability => {
                let capabilities = format!("* CAPABILITY {}", self.capabilities());
                Reply::to(tag, reply::CAPABILITY_DONE).after(&capabilities)
            }
            Request::Noop => Reply::to(tag, reply::NOOP_DONE),
            Request::Id(_) => Reply::to(tag, reply::ID_DONE).after(reply::WHO_WE_ARE),
            Request::Logout => {
                let bye = format!("* BYE {}", reply::GOOD_BYE);
                Reply::to(tag, reply::LOGOUT_DONE).after(&bye).with(Flow::Close)
            }
            Request::Starttls => self.starttls(tag),
            Request::Login { user, password } => self.login(tag, &user, &password),
            Request::Authenticate { mechanism, initial } => {
                self.authenticate(tag, &mechanism, initial.as_deref())
            }
            _ => self.fault(Reply::to(tag, reply::NOT_YET)),
        }
    }

    fn starttls(&mut self, tag: &str) -> Reply {
        match () {
            () if self.secret => self.fault(Reply::to(tag, reply::SECRET_ALREADY)),
            () if !self.encryption.offered => self.fault(Reply::to(tag, reply::NO_STARTTLS)),
            () if !self.door.reserve_tls() => self.fault(Reply::to(tag, reply::NO_TLS)),
            () => {
                self.tag = tag.to_owned();
                Reply::to(tag, reply::BEGIN_TLS).with(Flow::Secure)
            }
        }
    }

    fn login(&mut self, tag: &str, user: &[u8], password: &[u8]) -> Reply {
        if self.must_encrypt() {
            return self.fault(Reply::to(tag, reply::ENCRYPT_FIRST));
        }
        self.tag = tag.to_owned();
        let fit = str::from_utf8(user).ok().filter(|user| !user.is_empty());
        match fit.filter(|user| !user.chars().any(char::is_control)) {
            None => self.fault(Reply::to(tag, reply::BAD_NAME)),
            Some(user) => {
                let step = self.door.password(user, password);
                // A password is not answered by a challenge.
                self.stepped(step, STEPS)
            }
        }
    }

    fn authenticate(&mut self, tag: &str, mechanism: &str, initial: Option<&[u8]>) -> Reply {
        if self.must_encrypt() {
            return self.fault(Reply::to(tag, reply::ENCRYPT_FIRST));
        }
        self.tag = tag.to_owned();
        if !self.door.mechanisms().contains(&mechanism) {
            return self.fault(Reply::to(tag, reply::NO_MECHANISM));
        }
        let step = self.door.begin(mechanism, initial);
        self.stepped(step, 1)
    }

    /// A line of the client within an exchange.
    fn answered(&mut self, line: &[u8]) -> Reply {
        let steps = self.exchange.take().unwrap_or(STEPS);
        match BASE64.decode(line) {
            _ if line == b"*" => self.fault(Reply::to(&self.tag, reply::CANCELLED)),
            Err(_) => self.fault(Reply::to(&self.tag, reply::BAD_BASE64)),
            Ok(message) => {
                let step = self.door.go_on(&message);
                self.stepped(step, steps + 1)
            }
        }
    }

    fn stepped(&mut self, step: Step, steps: u32) -> Reply {
        let text = match step {
            Step::Challenge(words) if steps < STEPS => {
                self.exchange = Some(steps);
                self.frames.expect_line();
                return Reply::line(format!("+ {}", BASE64.encode(&words)));
            }
            Step::Welcome => return Reply::HANDOVER,
            Step::Refused => return self.refusal(),
            Step::Challenge(_) | Step::Malformed => reply::BAD_MESSAGE,
            Step::Unknown => reply::NO_MECHANISM,
            Step::Later => reply::LATER,
        };
        self.fault(Reply::to(&self.tag, text))
    }

    fn refusal(&mut self) -> Reply {
        self.refusals += 1;
        let reply = Reply::to(&self.tag, reply::REFUSED);
        if self.refusals < REFUSALS { reply } else { reply.and_bye(reply::ENOUGH) }
    }

    fn literal(&mut self, announced: Announced) -> Reply {
        if self.frames.accept() {
            return if announced.synchronizing { Reply::line(reply::GO_ON) } else { Reply::NONE };
        }
        let tag = tag_of(&self.frames.head().line);
        let reply = Reply::to(tag.as_deref().unwrap_or("*"), reply::TOO_BIG);
        match self.frames.refuse() {
            Refused::Over => self.fault(reply),
            Refused::HangUp => reply.and_bye(reply::ENDLESS),
        }
    }

    fn too_long(&mut self, head: &[u8]) -> Reply {
        let tag = match self.exchange.take() {
            Some(_) => Some(self.tag.clone()),
            None => tag_of(head),
        };
        self.fault(Reply::to(tag.as_deref().unwrap_or("*"), reply::TOO_LONG))
    }

    fn fault(&mut self, reply: Reply) -> Reply {
        self.faults += 1;
        if self.faults < FAULTS { reply } else { reply.and_bye(reply::ENOUGH) }
    }
}

impl<D: Door> Session for Login<D> {
    fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        let capabilities = self.capabilities();
        Reply::line(format!("* OK [CAPABILITY {capabilities}] {}", reply::GREETING)).write(out)?;
        Ok(Flow::More)
    }

    fn feed(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        while let Some(taken) = self.frames.take(&mut input) {
            let mut reply = self.taken(taken);
            // What follows STARTTLS before its answer is somebody else's word.
            if reply.flow == Flow::Secure && !input.is_empty() {
                reply = Reply::to(&self.tag, reply::INJECTED).and_bye(reply::GOOD_BYE);
            }
            reply.write(out)?;
            if reply.flow != Flow::More {
                self.unread = input.to_vec();
                return Ok(reply.flow);
            }
        }
        Ok(Flow::More)
    }

    fn timed_out(&mut self, out: &mut dyn Write) -> io::Result<()> {
        Reply::bye(reply::TOO_SLOW).write(out)
    }
}
