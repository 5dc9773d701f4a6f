//! A search program made ready: keys as leaves with a price, and/or/not above them. RFC 9051 §6.4.4.
//!
//! A tree is asked with what is known so far; it says yes, no, or that it depends on leaves that cost more. So each
//! message is paid for only as far as it has to be. Knows no folder: who asks gives the leaves' values.

use std::sync::Arc;

use memchr::memmem;

use crate::flags::{FlagWord, Flags};
use crate::sequence::Set;
use crate::store::Uid;
use crate::syntax::SearchKey;

const DAY: i64 = 86_400;

/// What an answer to a leaf costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Price {
    /// It stands in the list of messages.
    Free,
    /// A question to the folder.
    Asked,
    /// It stands in the digest.
    Digest,
    /// The message has to be read.
    Text,
}

/// A question about one message.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    /// A system flag.
    Flag(Flags),
    /// A keyword, by its bit.
    Keyword(u64),
    Recent,
    /// Ascending ranges.
    Numbers(Vec<(u32, u32)>),
    Uids(Vec<(u32, u32)>),
    /// `$`, ascending; one list, however often it stands there.
    Among(Arc<[Uid]>),
    ModSeq(u64),
    /// Seconds, from and up to but not including.
    Saved(i64, i64),
    Date(i64, i64),
    EmailId(String),
    Larger(u64),
    Smaller(u64),
    /// Days.
    Sent(i64, i64),
    ThreadId(String),
    /// A field that the digest has, and what to look for in it, folded.
    Field(Field, Needle),
    /// Message-ID; the digest may not have it as it was written, then it is a matter of the text.
    MessageId(Needle),
    /// Any other field; `None`: it is there.
    Header(String, Option<Needle>),
    Body(Needle),
    Text(Needle),
}

/// Fields that the digest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    From,
    To,
    Cc,
    Bcc,
    Subject,
}

impl Field {
    const NAMES: &'static [(&'static str, Field)] = &[
        ("from", Field::From),
        ("to", Field::To),
        ("cc", Field::Cc),
        ("bcc", Field::Bcc),
        ("subject", Field::Subject),
    ];

    fn of(name: &str) -> Option<Field> {
        let row = Field::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(row.1)
    }
}

/// Text that is looked for, folded, made ready.
#[derive(Clone, Debug)]
pub(crate) struct Needle {
    finder: memmem::Finder<'static>,
}

impl Needle {
    fn new(text: &str) -> Needle {
        Needle { finder: memmem::Finder::new(mime::fold(text).as_bytes()).into_owned() }
    }

    /// Is it in `text`, which is folded?
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.finder.find(text.as_bytes()).is_some()
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.finder.needle()).unwrap_or_default()
    }
}

impl Leaf {
    pub(crate) fn price(&self) -> Price {
        match self {
            Leaf::Date(..) | Leaf::EmailId(_) | Leaf::Larger(_) | Leaf::Smaller(_) => Price::Asked,
            Leaf::Sent(..) | Leaf::ThreadId(_) | Leaf::Field(..) | Leaf::MessageId(_) => Price::Digest,
            Leaf::Header(..) | Leaf::Body(_) | Leaf::Text(_) => Price::Text,
            _ => Price::Free,
        }
    }
}

/// Is it in one of these ascending ranges?
pub(crate) fn within(ranges: &[(u32, u32)], number: u32) -> bool {
    let place = ranges.partition_point(|(_, last)| *last < number);
    ranges.get(place).is_some_and(|(first, _)| *first <= number)
}

#[derive(Debug)]
enum Node {
    Leaf(usize),
    /// Cheaper ones first.
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
}

/// What the keys refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) keywords: &'a [String],
    /// The number of messages that the client knows, and the largest UID of them.
    pub(crate) count: u32,
    pub(crate) largest: Uid,
    pub(crate) saved: &'a Arc<[Uid]>,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

/// A search program.
#[derive(Debug)]
pub(crate) struct Program {
    leaves: Vec<Leaf>,
    root: Node,
}

impl Program {
    pub(crate) fn new(key: &SearchKey, terms: &Terms<'_>) -> Program {
        let mut program = Program { leaves: Vec::new(), root: Node::All(Vec::new()) };
        program.root = program.node(key, terms).0;
        program
    }

    pub(crate) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Whether it holds for a message of which `known` says what it can about a leaf; `None`: that depends.
    pub(crate) fn holds(&self, known: &mut dyn FnMut(usize, &Leaf) -> Option<bool>) -> Option<bool> {
        self.value(&self.root, known)
    }

    fn value(&self, node: &Node, known: &mut dyn FnMut(usize, &Leaf) -> Option<bool>) -> Option<bool> {
        match node {
            Node::Leaf(place) => known(*place, self.leaves.get(*place)?),
            Node::Not(node) => self.value(node, known).map(|holds| !holds),
            Node::All(nodes) => self.until(nodes, false, known),
            Node::Any(nodes) => self.until(nodes, true, known),
        }
    }

