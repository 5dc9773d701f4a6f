//! What the files of an index say, without a mailbox: for whoever examines them.

use imap::{Flags, Message, Uid};

use crate::record::{Frame, read_frame};
use crate::state::State;
use crate::{cache, index, keywords};

/// The UIDVALIDITY and the messages of an index file, as far as it is sound. `None`: its head is damaged.
pub fn index(octets: &[u8]) -> Option<(u32, Vec<Message>)> {
    let (head, mut rest) = index::split_head(octets)?;
    let mut state = State::default();
    while let Frame::Whole(facts, records, length) = read_frame(rest) {
        if state.apply_all(records, facts.modseq).is_err() {
            break;
        }
        rest = &rest[length..];
    }
    Some((head.uid_validity, state.messages))
}

/// The records in a cache file and whose they are.
pub fn cache(octets: &[u8]) -> Vec<(Uid, Vec<u8>)> {
    let mut records = Vec::new();
    let read = cache::each(octets, octets.len() as u64, &mut |uid, _, record| {
        records.push((uid, record.to_vec()));
        Ok(())
    });
    drop(read);
    records
}

/// The names of keywords in a file of them, and the file as it is written.
pub fn keywords(text: &[u8]) -> (Vec<String>, String) {
    let names = keywords::read(text);
    let written = keywords::write(&names);
    (names, written)
}

/// The end of a file's name that had `old` at its end, with these flags and keywords, of which `known` have names;
/// and the flags and keywords that it is read as.
pub fn tail(old: &[u8], flags: Flags, keywords: u64, known: usize) -> (Vec<u8>, Flags, u64) {
    let message = Message { flags, keywords, ..Message::default() };
    let tail = keywords::tail(&message, old, known);
    let read = (keywords::flags(&tail), keywords::with_letters(keywords, &tail, known));
    (tail, read.0, read.1)
}
