//! The session: which netstring is what, and who gets which answer.

use std::io::{self, Write};

use message::address::Address;
use wire::netstring::{self, Event, Netstrings};
use wire::{Fate, Flow};

use crate::text::{Ends, Text};

/// Octets of one netstring: 200 MB, as in qmail.
const NETSTRING_MAX: u64 = 200_000_000;
/// Octets of the longest address looked at; RFC 5321 has less.
const ADDRESS_MAX: usize = 1003;
/// Recipients of one message that are answered at all: each answer takes memory.
const ANSWERS_MAX: usize = 100_000;

/// Which of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An answer for each recipient.
    Qmtp,
    /// One answer.
    Qmqp,
}

/// Limits of one session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a message; 0: no limit but the protocol's.
    pub size: u64,
    /// Recipients of a message.
    pub recipients: usize,
    /// Trace lines with which a message is taken to be going in circles.
    pub hops: u32,
}

/// The one door between a session and the world.
pub trait House: 'static {
    /// A message is about to come: opens the queue, and writes the trace line.
    fn open(&mut self) -> Result<(), Fate>;

    /// The next piece of its text.
    fn write(&mut self, piece: &[u8]);

    /// May mail from `sender` (`None`: the empty one) go to `recipient`? Gives the address as the
    /// envelope shall have it.
    fn recipient(&mut self, sender: Option<&Address>, recipient: &Address) -> Result<String, Fate>;

    /// The message is complete: make it durable.
    fn commit(&mut self, sender: &str, recipients: &[String]) -> Fate;

    /// The opened message is not wanted. Also called when none is open.
    fn abort(&mut self);
}

/// What the next netstring of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// QMQP: the one that holds all.
    All,
    Message,
    Sender,
    /// QMTP: the one that holds the recipients.
    Recipients,
    Recipient,
}

/// A server session.
pub struct Session<H: House> {
    house: H,
    form: Form,
    limits: Limits,
    stream: Netstrings,
    part: Part,
    /// What has come of the message's text; `None`: its first octet has not.
    text: Option<Text>,
    address: Vec<u8>,
    sender: Option<Address>,
    /// Why nobody gets this message.
    fault: Option<Fate>,
    accepted: Vec<String>,
    /// Of each recipient so far: why not.
    refused: Vec<Option<Fate>>,
    flow: Flow,
    messages: u32,
}

impl<H: House> Session<H> {
    /// A session before its first octet.
    pub fn new(house: H, form: Form, limits: Limits) -> Session<H> {
        Session {
            house,
            form,
            limits,
            stream: Netstrings::new(NETSTRING_MAX),
            part: first(form),
            text: None,
            address: Vec::new(),
            sender: None,
            fault: None,
            accepted: Vec::new(),
            refused: Vec::new(),
            flow: Flow::More,
            messages: 0,
        }
    }

    /// Messages accepted so far.
    pub fn accepted(&self) -> u32 {
        self.messages
    }

    /// Ends the session and gives the house back; a half message is dropped.
    pub fn end(mut self) -> H {
        self.house.abort();
        self.house
    }

    fn event(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        match event {
            Event::Begin(length) => self.begin(*length),
            Event::Octets(octets) => self.octets(octets),
            Event::End => self.ended(),
            Event::Left => return self.finish(out),
        }
        Ok(())
    }

    fn begin(&mut self, length: u64) {
        self.address.clear();
        match self.part {
            Part::All => {
                self.stream.enter();
                self.part = Part::Message;
            }
            Part::Recipients => {
                self.stream.enter();
                self.part = Part::Recipient;
            }
            Part::Message if self.form == Form::Qmtp && length == 0 => self.flow = Flow::Close,
            Part::Message => {
                self.fault = self.house.open().err();
                self.text = (self.form == Form::Qmqp).then(|| Text::new(Ends::Lf));
            }
            Part::Sender => {}
            Part::Recipient if self.refused.len() >= ANSWERS_MAX => self.flow = Flow::Close,
            Part::Recipient => {}
        }
    }

    fn octets(&mut self, octets: &[u8]) {
        if self.part != Part::Message {
            let room = (ADDRESS_MAX + 1).saturating_sub(self.address.len());
            self.address.extend_from_slice(&octets[..octets.len().min(room)]);
            return;
        }
        let rest = match (&self.text, octets.split_first()) {
            (Some(_), _) => octets,
            (None, Some((b'\n', rest))) => self.encoded(Ends::Lf, rest),
            (None, Some((b'\r', rest))) => self.encoded(Ends::CrLf, rest),
            (None, _) => {
                self.flow = Flow::Close;
                return;
            }
        };
        let (Some(text), house, limits) = (&mut self.text, &mut self.house, &self.limits) else { return };
        let refused = self.fault.is_some();
        text.feed(rest, &mut |piece| {
            if !refused {
                house.write(piece);
            }
        });
        if !refused && let Some(fault) = text.fault(limits) {
            house.abort();
            self.fault = Some(fault);
        }
    }

