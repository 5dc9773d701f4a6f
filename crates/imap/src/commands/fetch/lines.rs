//! The lines of FETCH, one a message, as fast as they can be written: RFC 9051 §7.5.2.

use std::io::{self, Write};

use super::reach;
use crate::body::{Body, Reach};
use crate::digest::Digest;
use crate::open::Open;
use crate::progress::Teller;
use crate::records::Records;
use crate::reply::Reply;
use crate::section::{write_name, write_numbers};
use crate::session::{Answer, Enabled, Stop};
use crate::store::{Folder, Message, Trouble, Uid};
use crate::syntax::{FetchItem, Section, What};
use crate::{ids, scribe};

/// So much is gathered before it is handed on.
const GATHER: usize = 32 * 1024;
/// So much of one message, which may then not be taken back if the next item can't be had.
const MOST: usize = 1024 * 1024;

/// What the client has enabled decides how a line looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// `* 17 UIDFETCH` (RFC 9586).
    pub(crate) uid_only: bool,
    /// The UID is in it.
    pub(crate) with_uid: bool,
    /// Flags that have changed come with their MODSEQ.
    pub(crate) with_modseq: bool,
    /// With `\Recent`.
    pub(crate) recent: bool,
    /// UTF-8 stands between quotation marks.
    pub(crate) utf8: bool,
}

impl Style {
    pub(crate) fn new(enabled: &Enabled, with_uid: bool) -> Style {
        Style {
            uid_only: enabled.uid_only,
            with_uid: with_uid || enabled.qresync,
            with_modseq: enabled.condstore || enabled.qresync,
            recent: !enabled.rev2,
            utf8: enabled.rev2 || enabled.utf8,
        }
    }

    /// Begins a message's line, up to the first item.
    pub(crate) fn begin(self, number: u32, uid: Uid, line: &mut Vec<u8>) {
        line.extend_from_slice(b"* ");
        if self.uid_only {
            scribe::number(line, uid.into());
            return line.extend_from_slice(b" UIDFETCH (");
        }
        scribe::number(line, number.into());
        line.extend_from_slice(b" FETCH (");
        if self.with_uid {
            line.extend_from_slice(b"UID ");
            scribe::number(line, uid.into());
            line.push(b' ');
        }
    }
}

/// Why a message's line is not written.
enum Hitch {
    Broken(io::Error),
    Trouble(Trouble),
    /// A part has a transfer encoding that nobody knows.
    UnknownEncoding,
}

impl From<io::Error> for Hitch {
    fn from(error: io::Error) -> Hitch {
        Hitch::Broken(error)
    }
}

impl From<Trouble> for Hitch {
    fn from(trouble: Trouble) -> Hitch {
        Hitch::Trouble(trouble)
    }
}

/// The writer.
pub(super) struct Lines<'a, 't, F> {
    open: &'a mut Open<F>,
    out: &'a mut Teller<'t>,
    items: &'a [FetchItem],
    style: Style,
    by_uid: bool,
    /// Marked as seen by this command, ascending.
    seen: Vec<Uid>,
    reach: Reach,
    records: Records,
    /// The digest at hand is that of the message at hand.
    loaded: bool,
    /// The next item is the first of its line.
    first: bool,
    /// Some of the line at hand has been handed on.
    poured: bool,
    /// Slices of sections are wanted.
    sliced: bool,
    body: Box<Body>,
    line: Vec<u8>,
    /// What the command ends with, if not well.
    refusal: Option<Reply>,
}

/// Is what is asked for in a digest only when the body has been read?
fn needs_body(item: &FetchItem) -> bool {
    matches!(item, FetchItem::Body | FetchItem::BodyStructure | FetchItem::Preview { .. })
}

impl<'a, 't, F: Folder> Lines<'a, 't, F> {
    pub(super) fn new(
        open: &'a mut Open<F>,
        items: &'a [FetchItem],
        style: Style,
        seen: Vec<Uid>,
        out: &'a mut Teller<'t>,
    ) -> Lines<'a, 't, F> {
        let reach = items.iter().map(reach).max().unwrap_or(Reach::Nothing);
        let sliced = items.iter().any(of_slice);
        let body = open.body.take().unwrap_or_default();
        let whole = items.iter().any(needs_body);
        let records = if whole { Records::default() } else { Records::of_headers() };
        let line = Vec::with_capacity(GATHER * 2);
        Lines {
            open,
            out,
            items,
            style,
            by_uid: false,
            seen,
            reach,
            records,
            loaded: false,
            first: true,
            poured: false,
            sliced,
            body,
            line,
            refusal: None,
        }
    }

