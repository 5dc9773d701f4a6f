//! The index of words of an open mailbox: opened when a search comes, filled with what that search reads.
//!
//! To take a message's words costs some times as much as to look for one. So a search over many messages that the
//! index lacks fills in only some of them; the others come after it, by a thread that ends with the process.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fulltext::{Terms, Words};
use imap::{Folder as _, MOST_TEXT, Needle, Trouble, Uid};
use sys::durable::{Folder, open_any};

use crate::mailbox::Mailbox;

const FOLDER: &str = "fulmar-words";
/// A search fills in so many messages, the newest ones.
const WITH_SEARCH: usize = 4096;

/// Such a thread runs already.
static RUNS: AtomicBool = AtomicBool::new(false);

/// Narrows searches.
#[derive(Debug)]
pub(crate) struct Narrowing {
    path: PathBuf,
    with_search: usize,
    /// While a search goes on: the index, and the messages that it is to get.
    filling: Option<(Words, HashSet<Uid>)>,
    /// Messages that are to come after the search.
    later: Vec<Uid>,
}

impl Narrowing {
    /// `index`: the folder of the mailbox's index.
    pub(crate) fn new(index: &Path) -> Narrowing {
        Narrowing { path: index.join(FOLDER), with_search: WITH_SEARCH, filling: None, later: Vec::new() }
    }

    pub(crate) fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    /// The messages that may hold the needle: those that the index names and those that it does not know.
    pub(crate) fn narrow(&mut self, mailbox: &Mailbox, needle: Needle<'_>) -> Option<Vec<Uid>> {
        self.settle(mailbox);
        let (Needle::Body(text) | Needle::Text(text)) = needle;
        let uids = uids(mailbox);
        let mut words = Words::open(&self.path, mailbox.status().uid_validity)?;
        // First what may hold it: what another session removes meanwhile is missing then.
        let found = words.candidates(text);
        let mut missing = words.missing(&uids);
        let lacks: HashSet<Uid> = missing.iter().copied().collect();
        let may = found.map(|found| {
            let may = |uid: &Uid| lacks.contains(uid) || found.binary_search(uid).is_ok();
            uids.into_iter().filter(may).collect()
        });
        if !missing.is_empty() && words.lock() {
            let soon = missing.split_off(missing.len().saturating_sub(self.with_search));
            self.filling = Some((words, soon.into_iter().collect()));
            self.later = missing;
        }
        may
    }

    /// Reads messages for a search, and puts the words of some that are missing into the index.
    pub(crate) fn fill<T: Send>(
        &mut self,
        mailbox: &mut Mailbox,
        uids: &[Uid],
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        let Some((words, missing)) = &mut self.filling else { return mailbox.each_text(uids, work, done) };
        let mut taken = HashSet::new();
        let both = |uid, text: &[u8]| (work(uid, text), missing.contains(&uid).then(|| terms(text)));
        mailbox.each_text(uids, &both, &mut |uid, (result, terms)| {
            if terms.is_some_and(|terms| words.add(uid, &terms)) {
                taken.insert(uid);
            }
            done(uid, result);
        })?;
        missing.retain(|uid| !taken.contains(uid));
        Ok(())
    }

    /// The search has come to its end.
    pub(crate) fn settle(&mut self, mailbox: &Mailbox) {
        let Some((mut words, _)) = self.filling.take() else { return };
        words.keep(&uids(mailbox));
        let later = std::mem::take(&mut self.later);
        if !later.is_empty() && !RUNS.swap(true, Ordering::Relaxed) {
            let named = later.into_iter().filter_map(|uid| Some((uid, mailbox.name_of(uid)?))).collect();
            let (path, all) = (self.path.clone(), uids(mailbox));
            let (validity, cur) = (mailbox.status().uid_validity, mailbox.place().maildir.join("cur"));
            let fill = move || {
                fill_later(&path, validity, &cur, named, &all);
                RUNS.store(false, Ordering::Relaxed);
            };
            if std::thread::Builder::new().name("words".to_owned()).spawn(fill).is_err() {
                RUNS.store(false, Ordering::Relaxed);
            }
        }
    }
}

fn uids(mailbox: &Mailbox) -> Vec<Uid> {
    mailbox.messages().iter().map(|message| message.uid).collect()
}

/// Puts messages into the index, the newest first. One that can't be read, or has another name by now, stays missing
/// until the next search.
fn fill_later(path: &Path, uid_validity: u32, cur: &Path, named: Vec<(Uid, Vec<u8>)>, all: &[Uid]) {
    let (Some(mut words), Ok(cur)) = (Words::open(path, uid_validity), open_any(cur)) else { return };
    let mut text = Vec::new();
    for (uid, name) in named.iter().rev() {
        if read(&cur, name, &mut text).is_ok() && !words.add(*uid, &terms(&text)) {
            return;
        }
    }
    words.keep(all);
}

fn read(cur: &Folder, name: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
    text.clear();
    cur.read(OsStr::from_bytes(name))?.take(MOST_TEXT).read_to_end(text).map(drop)
}

/// All words of a message, header and body.
fn terms(text: &[u8]) -> Terms {
    let (message, mut terms) = (mime::scan(text), Terms::new());
    let mut folded = String::new();
    let mut take = |text: &str| {
        folded.clear();
        mime::fold_into(text, &mut folded);
        terms.take(&folded);
    };
    take(&mime::header_text(text, &message));
    mime::search_text(text, &message, &mut take);
    terms
}

#[cfg(test)]
#[path = "narrowing_tests.rs"]
mod tests;
