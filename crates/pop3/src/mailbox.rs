//! The session after the login: RFC 1939 §5 and §6, the TRANSACTION and UPDATE states.
//!
//! Messages are numbered once, at the start; nothing is removed before QUIT. A message that
//! another program removes meanwhile keeps its number and is refused from then on.

use std::io::{self, ErrorKind, Read, Write};

use message::Top;
use wire::dot::Dot;
use wire::{Flow, Session};

use crate::command::{Command, CommandLines, Said, Takes, find, number, split, unfit};
use crate::reply::{self, END, Reply};
use crate::uid::uids;

/// The verbs that a client may try before it has logged in.
pub(crate) const VERBS_AFTER_LOGIN: &[&str] =
    &["STAT", "LIST", "RETR", "DELE", "NOOP", "RSET", "TOP", "UIDL"];
const VERBS_BEFORE_LOGIN: &[&str] = &["USER", "PASS", "APOP", "AUTH", "STLS", "UTF8"];

const PIECE: usize = 64 * 1024;

/// The mailbox as a session needs it. One implementation in `bin/pop3d`, one fake in tests.
/// Messages are counted from 0. `NotFound` from any call: the message is gone.
pub trait Store: 'static {
    /// A message's text, with LF line ends.
    type Text: Read;
    /// How many messages there are; never changes.
    fn count(&self) -> usize;
    /// A message's size as it is sent: each line end two octets, an unfinished last line ended,
    /// without the dots that are added in front of lines.
    fn size(&mut self, place: usize) -> io::Result<u64>;
    /// The message's file name, without which UIDL would have nothing that stays.
    fn name(&self, place: usize) -> Vec<u8>;
    /// Opens a message.
    fn open(&mut self, place: usize) -> io::Result<Self::Text>;
    /// Removes the messages in `deleted`, keeps a note that those in `retrieved` have been
    /// read. Gives how many could not be removed, but not because they were gone.
    fn commit(&mut self, deleted: &[usize], retrieved: &[usize]) -> usize;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    deleted: bool,
    retrieved: bool,
    gone: bool,
}

/// A session in the TRANSACTION state.
pub struct Mailbox<S> {
    store: S,
    lines: CommandLines,
    marks: Vec<Mark>,
    /// Made when first asked for.
    uids: Vec<String>,
    piece: Vec<u8>,
}

