//! GETMETADATA and SETMETADATA: RFC 5464.

use std::io;

use crate::reply::Reply;
use crate::session::{Answer, Out, Session, Stop};
use crate::store::Store;
use crate::syntax::{Depth, Request};
use crate::write::{write_astring, write_nstring};

/// Octets of a value.
const LARGEST: usize = 64 * 1024;
/// Annotations of one mailbox.
const MOST: usize = 100;

type Annotation = (String, Vec<u8>);

pub(crate) fn get<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::GetMetadata { mailbox, entries, max_size, depth } = request else {
        return Ok(Reply::WRONG);
    };
    let name = session.annotated(&mailbox)?;
    let mut known = session.store.metadata(&name)?;
    let wanted = |known: &Annotation| entries.iter().any(|entry| covers(entry, &known.0, depth));
    let fits = |value: &[u8]| max_size.is_none_or(|most| value.len() as u64 <= most);
    known.retain(wanted);
    // RFC 5464 §4.2.1: how large the largest one is that was left out.
    let longest = known.iter().map(|(_, value)| value).filter(|value| !fits(value)).map(Vec::len).max();
    let left_out: Vec<String> =
        known.iter().filter(|(_, value)| !fits(value)).map(|(entry, _)| entry.clone()).collect();
    known.retain(|(_, value)| fits(value));
    match depth {
        Depth::Zero => {
            let shown: Vec<String> = entries.into_iter().filter(|entry| !named(&left_out, entry)).collect();
            session.write_annotations(&name, &known, &shown, out)?;
        }
        _ => session.write_entries(
            &name,
            known.iter().map(|(entry, value)| (&**entry, Some(&**value))),
            out,
        )?,
    }
    Ok(match longest {
        Some(octets) => Reply::DONE.with(format!("METADATA LONGENTRIES {octets}")),
        None => Reply::DONE,
    })
}

pub(crate) fn set<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::SetMetadata { mailbox, entries } = request else { return Ok(Reply::WRONG) };
    let name = session.annotated(&mailbox)?;
    if entries.iter().any(|(entry, _)| !is_ours(entry)) {
        return Ok(Reply::BAD_ENTRY);
    }
    if entries.iter().any(|(_, value)| value.as_ref().is_some_and(|value| value.len() > LARGEST)) {
        return Ok(Reply::ENTRY_TOO_BIG.with(format!("METADATA MAXSIZE {LARGEST}")));
    }
    let known = session.store.metadata(&name)?;
    let is_new = |entry: &str| !known.iter().any(|(known, _)| known.eq_ignore_ascii_case(entry));
    let new = entries.iter().filter(|(entry, value)| value.is_some() && is_new(entry)).count();
    if new > 0 && known.len() + new > MOST {
        return Ok(Reply::TOO_MANY_ENTRIES);
    }
    for (entry, value) in &entries {
        session.store.annotate(&name, &entry.to_ascii_lowercase(), value.as_deref())?;
    }
    Ok(Reply::DONE)
}

/// RFC 5464 §3.2: other trees are not in use.
fn is_ours(entry: &str) -> bool {
    let entry = entry.to_ascii_lowercase();
    entry.starts_with("/private/") || entry.starts_with("/shared/")
}

fn named(names: &[String], entry: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(entry))
}

/// Is `known` the entry, or so far below it as the client wants to see?
fn covers(entry: &str, known: &str, depth: Depth) -> bool {
    if entry.eq_ignore_ascii_case(known) {
        return true;
    }
    let (Some(start), Some(rest)) = (known.get(..entry.len()), known.get(entry.len()..)) else {
        return false;
    };
    let below = start.eq_ignore_ascii_case(entry) && rest.starts_with('/');
    match depth {
        Depth::Zero => false,
        Depth::One => below && !rest[1..].contains('/'),
        Depth::Infinity => below,
    }
}

impl<S: Store> Session<S> {
    /// The mailbox, or the server: an empty name.
    fn annotated(&self, mailbox: &str) -> Result<String, Stop> {
        if mailbox.is_empty() { Ok(String::new()) } else { self.mailbox(mailbox) }
    }

    /// One METADATA line with the values of `wanted`; NIL where there is none.
    pub(crate) fn write_annotations(
        &self,
        name: &str,
        known: &[Annotation],
        wanted: &[String],
        out: Out<'_>,
    ) -> io::Result<()> {
        let value = |entry: &str| {
            known
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(entry))
                .map(|(_, value)| value.as_slice())
        };
        self.write_entries(name, wanted.iter().map(|entry| (entry.as_str(), value(entry))), out)
    }

    fn write_entries<'a>(
        &self,
        name: &str,
        entries: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
        out: Out<'_>,
    ) -> io::Result<()> {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        write!(out, "* METADATA {} ", self.written(name))?;
        let mut before: &[u8] = b"(";
        for (entry, value) in entries {
            out.write_all(before)?;
            write_astring(entry.as_bytes(), out)?;
            out.write_all(b" ")?;
            match value {
                // RFC 5464 §5: a value with NUL is a literal8.
                Some(value) if value.contains(&0) => {
                    write!(out, "~{{{}}}\r\n", value.len())?;
                    out.write_all(value)?;
                }
                value => write_nstring(value, out)?,
            }
            before = b" ";
        }
        out.write_all(b")\r\n")
    }
}
