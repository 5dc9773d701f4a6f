//! A session after the login: octets in, octets out, questions to a [`Store`].
//!
//! Keeps what the client has been told of the open mailbox ([`View`](crate::view::View)) apart from what the mailbox
//! is now: the difference is told where a command allows it. Commands stand in `commands/`, their rules in the table
//! of `command.rs`.

use std::io::{self, Write};

use crate::command::{Row, Rules, name, names_numbers};
use crate::frame::{Frame, Frames, Limits, Refused, Taken};
use crate::notices::{Notices, Wish};
use crate::open::Open;
use crate::parse::{Fault, parse, tag_of};
use crate::progress::Pace;
use crate::reply::Reply;
use crate::spool::Spooled;
use crate::store::{Folder, Store, Trouble};
use crate::syntax::Request;
use crate::update::Presence;

/// What the shell knows that a session can't.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who has logged in.
    pub user: String,
    /// Our version, for ID; empty: not told.
    pub version: String,
    /// The shell can compress.
    pub compress: bool,
    /// How often the client is told that a command is still under way; `None`: never.
    pub pace: Option<Pace>,
}

/// What the shell does once all input has been eaten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Read on.
    More,
    /// Compress both ways from now on (RFC 4978), after what has been written; so many octets of the input are not eaten
    /// and are compressed already.
    Compress(usize),
    /// Hang up after what has been written.
    Close,
}

/// What the client has enabled: RFC 5161.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Enabled {
    pub(crate) condstore: bool,
    pub(crate) qresync: bool,
    pub(crate) utf8: bool,
    pub(crate) rev2: bool,
    pub(crate) uid_only: bool,
}

/// A session.
pub struct Session<S: Store> {
    pub(crate) store: S,
    pub(crate) options: Options,
    pub(crate) enabled: Enabled,
    pub(crate) open: Option<Open<S::Folder>>,
    /// Of the command under way.
    pub(crate) tag: String,
    pub(crate) frames: Frames,
    /// Literals of the command under way that were spooled, by number.
    pub(crate) spooled: Vec<Spooled<S::Draft>>,
    /// How many of these have been used.
    pub(crate) used: usize,
    /// What the client wants to be told without asking, if it has said so.
    pub(crate) notices: Option<Notices>,
    /// The tag of the IDLE that waits for its DONE.
    pub(crate) idle: Option<String>,
    /// What the shell is to do after the command.
    pub(crate) flow: Flow,
    pub(crate) compressed: bool,
}

/// Why a command ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The connection is broken.
    Broken(io::Error),
    /// The answer is this.
    Refused(Reply),
}

/// What a command comes to.
pub(crate) type Answer = Result<Reply, Stop>;

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Broken(error)
    }
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Stop {
        Stop::Refused(reply)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Stop {
        Stop::Refused(Reply::from(trouble))
    }
}

impl<S: Store> Session<S> {
    /// A session of somebody who has just logged in.
    pub fn new(store: S, options: Options) -> Session<S> {
        Session {
            store,
            options,
            enabled: Enabled::default(),
            open: None,
            tag: String::new(),
            frames: Frames::new(Limits::AFTER_LOGIN),
            spooled: Vec::new(),
            used: 0,
            notices: None,
            idle: None,
            flow: Flow::More,
            compressed: false,
        }
    }

    /// Ends the login: the answer to the command of this tag that logged in, or `* PREAUTH`.
    pub fn greet(&mut self, tag: Option<&[u8]>, out: &mut dyn Write) -> io::Result<()> {
        let list = self.capabilities();
        match tag.and_then(tag_of) {
            Some(tag) => write!(out, "{tag} OK [CAPABILITY {list}] Logged in.\r\n"),
            None => write!(out, "* PREAUTH [CAPABILITY {list}] Logged in.\r\n"),
        }
    }

    /// Eats all of `input`; every complete command in it has been answered into `out` on return.
    pub fn feed(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        while self.flow != Flow::Close
            && let Some(taken) = self.frames.take(&mut input)
        {
            match taken {
                Taken::Command(frame) => self.command(&frame, out)?,
                Taken::Line(line) => self.end_idle(&line, out)?,
                Taken::Literal(announced) => self.announced(announced, out)?,
                Taken::Octets(octets) => self.spool(octets, out)?,
                Taken::LiteralEnd => {}
                Taken::TooLong(head) => self.refuse_line(&head, &Reply::LINE_TOO_LONG, out)?,
                Taken::Endless => self.hang_up(&Reply::ENDLESS, out)?,
            }
            if let Flow::Compress(_) = self.flow {
                self.flow = Flow::More;
                return Ok(Flow::Compress(input.len()));
            }
        }
        Ok(self.flow)
    }

