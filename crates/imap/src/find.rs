//! Messages that a search program holds for, found at the least price: first by the list of messages, then by digests,
//! then by reading what is still in doubt.

use crate::open::Open;
use crate::progress::Progress;
use crate::records::Records;
use crate::search::{Field, Leaf, Needle, Price, Program, Terms, within};
use crate::section::header_end;
use crate::store::{self, Folder, Message, Trouble, Uid};
use crate::syntax::SearchKey;

/// So many messages are read in one go: what is known of each is kept meanwhile.
const BATCH: usize = 4096;

/// What is known of so many leaves, of all messages at hand together, is in memory: a program may have a thousand. Tests go
/// through a mailbox in many steps.
const MOST_KNOWN: usize = if cfg!(test) { 8 } else { 16 * 1024 * 1024 };

/// What is known of a leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Known {
    #[default]
    Nothing,
    No,
    Yes,
}

impl Known {
    fn of(value: Option<bool>) -> Known {
        match value {
            None => Known::Nothing,
            Some(false) => Known::No,
            Some(true) => Known::Yes,
        }
    }

    fn value(self) -> Option<bool> {
        match self {
            Known::Nothing => None,
            known => Some(known == Known::Yes),
        }
    }
}

/// A message that may be one: its number, and what stands in the list of messages.
#[derive(Clone, Copy)]
struct Candidate {
    number: u32,
    message: Message,
}

/// Numbers and UIDs of the messages that `key` holds for, ascending. `now`: seconds since 1970. Stops where nobody
/// hears any more.
pub(crate) fn find<F: Folder>(
    open: &mut Open<F>,
    key: &SearchKey,
    now: i64,
    progress: &mut Progress<'_>,
) -> Result<Vec<(u32, Uid)>, Trouble> {
    let saved = open.saved.as_slice().into();
    let terms = Terms {
        keywords: open.folder.keywords(),
        count: open.view.count(),
        largest: open.view.uids().last().copied().unwrap_or(0),
        saved: &saved,
        now,
    };
    let program = Program::new(key, &terms);
    let mut search = Search { program: &program, found: Vec::new() };
    let candidates = search.by_list(open);
    let most = MOST_KNOWN / program.leaves().len().max(1);
    let pieces = candidates.chunks(most.max(1));
    let count = pieces.len();
    for (number, some) in pieces.enumerate() {
        let mut progress = progress.part(number, count);
        let doubtful = search.by_digest(&mut open.folder, some, &mut progress.part(0, 2))?;
        search.by_text(&mut open.folder, doubtful, &mut progress.part(1, 2))?;
    }
    search.found.sort_unstable();
    Ok(search.found)
}

struct Search<'p> {
    program: &'p Program,
    found: Vec<(u32, Uid)>,
}

/// A message that has to be read, and what is known of its leaves.
struct Doubt {
    number: u32,
    uid: Uid,
    known: Vec<Known>,
}

