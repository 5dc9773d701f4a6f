//! An open mailbox of an account in memory: a picture that changes when it is refreshed.

use std::cell::RefCell;
use std::io::Cursor;
use std::rc::Rc;
use std::sync::Arc;

use super::shelf::{Account, KEYWORDS, Kept, Shelf, marked};
use crate::flags::Flags;
use crate::store::{Folder, MOST_TEXT, Marks, Message, Needle, Status, Trouble, Uid};
use crate::syntax::Change;

/// An open mailbox.
#[derive(Debug)]
pub struct Opened {
    account: Rc<RefCell<Account>>,
    id: u64,
    read_only: bool,
    recent_from: Uid,
    messages: Vec<Message>,
    keywords: Vec<String>,
    vanished: Vec<(u64, Uid)>,
    status: Status,
}

impl Opened {
    pub(super) fn new(account: Rc<RefCell<Account>>, id: u64, read_only: bool) -> Result<Opened, Trouble> {
        let (messages, keywords, vanished) = (Vec::new(), Vec::new(), Vec::new());
        let status = Status::default();
        let mut opened =
            Opened { account, id, read_only, recent_from: 0, messages, keywords, vanished, status };
        opened.recent_from = opened.with(|shelf| {
            let from = shelf.recent_from;
            if !read_only {
                shelf.recent_from = shelf.uid_next;
            }
            from
        })?;
        opened.refresh()?;
        Ok(opened)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> Result<T, Trouble> {
        let mut account = self.account.borrow_mut();
        let name = account.name_of(self.id).ok_or(Trouble::MailboxGone)?;
        account.shelf(&name).map(work)
    }

    fn kept_of<T>(&self, uid: Uid, work: impl FnOnce(&mut Kept) -> T) -> Result<T, Trouble> {
        self.with(|shelf| shelf.letters.get_mut(&uid).map(work))?.ok_or(Trouble::Gone)
    }

    /// Those of the messages that are still there, with the names of their keywords.
    pub(super) fn letters(&self, uids: &[Uid]) -> Vec<(Uid, (Kept, Vec<String>))> {
        let letters = self.with(|shelf| {
            let named = |kept: &Kept| {
                let set = shelf.keywords.iter().take(KEYWORDS).enumerate();
                set.filter(|(bit, _)| kept.keywords >> bit & 1 == 1).map(|(_, name)| name.clone()).collect()
            };
            let found = uids.iter().filter_map(|uid| Some((*uid, shelf.letters.get(uid)?)));
            found.map(|(uid, kept)| (uid, (Kept { record: None, ..kept.clone() }, named(kept)))).collect()
        });
        letters.unwrap_or_default()
    }
}

impl Folder for Opened {
    type Text = Cursor<Arc<[u8]>>;

