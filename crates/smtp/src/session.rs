//! The session: what has been said so far, and how input is cut into commands and messages.
//!
//! A command ends with CR LF and nothing else. Which command may come when stands in the table
//! of `command`; how a message is taken in stands in `body`.

use std::io::{self, Write};

use message::address::Letters;
use wire::dot::Undot;
use wire::{Flow, Line, Lines};

use crate::body::{Chunk, Intake};
use crate::{Envelope, Fault, House, Reply, Settings, Via};

/// Octets of the longest command line without its CR LF; each verb has its own limit below it.
const LINE_MAX: usize = crate::auth::AUTH_LINE - 2;
/// Octets after which a line that does not end is waited for no longer.
const ENDLESS: usize = 64 * 1024;

/// How far a transaction is. The bits serve as sets in the table of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(pub(crate) u8);

impl State {
    /// No transaction.
    pub(crate) const READY: State = State(1);
    /// MAIL was accepted, no recipient yet.
    pub(crate) const SENDER: State = State(2);
    /// At least one recipient was accepted.
    pub(crate) const RCPT: State = State(4);
    /// Chunks of the message have come.
    pub(crate) const CHUNKS: State = State(8);
    /// Any of them.
    pub(crate) const ANY: State = State(15);

    /// Both sets together.
    pub(crate) const fn or(self, other: State) -> State {
        State(self.0 | other.0)
    }

    /// Is this state one of `set`?
    pub(crate) fn is_in(self, set: State) -> bool {
        self.0 & set.0 != 0
    }
}

/// What the next octets of input are.
#[derive(Debug)]
pub(crate) enum Mode {
    /// Command lines.
    Commands,
    /// The message, dot-stuffed.
    Data(Undot),
    /// A chunk of the message, as it is.
    Chunk(Chunk),
    /// The client's answer to a challenge: the step of the exchange.
    Auth(u32),
}

/// A server session.
pub struct Session<H: House> {
    pub(crate) house: H,
    pub(crate) settings: Settings,
    pub(crate) state: State,
    pub(crate) mode: Mode,
    pub(crate) helo: String,
    pub(crate) via: Via,
    pub(crate) letters: Letters,
    pub(crate) envelope: Envelope,
    pub(crate) intake: Intake,
    pub(crate) flow: Flow,
    /// What is known of the TLS session.
    pub(crate) tls: String,
    /// The client has shown a certificate that names somebody.
    pub(crate) certified: bool,
    pub(crate) steps: u64,
    pub(crate) octets: u64,
    pub(crate) accepted: u32,
    /// Transactions begun.
    begun: u32,
    faults: u32,
    refused: u32,
    /// Logins that failed.
    pub(crate) refusals: u32,
    lines: Lines,
    /// Octets since the last end of a line.
    unended: usize,
}

impl<H: House> Session<H> {
    /// A session that stands before its greeting.
    pub fn new(house: H, settings: Settings) -> Session<H> {
        let via = Via { lmtp: settings.lmtp, ..Via::default() };
        Session {
            house,
            settings,
            state: State::READY,
            mode: Mode::Commands,
            helo: String::new(),
            via,
            letters: Letters::Ascii,
            envelope: Envelope::default(),
            intake: Intake::default(),
            flow: Flow::More,
            tls: String::new(),
            certified: false,
            steps: 0,
            octets: 0,
            accepted: 0,
            begun: 0,
            faults: 0,
            refused: 0,
            refusals: 0,
            lines: Lines::strict(LINE_MAX),
            unended: 0,
        }
    }

    /// Grows whenever the client gets on with its mail: a recipient accepted, a message ended,
    /// a quarter of a megabyte received. A shell hangs up where it does not grow for long.
    pub fn progress(&self) -> u64 {
        self.steps + (self.octets >> 18)
    }

    /// Messages accepted so far.
    pub fn accepted(&self) -> u32 {
        self.accepted
    }

    /// Has the client gone against the protocol, or tried a wrong password?
    pub fn was_abused(&self) -> bool {
        self.faults + self.refusals > 0
    }

    /// The house.
    pub fn house_mut(&mut self) -> &mut H {
        &mut self.house
    }

    /// TLS has begun: what was said before it counts for nothing (RFC 3207 §4.2). `facts` goes into trace lines;
    /// `certified`: the client's certificate names somebody.
    pub fn secured(&mut self, facts: &str, certified: bool) {
        self.reset();
        self.certified = certified;
        self.helo.clear();
        self.via = Via { lmtp: self.settings.lmtp, secret: true, ..Via::default() };
        self.tls = facts.to_owned();
        self.flow = Flow::More;
        self.lines = Lines::strict(LINE_MAX);
        self.unended = 0;
    }

    /// Has the client logged in?
    pub fn is_authenticated(&self) -> bool {
        self.via.authenticated
    }