impl Search<'_> {
    /// Finds what can be found by the list of messages; gives those for which that is not enough. The client's view
    /// and the list are both in order; what is not in both is none of the client's, or gone.
    fn by_list<F: Folder>(&mut self, open: &Open<F>) -> Vec<Candidate> {
        let recent_from = open.folder.recent_from();
        let mut messages = open.folder.messages().iter().peekable();
        let mut doubtful = Vec::new();
        for (uid, number) in open.view.uids().iter().zip(1..) {
            while messages.next_if(|message| message.uid < *uid).is_some() {}
            let Some(message) = messages.next_if(|message| message.uid == *uid) else { continue };
            let candidate = Candidate { number, message: *message };
            match self.program.holds(&mut |_, leaf| free(leaf, candidate, recent_from)) {
                Some(true) => self.found.push((number, *uid)),
                Some(false) => {}
                None => doubtful.push(candidate),
            }
        }
        doubtful
    }

    /// Finds what can be found by digests, and by questions to the folder.
    fn by_digest<F: Folder>(
        &mut self,
        folder: &mut F,
        candidates: &[Candidate],
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Doubt>, Trouble> {
        let mut records = Records::of_headers();
        let mut doubtful = Vec::new();
        let mut known = vec![Known::Nothing; self.program.leaves().len()];
        let recent_from = folder.recent_from();
        for (place, candidate) in candidates.iter().enumerate() {
            progress.passed(place, candidates.len());
            if progress.deaf() {
                break;
            }
            let uid = candidate.message.uid;
            let next = || candidates.iter().skip(place + 1).map(|candidate| candidate.message.uid);
            let mut asked = Asked { folder, records: &mut records, uid, loaded: false, progress };
            let mut trouble = None;
            known.fill(Known::Nothing);
            let value = self.program.holds(&mut |place, leaf| {
                let value = match leaf.price() {
                    Price::Free => Ok(free(leaf, *candidate, recent_from)),
                    _ if trouble.is_some() => Ok(Some(false)),
                    price => asked.answer(leaf, price, next()),
                };
                let value = value.unwrap_or_else(|error| {
                    trouble = Some(error);
                    Some(false)
                });
                known[place] = Known::of(value);
                value
            });
            match (trouble, value) {
                (Some(Trouble::Gone), _) | (None, Some(false)) => {}
                (Some(trouble), _) => return Err(trouble),
                (None, Some(true)) => self.found.push((candidate.number, uid)),
                (None, None) => doubtful.push(Doubt { number: candidate.number, uid, known: known.clone() }),
            }
        }
        Ok(doubtful)
    }

    /// Reads what is left, each message once.
    fn by_text<F: Folder>(
        &mut self,
        folder: &mut F,
        mut doubtful: Vec<Doubt>,
        progress: &mut Progress<'_>,
    ) -> Result<(), Trouble> {
        if !doubtful.is_empty() {
            self.narrow(folder, &mut doubtful);
        }
        for (number, batch) in doubtful.chunks(BATCH).enumerate() {
            if progress.deaf() {
                break;
            }
            progress.reached(number * BATCH, doubtful.len());
            self.read(folder, batch, progress)?;
        }
        Ok(())
    }

    /// Rules out what the folder's index knows not to be in a message.
    fn narrow<F: Folder>(&mut self, folder: &mut F, doubtful: &mut Vec<Doubt>) {
        for (place, leaf) in self.program.leaves().iter().enumerate() {
            let Some(maybe) = needle(leaf).and_then(|needle| folder.narrow(needle)) else { continue };
            for doubt in doubtful.iter_mut().filter(|doubt| maybe.binary_search(&doubt.uid).is_err()) {
                doubt.known[place] = Known::No;
            }
        }
        doubtful.retain(|doubt| match self.program.holds(&mut |place, _| doubt.known[place].value()) {
            None => true,
            Some(holds) => {
                self.found.extend(holds.then_some((doubt.number, doubt.uid)));
                false
            }
        });
    }

    fn read<F: Folder>(
        &mut self,
        folder: &mut F,
        batch: &[Doubt],
        progress: &mut Progress<'_>,
    ) -> Result<(), Trouble> {
        let uids: Vec<Uid> = batch.iter().map(|doubt| doubt.uid).collect();
        let doubt = |uid| Some(&batch[uids.binary_search(&uid).ok()?]);
        let program = self.program;
        let work = |uid, text: &[u8]| doubt(uid).is_some_and(|doubt| read(program, &doubt.known, text));
        let (found, mut looked) = (&mut self.found, 0);
        folder.each_text(&uids, &work, &mut |uid, holds| {
            looked += 1;
            progress.ahead(looked);
            if let (true, Some(doubt)) = (holds, doubt(uid)) {
                found.push((doubt.number, uid));
            }
        })
    }
}

/// What the index is asked for a leaf.
fn needle(leaf: &Leaf) -> Option<store::Needle<'_>> {
    match leaf {
        Leaf::Body(needle) => Some(store::Needle::Body(needle.text())),
        Leaf::Text(needle) | Leaf::Header(_, Some(needle)) => Some(store::Needle::Text(needle.text())),
        _ => None,
    }
}

/// A leaf's value by the list of messages.
fn free(leaf: &Leaf, candidate: Candidate, recent_from: Uid) -> Option<bool> {
    let Candidate { number, message } = candidate;
    Some(match leaf {
        Leaf::Flag(flags) => message.flags.has(*flags),
        Leaf::Keyword(bit) => message.keywords & bit != 0,
        Leaf::Recent => message.uid >= recent_from,
        Leaf::Numbers(ranges) => within(ranges, number),
        Leaf::Uids(ranges) => within(ranges, message.uid),
        Leaf::Among(uids) => uids.binary_search(&message.uid).is_ok(),
        Leaf::ModSeq(modseq) => message.modseq >= *modseq,
        Leaf::Saved(from, to) => (*from..*to).contains(&message.saved),
        _ => return None,
    })
}

/// One message that is asked about.
struct Asked<'a, 'p, F> {
    folder: &'a mut F,
    records: &'a mut Records,
    uid: Uid,
    loaded: bool,
    progress: &'a mut Progress<'p>,
}

impl<F: Folder> Asked<'_, '_, F> {
    fn answer(
        &mut self,
        leaf: &Leaf,
        price: Price,
        next: impl Iterator<Item = Uid>,
    ) -> Result<Option<bool>, Trouble> {
        match leaf {
            Leaf::Date(from, to) => return Ok(Some((*from..*to).contains(&self.folder.date(self.uid)?))),
            Leaf::EmailId(id) => return Ok(Some(self.folder.email_id(self.uid)? == *id)),
            Leaf::Larger(_) | Leaf::Smaller(_) => {
                if let Some(size) = self.folder.size(self.uid)? {
                    return Ok(Some(of_size(leaf, size)));
                }
            }
            _ if price == Price::Text => return Ok(None),
            _ => {}
        }
        self.by_digest(leaf, next)
    }