    fn status(&self) -> Status {
        self.status.clone()
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn messages(&self) -> &[Message] {
        &self.messages
    }

    fn recent_from(&self) -> Uid {
        self.recent_from
    }

    fn keywords(&self) -> &[String] {
        &self.keywords
    }

    fn takes_new_keywords(&self) -> bool {
        self.keywords.len() < KEYWORDS
    }

    fn refresh(&mut self) -> Result<bool, Trouble> {
        let read_only = self.read_only;
        let (messages, keywords, vanished, mut status) = self.with(|shelf| {
            let messages = shelf.letters.iter().map(|(uid, kept)| Message {
                uid: *uid,
                flags: kept.flags,
                keywords: kept.keywords,
                modseq: kept.modseq,
                saved: kept.saved,
            });
            if !read_only {
                shelf.recent_from = shelf.uid_next;
            }
            (
                messages.collect::<Vec<_>>(),
                shelf.keywords.clone(),
                shelf.vanished.clone(),
                shelf.status(false),
            )
        })?;
        status.recent = messages.iter().filter(|message| message.uid >= self.recent_from).count() as u32;
        let changed = (&status, &messages, &keywords) != (&self.status, &self.messages, &self.keywords);
        (self.messages, self.keywords, self.vanished, self.status) = (messages, keywords, vanished, status);
        Ok(changed)
    }

    fn vanished_since(&self, modseq: u64) -> Option<Vec<(Uid, Uid)>> {
        let later = self.vanished.iter().filter(|(when, _)| *when > modseq);
        let mut uids: Vec<Uid> = later.map(|(_, uid)| *uid).collect();
        uids.sort_unstable();
        let mut ranges: Vec<(Uid, Uid)> = Vec::new();
        for uid in uids {
            match ranges.last_mut() {
                Some(range) if range.1 + 1 == uid => range.1 = uid,
                _ => ranges.push((uid, uid)),
            }
        }
        Some(ranges)
    }

    fn store(
        &mut self,
        uids: &[Uid],
        change: Change,
        marks: &Marks,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Uid>, Trouble> {
        let kept_back = self.with(|shelf| {
            let bits = shelf.bits(&marks.keywords);
            let mut kept_back = Vec::new();
            let next = shelf.highest + 1;
            for uid in uids {
                let Some(kept) = shelf.letters.get_mut(uid) else { continue };
                if unchanged_since.is_some_and(|since| kept.modseq > since) {
                    kept_back.push(*uid);
                    continue;
                }
                let (flags, keywords) = marked(kept, marks, bits, change);
                if (flags, keywords) != (kept.flags, kept.keywords) {
                    (kept.flags, kept.keywords, kept.modseq) = (flags, keywords, next);
                    shelf.highest = next;
                }
            }
            kept_back
        })?;
        self.refresh()?;
        Ok(kept_back)
    }

    fn expunge(&mut self, uids: &[Uid]) -> Result<(), Trouble> {
        self.with(|shelf| shelf.remove(uids))?;
        self.refresh().map(drop)
    }

    fn expunge_deleted(&mut self, uids: &[Uid]) -> Result<(), Trouble> {
        let deleted = self.with(|shelf| {
            let has = |uid: &&Uid| shelf.letters.get(uid).is_some_and(|kept| kept.flags.has(Flags::DELETED));
            uids.iter().filter(has).copied().collect::<Vec<_>>()
        })?;
        self.expunge(&deleted)
    }

    fn date(&mut self, uid: Uid) -> Result<i64, Trouble> {
        self.kept_of(uid, |kept| kept.date)
    }

    fn size(&mut self, uid: Uid) -> Result<Option<u64>, Trouble> {
        self.kept_of(uid, |kept| Some(kept.octets()))
    }

    fn email_id(&mut self, uid: Uid) -> Result<String, Trouble> {
        self.kept_of(uid, |kept| format!("M{:08x}", kept.mail))
    }

    fn octets(&mut self, uid: Uid) -> Result<u64, Trouble> {
        self.kept_of(uid, |kept| kept.text.len() as u64)
    }

    fn open(&mut self, uid: Uid) -> Result<Cursor<Arc<[u8]>>, Trouble> {
        self.kept_of(uid, |kept| Cursor::new(Arc::clone(&kept.text)))
    }

    fn kept(&mut self, uid: Uid, record: &mut Vec<u8>) -> Result<bool, Trouble> {
        record.clear();
        self.kept_of(uid, |kept| match &kept.record {
            Some(known) => {
                record.extend_from_slice(known);
                true
            }
            None => false,
        })
    }

    fn keep(&mut self, uid: Uid, record: &[u8]) {
        let _ = self.kept_of(uid, |kept| kept.record = Some(record.to_vec()));
    }

    fn each_text<T: Send>(
        &mut self,
        uids: &[Uid],
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        for uid in uids {
            let Ok(text) = self.kept_of(*uid, |kept| Arc::clone(&kept.text)) else { continue };
            let most = usize::try_from(MOST_TEXT).unwrap_or(usize::MAX).min(text.len());
            done(*uid, work(*uid, &text[..most]));
        }
        Ok(())
    }

    fn narrow(&mut self, _needle: Needle<'_>) -> Option<Vec<Uid>> {
        None
    }
}