    /// QMTP: the first octet tells the line ends.
    fn encoded<'a>(&mut self, ends: Ends, rest: &'a [u8]) -> &'a [u8] {
        self.text = Some(Text::new(ends));
        rest
    }

    fn ended(&mut self) {
        match self.part {
            Part::Message => {
                self.end_text();
                self.part = Part::Sender;
            }
            Part::Sender => {
                self.end_sender();
                self.part = if self.form == Form::Qmtp { Part::Recipients } else { Part::Recipient };
            }
            Part::Recipient => self.end_recipient(),
            Part::All | Part::Recipients => {}
        }
    }

    /// Which fault is told must not depend on how the text came in pieces: it is looked for again.
    fn end_text(&mut self) {
        let Some(mut text) = self.text.take() else { return };
        text.end();
        if let Some(fault) = text.fault(&self.limits) {
            self.house.abort();
            self.fault = Some(fault);
        }
    }

    fn end_sender(&mut self) {
        self.sender = None;
        if self.address.is_empty() {
            return;
        }
        match self.parsed() {
            Ok(sender) => self.sender = Some(sender),
            Err(fate) => {
                self.house.abort();
                self.fault.get_or_insert(fate);
            }
        }
    }

    fn parsed(&self) -> Result<Address, Fate> {
        let text = std::str::from_utf8(&self.address).ok().filter(|_| self.address.len() <= ADDRESS_MAX);
        let wrong = || Fate::never(1, 3, "Sorry, that is no address that this server can handle");
        text.and_then(|text| Address::from_envelope(text).ok()).ok_or_else(wrong)
    }

    fn end_recipient(&mut self) {
        let judged = match self.parsed() {
            _ if self.accepted.len() >= self.limits.recipients => {
                Err(Fate::later(5, 3, "Too many recipients, send the rest in another message"))
            }
            // The message is lost already: nothing needs to be asked.
            _ if self.fault.is_some() => Err(Fate::done("")),
            Ok(recipient) => self.house.recipient(self.sender.as_ref(), &recipient),
            Err(fate) => Err(fate),
        };
        match judged {
            Ok(recipient) => {
                self.accepted.push(recipient);
                self.refused.push(None);
            }
            Err(Fate::Done(_)) => self.refused.push(None),
            Err(fate) => self.refused.push(Some(fate)),
        }
    }

    /// Message and envelope have come.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let fate = match self.fault.take() {
            Some(fault) => fault,
            None => self.verdict(),
        };
        let refused = std::mem::take(&mut self.refused);
        match self.form {
            Form::Qmqp => netstring::write(out, &answer(&fate))?,
            Form::Qmtp => {
                for one in &refused {
                    netstring::write(out, &answer(one.as_ref().unwrap_or(&fate)))?;
                }
            }
        }
        self.messages += u32::from(fate.is_done());
        self.accepted.clear();
        self.sender = None;
        self.part = first(self.form);
        if self.form == Form::Qmqp {
            self.flow = Flow::Close;
        }
        Ok(())
    }

    /// QMQP has one answer for all: one recipient that is refused refuses the message.
    fn verdict(&mut self) -> Fate {
        if self.form == Form::Qmqp
            && let Some(fate) = worst(&self.refused)
        {
            self.house.abort();
            return fate;
        }
        if self.accepted.is_empty() {
            self.house.abort();
            return Fate::never(5, 4, "The message has no recipient");
        }
        let sender = self.sender.as_ref().map(Address::envelope).unwrap_or_default();
        self.house.commit(&sender, &self.accepted)
    }

    /// Nobody knows where the next message begins, and there is no word for that.
    fn garbled(&mut self) {
        self.house.abort();
        self.flow = Flow::Close;
    }
}

impl<H: House> wire::Session for Session<H> {
    fn greet(&mut self, _: &mut dyn Write) -> io::Result<Flow> {
        Ok(self.flow)
    }

    fn feed(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        while self.flow == Flow::More {
            match self.stream.next(&mut input) {
                Ok(Some(event)) => self.event(&event, out)?,
                Ok(None) => break,
                Err(_) => self.garbled(),
            }
        }
        Ok(self.flow)
    }

    fn timed_out(&mut self, _: &mut dyn Write) -> io::Result<()> {
        self.house.abort();
        Ok(())
    }
}

fn first(form: Form) -> Part {
    match form {
        Form::Qmtp => Part::Message,
        Form::Qmqp => Part::All,
    }
}

/// Trying again is of use as long as one is only put off.
fn worst(refused: &[Option<Fate>]) -> Option<Fate> {
    let mut all = refused.iter().flatten();
    all.clone().find(|fate| matches!(fate, Fate::Later(_))).or_else(|| all.next()).cloned()
}

/// The letter and the sentence, with the status code at its end as qmail's own servers write it.
fn answer(fate: &Fate) -> Vec<u8> {
    let text = fate.text();
    let mut bytes = vec![fate.letter()];
    bytes.extend_from_slice(text.sentence.as_bytes());
    if text.code != wire::Code::NONE {
        bytes.extend_from_slice(format!(" (#{})", text.code).as_bytes());
    }
    bytes
}
