//! A file of the index: some messages, their words, and for each word the messages that have it.
//!
//! ```text
//! magic, uid validity, messages, messages that may hold anything, blocks, octets of words      (u32 each)
//! the messages' numbers (u32, ascending), places of those that may hold anything (u16)
//! for each block of 256 words: where its words begin, where its lists begin, sum of its lists   (u32 each)
//! words: a line end, then each with a line end after it; sum of all so far (u32)
//! lists: for each word octets (varint), then places of messages, differences (varint)
//! ```
//!
//! Everything is little-endian. Numbers from a file are not believed: a file that is wrong is `None`.

use std::collections::HashSet;

use memchr::{memchr, memrchr};

use crate::hash::{Hasher, Slots};
use crate::needle::patterns;
use crate::terms::Terms;

const MAGIC: &[u8; 8] = b"fulwrds1";
const FIXED: usize = 28;
const BLOCK: usize = 256;
/// Messages in a file.
pub(crate) const MOST: usize = 4096;
/// A file's part before the lists is not longer.
const LONGEST: u64 = 256 << 20;
/// More words than this with a pattern, and all messages are taken to match.
const MOST_HITS: usize = 200_000;

/// Makes a segment.
#[derive(Debug)]
pub(crate) struct Builder {
    uids: Vec<u32>,
    known: HashSet<u32>,
    anything: Vec<u16>,
    /// The words, each with a line end after it, and where each ends.
    words: Vec<u8>,
    ends: Vec<u32>,
    slots: Slots,
    hasher: Hasher,
    /// Number of a word and place of a message that has it.
    entries: Vec<(u32, u16)>,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder {
            uids: Vec::new(),
            known: HashSet::new(),
            anything: Vec::new(),
            words: Vec::new(),
            ends: Vec::new(),
            slots: Slots::new(4096),
            hasher: Hasher::new(),
            entries: Vec::new(),
        }
    }

    /// Its messages.
    pub(crate) fn uids(&self) -> &[u32] {
        &self.uids
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// Is there room for so many more messages?
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.uids.len() + more <= MOST && self.words.len() < 16 << 20 && self.entries.len() < 4 << 20
    }

    /// Adds a message that is not there yet.
    pub(crate) fn add(&mut self, uid: u32, terms: &Terms) {
        let Some(place) = self.place(uid) else { return };
        match terms.words() {
            Some(words) => words.for_each(|(hash, word)| self.entry(hash, word, place)),
            None => self.anything.push(place),
        }
    }

    /// Adds what another segment knows of the messages that `keep` wants.
    pub(crate) fn absorb(
        &mut self,
        segment: &Segment,
        lists: &[u8],
        keep: &dyn Fn(u32) -> bool,
    ) -> Option<()> {
        let places: Vec<Option<u16>> =
            segment.uids().map(|uid| keep(uid).then(|| self.place(uid)).flatten()).collect();
        let here = |place: u16| places.get(usize::from(place)).copied().flatten();
        self.anything.extend(segment.anything().filter_map(here));
        let mut rest = lists;
        for word in segment.words()[1..].split_inclusive(|octet| *octet == b'\n') {
            let word = &word[..word.len() - 1];
            let hash = self.hasher.of(word);
            for place in places_of(list(&mut rest)?).filter_map(here) {
                self.entry(hash, word, place);
            }
        }
        Some(())
    }

    fn place(&mut self, uid: u32) -> Option<u16> {
        let place = u16::try_from(self.uids.len()).ok()?;
        self.known.insert(uid).then(|| self.uids.push(uid))?;
        Some(place)
    }

    fn entry(&mut self, hash: u64, word: &[u8], place: u16) {
        let count = self.ends.len() as u32;
        let number = self.slots.number(hash, count);
        if number == count {
            self.words.extend_from_slice(word);
            self.words.push(b'\n');
            self.ends.push(self.words.len() as u32);
        }
        self.entries.push((number, place));
    }

    /// The places of messages by the numbers of their words, and where those of each word end.
    fn sorted(&self) -> (Vec<u16>, Vec<usize>) {
        let mut at = vec![0; self.ends.len() + 1];
        self.entries.iter().for_each(|(number, _)| at[*number as usize + 1] += 1);
        (1..at.len()).for_each(|number| at[number] += at[number - 1]);
        let mut places = vec![0; self.entries.len()];
        for (number, place) in &self.entries {
            let at = &mut at[*number as usize];
            places[*at] = *place;
            *at += 1;
        }
        (places, at)
    }

    /// The file's octets.
    pub(crate) fn finish(&self, uid_validity: u32) -> Vec<u8> {
        let (places, ends) = self.sorted();
        let (mut lists, mut blocks) = (Vec::new(), Vec::new());
        for first in (0..self.ends.len()).step_by(BLOCK) {
            let list_start = lists.len();
            for number in first..(first + BLOCK).min(self.ends.len()) {
                let start = if number == 0 { 0 } else { ends[number - 1] };
                put_list(&places[start..ends[number]], &mut lists);
            }
            // A line end stands before the first word.
            let word_start = if first == 0 { 1 } else { self.ends[first - 1] + 1 };
            blocks.push([word_start, list_start as u32, crc32fast::hash(&lists[list_start..])]);
        }
        let numbers = [uid_validity, self.uids.len() as u32, self.anything.len() as u32, blocks.len() as u32];
        let mut file = MAGIC.to_vec();
        let mut put = |number: u32| file.extend_from_slice(&number.to_le_bytes());
        numbers.into_iter().for_each(&mut put);
        put(self.words.len() as u32 + 1);
        self.uids.iter().copied().for_each(&mut put);
        self.anything.iter().for_each(|place| file.extend_from_slice(&place.to_le_bytes()));
        blocks.iter().flatten().for_each(|number| file.extend_from_slice(&number.to_le_bytes()));
        file.push(b'\n');
        file.extend_from_slice(&self.words);
        file.extend_from_slice(&crc32fast::hash(&file).to_le_bytes());
        file.extend_from_slice(&lists);
        file
    }
}