    /// Something has happened, or time has passed: tells the client, if it waits for that.
    pub fn news(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        let (idle, wish) = (self.idle.is_some(), self.wish());
        if self.flow == Flow::Close {
            return Ok(self.flow);
        }
        if (idle || wish.at_once) && self.tell(idle || wish.renumbers, out)? == Presence::Gone {
            self.hang_up(&Reply::from(Trouble::MailboxGone), out)?;
            return Ok(self.flow);
        }
        self.tell_others(out)?;
        Ok(self.flow)
    }

    /// What the client wants to know of the open mailbox.
    pub(crate) fn wish(&self) -> &Wish {
        self.notices.as_ref().map_or(Wish::PLAIN, |notices| &notices.wish)
    }

    /// Does it want to know what happens in mailboxes that are not open?
    pub fn watches_others(&self) -> bool {
        self.notices.as_ref().is_some_and(Notices::watches)
    }

    /// May the client be given a mod-sequence from which it goes on the next time (RFC 7162 §3.2.7)? Not one that has asked
    /// by NOTIFY not to be told of flags: it would never learn of them.
    pub(crate) fn resynchronizes(&self) -> bool {
        self.enabled.qresync && self.wish().flags
    }

    /// Does the client want to be told of news without asking, by IDLE or by NOTIFY?
    pub fn listening(&self) -> bool {
        self.idling()
            || self.notices.as_ref().is_some_and(|notices| notices.watches() || notices.wish.at_once)
    }

    /// Does the client wait for news?
    pub fn idling(&self) -> bool {
        self.idle.is_some()
    }

    /// The client has been silent for too long; says so before the shell hangs up. RFC 9051 §5.4.
    pub fn timed_out(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.hang_up(&Reply::SILENT, out)
    }

    fn command(&mut self, frame: &Frame, out: Out<'_>) -> io::Result<()> {
        let answered = match parse(frame, self.names_are_utf8()) {
            Ok(command) => {
                self.tag = command.tag;
                self.answer(command.request, out)
            }
            Err(fault) => self.refuse(&fault, out),
        };
        // What was spooled and not appended is of no use any more.
        self.forget_spooled();
        answered
    }

    fn refuse(&mut self, fault: &Fault, out: Out<'_>) -> io::Result<()> {
        write!(out, "{}.\r\n", fault.line())
    }

    fn answer(&mut self, request: Request, out: Out<'_>) -> io::Result<()> {
        let wanted = name(&request);
        let Some(row) = Self::COMMANDS.iter().find(|row| row.name == wanted) else {
            let before_login = ["STARTTLS", "AUTHENTICATE", "LOGIN"].contains(&wanted);
            let reply = if before_login { Reply::LOGGED_IN } else { Reply::UNKNOWN };
            return reply.write(&self.tag, out);
        };
        if let (Some(open), false) = (&mut self.open, matches!(request, Request::Fetch { .. })) {
            // Kept for who fetches slice after slice, not for who idles.
            open.body = None;
        }
        let reply = match self.serve(row, request, out) {
            Ok(reply) | Err(Stop::Refused(reply)) => reply,
            Err(Stop::Broken(error)) => return Err(error),
        };
        if reply.last() {
            return self.hang_up(&reply, out);
        }
        if !row.rules.silent() && self.tell_after(row.rules, out)? == Presence::Gone {
            return self.hang_up(&Reply::from(Trouble::MailboxGone), out);
        }
        reply.write(&self.tag, out)
    }

    /// What a client has changed itself it is told of, whatever it wants to know else.
    fn tell_after(&mut self, rules: Rules, out: Out<'_>) -> io::Result<Presence> {
        match rules.writes() {
            true => self.tell_all(rules.may_expunge(), out),
            false => self.tell(rules.may_expunge(), out),
        }
    }

    fn serve(&mut self, row: &Row<S>, request: Request, out: Out<'_>) -> Answer {
        let rules = row.rules;
        if rules.needs_open() {
            let open = if rules.wakes() { self.selected()? } else { self.asleep_or_not()? };
            if rules.writes() && open.folder.read_only() {
                return Ok(Reply::READ_ONLY);
            }
        }
        if self.enabled.uid_only && (rules.uses_numbers() || names_numbers(&request)) {
            return Ok(Reply::UID_REQUIRED);
        }
        (row.run)(self, request, out)
    }

