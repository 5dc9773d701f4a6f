//! Digests of messages, one after the other: those that the folder keeps, and where it keeps none, new ones, made for
//! many messages in one go.

use std::collections::HashMap;
use std::io::Read;

use crate::digest::{Digest, digest, digest_of_header};
use crate::pour::Pour;
use crate::progress::Progress;
use crate::section::header_end;
use crate::store::{Folder, MOST_TEXT, Trouble, Uid};

/// So many are made in one go,
const BATCH: usize = 512;
/// if they are among so many messages that come next.
const AHEAD: usize = 4096;

/// So many octets of messages at one time: digests are in memory until they are asked for, and that of a message which is all
/// header is larger than the message.
const BATCH_OCTETS: u64 = 32 * 1024 * 1024;
/// Most headers end before this; shorter messages are read whole.
const BEGINNING: usize = 16 * 1024;

/// The digest of the message at hand, and some that are not kept.
#[derive(Debug, Default)]
pub(crate) struct Records {
    record: Vec<u8>,
    made: HashMap<Uid, Vec<u8>>,
    /// Of which digests have been made last, ascending; what is not in `made` was gone.
    tried: Vec<Uid>,
    /// So many are made one by one.
    alone: usize,
    /// Nobody asks for what needs the body.
    of_headers: bool,
}

impl Records {
    /// Those in which what needs the body may be missing.
    pub(crate) fn of_headers() -> Records {
        Records { of_headers: true, ..Records::default() }
    }

    /// From now on nothing is missing.
    pub(crate) fn want_all(&mut self) {
        if std::mem::take(&mut self.of_headers) {
            (self.made, self.tried) = Default::default();
        }
    }

    /// Goes to the message `uid`, after which those in `next` will follow; false: it is gone. `progress` stands at `uid`.
    pub(crate) fn load<F: Folder>(
        &mut self,
        folder: &mut F,
        uid: Uid,
        next: impl Iterator<Item = Uid>,
        progress: &mut Progress<'_>,
    ) -> Result<bool, Trouble> {
        if let Some(made) = self.made.remove(&uid) {
            self.record = made;
            self.note_size(folder, uid);
            return Ok(true);
        }
        match self.kept(folder, uid) {
            Ok(false) => {}
            Err(Trouble::Gone) => return Ok(false),
            other => return other,
        }
        if self.tried.binary_search(&uid).is_err() {
            self.make(folder, uid, next, progress)?;
        }
        let made = self.made.remove(&uid);
        let there = made.is_some();
        self.record = made.unwrap_or_default();
        self.note_size(folder, uid);
        Ok(there)
    }

    /// What has been read tells the size better than a file's name.
    fn note_size<F: Folder>(&self, folder: &mut F, uid: Uid) {
        if let Some(digest) = self.digest().filter(Digest::is_whole) {
            folder.size_is(uid, digest.size());
        }
    }

    /// Is a digest of it kept already? Then it is at hand.
    pub(crate) fn kept<F: Folder>(&mut self, folder: &mut F, uid: Uid) -> Result<bool, Trouble> {
        let will_do = |digest: Digest<'_>| self.of_headers || digest.is_whole();
        Ok(folder.kept(uid, &mut self.record)? && Digest::read(&self.record).is_some_and(will_do))
    }

    /// The digest that [`Records::load`] has gone to.
    pub(crate) fn digest(&self) -> Option<Digest<'_>> {
        Digest::read(&self.record)
    }

    /// Makes the digest of `uid` and of those that come soon and have none. Where one of them can't be read, they are made
    /// one by one for a while: it keeps no other from having one.
    fn make<F: Folder>(
        &mut self,
        folder: &mut F,
        uid: Uid,
        next: impl Iterator<Item = Uid>,
        progress: &mut Progress<'_>,
    ) -> Result<(), Trouble> {
        if self.alone == 0 {
            let lacking = self.lacking(folder, uid, next)?;
            match self.make_all(folder, lacking, progress) {
                Err(Trouble::Unavailable(_)) => self.alone = BATCH,
                other => return other,
            }
            if self.made.contains_key(&uid) {
                return Ok(());
            }
        }
        self.alone -= 1;
        self.make_all(folder, vec![uid], progress)
    }

    /// Those that have none, ascending.
    fn lacking<F: Folder>(
        &mut self,
        folder: &mut F,
        uid: Uid,
        next: impl Iterator<Item = Uid>,
    ) -> Result<Vec<Uid>, Trouble> {
        let mut lacking = vec![uid];
        let mut octets = self.limited(folder.octets(uid).unwrap_or(0));
        for uid in next.take(AHEAD) {
            if lacking.len() == BATCH {
                break;
            }
            if gone(self.kept(folder, uid))? == Some(false) {
                octets = octets.saturating_add(self.limited(folder.octets(uid).unwrap_or(0)));
                if octets > BATCH_OCTETS {
                    break;
                }
                lacking.push(uid);
            }
        }
        lacking.sort_unstable();
        Ok(lacking)
    }

    /// Of a message of so many octets, so many are read.
    fn limited(&self, octets: u64) -> u64 {
        if self.of_headers { octets.min(BEGINNING as u64) } else { octets }
    }

    fn make_all<F: Folder>(
        &mut self,
        folder: &mut F,
        uids: Vec<Uid>,
        progress: &mut Progress<'_>,
    ) -> Result<(), Trouble> {
        self.tried.clear();
        self.made.clear();
        let rest =
            if self.of_headers { self.read_beginnings(folder, &uids, progress)? } else { uids.clone() };
        let read = if rest.is_empty() { Ok(()) } else { self.read_whole(folder, &rest, progress) };
        // In order, so that they lie in order where they are kept.
        for uid in &uids {
            if let Some(record) = self.made.get(uid) {
                folder.keep(*uid, record);
            }
        }
        read?;
        self.tried = uids;
        Ok(())
    }

    /// Gives those whose header is longer.
    fn read_beginnings<F: Folder>(
        &mut self,
        folder: &mut F,
        uids: &[Uid],
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Uid>, Trouble> {
        let (made, mut longer) = (&mut self.made, Vec::new());
        let work = |_, text: &[u8]| match header_end(text) {
            _ if text.len() < BEGINNING => Some(digest(text, text.len() as u64)),
            end => end.map(|end| digest_of_header(&text[..end])),
        };
        folder.each_beginning(uids, BEGINNING, &work, &mut |uid, record| {
            match record {
                Some(record) => drop(made.insert(uid, record)),
                None => longer.push(uid),
            }
            progress.ahead(made.len());
        })?;
        Ok(longer)
    }

    fn read_whole<F: Folder>(
        &mut self,
        folder: &mut F,
        uids: &[Uid],
        progress: &mut Progress<'_>,
    ) -> Result<(), Trouble> {
        let (made, mut large) = (&mut self.made, Vec::new());
        // Of a very large message only its beginning is shown, and its size is not known from that.
        let work = |_, text: &[u8]| {
            let whole = (text.len() as u64) < MOST_TEXT;
            whole.then(|| digest(text, text.len() as u64))
        };
        let read = folder.each_text(uids, &work, &mut |uid, record| {
            match record {
                Some(record) => drop(made.insert(uid, record)),
                None => large.push(uid),
            }
            progress.ahead(made.len());
        });
        for uid in large {
            if let Some(record) = gone(digest_of_large(folder, uid))? {
                made.insert(uid, record);
            }
        }
        read
    }
}