/// What stands before the numbers: how long it all is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) uid_validity: u32,
    uids: usize,
    anything: usize,
    blocks: usize,
    words: usize,
}

impl Sizes {
    pub(crate) const OCTETS: usize = FIXED;

    pub(crate) fn read(octets: &[u8]) -> Option<Sizes> {
        let fixed = octets.get(..FIXED)?.strip_prefix(MAGIC)?;
        let at = |place: usize| number(fixed, place * 4);
        let sizes = Sizes {
            uid_validity: at(0)?,
            uids: at(1)? as usize,
            anything: at(2)? as usize,
            blocks: at(3)? as usize,
            words: at(4)? as usize,
        };
        let sane = sizes.uids <= 2 * MOST && sizes.anything <= sizes.uids && sizes.words >= 1;
        (sane && sizes.head() <= LONGEST).then_some(sizes)
    }

    /// Octets up to the messages' numbers' end.
    pub(crate) fn upto_uids(&self) -> usize {
        FIXED + self.uids * 4
    }

    /// Octets before the lists.
    pub(crate) fn head(&self) -> u64 {
        (self.upto_uids() + self.anything * 2 + self.blocks * 12 + self.words + 4) as u64
    }
}

/// The part of a file before its lists, whole and unharmed.
#[derive(Debug)]
pub(crate) struct Segment {
    head: Vec<u8>,
    sizes: Sizes,
}

impl Segment {
    /// Takes exactly the octets before the lists.
    pub(crate) fn read(head: Vec<u8>) -> Option<Segment> {
        let sizes = Sizes::read(&head)?;
        let sum = head.len().checked_sub(4).filter(|_| head.len() as u64 == sizes.head())?;
        let segment = Segment { sizes, head };
        let right = number(&segment.head, sum)? == crc32fast::hash(&segment.head[..sum]);
        let words = segment.words();
        (right && words.first() == Some(&b'\n') && words.last() == Some(&b'\n')).then_some(segment)
    }

    pub(crate) fn uids(&self) -> impl Iterator<Item = u32> {
        numbers(&self.head[FIXED..self.sizes.upto_uids()])
    }

    fn anything(&self) -> impl Iterator<Item = u16> {
        let from = self.sizes.upto_uids();
        let places = self.head[from..from + self.sizes.anything * 2].chunks_exact(2);
        places.map(|place| u16::from_le_bytes([place[0], place[1]]))
    }

    /// First word, first list and sum of a block.
    fn block(&self, place: usize) -> Option<[u32; 3]> {
        let at = self.sizes.upto_uids() + self.sizes.anything * 2 + place * 12;
        let block = (place < self.sizes.blocks).then(|| &self.head[at..at + 12])?;
        Some([number(block, 0)?, number(block, 4)?, number(block, 8)?])
    }

    fn words(&self) -> &[u8] {
        let end = self.head.len() - 4;
        &self.head[end - self.sizes.words..end]
    }

    /// The messages that may match all patterns. `lists` reads so many octets (`None`: all) of the lists, from there.
    /// `None`: the file is broken.
    pub(crate) fn candidates(&self, patterns: &[Vec<u8>], lists: &Lists) -> Option<Vec<u32>> {
        let mut all = vec![true; self.sizes.uids];
        for pattern in patterns {
            let Some(hits) = self.hits(pattern) else { continue };
            let mut with = vec![false; self.sizes.uids];
            self.mark(&hits, lists, &mut with)?;
            all.iter_mut().zip(with).for_each(|(all, with)| *all &= with);
        }
        for place in self.anything() {
            *all.get_mut(usize::from(place))? = true;
        }
        Some(self.uids().zip(all).filter(|(_, may)| *may).map(|(uid, _)| uid).collect())
    }