    /// The messages were named by UID: one that is not there is no reason to say NO (RFC 9051 §6.4.9).
    pub(super) fn by_uid(mut self, by_uid: bool) -> Lines<'a, 't, F> {
        self.by_uid = by_uid;
        self
    }

    /// Writes the line of the first of `picked`; the others come later. A message that is gone is passed over; a client that
    /// uses numbers has not been told yet, and is at the end.
    pub(super) fn write(&mut self, picked: &[(u32, Uid)]) -> Result<(), Stop> {
        let Some((number, uid)) = picked.first().copied() else { return Ok(()) };
        self.out.left(picked.len());
        self.out.heard()?;
        let from = self.line.len();
        match self.message(number, uid, &picked[1..]) {
            Ok(()) => {}
            Err(Hitch::Broken(error)) => return Err(error.into()),
            Err(Hitch::Trouble(Trouble::MailboxGone)) => return Err(Trouble::MailboxGone.into()),
            Err(Hitch::Trouble(Trouble::Gone)) if self.by_uid => self.take_back(from),
            Err(Hitch::Trouble(trouble)) => self.refuse(from, trouble.into()),
            Err(Hitch::UnknownEncoding) => self.refuse(from, Reply::UNKNOWN_CTE),
        }
        if self.poured || self.line.len() >= GATHER {
            self.flush()?;
            self.out.within(false);
        }
        Ok(())
    }

    fn refuse(&mut self, from: usize, reply: Reply) {
        self.take_back(from);
        self.refusal.get_or_insert(reply);
    }

