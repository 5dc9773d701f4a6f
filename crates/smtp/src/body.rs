//! Taking in a message: dotted text or chunks, line ends, size, hops, the verdict at its end.
//!
//! Nothing of a message is kept here. A message that will be refused is read to its real end,
//! no longer stored, and refused once. RFC 5321 §4.1.1.4, §4.5.2, §6.3; RFC 3030; RFC 1870.

use std::io::{self, Write};

use message::HeaderLines;
use wire::dot::Dotted;

use crate::session::{Mode, Session, State};
use crate::{Fault, House, Reply, received};

/// What is known of the message that is coming in.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    header: HeaderLines,
    hops: u32,
    /// Octets with CR LF line ends.
    size: u64,
    ends: LineEnds,
    /// The message will be refused and is no longer stored.
    fault: Option<Reply>,
}

/// A chunk that is coming in.
#[derive(Debug)]
pub(crate) struct Chunk {
    left: u64,
    octets: u64,
    last: bool,
    /// Its octets belong to a message; else they are only eaten.
    kept: bool,
    /// The reply when it has been eaten, unless its message has something to say.
    pub(crate) reply: Reply,
}

impl Chunk {
    pub(crate) fn new(octets: u64, last: bool, kept: bool) -> Chunk {
        Chunk { left: octets, octets, last, kept, reply: Reply::OK }
    }
}

/// CR LF to LF in text that is not dot-stuffed, over any number of chunks.
#[derive(Debug, Default)]
struct LineEnds {
    cr: bool,
    stray: bool,
}

impl LineEnds {
    fn feed(&mut self, mut input: &[u8], sink: &mut impl FnMut(&[u8])) {
        while let Some(first) = input.first() {
            if self.cr {
                self.cr = false;
                if *first == b'\n' {
                    sink(b"\n");
                    input = &input[1..];
                    continue;
                }
                self.stray = true;
            }
            let run = input.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(input.len());
            sink(&input[..run]);
            match input.get(run) {
                Some(b'\r') => self.cr = true,
                Some(_) => self.stray = true,
                None => return,
            }
            input = &input[run + 1..];
        }
    }
}

impl Intake {
    fn take(&mut self, part: &[u8], max_size: u64, max_hops: u32, house: &mut impl House) {
        if self.fault.is_some() {
            return;
        }
        let hops = &mut self.hops;
        self.header.feed(part, &mut |line| *hops += u32::from(message::hop(line)));
        // The decoders give each line end as a part of its own.
        self.size += if part == b"\n" { 2 } else { part.len() as u64 };
        if self.hops >= max_hops {
            self.refuse(Reply::LOOP, house);
        } else if max_size > 0 && self.size > max_size {
            self.refuse(Reply::TOO_BIG, house);
        } else {
            house.write(part);
        }
    }

    /// Line ends count before everything else, so that it does not matter how the input is cut.
    fn refuse(&mut self, reply: Reply, house: &mut impl House) {
        if self.fault.is_none() {
            house.abort();
        }
        if self.fault.is_none() || reply == Reply::BARE_LINE_END {
            self.fault = Some(reply);
        }
    }
}

impl<H: House> Session<H> {
    /// Begins a message with its trace line.
    pub(crate) fn open(&mut self) -> Result<(), Reply> {
        self.house.open()?;
        let settings = &self.settings;
        let now = self.house.now();
        let with = match self.tls.is_empty() {
            true => self.via.word(),
            false => format!("{} ({})", self.via.word(), self.tls),
        };
        let line = received(&settings.client, &self.helo, &settings.host, &with, &settings.token, now);
        self.house.write(line.as_bytes());
        Ok(())
    }

    pub(crate) fn data_bytes(&mut self, input: &mut &[u8], out: &mut dyn Write) -> io::Result<()> {
        let Mode::Data(undot) = &mut self.mode else { return Ok(()) };
        let (intake, house) = (&mut self.intake, &mut self.house);
        let (max_size, max_hops) = (self.settings.max_size, self.settings.max_hops);
        let (used, dotted) = undot.feed(input, &mut |part| intake.take(part, max_size, max_hops, house));
        if undot.stray() {
            intake.refuse(Reply::BARE_LINE_END, house);
        }
        *input = &input[used..];
        self.octets += used as u64;
        if dotted == Dotted::More { Ok(()) } else { self.finish_for_all(out) }
    }

    /// RFC 2033 §4.2: one reply for each recipient, in their order. All have the same: the queue takes
    /// the message for all of them or for none.
    fn finish_for_all(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let replies = if self.settings.lmtp { self.envelope.recipients.len() } else { 1 };
        let reply = self.finish();
        (0..replies).try_for_each(|_| reply.write(out))
    }

    pub(crate) fn chunk_bytes(&mut self, input: &mut &[u8], out: &mut dyn Write) -> io::Result<()> {
        let Mode::Chunk(chunk) = &mut self.mode else { return Ok(()) };
        let count = chunk.left.min(input.len() as u64);
        let (piece, rest) = input.split_at(count as usize);
        *input = rest;
        chunk.left -= count;
        self.octets += if chunk.kept { count } else { 0 };
        let done = chunk.left == 0;
        if chunk.kept {
            self.chunk_piece(piece);
        }
        if done { self.chunk_end(out) } else { Ok(()) }
    }

    fn chunk_piece(&mut self, piece: &[u8]) {
        let mut ends = core::mem::take(&mut self.intake.ends);
        let (intake, house) = (&mut self.intake, &mut self.house);
        let (max_size, max_hops) = (self.settings.max_size, self.settings.max_hops);
        ends.feed(piece, &mut |part| intake.take(part, max_size, max_hops, house));
        if ends.stray {
            intake.refuse(Reply::BARE_LINE_END, house);
        }
        intake.ends = ends;
    }

    fn chunk_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mode = core::mem::replace(&mut self.mode, Mode::Commands);
        let Mode::Chunk(chunk) = mode else { return Ok(()) };
        if !chunk.kept {
            return chunk.reply.write(out);
        }
        if chunk.last && self.intake.ends.cr {
            self.intake.refuse(Reply::BARE_LINE_END, &mut self.house);
        }
        if chunk.last {
            return self.finish_for_all(out);
        }
        if self.intake.fault.is_some() {
            return self.finish().write(out);
        }
        self.state = State::CHUNKS;
        let text = format!("{} octets received", chunk.octets);
        Reply::made(250, wire::Code(2, 0, 0), text).write(out)
    }

    /// The message has come to its end: refused for what it is, or handed over.
    fn finish(&mut self) -> Reply {
        let reply = match self.intake.fault.take() {
            Some(reply) => self.blame(Fault::Message, reply),
            None => match self.house.commit(&self.envelope) {
                // Log tools find a message by these words.
                Ok(id) => {
                    self.accepted += 1;
                    let text = format!("ok {} qp {id}", self.house.now());
                    Reply::made(250, wire::Code(2, 0, 0), text)
                }
                Err(reply) => reply,
            },
        };
        self.forget();
        self.steps += 1;
        reply
    }
}