    /// Where words begin that have the pattern; `None`: there are too many.
    fn hits(&self, pattern: &[u8]) -> Option<Vec<usize>> {
        let words = self.words();
        let mut hits: Vec<usize> = Vec::new();
        for at in memchr::memmem::find_iter(words, pattern) {
            let inside = at + usize::from(pattern[0] == b'\n');
            let start = memrchr(b'\n', &words[..inside]).map_or(0, |before| before + 1);
            if hits.last() != Some(&start) {
                hits.push(start);
            }
            if hits.len() > MOST_HITS {
                return None;
            }
        }
        Some(hits)
    }

    fn mark(&self, hits: &[usize], lists: &Lists, with: &mut [bool]) -> Option<()> {
        let mut hits = hits.iter().copied().peekable();
        let mut place = 0;
        while let Some(first) = hits.peek().copied() {
            place = self.block_of(first, place)?;
            let [start, from, sum] = self.block(place)?;
            let next = self.block(place + 1);
            let octets = lists(from, next.map(|[_, next, _]| next.saturating_sub(from)))?;
            if crc32fast::hash(&octets) != sum {
                return None;
            }
            let end = next.map_or(usize::MAX, |[start, ..]| start as usize);
            let (mut at, mut rest) = (start as usize, &octets[..]);
            while let Some(hit) = hits.next_if(|hit| *hit < end) {
                while at < hit {
                    list(&mut rest)?;
                    at += memchr(b'\n', self.words().get(at..)?)? + 1;
                }
                for place in places_of(list(&mut rest)?) {
                    *with.get_mut(usize::from(place))? = true;
                }
                at += memchr(b'\n', self.words().get(at..)?)? + 1;
            }
        }
        Some(())
    }

    /// The block, at `from` or later, that holds the word at `start`.
    fn block_of(&self, start: usize, from: usize) -> Option<usize> {
        let (mut low, mut high) = (from, self.sizes.blocks);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.block(middle)?[0] as usize <= start { low = middle } else { high = middle }
        }
        (low < high && self.block(low)?[0] as usize <= start).then_some(low)
    }
}

/// What the octets of a file of the index say: those of its messages that may hold `needle` (folded). `None`: it is
/// broken.
pub fn examine(file: &[u8], needle: &str) -> Option<Vec<u32>> {
    by_patterns(file, &patterns(needle))
}

fn by_patterns(file: &[u8], patterns: &[Vec<u8>]) -> Option<Vec<u32>> {
    let head = usize::try_from(Sizes::read(file)?.head()).ok()?;
    let (head, lists) = file.split_at_checked(head)?;
    let read = |from: u32, octets: Option<u32>| {
        let lists = lists.get(from as usize..)?;
        lists.get(..octets.map_or(lists.len(), |octets| octets as usize)).map(<[u8]>::to_vec)
    };
    Segment::read(head.to_vec())?.candidates(patterns, &read)
}

/// Reads so many octets of a file's lists (`None`: to the end), from there.
pub(crate) type Lists<'a> = dyn Fn(u32, Option<u32>) -> Option<Vec<u8>> + 'a;

fn numbers(octets: &[u8]) -> impl Iterator<Item = u32> {
    octets.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// The messages' numbers in a file's beginning.
pub(crate) fn uids(octets: &[u8]) -> Vec<u32> {
    numbers(octets.get(FIXED..).unwrap_or_default()).collect()
}

fn number(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

fn put_list(places: &[u16], out: &mut Vec<u8>) {
    let differences = || {
        let before = std::iter::once(0).chain(places.iter().copied());
        places.iter().zip(before).map(|(place, before)| place - before)
    };
    let octets = |difference: u16| if difference < 0x80 { 1 } else { 2 + usize::from(difference >> 14 > 0) };
    put_number(differences().map(octets).sum(), out);
    differences().for_each(|difference| put_number(usize::from(difference), out));
}

fn put_number(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(octets: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let (first, rest) = octets.split_first()?;
        *octets = rest;
        number |= usize::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes a list off.
fn list<'a>(octets: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(octets)?;
    let (list, rest) = octets.split_at_checked(length)?;
    *octets = rest;
    Some(list)
}

fn places_of(mut list: &[u8]) -> impl Iterator<Item = u16> {
    let mut before = 0u16;
    std::iter::from_fn(move || {
        before = before.wrapping_add(take_number(&mut list)? as u16);
        Some(before)
    })
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
