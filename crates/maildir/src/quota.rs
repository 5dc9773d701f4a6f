//! Maildir++ quotas: the file `maildirsize` remembers what is in the mailbox, so that a delivery need
//! not count it.
//!
//! Its first line is the quota it was made for (`1000000S,1000C`); each line after it adds (or takes off)
//! octets and messages. It is made anew by counting when it is missing, damaged, of another quota,
//! 5120 octets long, or when it says "full" and may be wrong. Messages in `.Trash` and messages
//! marked as deleted are not counted. Several programs append to it at a time.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

use sys::durable::{Folder, Kind};

use crate::{Maildir, Name};

const FILE: &str = "maildirsize";
/// From this length on, in octets, the file is made anew.
const LONG: u64 = 5120;
/// For so many seconds a count that says "full" is believed.
const FRESH: i64 = 15 * 60;

/// How much a mailbox may hold. 0: any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets.
    pub octets: u64,
    /// Messages.
    pub messages: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    octets: i64,
    messages: i64,
    /// It has just been counted, or was a short time ago and nothing has been added since.
    certain: bool,
}

impl Quota {
    /// No limit.
    pub const NONE: Quota = Quota { octets: 0, messages: 0 };

    /// A limit in octets; 0 is none.
    pub fn octets(octets: u64) -> Quota {
        Quota { octets, messages: 0 }
    }

    fn is_none(&self) -> bool {
        *self == Quota::NONE
    }

    fn line(&self) -> String {
        match (self.octets, self.messages) {
            (octets, 0) => format!("{octets}S"),
            (0, messages) => format!("{messages}C"),
            (octets, messages) => format!("{octets}S,{messages}C"),
        }
    }

    /// Reads `1000S,10C`, in any order. `None`: not such a line.
    fn read(line: &str) -> Option<Quota> {
        let mut quota = Quota::NONE;
        for part in line.split(',') {
            let (number, kind) = part.split_at_checked(part.len().checked_sub(1)?)?;
            match kind {
                "S" => quota.octets = number.parse().ok()?,
                "C" => quota.messages = number.parse().ok()?,
                _ => return None,
            }
        }
        Some(quota)
    }

    fn holds(&self, tally: &Tally, octets: u64) -> bool {
        let after = |had: i64, more: u64| had.max(0).unsigned_abs().saturating_add(more);
        (self.octets == 0 || after(tally.octets, octets) <= self.octets)
            && (self.messages == 0 || after(tally.messages, 1) <= self.messages)
    }
}

impl Maildir {
    /// May a message of `octets` be added?
    pub fn has_room(&self, quota: &Quota, octets: u64) -> io::Result<bool> {
        if quota.is_none() {
            return Ok(true);
        }
        let root = self.quota_root()?;
        let tally = match remembered(root.folder(), quota) {
            Some(tally) => tally,
            None => counted(root.folder(), quota)?,
        };
        if tally.certain || quota.holds(&tally, octets) {
            return Ok(quota.holds(&tally, octets));
        }
        Ok(quota.holds(&counted(root.folder(), quota)?, octets))
    }

    /// Octets and messages in the mailbox as its quota counts them.
    pub fn usage(&self, quota: &Quota) -> io::Result<(u64, u64)> {
        let root = self.quota_root()?;
        let tally = match remembered(root.folder(), quota) {
            Some(tally) => tally,
            None => counted(root.folder(), quota)?,
        };
        Ok((tally.octets.max(0).unsigned_abs(), tally.messages.max(0).unsigned_abs()))
    }

    /// Remembers that `octets` and `messages` have been added (or, negative, taken off). Should that
    /// fail, the count is wrong until it is made anew; no mail is at stake.
    pub fn count(&self, quota: &Quota, octets: i64, messages: i64) {
        if quota.is_none() {
            return;
        }
        let line = format!("{octets:>12} {messages:>6}\n");
        let added =
            self.quota_root().and_then(|root| root.folder().append(FILE, 0o600)?.write_all(line.as_bytes()));
        if let Err(error) = added {
            sys::log!("{}: warning: can't add to {FILE}: {error}", sys::logging::name());
        }
    }

    /// A subfolder (it holds the file `maildirfolder`) counts to the mailbox it lies in.
    fn quota_root(&self) -> io::Result<Root<'_>> {
        match self.root.stat("maildirfolder") {
            Ok(_) => Ok(Root::Above(self.root.folder("..")?)),
            Err(_) => Ok(Root::Here(&self.root)),
        }
    }
}

enum Root<'a> {
    Here(&'a Folder),
    Above(Folder),
}

impl Root<'_> {
    fn folder(&self) -> &Folder {
        match self {
            Root::Here(folder) => folder,
            Root::Above(folder) => folder,
        }
    }
}

/// What the file says; `None` when it is not to be used.
fn remembered(root: &Folder, quota: &Quota) -> Option<Tally> {
    let file = root.read(FILE).ok()?;
    let changed = root.stat(FILE).ok()?.st_mtime;
    let mut text = String::new();
    file.take(LONG).read_to_string(&mut text).ok()?;
    if text.len() as u64 >= LONG || !text.ends_with('\n') {
        return None;
    }
    let mut lines = text.lines();
    if Quota::read(lines.next()?)? != *quota {
        return None;
    }
    let (mut tally, mut count) = (Tally::default(), 0);
    for line in lines {
        let (octets, messages) = line.trim().split_once(' ')?;
        tally.octets = tally.octets.checked_add(octets.parse().ok()?)?;
        tally.messages = tally.messages.checked_add(messages.trim().parse().ok()?)?;
        count += 1;
    }
    let age = sys::unix_seconds() as i64 - changed;
    tally.certain = count <= 1 && (0..FRESH).contains(&age);
    (tally.octets >= 0 && tally.messages >= 0).then_some(tally)
}

/// Counts what is there and writes it down.
fn counted(root: &Folder, quota: &Quota) -> io::Result<Tally> {
    let mut tally = Tally { certain: true, ..Tally::default() };
    count_maildir(root, &mut tally)?;
    let mut folders = Vec::new();
    root.each_entry(|name, kind| {
        let maybe = matches!(kind, Kind::Folder | Kind::Unknown);
        if maybe && name.starts_with(b".") && name != b".Trash" {
            folders.push(name.to_vec());
        }
    })?;
    for name in folders {
        let Ok(folder) = root.folder(OsStr::from_bytes(&name)) else { continue };
        count_maildir(&folder, &mut tally)?;
    }
    let text = format!("{}\n{:>12} {:>6}\n", quota.line(), tally.octets, tally.messages);
    if let Err(error) = root.replace(FILE, text.as_bytes(), 0o600) {
        sys::log!("{}: warning: can't write {FILE}: {error}", sys::logging::name());
    }
    Ok(tally)
}

fn count_maildir(maildir: &Folder, tally: &mut Tally) -> io::Result<()> {
    for place in ["new", "cur"] {
        let Ok(folder) = maildir.folder(place) else { continue };
        folder.each_entry(|name, kind| {
            if name.starts_with(b".") || matches!(kind, Kind::Folder | Kind::Other) {
                return;
            }
            let read = Name::read(name);
            let size = || folder.stat(OsStr::from_bytes(name)).ok().map(|seen| seen.st_size as u64);
            if let Some(octets) = read.octets().or_else(size)
                && !read.has(b'T')
            {
                tally.octets = tally.octets.saturating_add_unsigned(octets);
                tally.messages += 1;
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