    /// `end` if one of the nodes is `end`, its contrary if none can be.
    fn until(
        &self,
        nodes: &[Node],
        end: bool,
        known: &mut dyn FnMut(usize, &Leaf) -> Option<bool>,
    ) -> Option<bool> {
        let mut all = Some(!end);
        for node in nodes {
            match self.value(node, known) {
                Some(value) if value == end => return Some(end),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }

    /// The node of a key and its price. The depth of keys is the parser's matter.
    fn node(&mut self, key: &SearchKey, terms: &Terms<'_>) -> (Node, Price) {
        match key {
            SearchKey::All | SearchKey::SaveDateSupported => (Node::All(Vec::new()), Price::Free),
            // The empty string is in every text.
            SearchKey::Body(text) | SearchKey::Text(text) if text.is_empty() => {
                (Node::All(Vec::new()), Price::Free)
            }
            SearchKey::And(keys) => {
                let (nodes, price) = self.nodes(keys.iter(), terms);
                (Node::All(nodes), price)
            }
            SearchKey::Or(one, other) => {
                let (nodes, price) = self.nodes([&**one, &**other].into_iter(), terms);
                (Node::Any(nodes), price)
            }
            SearchKey::Not(key) => {
                let (node, price) = self.node(key, terms);
                (Node::Not(Box::new(node)), price)
            }
            key => match leaf(key, terms) {
                Some(leaf) => {
                    let price = leaf.price();
                    self.leaves.push(leaf);
                    (Node::Leaf(self.leaves.len() - 1), price)
                }
                None => (Node::Any(Vec::new()), Price::Free),
            },
        }
    }

    fn nodes<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k SearchKey>,
        terms: &Terms<'_>,
    ) -> (Vec<Node>, Price) {
        let mut nodes: Vec<(Node, Price)> = keys.map(|key| self.node(key, terms)).collect();
        nodes.sort_by_key(|(_, price)| *price);
        let most = nodes.last().map_or(Price::Free, |(_, price)| *price);
        (nodes.into_iter().map(|(node, _)| node).collect(), most)
    }
}

/// A key as a leaf; `None`: it holds for no message.
fn leaf(key: &SearchKey, terms: &Terms<'_>) -> Option<Leaf> {
    let days = |first: i64, last: i64| (first.saturating_mul(DAY), last.saturating_mul(DAY));
    Some(match key {
        SearchKey::Flag(FlagWord::System(flags)) => Leaf::Flag(*flags),
        SearchKey::Flag(FlagWord::Keyword(name)) => Leaf::Keyword(bit(name, terms.keywords)?),
        SearchKey::Recent => Leaf::Recent,
        SearchKey::Saved | SearchKey::Sequence(Set::Saved) | SearchKey::Uid(Set::Saved) => {
            Leaf::Among(Arc::clone(terms.saved))
        }
        SearchKey::Sequence(set) => Leaf::Numbers(set.ranges(terms.count)),
        SearchKey::Uid(set) => Leaf::Uids(set.ranges(terms.largest)),
        SearchKey::ModSeq(modseq) => Leaf::ModSeq(*modseq),
        SearchKey::Before(day) => Leaf::Date(i64::MIN, days(*day, 0).0),
        SearchKey::On(day) => days_leaf(Leaf::Date, days(*day, day.saturating_add(1))),
        SearchKey::Since(day) => Leaf::Date(days(*day, 0).0, i64::MAX),
        SearchKey::SavedBefore(day) => Leaf::Saved(i64::MIN, days(*day, 0).0),
        SearchKey::SavedOn(day) => days_leaf(Leaf::Saved, days(*day, day.saturating_add(1))),
        SearchKey::SavedSince(day) => Leaf::Saved(days(*day, 0).0, i64::MAX),
        SearchKey::SentBefore(day) => Leaf::Sent(i64::MIN, *day),
        SearchKey::SentOn(day) => Leaf::Sent(*day, day.saturating_add(1)),
        SearchKey::SentSince(day) => Leaf::Sent(*day, i64::MAX),
        SearchKey::Older(seconds) => Leaf::Date(i64::MIN, ago(*seconds, terms).saturating_add(1)),
        SearchKey::Younger(seconds) => Leaf::Date(ago(*seconds, terms), i64::MAX),
        SearchKey::Larger(octets) => Leaf::Larger(*octets),
        SearchKey::Smaller(octets) => Leaf::Smaller(*octets),
        SearchKey::EmailId(id) => Leaf::EmailId(id.clone()),
        SearchKey::ThreadId(id) => Leaf::ThreadId(id.clone()),
        SearchKey::Header(name, text) => header(name, text),
        SearchKey::Body(text) => Leaf::Body(Needle::new(text)),
        SearchKey::Text(text) => Leaf::Text(Needle::new(text)),
        SearchKey::All | SearchKey::SaveDateSupported => return None,
        SearchKey::And(_) | SearchKey::Or(..) | SearchKey::Not(_) => return None,
    })
}

fn days_leaf(leaf: fn(i64, i64) -> Leaf, (from, to): (i64, i64)) -> Leaf {
    leaf(from, to)
}

fn ago(seconds: u64, terms: &Terms<'_>) -> i64 {
    terms.now.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// A keyword's bit.
pub(crate) fn bit(name: &str, keywords: &[String]) -> Option<u64> {
    let place = keywords.iter().take(64).position(|known| known.eq_ignore_ascii_case(name))?;
    Some(1 << place)
}

/// With an empty string the question is whether the field is there, which a digest does not tell.
fn header(name: &str, text: &str) -> Leaf {
    match Field::of(name) {
        Some(field) if !text.is_empty() => Leaf::Field(field, Needle::new(text)),
        None if !text.is_empty() && name.eq_ignore_ascii_case("message-id") => {
            Leaf::MessageId(Needle::new(text))
        }
        _ => Leaf::Header(name.to_owned(), (!text.is_empty()).then(|| Needle::new(text))),
    }
}