impl<S: Store> Mailbox<S> {
    const COMMANDS: &'static [Command<Mailbox<S>>] = &[
        Command { name: "STAT", takes: Takes::Nothing, run: Self::stat },
        Command { name: "LIST", takes: Takes::Maybe, run: Self::list },
        Command { name: "UIDL", takes: Takes::Maybe, run: Self::uidl },
        Command { name: "RETR", takes: Takes::Something, run: Self::retr },
        Command { name: "TOP", takes: Takes::Something, run: Self::top },
        Command { name: "DELE", takes: Takes::Something, run: Self::dele },
        Command { name: "RSET", takes: Takes::Nothing, run: Self::rset },
        Command { name: "NOOP", takes: Takes::Nothing, run: |_, _, _| Ok(Reply::NOTHING) },
        Command { name: "CAPA", takes: Takes::Nothing, run: |_, _, out| reply::capabilities(out, false) },
        Command { name: "LANG", takes: Takes::Maybe, run: |_, rest, out| reply::language(rest, out) },
        Command { name: "QUIT", takes: Takes::Nothing, run: Self::quit },
    ];

    /// A session on `store`.
    pub fn new(store: S) -> Mailbox<S> {
        let marks = vec![Mark::default(); store.count()];
        Mailbox { store, lines: CommandLines::new(), marks, uids: Vec::new(), piece: Vec::new() }
    }

    /// The mailbox, for the log's last line.
    pub fn store(&self) -> &S {
        &self.store
    }

    fn line(&mut self, line: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
        let (verb, rest) = split(line);
        let Some(command) = find(Self::COMMANDS, verb) else {
            let known = VERBS_BEFORE_LOGIN.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(verb));
            return Ok(if known { Reply::LOGGED_IN } else { Reply::UNKNOWN });
        };
        match unfit(command.takes, rest) {
            Some(reply) => Ok(reply),
            None => (command.run)(self, rest, out),
        }
    }

    fn stat(&mut self, _rest: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        let sizes = self.sizes();
        let octets = total(&sizes);
        Ok(Reply::ok(format_args!("{} {octets}", sizes.len())))
    }

    fn list(&mut self, rest: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
        if !rest.is_empty() {
            return Ok(self.one(rest, Self::list_one));
        }
        let sizes = self.sizes();
        let octets = total(&sizes);
        write!(out, "+OK {} messages ({octets} octets)\r\n", sizes.len())?;
        for (place, size) in sizes {
            write!(out, "{} {size}\r\n", place + 1)?;
        }
        out.write_all(END)?;
        Ok(Reply::SENT)
    }

    fn list_one(&mut self, place: usize) -> Reply {
        match self.size(place) {
            Some(size) => Reply::ok(format_args!("{} {size}", place + 1)),
            None => Reply::GONE,
        }
    }

    fn uidl(&mut self, rest: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
        if !rest.is_empty() {
            return Ok(self.one(rest, Self::uidl_one));
        }
        out.write_all(b"+OK Unique ids:\r\n")?;
        for place in self.present() {
            write!(out, "{} {}\r\n", place + 1, self.uid(place))?;
        }
        out.write_all(END)?;
        Ok(Reply::SENT)
    }

    fn uidl_one(&mut self, place: usize) -> Reply {
        Reply::ok(format_args!("{} {}", place + 1, self.uid(place)))
    }

    fn uid(&mut self, place: usize) -> &str {
        if self.uids.is_empty() {
            let store = &self.store;
            self.uids = uids((0..store.count()).map(|place| store.name(place)));
        }
        &self.uids[place]
    }

    fn retr(&mut self, rest: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
        match self.place(rest) {
            Err(reply) => Ok(reply),
            Ok(place) => self.send(place, None, out),
        }
    }

    fn top(&mut self, rest: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
        let (message, lines) = split(rest);
        let Some(lines) = number(lines) else { return Ok(Reply::BAD_LINES) };
        match self.place(message) {
            Err(reply) => Ok(reply),
            Ok(place) => self.send(place, Some(Top::new(lines)), out),
        }
    }

    fn dele(&mut self, rest: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        Ok(self.one(rest, |session, place| {
            session.marks[place].deleted = true;
            Reply::MARKED
        }))
    }

    fn rset(&mut self, _rest: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        self.marks.iter_mut().for_each(|mark| mark.deleted = false);
        Ok(Reply::UNMARKED)
    }

    /// RFC 1939 §6, the UPDATE state.
    fn quit(&mut self, _rest: &[u8], _out: &mut dyn Write) -> io::Result<Reply> {
        let marked = |test: fn(&Mark) -> bool| -> Vec<usize> {
            (0..self.marks.len()).filter(|place| test(&self.marks[*place])).collect()
        };
        let deleted = marked(|mark| mark.deleted);
        let retrieved = marked(|mark| mark.retrieved && !mark.deleted && !mark.gone);
        let left = self.store.commit(&deleted, &retrieved);
        Ok(if left == 0 { Reply::BYE } else { Reply::NOT_REMOVED })
    }

    /// Sends a message, or its top.
    fn send(&mut self, place: usize, mut top: Option<Top>, out: &mut dyn Write) -> io::Result<Reply> {
        let mut text = match self.store.open(place) {
            Ok(text) => text,
            Err(error) => return Ok(self.unopened(place, &error)),
        };
        self.piece.resize(PIECE, 0);
        let size = if top.is_none() { self.size(place) } else { None };
        // The first piece is read before the reply: most trouble shows here, and can still be told.
        let mut count = match read(&mut text, &mut self.piece) {
            Ok(count) => count,
            Err(_) => return Ok(Reply::NOT_READ),
        };
        match (&top, size) {
            (None, Some(size)) => write!(out, "+OK {size} octets\r\n")?,
            (None, None) => return Ok(Reply::GONE),
            (Some(_), _) => out.write_all(b"+OK Top of message:\r\n")?,
        }
        let mut dot = Dot::new(&mut *out);
        while count > 0 {
            let piece = &self.piece[..count];
            let wanted = top.as_mut().map_or(count, |top| top.feed(piece));
            dot.write(&piece[..wanted])?;
            if top.as_ref().is_some_and(Top::done) {
                break;
            }
            // Too late for an error reply: the connection breaks, so no client takes half for whole.
            count = read(&mut text, &mut self.piece).map_err(io::Error::other)?;
        }
        dot.end()?;
        self.marks[place].retrieved |= top.is_none();
        Ok(Reply::SENT)
    }

    fn unopened(&mut self, place: usize, error: &io::Error) -> Reply {
        match error.kind() {
            ErrorKind::NotFound => {
                self.marks[place].gone = true;
                Reply::GONE
            }
            _ => Reply::NOT_READ,
        }
    }

    /// Messages that are neither marked as deleted nor gone.
    fn present(&self) -> Vec<usize> {
        let there = |place: &usize| !self.marks[*place].deleted && !self.marks[*place].gone;
        (0..self.marks.len()).filter(there).collect()
    }

    fn sizes(&mut self) -> Vec<(usize, u64)> {
        self.present().into_iter().filter_map(|place| Some((place, self.size(place)?))).collect()
    }

    /// `None`: gone. A size that can't be learnt now is shown as 0.
    fn size(&mut self, place: usize) -> Option<u64> {
        match self.store.size(place) {
            Ok(size) => Some(size),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.marks[place].gone = true;
                None
            }
            Err(_) => Some(0),
        }
    }

    fn one(&mut self, digits: &[u8], run: impl FnOnce(&mut Self, usize) -> Reply) -> Reply {
        match self.place(digits) {
            Ok(place) => run(self, place),
            Err(reply) => reply,
        }
    }

    /// The message of this number, if the client may name it.
    fn place(&self, digits: &[u8]) -> Result<usize, Reply> {
        let number = number(digits).ok_or(Reply::BAD_NUMBER)?;
        let place =
            number.checked_sub(1).and_then(|place| usize::try_from(place).ok()).ok_or(Reply::NO_SUCH)?;
        match self.marks.get(place) {
            None => Err(Reply::NO_SUCH),
            Some(mark) if mark.deleted => Err(Reply::DELETED),
            Some(mark) if mark.gone => Err(Reply::GONE),
            Some(_) => Ok(place),
        }
    }
}

impl<S: Store> Session for Mailbox<S> {
    /// The answer to the password that let the client in.
    fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        Reply::ok(format_args!("{} messages", self.store.count())).write(out)?;
        Ok(Flow::More)
    }

    fn feed(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        while let Some(said) = self.lines.take(&mut input) {
            let reply = match said {
                Said::Line(line) => self.line(&line, out)?,
                Said::TooLong => Reply::TOO_LONG,
                Said::Endless => Reply::ENDLESS,
            };
            reply.write(out)?;
            if reply.flow != Flow::More {
                return Ok(reply.flow);
            }
        }
        Ok(Flow::More)
    }

    /// RFC 1939 §3: closed without a word, and nothing is removed.
    fn timed_out(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

fn read(text: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match text.read(piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn total(sizes: &[(usize, u64)]) -> u64 {
    sizes.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size))
}
