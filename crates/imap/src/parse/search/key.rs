//! The keys of a search program.

use super::super::fetch::field_name;
use super::super::scan::Scan;
use super::super::{FaultKind, Parsed, bad};
use crate::flags::{FlagWord, Flags};
use crate::syntax::SearchKey;

/// Keys in keys: NOT, OR and parentheses.
const DEEPEST: u32 = 200;

/// Keys of a program, those in others too: what is found out of each is kept for each message that is looked at.
const MOST_KEYS: usize = 1000;

/// In what the strings of a program are written.
#[derive(Clone, Copy)]
pub(super) enum Charset<'a> {
    /// US-ASCII or UTF-8, of which it is a part.
    Utf8,
    /// One that mail is written in.
    Old(&'a str),
}

impl<'a> Charset<'a> {
    /// RFC 9051 §6.4.4: UTF-8 if none is named.
    pub(super) fn named(name: Option<&'a str>) -> Parsed<Charset<'a>> {
        let is_utf8 = |name: &str| ["UTF-8", "US-ASCII"].iter().any(|utf8| utf8.eq_ignore_ascii_case(name));
        match name {
            Some(name) if is_utf8(name) => Ok(Charset::Utf8),
            Some(name) if mime::knows_charset(name) => Ok(Charset::Old(name)),
            Some(_) => Err((FaultKind::BadCharset, "This charset is not known here")),
            None => Ok(Charset::Utf8),
        }
    }

    fn decode(self, octets: &[u8]) -> Parsed<String> {
        match self {
            Charset::Utf8 => str::from_utf8(octets).map(str::to_owned).map_err(|_| bad("That is no UTF-8")),
            Charset::Old(name) => Ok(mime::to_utf8(octets, name).into_owned()),
        }
    }
}

/// `key *(SP key)`, all of which are to be true.
pub(super) fn program(scan: &mut Scan<'_>, charset: Charset<'_>) -> Parsed<SearchKey> {
    let mut keys = vec![key(scan, charset, 0)?];
    while scan.more() {
        keys.push(key(scan, charset, 0)?);
    }
    let (program, mut count) = (all_of(keys), 0);
    let too_many = program.any(&mut |_| {
        count += 1;
        count > MOST_KEYS
    });
    if too_many { Err((FaultKind::Limit, "Too many search keys")) } else { Ok(program) }
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.len() {
        1 => keys.swap_remove(0),
        _ => SearchKey::And(keys),
    }
}

fn key(scan: &mut Scan<'_>, charset: Charset<'_>, depth: u32) -> Parsed<SearchKey> {
    if depth > DEEPEST {
        return Err(bad("The search is nested too deeply"));
    }
    match scan.peek() {
        Some(b'(') => scan.list(false, |scan| key(scan, charset, depth + 1)).map(all_of),
        Some(b'$') if scan.eat(b'$') => Ok(SearchKey::Saved),
        Some(b'0'..=b'9' | b'*') => scan.set().map(SearchKey::Sequence),
        _ => match scan.word().as_str() {
            "NOT" => {
                scan.blank()?;
                Ok(not(key(scan, charset, depth + 1)?))
            }
            "OR" => {
                scan.blank()?;
                let one = key(scan, charset, depth + 1)?;
                scan.blank()?;
                let other = key(scan, charset, depth + 1)?;
                Ok(SearchKey::Or(Box::new(one), Box::new(other)))
            }
            word => match plain(word) {
                Some(key) => Ok(key),
                None => with_value(scan, word, charset),
            },
        },
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn flag(flags: Flags) -> SearchKey {
    SearchKey::Flag(FlagWord::System(flags))
}

/// Keys without a value.
fn plain(word: &str) -> Option<SearchKey> {
    Some(match word {
        "ALL" => SearchKey::All,
        "ANSWERED" => flag(Flags::ANSWERED),
        "DELETED" => flag(Flags::DELETED),
        "DRAFT" => flag(Flags::DRAFT),
        "FLAGGED" => flag(Flags::FLAGGED),
        "SEEN" => flag(Flags::SEEN),
        "UNANSWERED" => not(flag(Flags::ANSWERED)),
        "UNDELETED" => not(flag(Flags::DELETED)),
        "UNDRAFT" => not(flag(Flags::DRAFT)),
        "UNFLAGGED" => not(flag(Flags::FLAGGED)),
        "UNSEEN" => not(flag(Flags::SEEN)),
        "RECENT" => SearchKey::Recent,
        "OLD" => not(SearchKey::Recent),
        "NEW" => SearchKey::And(vec![SearchKey::Recent, not(flag(Flags::SEEN))]),
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        _ => return None,
    })
}

/// Keys with one.
fn with_value(scan: &mut Scan<'_>, word: &str, charset: Charset<'_>) -> Parsed<SearchKey> {
    let named = |scan: &mut Scan<'_>| {
        let name = word[..1].to_owned() + &word[1..].to_ascii_lowercase();
        Ok(SearchKey::Header(name, text(scan, charset)?))
    };
    Ok(match word {
        "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => return named(scan),
        "HEADER" => {
            scan.blank()?;
            let name = field_name(scan)?;
            SearchKey::Header(name, text(scan, charset)?)
        }
        "BODY" => SearchKey::Body(text(scan, charset)?),
        "TEXT" => SearchKey::Text(text(scan, charset)?),
        "KEYWORD" => keyword(scan)?,
        "UNKEYWORD" => not(keyword(scan)?),
        "BEFORE" => SearchKey::Before(date(scan)?),
        "ON" => SearchKey::On(date(scan)?),
        "SINCE" => SearchKey::Since(date(scan)?),
        "SENTBEFORE" => SearchKey::SentBefore(date(scan)?),
        "SENTON" => SearchKey::SentOn(date(scan)?),
        "SENTSINCE" => SearchKey::SentSince(date(scan)?),
        "SAVEDBEFORE" => SearchKey::SavedBefore(date(scan)?),
        "SAVEDON" => SearchKey::SavedOn(date(scan)?),
        "SAVEDSINCE" => SearchKey::SavedSince(date(scan)?),
        "LARGER" => SearchKey::Larger(number(scan)?),
        "SMALLER" => SearchKey::Smaller(number(scan)?),
        "OLDER" => SearchKey::Older(interval(scan)?),
        "YOUNGER" => SearchKey::Younger(interval(scan)?),
        "UID" => {
            scan.blank()?;
            SearchKey::Uid(scan.set()?)
        }
        "MODSEQ" => SearchKey::ModSeq(modseq(scan)?),
        "EMAILID" => SearchKey::EmailId(object_id(scan)?),
        "THREADID" => SearchKey::ThreadId(object_id(scan)?),
        _ => return Err(bad("There is no such search key")),
    })
}

fn text(scan: &mut Scan<'_>, charset: Charset<'_>) -> Parsed<String> {
    scan.blank()?;
    charset.decode(&scan.astring()?)
}

fn keyword(scan: &mut Scan<'_>) -> Parsed<SearchKey> {
    scan.blank()?;
    scan.keyword().map(SearchKey::Flag)
}

fn date(scan: &mut Scan<'_>) -> Parsed<i64> {
    scan.blank()?;
    scan.date()
}

fn number(scan: &mut Scan<'_>) -> Parsed<u64> {
    scan.blank()?;
    scan.number64()
}

/// RFC 5032 §3: seconds, and not 0.
fn interval(scan: &mut Scan<'_>) -> Parsed<u64> {
    scan.blank()?;
    scan.nz_number().map(u64::from)
}

/// `[entry-name SP entry-type SP] n`: the entry may be named, but all of a message's change together. RFC 7162 §3.1.5.
fn modseq(scan: &mut Scan<'_>) -> Parsed<u64> {
    scan.blank()?;
    if scan.peek() == Some(b'"') {
        scan.string()?;
        scan.blank()?;
        if !["PRIV", "SHARED", "ALL"].contains(&scan.word().as_str()) {
            return Err(bad("There is no such entry type"));
        }
        scan.blank()?;
    }
    scan.number64()
}

/// RFC 8474 §7: letters, digits, `_` and `-`.
fn object_id(scan: &mut Scan<'_>) -> Parsed<String> {
    scan.blank()?;
    let id = scan.name()?;
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'-';
    match (1..=255).contains(&id.len()) && id.bytes().all(fits) {
        true => Ok(id),
        false => Err(bad("That is no object id")),
    }
}
