//! The commands: one table row, one handler, one reply each. RFC 5321 §4.1, §4.3.
//!
//! What is not there is not advertised either.

use message::address::Letters;
use wire::{Code, Flow};

use crate::auth::AUTH_LINE;
use crate::body::Chunk;
use crate::session::{Mode, Session, State};
use crate::{Fault, House, Reply, parse};

/// A row: the verb, the states it may come in, the reply in all others, the octets its line may
/// have with CR LF (RFC 5321 §4.5.3.1.4 and what extensions add), its handler.
pub(crate) struct Command<H: House> {
    verb: &'static str,
    /// LMTP's own, SMTP's own, or of both (RFC 2033 §4.1).
    tongue: Tongue,
    states: State,
    /// May it come before a login where one is required? RFC 4954 §4.
    open: bool,
    otherwise: Reply,
    limit: usize,
    run: fn(&mut Session<H>, &[u8]) -> Reply,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tongue {
    Both,
    Smtp,
    Lmtp,
}

/// Octets of an ordinary command line.
const ORDINARY: usize = 512;
/// SIZE adds 26, BODY 17, SMTPUTF8 10, AUTH 500 octets.
const MAIL_LINE: usize = ORDINARY + 26 + 17 + 10 + 500;

/// Known verbs that are not carried out here.
const ABSENT: &[&str] =
    &["EXPN", "ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML", "XCLIENT", "XFORWARD", "DEBUG", "WIZ"];

/// Verbs of other protocols, whose clients have been led here to do mischief.
const FOREIGN: &[&str] =
    &["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "TRACE", "PATCH", "PRI"];

impl<H: House> Session<H> {
    const COMMANDS: &'static [Command<H>] = &[
        row("MAIL", State::READY, Reply::IN_TRANSACTION, MAIL_LINE, Self::mail).behind_login(),
        row("RCPT", State::SENDER.or(State::RCPT), Reply::WANT_MAIL, ORDINARY, Self::rcpt).behind_login(),
        row("DATA", State::RCPT, Reply::WANT_RCPT, ORDINARY, Self::data).behind_login(),
        // In a wrong state its octets must be eaten all the same, so it looks for itself.
        row("BDAT", State::ANY, Reply::WANT_RCPT, ORDINARY, Self::bdat),
        row("EHLO", State::ANY, Reply::IN_TRANSACTION, ORDINARY, Self::ehlo).only(Tongue::Smtp),
        row("HELO", State::ANY, Reply::IN_TRANSACTION, ORDINARY, Self::helo).only(Tongue::Smtp),
        row("LHLO", State::ANY, Reply::IN_TRANSACTION, ORDINARY, Self::ehlo).only(Tongue::Lmtp),
        row("AUTH", State::READY, Reply::IN_TRANSACTION, AUTH_LINE, Self::auth),
        row("STARTTLS", State::READY, Reply::IN_TRANSACTION, ORDINARY, Self::starttls),
        row("RSET", State::ANY, Reply::IN_TRANSACTION, ORDINARY, Self::rset),
        row("NOOP", State::ANY, Reply::IN_TRANSACTION, ORDINARY, |_, _| Reply::OK),
        row("VRFY", State::ANY, Reply::IN_TRANSACTION, ORDINARY, Self::vrfy).behind_login(),
        row("HELP", State::ANY, Reply::IN_TRANSACTION, ORDINARY, |_, _| Reply::HELP),
        row("QUIT", State::ANY, Reply::IN_TRANSACTION, ORDINARY, Self::quit),
    ];

    /// Carries out one line.
    pub(crate) fn obey(&mut self, line: &[u8]) -> Reply {
        let (verb, rest) = parse::verb(line);
        let is = |word: &str| verb.eq_ignore_ascii_case(word.as_bytes());
        let reply = match Self::COMMANDS.iter().find(|row| is(row.verb)) {
            Some(row) if line.len() + 2 > row.limit => Reply::LONG_LINE,
            Some(row) if row.tongue == Tongue::Smtp && self.settings.lmtp => Reply::WANT_LHLO,
            Some(row) if row.tongue == Tongue::Lmtp && !self.settings.lmtp => Reply::UNKNOWN,
            Some(row) if !row.open && self.must_encrypt() => Reply::ENCRYPT_FIRST,
            Some(row) if !row.open && self.must_log_in() => Reply::LOGIN_FIRST,
            Some(row) if self.state.is_in(row.states) => (row.run)(self, rest),
            Some(row) => self.out_of_order(row),
            None if line.len() + 2 > ORDINARY => Reply::LONG_LINE,
            None if ABSENT.iter().any(|word| is(word)) => Reply::ABSENT,
            None if FOREIGN.iter().any(|word| is(word)) => self.foreign(),
            None => Reply::UNKNOWN,
        };
        match (reply.code(), reply.status()) {
            // A list with many strange addresses is no abuse of the protocol.
            (501, Code(5, 1, 3)) => self.blame(Fault::Recipient, reply),
            (500..=504 | 521 | 555, _) => self.blame(Fault::Protocol, reply),
            _ => reply,
        }
    }

    pub(crate) fn must_log_in(&self) -> bool {
        self.settings.login_required && !self.via.authenticated
    }

    fn must_encrypt(&self) -> bool {
        self.settings.encryption.required && !self.via.secret
    }

    /// Is it too early for a password?
    pub(crate) fn must_encrypt_to_log_in(&self) -> bool {
        self.settings.encryption.before_login && !self.via.secret
    }

    // RFC 3207 §4
    fn starttls(&mut self, rest: &[u8]) -> Reply {
        match () {
            () if !self.settings.encryption.offered && !self.via.secret => Reply::ABSENT,
            () if !rest.is_empty() => Reply::SYNTAX,
            () if self.via.secret => Reply::SECRET_ALREADY,
            () if !self.house.reserve_tls() => Reply::NO_TLS,
            () => {
                self.flow = Flow::Secure;
                Reply::BEGIN_TLS
            }
        }
    }

    fn out_of_order(&self, row: &Command<H>) -> Reply {
        match (self.state, row.verb) {
            (State::CHUNKS, _) => Reply::IN_CHUNKS,
            // All recipients have been refused: a pipelining client could not know.
            (State::SENDER, "DATA") => self.no_recipients(),
            _ => row.otherwise.clone(),
        }
    }

    /// RFC 2033 §4.2 wants 503, as there will be no other reply.
    fn no_recipients(&self) -> Reply {
        if self.settings.lmtp { Reply::WANT_RCPT } else { Reply::NO_RECIPIENTS }
    }

    fn foreign(&mut self) -> Reply {
        self.flow = Flow::Close;
        Reply::FOREIGN
    }

    // RFC 5321 §4.1.1.1; LHLO is the same (RFC 2033 §4.1).
    fn ehlo(&mut self, rest: &[u8]) -> Reply {
        let Some(name) = parse::helo(rest) else { return Reply::BAD_HELO };
        self.hello(name, true);
        let settings = &self.settings;
        let size = if settings.max_size == 0 { String::new() } else { format!(" {}", settings.max_size) };
        let mechanisms = self.offered_mechanisms().join(" ");
        // Who has logged in does not get to do so again. RFC 4954 §4.
        let no_auth = mechanisms.is_empty() || self.via.authenticated || self.must_encrypt_to_log_in();
        let tls = if settings.encryption.offered && !self.via.secret { "\nSTARTTLS" } else { "" };
        let auth = match no_auth {
            true => String::new(),
            false => format!("\nAUTH {mechanisms}"),
        };
        let require = if self.takes_requiretls() { "\nREQUIRETLS" } else { "" };
        let text = format!(
            "{}{tls}{auth}{require}\nPIPELINING\nSIZE{size}\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nCHUNKING\n\
             LIMITS MAILMAX={} RCPTMAX={}\nHELP",
            settings.greeting, settings.max_messages, settings.max_recipients
        );
        Reply::made(250, Code::NONE, text)
    }

    fn helo(&mut self, rest: &[u8]) -> Reply {
        let Some(name) = parse::helo(rest) else { return Reply::BAD_HELO };
        self.hello(name, false);
        Reply::made(250, Code::NONE, self.settings.greeting.clone())
    }

    fn hello(&mut self, name: &str, extended: bool) {
        self.reset();
        name.clone_into(&mut self.helo);
        self.via.extended = extended;
    }

    // RFC 5321 §4.1.1.2. A greeting need not have come before, as in qmail.
    fn mail(&mut self, rest: &[u8]) -> Reply {
        let (sender, parameters) = match parse::mail(rest, &self.settings.domain) {
            Ok(parsed) => parsed,
            Err(reply) => return reply,
        };
        if self.settings.max_size > 0 && parameters.size.unwrap_or(0) > self.settings.max_size {
            return self.blame(Fault::Message, Reply::TOO_BIG);
        }
        if parameters.requiretls && !self.takes_requiretls() {
            return Reply::UNKNOWN_PARAMETER;
        }
        if !self.another_message() {
            self.flow = Flow::Close;
            return Reply::TOO_MANY_MESSAGES;
        }
        if let Err(reply) = self.house.sender(sender.as_ref(), &parameters) {
            return reply;
        }
        self.envelope.sender = sender.map(|sender| sender.envelope()).unwrap_or_default();
        self.envelope.requiretls = parameters.requiretls;
        self.letters = if parameters.utf8 { Letters::Utf8 } else { Letters::Ascii };
        self.via.utf8 = parameters.utf8;
        self.state = State::SENDER;
        Reply::SENDER_OK
    }

    /// RFC 8689 §2: a promise that is given by TLS alone.
    fn takes_requiretls(&self) -> bool {
        self.settings.requiretls && self.via.secret
    }

    // RFC 5321 §4.1.1.3
    fn rcpt(&mut self, rest: &[u8]) -> Reply {
        let recipient = match parse::rcpt(rest, self.letters, &self.settings.domain) {
            Ok(recipient) => recipient,
            Err(reply) => return reply,
        };
        if self.envelope.recipients.len() >= self.settings.max_recipients as usize {
            return Reply::TOO_MANY_RECIPIENTS;
        }
        match self.house.recipient(&recipient) {
            Ok(recipient) => {
                self.envelope.recipients.push(recipient);
                self.state = State::RCPT;
                self.steps += 1;
                Reply::RECIPIENT_OK
            }
            Err(reply) if reply.is_permanent() => self.blame(Fault::Recipient, reply),
            Err(reply) => reply,
        }
    }

    // RFC 5321 §4.1.1.4
    fn data(&mut self, rest: &[u8]) -> Reply {
        if !rest.is_empty() {
            return Reply::SYNTAX;
        }
        match self.open() {
            Ok(()) => {
                self.mode = Mode::Data(wire::dot::Undot::new());
                Reply::GO_AHEAD
            }
            Err(reply) => reply,
        }
    }

    // RFC 3030 §2
    fn bdat(&mut self, rest: &[u8]) -> Reply {
        let Some((octets, last)) = parse::chunk(rest) else {
            // Nobody knows where the next command begins.
            self.flow = Flow::Close;
            return Reply::SYNTAX;
        };
        let opened = match self.state {
            State::CHUNKS => Ok(()),
            // Chunks sent ahead of a refusal must not be taken for the message: nothing stays open.
            State::RCPT => self.open().inspect_err(|_| self.forget()),
            State::SENDER => Err(self.no_recipients()),
            _ => Err(Reply::WANT_RCPT),
        };
        let kept = opened.is_ok();
        if kept {
            self.state = State::CHUNKS;
        }
        self.mode = Mode::Chunk(Chunk::new(octets, last, kept));
        opened.map_or_else(|reply| reply, |()| Reply::OK)
    }

    fn rset(&mut self, _: &[u8]) -> Reply {
        self.reset();
        Reply::OK
    }

    // RFC 5321 §7.3: who exists is told to nobody.
    fn vrfy(&mut self, rest: &[u8]) -> Reply {
        if rest.is_empty() { Reply::SYNTAX } else { Reply::MAYBE }
    }

    fn quit(&mut self, _: &[u8]) -> Reply {
        self.reset();
        self.flow = Flow::Close;
        Reply::BYE
    }
}

const fn row<H: House>(
    verb: &'static str,
    states: State,
    otherwise: Reply,
    limit: usize,
    run: fn(&mut Session<H>, &[u8]) -> Reply,
) -> Command<H> {
    Command { verb, tongue: Tongue::Both, states, open: true, otherwise, limit, run }
}

impl<H: House> Command<H> {
    const fn only(mut self, tongue: Tongue) -> Command<H> {
        self.tongue = tongue;
        self
    }

    const fn behind_login(mut self) -> Command<H> {
        self.open = false;
        self
    }
}
