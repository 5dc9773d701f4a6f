//! APPEND: RFC 9051 §6.3.12, several messages at once (RFC 3502), put together from pieces (RFC 4469).

use std::io::{self, Read, Write};

use crate::flags::FlagWord;
use crate::reply::Reply;
use crate::sequence::compact;
use crate::session::{Answer, Out, Session, Stop};
use crate::spool::Spooled;
use crate::store::{Arrived, Letter, Marks, Store, Trouble};
use crate::syntax::{Append, Piece, Request, Text};
use crate::url::Url;

pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::Append { mailbox, messages } = request else { return Ok(Reply::WRONG) };
    let name = session.target(&mailbox)?;
    let mut letters = Vec::with_capacity(messages.len());
    for message in messages {
        letters.push(session.letter(message)?);
    }
    let arrived = session.store.append(&name, letters)?;
    Ok(Reply::DONE.with(append_uid(&arrived)))
}

/// RFC 4315 §3.
pub(crate) fn append_uid(arrived: &Arrived) -> String {
    format!("APPENDUID {} {}", arrived.uid_validity, compact(arrived.uids.iter().map(|(_, uid)| *uid)))
}

/// Flags as the store takes them.
pub(crate) fn marks(words: Vec<FlagWord>) -> Marks {
    let mut marks = Marks::default();
    for word in words {
        match word {
            FlagWord::System(flags) => marks.flags = marks.flags | flags,
            FlagWord::Keyword(name) => marks.keywords.push(name),
        }
    }
    marks
}

/// Counts what goes into a draft, and stops where it is too much.
struct Measured<'a, D> {
    draft: &'a mut D,
    octets: u64,
    limit: Option<u64>,
}

impl<D: Write> Measured<'_, D> {
    fn put(&mut self, text: &[u8]) -> Result<(), Stop> {
        self.octets = self.octets.saturating_add(text.len() as u64);
        if self.limit.is_some_and(|limit| self.octets > limit) {
            return Err(Trouble::TooBig.into());
        }
        self.draft.write_all(text).map_err(|error| Trouble::from(error).into())
    }

    fn put_all(&mut self, text: &mut dyn Read) -> Result<(), Stop> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            match text.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => self.put(&piece[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::from(error).into()),
            }
        }
    }
}

impl<S: Store> Session<S> {
    /// A message that is to be appended, its text in a draft.
    pub(crate) fn letter(&mut self, message: Append) -> Result<Letter<S::Draft>, Stop> {
        let Append { flags, date, text } = message;
        let (draft, octets) = match text {
            Text::Spooled(number) => {
                let Spooled { draft, octets, .. } = self.take_spooled(number)?;
                (draft, octets)
            }
            Text::Octets(octets) => self.compose(vec![Piece::Text(Text::Octets(octets))])?,
            Text::Parts(pieces) => self.compose(pieces)?,
        };
        // RFC 3502 §6.3.11: an empty literal is how a client gives up.
        if octets == 0 { Err(Reply::NO_TEXT.into()) } else { Ok(Letter { draft, marks: marks(flags), date }) }
    }

    /// Each spooled literal is used once, in the order in which they came.
    fn take_spooled(&mut self, number: usize) -> Result<Spooled<S::Draft>, Stop> {
        let place = number.checked_sub(self.used).filter(|place| *place < self.spooled.len());
        let place = place.ok_or(Stop::Refused(Reply::WRONG))?;
        self.used += 1;
        Ok(self.spooled.remove(place))
    }

    fn compose(&mut self, pieces: Vec<Piece>) -> Result<(S::Draft, u64), Stop> {
        let limit = self.store.append_limit();
        let mut draft = self.store.draft()?;
        let mut measured = Measured { draft: &mut draft, octets: 0, limit };
        for piece in pieces {
            match piece {
                Piece::Text(Text::Octets(text)) => measured.put(&text)?,
                Piece::Text(Text::Spooled(number)) => {
                    let spooled = self.take_spooled(number)?;
                    let mut text = self.store.reread(spooled.draft)?;
                    measured.put_all(&mut *text)?;
                }
                Piece::Text(Text::Parts(_)) => return Err(Reply::WRONG.into()),
                Piece::Url(url) => measured.put(&self.resolve(&url)?)?,
            }
        }
        let octets = measured.octets;
        Ok((draft, octets))
    }

    /// The octets that a URL names: RFC 4469 §3.
    fn resolve(&mut self, text: &str) -> Result<Vec<u8>, Stop> {
        // In the code nothing but its own bracket may end it.
        let bad = || Stop::Refused(Reply::BAD_URL.with(format!("BADURL {}", text.replace(']', "%5D"))));
        let url = Url::new(text).ok_or_else(bad)?;
        let octets = match &url.mailbox {
            None => url.octets(&mut self.selected()?.folder),
            Some(mailbox) => {
                let name = self.mailbox(mailbox).map_err(|_| bad())?;
                let mut folder = self.store.open(&name, true).map_err(|_| bad())?;
                url.octets(&mut folder)
            }
        };
        octets.map_err(|_| bad())
    }
}