    /// The line that ends IDLE: DONE, and nothing else.
    fn end_idle(&mut self, line: &[u8], out: Out<'_>) -> io::Result<()> {
        let Some(tag) = self.idle.take() else { return Ok(()) };
        if !line.trim_ascii_end().eq_ignore_ascii_case(b"DONE") {
            return Reply::NOT_DONE.write(&tag, out);
        }
        if self.tell(true, out)? == Presence::Gone {
            return self.hang_up(&Reply::from(Trouble::MailboxGone), out);
        }
        Reply::DONE.write(&tag, out)
    }

    /// Refuses a command of which only the beginning is here.
    pub(crate) fn refuse_line(&mut self, head: &[u8], reply: &Reply, out: Out<'_>) -> io::Result<()> {
        let tag = self.idle.take().or_else(|| tag_of(head)).unwrap_or_else(|| "*".to_owned());
        self.forget_spooled();
        reply.write(&tag, out)
    }

    fn forget_spooled(&mut self) {
        self.spooled.clear();
        self.used = 0;
    }

    /// Refuses the literal that has been announced, or is coming, and with it the command.
    pub(crate) fn refuse_literal(&mut self, reply: &Reply, out: Out<'_>) -> io::Result<()> {
        let head = self.frames.head().line.clone();
        self.refuse_line(&head, reply, out)?;
        self.pass_over(out)
    }

    /// The command is wrong before its message has come.
    pub(crate) fn refuse_early(&mut self, fault: &Fault, out: Out<'_>) -> io::Result<()> {
        self.forget_spooled();
        self.refuse(fault, out)?;
        self.pass_over(out)
    }

    fn pass_over(&mut self, out: Out<'_>) -> io::Result<()> {
        if self.frames.refuse() == Refused::HangUp { self.hang_up(&Reply::ENDLESS, out) } else { Ok(()) }
    }

    fn hang_up(&mut self, reply: &Reply, out: Out<'_>) -> io::Result<()> {
        self.flow = Flow::Close;
        reply.write_bye(out)
    }

    /// The open mailbox; without one the answer is BAD.
    pub(crate) fn selected(&mut self) -> Result<&mut Open<S::Folder>, Stop> {
        let open = self.asleep_or_not()?;
        open.wake(true)?;
        Ok(open)
    }

    /// As [`Session::selected`], but its messages may not have been read yet.
    fn asleep_or_not(&mut self) -> Result<&mut Open<S::Folder>, Stop> {
        self.open.as_mut().ok_or(Stop::Refused(Reply::NOT_SELECTED))
    }

    /// The open mailbox and the account: COPY and MOVE need both.
    pub(crate) fn both(&mut self) -> Result<(&mut Open<S::Folder>, &mut S), Stop> {
        match &mut self.open {
            Some(open) => open.wake(true).map(|_| (open, &mut self.store)).map_err(Stop::from),
            None => Err(Stop::Refused(Reply::NOT_SELECTED)),
        }
    }

    /// The client has used CONDSTORE (RFC 7162 §3.1): from now on it is told of mod-sequences.
    pub(crate) fn use_condstore(&mut self, out: Out<'_>) -> io::Result<()> {
        let before = std::mem::replace(&mut self.enabled.condstore, true);
        if before { Ok(()) } else { self.tell_highest(out) }
    }

    /// Where mod-sequences begin for this client.
    pub(crate) fn tell_highest(&self, out: Out<'_>) -> io::Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let highest = open.folder.status().highest_modseq;
        write!(out, "* OK [HIGHESTMODSEQ {highest}] The last change.\r\n")
    }

    /// The client is silent: gives memory back.
    pub fn rest(&mut self) {
        self.store.rest();
        if let Some(open) = &mut self.open {
            open.folder.rest();
            // Who asks for the next slice so late can wait until the message is read again.
            open.body = None;
        }
    }

    /// The folder that is open, for the shell's poll.
    pub fn folder(&self) -> Option<&S::Folder> {
        self.open.as_ref().map(|open| &open.folder)
    }
}

/// Writes a command's untagged lines. One name for the type, as every handler has it.
pub(crate) type Out<'a> = &'a mut dyn Write;
