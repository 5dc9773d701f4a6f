//! `VANISHED (EARLIER)`: which of the UIDs that a client asks about are no more. RFC 7162 §3.2.6.

use std::io;

use crate::open::Open;
use crate::ranges::{both, joined, without, written};
use crate::sequence::Set;
use crate::session::Out;
use crate::store::Folder;

/// Writes the line, if there is anything in it.
pub(super) fn write<F: Folder>(open: &Open<F>, set: &Set, since: u64, out: Out<'_>) -> io::Result<()> {
    let last = open.folder.status().uid_next.saturating_sub(1);
    let asked = match set {
        Set::Saved => joined(open.saved.iter().copied()),
        Set::Ranges(_) => set.ranges(last),
    };
    let there = open.folder.messages().iter().map(|message| message.uid);
    let gone = match open.folder.vanished_since(since) {
        Some(gone) => both(&asked, &gone),
        // Nobody knows any more when they went.
        None => without(&both(&asked, &[(1, last)]), there),
    };
    match gone.is_empty() {
        true => Ok(()),
        false => write!(out, "* VANISHED (EARLIER) {}\r\n", written(&gone)),
    }
}
