//! The index of words of an open mailbox: opened when a search comes, filled with what that search reads.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fulltext::{Terms, Words};
use imap::{Folder, Message, Needle, Trouble, Uid};

use crate::mailbox::Mailbox;

const FOLDER: &str = "fulmar-words";

/// Narrows searches.
#[derive(Debug)]
pub(crate) struct Narrowing {
    path: PathBuf,
    /// While a search goes on: the index, and the messages that it lacks.
    filling: Option<(Words, HashSet<Uid>)>,
}

impl Narrowing {
    /// `index`: the folder of the mailbox's index.
    pub(crate) fn new(index: &Path) -> Narrowing {
        Narrowing { path: index.join(FOLDER), filling: None }
    }

    pub(crate) fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    /// The messages that may hold the needle: those that the index names and those that it does not know.
    pub(crate) fn narrow(
        &mut self,
        uid_validity: u32,
        messages: &[Message],
        needle: Needle<'_>,
    ) -> Option<Vec<Uid>> {
        self.settle(messages);
        let (Needle::Body(text) | Needle::Text(text)) = needle;
        let uids: Vec<Uid> = messages.iter().map(|message| message.uid).collect();
        let mut words = Words::open(&self.path, uid_validity)?;
        // First what may hold it: what another session removes meanwhile is missing then.
        let found = words.candidates(text);
        let missing: HashSet<Uid> = words.missing(&uids).into_iter().collect();
        let may = found.map(|found| {
            let may = |uid: &Uid| missing.contains(uid) || found.binary_search(uid).is_ok();
            uids.into_iter().filter(may).collect()
        });
        self.filling = (!missing.is_empty()).then_some((words, missing));
        may
    }

    /// Reads messages for a search, and puts the words of those that are missing into the index.
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

    /// Makes what was filled in last.
    pub(crate) fn settle(&mut self, messages: &[Message]) {
        if let Some((mut words, _)) = self.filling.take() {
            words.keep(&messages.iter().map(|message| message.uid).collect::<Vec<_>>());
        }
    }
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