    /// Takes back what there is of a line; or ends it, if some of it has been handed on.
    fn take_back(&mut self, from: usize) {
        match self.poured {
            true => self.close(),
            false => self.line.truncate(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.line)?;
        self.line.clear();
        self.line.shrink_to(8 * GATHER);
        Ok(())
    }

    /// Hands on what there is of a line that is not whole.
    fn flush_half(&mut self) -> io::Result<()> {
        self.poured = true;
        self.out.within(true);
        self.flush()
    }

    /// Hands on what is left.
    pub(super) fn end(mut self) -> Answer {
        self.flush()?;
        self.open.body = (self.sliced && self.body.has_more()).then_some(self.body);
        Ok(self.refusal.unwrap_or(Reply::DONE))
    }

    fn message(&mut self, number: u32, uid: Uid, next: &[(u32, Uid)]) -> Result<(), Hitch> {
        let message = *self.open.message(uid).ok_or(Trouble::Gone)?;
        (self.loaded, self.poured, self.first) = (false, false, true);
        if self.reach > Reach::Nothing {
            self.body.load(&mut self.open.folder, uid, self.reach, self.sliced)?;
        }
        self.style.begin(number, uid, &mut self.line);
        for item in self.items {
            self.item(item, &message, next)?;
            if self.line.len() >= MOST {
                self.flush_half()?;
            }
        }
        self.note_told(&message);
        self.close();
        Ok(())
    }

    /// Flags that this command has changed are told, asked for or not, and with their MODSEQ (RFC 7162 §3.1).
    fn note_told(&mut self, message: &Message) {
        let told = self.items.contains(&FetchItem::Flags);
        let changed = self.seen.binary_search(&message.uid).is_ok();
        if changed && !told {
            self.flags(message);
        }
        if changed && self.style.with_modseq && !self.items.contains(&FetchItem::ModSeq) {
            self.modseq(message);
        }
        if changed || told {
            self.open.view.told(message.uid, message.modseq);
        }
    }

    /// Ends the line; that of a message of which only the UID was wanted has a blank at its end.
    fn close(&mut self) {
        if self.first && self.line.last() == Some(&b' ') {
            self.line.pop();
        }
        self.line.extend_from_slice(b")\r\n");
    }

    /// Begins an item.
    fn word(&mut self, word: &str) {
        self.name(word.as_bytes());
    }

    fn name(&mut self, name: &[u8]) {
        if !std::mem::take(&mut self.first) {
            self.line.push(b' ');
        }
        self.line.extend_from_slice(name);
    }

    fn flags(&mut self, message: &Message) {
        self.word("FLAGS ");
        self.open.put_flags(message, self.style.recent, &mut self.line);
    }

    fn modseq(&mut self, message: &Message) {
        self.word("");
        scribe::modseq(&mut self.line, message.modseq);
    }

    fn item(&mut self, item: &FetchItem, message: &Message, next: &[(u32, Uid)]) -> Result<(), Hitch> {
        let uid = message.uid;
        match item {
            FetchItem::Uid if self.style.uid_only => {
                self.word("UID ");
                scribe::number(&mut self.line, uid.into());
            }
            // It came first.
            FetchItem::Uid => {}
            FetchItem::Flags => self.flags(message),
            FetchItem::ModSeq => self.modseq(message),
            FetchItem::InternalDate => {
                let date = self.open.folder.date(uid)?;
                self.word("INTERNALDATE ");
                scribe::date_time(&mut self.line, date);
            }
            FetchItem::SaveDate => {
                self.word("SAVEDATE ");
                scribe::date_time(&mut self.line, message.saved);
            }
            FetchItem::Rfc822Size => {
                let size = self.size(uid, next)?;
                self.word("RFC822.SIZE ");
                scribe::number(&mut self.line, size);
            }
            FetchItem::EmailId => {
                let id = self.open.folder.email_id(uid)?;
                self.word("EMAILID (");
                self.line.extend_from_slice(id.as_bytes());
                self.line.push(b')');
            }
            FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure | FetchItem::ThreadId => {
                self.of_digest(item, uid, next)?;
            }
            FetchItem::Preview { lazy } => self.preview(uid, *lazy, next)?,
            _ => self.of_text(item, uid, next)?,
        }
        Ok(())
    }

    /// Has the digest at hand.
    fn load(&mut self, uid: Uid, next: &[(u32, Uid)]) -> Result<(), Trouble> {
        if !self.loaded {
            let progress = &mut self.out.left(next.len() + 1);
            let later = next.iter().map(|(_, uid)| *uid);
            self.loaded = self.records.load(&mut self.open.folder, uid, later, progress)?;
        }
        if self.loaded { Ok(()) } else { Err(Trouble::Gone) }
    }

    fn size(&mut self, uid: Uid, next: &[(u32, Uid)]) -> Result<u64, Trouble> {
        let at_hand = if self.loaded { self.records.digest() } else { None };
        if let Some(digest) = at_hand.filter(Digest::is_whole) {
            return Ok(digest.size());
        }
        if let Some(size) = self.open.folder.size(uid)? {
            return Ok(size);
        }
        self.measured(uid, next)
    }

    /// The size of a message that has been read, not as its file's name tells it.
    fn measured(&mut self, uid: Uid, next: &[(u32, Uid)]) -> Result<u64, Trouble> {
        self.records.want_all();
        self.loaded = false;
        self.load(uid, next)?;
        Ok(self.records.digest().ok_or(Trouble::Gone)?.size())
    }

    fn of_digest(&mut self, item: &FetchItem, uid: Uid, next: &[(u32, Uid)]) -> Result<(), Trouble> {
        self.load(uid, next)?;
        let digest = self.records.digest().ok_or(Trouble::Gone)?;
        let line = &mut self.line;
        if !std::mem::take(&mut self.first) {
            line.push(b' ');
        }
        let mut put = |word: &str, value: &[u8]| {
            line.extend_from_slice(word.as_bytes());
            line.extend_from_slice(value);
        };
        match item {
            FetchItem::Envelope => put("ENVELOPE ", digest.envelope()),
            FetchItem::Body => put("BODY ", &digest.body()),
            FetchItem::BodyStructure => put("BODYSTRUCTURE ", digest.structure()),
            _ => match ids::thread_id(&digest) {
                Some(id) => put("THREADID ", format!("({id})").as_bytes()),
                None => put("THREADID ", b"NIL"),
            },
        }
        Ok(())
    }

    /// LAZY: only what is there already (RFC 8970 §3.2).
    fn preview(&mut self, uid: Uid, lazy: bool, next: &[(u32, Uid)]) -> Result<(), Trouble> {
        if lazy && !self.loaded && !self.records.kept(&mut self.open.folder, uid)? {
            self.word("PREVIEW NIL");
            return Ok(());
        }
        self.loaded |= lazy;
        self.load(uid, next)?;
        self.word("PREVIEW ");
        let digest = self.records.digest().ok_or(Trouble::Gone)?;
        crate::write::write_text(digest.preview(), self.style.utf8, &mut self.line)?;
        Ok(())
    }

    /// What is cut out of the text.
    fn of_text(&mut self, item: &FetchItem, uid: Uid, next: &[(u32, Uid)]) -> Result<(), Hitch> {
        let whole = |what| Section { part: Vec::new(), what };
        match item {
            FetchItem::Rfc822 => self.section(b"RFC822", &whole(What::Whole), None, uid, next),
            FetchItem::Rfc822Header => self.section(b"RFC822.HEADER", &whole(What::Header), None, uid, next),
            FetchItem::Rfc822Text => self.section(b"RFC822.TEXT", &whole(What::Text), None, uid, next),
            FetchItem::Section { section, partial, .. } => {
                let mut name = b"BODY[".to_vec();
                write_name(section, &mut name);
                self.section(&close(name, *partial), section, *partial, uid, next)
            }
            FetchItem::Binary { part, partial, .. } if part.is_empty() => {
                self.section(&close(b"BINARY[".to_vec(), *partial), &whole(What::Whole), *partial, uid, next)
            }
            FetchItem::Binary { part, partial, .. } => self.binary(part, *partial),
            FetchItem::BinarySize(part) => self.binary_size(part, uid, next),
            _ => Ok(()),
        }
    }

    fn section(
        &mut self,
        name: &[u8],
        section: &Section,
        partial: Option<(u32, u32)>,
        uid: Uid,
        next: &[(u32, Uid)],
    ) -> Result<(), Hitch> {
        if self.body.pours(section) {
            return self.pour(name, section, partial, uid, next);
        }
        self.name(name);
        self.line.push(b' ');
        match self.body.section(section, partial) {
            None => self.line.extend_from_slice(b"NIL"),
            Some(octets) => {
                scribe::literal_head(&mut self.line, octets.len() as u64);
                self.line.extend_from_slice(octets);
            }
        }
        Ok(())
    }

    /// A section of a large message, piece by piece.
    fn pour(
        &mut self,
        name: &[u8],
        section: &Section,
        partial: Option<(u32, u32)>,
        uid: Uid,
        next: &[(u32, Uid)],
    ) -> Result<(), Hitch> {
        // So many octets have to come: what a file's name says of them is not enough.
        let size = self.measured(uid, next)?;
        let (first, octets) = self.body.place(section, size);
        let (skip, most) = partial.map_or((0, u64::MAX), |(skip, most)| (skip.into(), most.into()));
        let count = octets.saturating_sub(skip).min(most);
        self.name(name);
        self.line.push(b' ');
        scribe::literal_head(&mut self.line, count);
        self.flush_half()?;
        Body::pour(&mut self.open.folder, uid, (first + skip, count), self.out)?;
        Ok(())
    }

    fn binary(&mut self, part: &[u32], partial: Option<(u32, u32)>) -> Result<(), Hitch> {
        let octets = self.body.binary(part, partial).map_err(|_| Hitch::UnknownEncoding)?;
        let mut name = b"BINARY[".to_vec();
        write_numbers(part, &mut name);
        if !std::mem::take(&mut self.first) {
            self.line.push(b' ');
        }
        self.line.extend_from_slice(&close(name, partial));
        self.line.push(b' ');
        match octets {
            None => self.line.extend_from_slice(b"NIL"),
            Some(octets) => {
                self.line.push(b'~');
                scribe::literal_head(&mut self.line, octets.len() as u64);
                self.line.extend_from_slice(octets);
            }
        }
        Ok(())
    }

    fn binary_size(&mut self, part: &[u32], uid: Uid, next: &[(u32, Uid)]) -> Result<(), Hitch> {
        let size = match part.is_empty() {
            true => self.size(uid, next)?,
            false => {
                let octets = self.body.binary(part, None).map_err(|_| Hitch::UnknownEncoding)?;
                octets.map_or(0, |octets| octets.len() as u64)
            }
        };
        self.word("BINARY.SIZE[");
        write_numbers(part, &mut self.line);
        self.line.extend_from_slice(b"] ");
        scribe::number(&mut self.line, size);
        Ok(())
    }
}

fn of_slice(item: &FetchItem) -> bool {
    matches!(item, FetchItem::Section { partial: Some(_), .. } | FetchItem::Binary { partial: Some(_), .. })
}

/// `]`, and where a part of it begins.
fn close(mut name: Vec<u8>, partial: Option<(u32, u32)>) -> Vec<u8> {
    name.push(b']');
    if let Some((first, _)) = partial {
        name.push(b'<');
        scribe::number(&mut name, first.into());
        name.push(b'>');
    }
    name
}