    /// Ends the session and gives the house back; a half message is dropped.
    pub fn end(mut self) -> H {
        self.reset();
        self.house
    }

    /// Ends the transaction; an opened message is dropped.
    pub(crate) fn reset(&mut self) {
        if matches!(self.mode, Mode::Data(_)) || self.state == State::CHUNKS {
            self.house.abort();
        }
        self.forget();
    }

    /// Ends the transaction whose message has been dealt with.
    pub(crate) fn forget(&mut self) {
        self.state = State::READY;
        self.mode = Mode::Commands;
        self.envelope = Envelope::default();
        self.letters = Letters::Ascii;
        self.via.utf8 = false;
        self.intake = Intake::default();
    }

    /// Counts a message; false when there have been enough.
    pub(crate) fn another_message(&mut self) -> bool {
        self.begun += 1;
        self.begun <= self.settings.max_messages
    }

    /// A reply to a fault of the client: counted, shown to the house, replaced by a goodbye when
    /// there have been too many.
    pub(crate) fn blame(&mut self, fault: Fault, reply: Reply) -> Reply {
        let (count, limit) = match fault {
            Fault::Protocol => (&mut self.faults, self.settings.max_faults),
            Fault::Recipient => (&mut self.refused, self.settings.max_refused),
            Fault::Message => (&mut self.faults, u32::MAX),
        };
        *count += u32::from(fault != Fault::Message);
        let count = *count;
        self.house.fault(fault, count, &reply);
        if count <= limit {
            return reply;
        }
        self.flow = Flow::Close;
        Reply::TOO_MANY_FAULTS
    }

    fn command_bytes(&mut self, input: &mut &[u8], out: &mut dyn Write) -> io::Result<()> {
        let piece = &input[..input.len().min(ENDLESS - self.unended)];
        let mut rest = piece;
        // The table's handlers need all of the session, so the line leaves its buffer.
        let line = match self.lines.take(&mut rest) {
            Some(Line::Whole(line)) => Ok(line.to_vec()),
            Some(Line::TooLong) => Err(Reply::LONG_LINE),
            Some(Line::Stray) => Err(Reply::STRAY_IN_COMMAND),
            None => {
                *input = &input[piece.len()..];
                self.unended += piece.len();
                return self.endless(out);
            }
        };
        *input = &input[piece.len() - rest.len()..];
        self.unended = 0;
        let mut reply = match line {
            Ok(line) => match self.mode {
                Mode::Auth(steps) => self.answered(&line, steps),
                _ => self.obey(&line),
            },
            Err(reply) => {
                // A line that can't be read is no answer either.
                if matches!(self.mode, Mode::Auth(_)) {
                    self.mode = Mode::Commands;
                }
                self.blame(Fault::Protocol, reply)
            }
        };
        // What follows STARTTLS before its reply is somebody else's word (CVE-2011-0411).
        if self.flow == Flow::Secure && !input.is_empty() {
            self.flow = Flow::Close;
            reply = self.blame(Fault::Protocol, Reply::INJECTED);
        }
        self.give(reply, out)
    }

    fn endless(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.unended < ENDLESS {
            return Ok(());
        }
        self.flow = Flow::Close;
        self.house.fault(Fault::Protocol, self.faults + 1, &Reply::ENDLESS_LINE);
        Reply::ENDLESS_LINE.write(out)
    }

    /// Writes the reply; the one to BDAT only when its chunk has been eaten.
    fn give(&mut self, reply: Reply, out: &mut dyn Write) -> io::Result<()> {
        match &mut self.mode {
            Mode::Chunk(chunk) if self.flow == Flow::More => {
                chunk.reply = reply;
                self.chunk_bytes(&mut &b""[..], out)
            }
            _ => reply.write(out),
        }
    }
}

impl<H: House> wire::Session for Session<H> {
    fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        let name = if self.settings.lmtp { "LMTP" } else { "ESMTP" };
        Reply::made(220, wire::Code::NONE, format!("{} {name}", self.settings.greeting)).write(out)?;
        Ok(self.flow)
    }

    fn feed(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        // RFC 2920 §3.2: what follows QUIT is nobody's.
        while !input.is_empty() && self.flow == Flow::More {
            match self.mode {
                Mode::Commands | Mode::Auth(_) => self.command_bytes(&mut input, out)?,
                Mode::Data(_) => self.data_bytes(&mut input, out)?,
                Mode::Chunk(_) => self.chunk_bytes(&mut input, out)?,
            }
        }
        Ok(self.flow)
    }

    fn expects_much(&self) -> bool {
        matches!(self.mode, Mode::Data(_) | Mode::Chunk(_))
    }

    fn timed_out(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.reset();
        Reply::TIMEOUT.write(out)
    }
}