/// A message that is gone is nothing; other trouble is trouble.
pub(crate) fn gone<T>(result: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Trouble::Gone) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

fn digest_of_large<F: Folder>(folder: &mut F, uid: Uid) -> Result<Vec<u8>, Trouble> {
    let on_the_wire = Pour::new(folder.open(uid)?).measure()?;
    let mut text = Vec::new();
    read_all(folder.open(uid)?, &mut text)?;
    let beyond = on_the_wire.saturating_sub(mime::wire_octets(&text));
    // The size has to be exact, as a literal of so many octets is announced; so what lies beyond counts as it is sent.
    Ok(digest(&text, (text.len() as u64).saturating_add(beyond)))
}

/// Reads a text, or as much of it as is taken apart, behind what is in `octets`.
pub(crate) fn read_all(text: impl Read, octets: &mut Vec<u8>) -> Result<(), Trouble> {
    // `read_to_end` passes over interruptions by itself.
    text.take(MOST_TEXT).read_to_end(octets)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::store::Store;

    #[test]
    fn digests_of_large_messages_are_made_few_at_one_time() {
        let mut memory = Memory::new('.');
        let large = [b"Subject: x\n\n".to_vec(), vec![b'x'; 12 * 1024 * 1024]].concat();
        for letter in [&large[..], &large, &large, b"Subject: y\n\n"] {
            memory.deliver("INBOX", letter);
        }
        let mut folder = memory.open("INBOX", false).unwrap();
        let mut records = Records::default();
        assert_eq!(records.load(&mut folder, 1, 2..=4, &mut Progress::unheard()), Ok(true));
        assert_eq!(records.tried, [1, 2]);
        assert_eq!(records.load(&mut folder, 2, 3..=4, &mut Progress::unheard()), Ok(true));
        assert_eq!(records.load(&mut folder, 3, 4..=4, &mut Progress::unheard()), Ok(true));
        assert_eq!(records.tried, [3, 4]);
    }

    #[test]
    fn what_was_kept_of_a_header_is_enough_until_the_body_is_asked_for() {
        let mut memory = Memory::new('.');
        let body = vec![b'x'; 2 * BEGINNING];
        let long = [b"Subject: ", &body[..], b"\n\n"].concat();
        let letters = [[b"Subject: a\n\n", &body[..]].concat(), b"Subject: b\n\nb\n".to_vec(), long];
        for letter in &letters {
            memory.deliver("INBOX", letter);
        }
        let mut folder = memory.open("INBOX", false).unwrap();
        let mut records = Records::of_headers();
        // What is short, and what has a longer header, has been read whole.
        for (uid, whole) in [(1, false), (2, true), (3, true)] {
            assert_eq!(records.load(&mut folder, uid, uid + 1..=3, &mut Progress::unheard()), Ok(true));
            assert_eq!(records.digest().unwrap().is_whole(), whole, "{uid}");
        }
        assert_eq!(Records::of_headers().kept(&mut folder, 1), Ok(true));
        assert_eq!(Records::default().kept(&mut folder, 1), Ok(false));
        assert_eq!(records.load(&mut folder, 1, 2..=3, &mut Progress::unheard()), Ok(true));
        records.want_all();
        assert_eq!(records.load(&mut folder, 1, 2..=3, &mut Progress::unheard()), Ok(true));
        assert_eq!(records.digest().unwrap().size(), mime::wire_octets(&letters[0]));
        assert_eq!(Records::default().kept(&mut folder, 1), Ok(true));
    }
}