    fn by_digest(&mut self, leaf: &Leaf, next: impl Iterator<Item = Uid>) -> Result<Option<bool>, Trouble> {
        if matches!(leaf, Leaf::Larger(_) | Leaf::Smaller(_)) {
            self.records.want_all();
            self.loaded = false;
        }
        if !self.loaded && !self.records.load(self.folder, self.uid, next, self.progress)? {
            return Err(Trouble::Gone);
        }
        self.loaded = true;
        let digest = self.records.digest().ok_or(Trouble::Gone)?;
        Ok(Some(match leaf {
            Leaf::MessageId(needle) => return Ok(written_id(digest.envelope()).map(|id| needle.is_in(&id))),
            Leaf::Sent(from, to) => digest.sent_day().is_some_and(|day| (*from..*to).contains(&day)),
            Leaf::ThreadId(id) => crate::ids::thread_id(&digest).is_some_and(|own| own == *id),
            Leaf::Field(field, needle) => needle.is_in(match field {
                Field::From => digest.from(),
                Field::To => digest.to(),
                Field::Cc => digest.cc(),
                Field::Bcc => digest.bcc(),
                Field::Subject => digest.subject(),
            }),
            leaf => of_size(leaf, digest.size()),
        }))
    }
}

/// The Message-ID as it was written, folded: the last word of the envelope, if that is plain.
fn written_id(envelope: &[u8]) -> Option<String> {
    let inner = envelope.strip_suffix(b"\")")?;
    let (before, id) = inner.split_at(memchr::memrchr(b'"', inner)? + 1);
    let plain = id.is_ascii() && !before.ends_with(b"\\\"") && !id.contains(&b'\\');
    plain.then(|| String::from_utf8_lossy(id).to_ascii_lowercase())
}

fn of_size(leaf: &Leaf, size: u64) -> bool {
    match leaf {
        Leaf::Larger(octets) => size > *octets,
        Leaf::Smaller(octets) => size < *octets,
        _ => false,
    }
}

/// Whether the program holds for a message whose text is there.
fn read(program: &Program, known: &[Known], text: &[u8]) -> bool {
    let mut known = known.to_vec();
    let header = text.get(..header_end(text).unwrap_or(text.len())).unwrap_or_default();
    for (known, leaf) in known.iter_mut().zip(program.leaves()).filter(|(known, _)| **known == Known::Nothing)
    {
        match leaf {
            Leaf::Header(name, needle) => *known = Known::of(Some(in_field(header, name, needle.as_ref()))),
            Leaf::MessageId(needle) => *known = Known::of(Some(in_field(header, "message-id", Some(needle)))),
            _ => {}
        }
    }
    let mut wanted: Vec<Looked<'_>> = Vec::new();
    for (place, leaf) in
        program.leaves().iter().enumerate().filter(|(place, _)| known[*place] == Known::Nothing)
    {
        if let Leaf::Body(needle) | Leaf::Text(needle) = leaf {
            wanted.push(Looked { place, needle, header: matches!(leaf, Leaf::Text(_)) });
        }
    }
    let value = |known: &[Known]| program.holds(&mut |place, _| known[place].value());
    if let Some(holds) = value(&known) {
        return holds;
    }
    let message = mime::scan(text);
    let mut folded = String::new();
    if wanted.iter().any(|looked| looked.header) {
        fold(&mime::header_text(text, &message), &mut folded);
        note(&mut known, &wanted, true, &folded);
    }
    value(&known).unwrap_or_else(|| {
        mime::search_text(text, &message, &mut |piece| {
            fold(piece, &mut folded);
            note(&mut known, &wanted, false, &folded);
        });
        // What has not been seen is not there.
        program.holds(&mut |place, _| Some(known[place] == Known::Yes)).unwrap_or(false)
    })
}

/// One buffer for all pieces.
fn fold(piece: &str, folded: &mut String) {
    folded.clear();
    if piece.is_ascii() {
        folded.push_str(piece);
        folded.make_ascii_lowercase();
    } else {
        mime::fold_into(piece, folded);
    }
}

/// Text that is looked for in header and body, or only in the body.
struct Looked<'a> {
    place: usize,
    needle: &'a Needle,
    header: bool,
}

fn note(known: &mut [Known], wanted: &[Looked<'_>], header: bool, folded: &str) {
    for looked in wanted.iter().filter(|looked| looked.header || !header) {
        let known = &mut known[looked.place];
        if *known == Known::Nothing && looked.needle.is_in(folded) {
            *known = Known::Yes;
        }
    }
}

/// Is the text in one of the fields of this name?
fn in_field(header: &[u8], name: &str, needle: Option<&Needle>) -> bool {
    let values = mime::fields(header).filter(|(it, _)| it.eq_ignore_ascii_case(name.as_bytes()));
    let mut values = values.map(|(_, value)| value);
    match needle {
        None => values.next().is_some(),
        Some(needle) => values.any(|value| needle.is_in(&mime::fold(&mime::decode_words(value)))),
    }
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
