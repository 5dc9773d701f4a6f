//! An account in memory: what the tests and the fuzz targets open sessions on. Several sessions can share one.

mod folder;
mod shelf;

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Write};
use std::rc::Rc;

pub use folder::Opened;
use shelf::{Account, Kept, Shelf};

use crate::flags::Flags;
use crate::progress::Progress;
use crate::store::{
    Arrived, Folder, Happened, Letter, Listed, Namespace, NamespaceKind, News, QuotaRoot, Status, Store,
    Trouble, Uid,
};

/// All that a user may do: RFC 4314.
const ALL_RIGHTS: &str = "lrswipkxtea";
/// RFC 6154, RFC 8457.
const SPECIAL: &[&str] =
    &["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash"];

/// One session's way to an account.
#[derive(Clone, Debug)]
pub struct Memory {
    account: Rc<RefCell<Account>>,
    heard: Option<usize>,
}

/// A message that is being taken in.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    text: Vec<u8>,
}

impl Write for Draft {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for octet in octets {
            if *octet == b'\n' && self.text.last() == Some(&b'\r') {
                self.text.pop();
            }
            self.text.push(*octet);
        }
        Ok(octets.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new('/')
    }
}

impl Memory {
    /// An account with an empty inbox.
    pub fn new(separator: char) -> Memory {
        let account = Account {
            separator,
            shelves: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            annotations: BTreeMap::new(),
            happened: Vec::new(),
            counter: 0,
            clock: 1_700_000_000,
            append_limit: None,
            quota: None,
            locked: BTreeSet::new(),
        };
        let memory = Memory { account: Rc::new(RefCell::new(account)), heard: None };
        memory.account().make("INBOX", None);
        memory
    }

    /// The same account, for another session.
    pub fn share(&self) -> Memory {
        Memory { account: Rc::clone(&self.account), heard: None }
    }

    /// Largest message that is taken.
    pub fn limit_appends(&self, octets: u64) {
        self.account().append_limit = Some(octets);
    }

    /// How much room there is.
    pub fn limit_room(&self, octets: u64) {
        self.account().quota = Some(octets);
    }

    /// Nobody may change this mailbox any more.
    pub fn lock(&self, name: &str) {
        self.account().locked.insert(name.to_owned());
    }

    /// Sets the clock.
    pub fn set_clock(&self, now: i64) {
        self.account().clock = now;
    }

    /// Puts a message into a mailbox, which is made if it is not there: a delivery. Gives its UID.
    pub fn deliver(&self, name: &str, text: &[u8]) -> Uid {
        let mut account = self.account();
        account.make(name, None);
        let kept = account.letter(text, Flags::NONE);
        account.note(name, Happened::Messages);
        account.shelves.get_mut(name).map_or(0, |shelf| shelf.put(kept))
    }

    /// The texts in a mailbox, with LF line ends, in order.
    pub fn texts(&self, name: &str) -> Vec<Vec<u8>> {
        let account = self.look();
        let letters = account.shelves.get(name).into_iter().flat_map(|shelf| shelf.letters.values());
        letters.map(|kept| kept.text.to_vec()).collect()
    }

    /// The names of all mailboxes.
    pub fn names(&self) -> Vec<String> {
        self.look().shelves.keys().cloned().collect()
    }

    fn account(&self) -> RefMut<'_, Account> {
        self.account.borrow_mut()
    }

    fn look(&self) -> Ref<'_, Account> {
        self.account.borrow()
    }
}

impl Store for Memory {
    type Folder = Opened;
    type Draft = Draft;

    fn separator(&self) -> char {
        self.look().separator
    }

    fn namespaces(&self) -> Vec<Namespace> {
        vec![Namespace { prefix: String::new(), kind: NamespaceKind::Personal }]
    }

    fn list(&mut self) -> Result<Vec<Listed>, Trouble> {
        let account = self.account();
        let there = account.shelves.iter().map(|(name, shelf)| Listed {
            name: name.clone(),
            no_select: shelf.no_select,
            missing: false,
            special: shelf.special,
            subscribed: account.subscribed.contains(name),
            marked: None,
        });
        let missing = account.subscribed.iter().filter(|name| !account.shelves.contains_key(*name));
        let missing = missing.map(|name| Listed {
            name: name.clone(),
            missing: true,
            no_select: true,
            subscribed: true,
            ..Listed::default()
        });
        let mut listed: Vec<Listed> = there.chain(missing).collect();
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    fn create(&mut self, name: &str, special: &[String]) -> Result<String, Trouble> {
        let mut account = self.account();
        if account.shelves.get(name).is_some_and(|shelf| !shelf.no_select) {
            return Err(Trouble::Exists);
        }
        let wanted = special.first().map(|wanted| wanted.as_str());
        let special = wanted.and_then(|it| SPECIAL.iter().find(|known| known.eq_ignore_ascii_case(it)));
        account.make_with_parents(name, special.copied());
        Ok(account.shelf(name)?.status(false).id)
    }

    fn delete(&mut self, name: &str) -> Result<(), Trouble> {
        let mut account = self.account();
        account.may_change(name)?;
        if name == "INBOX" {
            return Err(Trouble::Cannot("This mailbox always stays."));
        }
        let with_children = !account.below(name).is_empty();
        let shelf = account.shelf(name)?;
        if with_children {
            *shelf = Shelf { no_select: true, ..Shelf::default() };
        } else {
            account.shelves.remove(name);
        }
        account.note(name, Happened::Removed);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Trouble> {
        let mut account = self.account();
        account.may_change(from)?;
        if account.shelves.contains_key(to) {
            return Err(Trouble::Exists);
        }
        if !account.shelves.contains_key(from) {
            return Err(Trouble::NoMailbox);
        }
        if from == "INBOX" {
            account.rename_inbox(to);
            return Ok(());
        }
        for (place, _) in to.match_indices(account.separator) {
            account.make(&to[..place], None);
        }
        for below in account.below(from) {
            let to = format!("{to}{}", &below[from.len()..]);
            account.move_shelf(&below, &to);
        }
        account.move_shelf(from, to);
        Ok(())
    }

    fn subscribe(&mut self, name: &str, on: bool) -> Result<(), Trouble> {
        let mut account = self.account();
        if on {
            account.subscribed.insert(name.to_owned());
        } else {
            account.subscribed.remove(name);
        }
        Ok(())
    }

    fn status(&mut self, name: &str, sizes: bool) -> Result<Status, Trouble> {
        Ok(self.account().shelf(name)?.status(sizes))
    }

    fn open(&mut self, name: &str, read_only: bool) -> Result<Opened, Trouble> {
        let id = self.account().shelf(name)?.id;
        let read_only = read_only || self.look().locked.contains(name);
        Opened::new(Rc::clone(&self.account), id, read_only)
    }

    fn append_limit(&self) -> Option<u64> {
        self.look().append_limit
    }

    fn accepts(&mut self, name: &str) -> Result<(), Trouble> {
        let mut account = self.account();
        account.shelf(name)?;
        account.may_change(name)
    }

    fn draft(&mut self) -> Result<Draft, Trouble> {
        Ok(Draft::default())
    }

    fn reread(&mut self, draft: Draft) -> Result<Box<dyn Read>, Trouble> {
        Ok(Box::new(Cursor::new(draft.text)))
    }

    fn append(&mut self, name: &str, letters: Vec<Letter<Draft>>) -> Result<Arrived, Trouble> {
        let mut account = self.account();
        account.shelf(name)?;
        let mut kept = Vec::new();
        for letter in letters {
            let mut one = account.letter(&letter.draft.text, letter.marks.flags);
            one.date = letter.date.unwrap_or(account.clock);
            kept.push((one, letter.marks.keywords));
        }
        let (uid_validity, uids) = account.put(name, kept)?;
        Ok(Arrived { uid_validity, uids: uids.into_iter().map(|uid| (0, uid)).collect() })
    }

    fn take_back(&mut self, name: &str, arrived: &Arrived) -> Result<(), Trouble> {
        let uids: Vec<Uid> = arrived.uids.iter().map(|(_, uid)| *uid).collect();
        self.account().shelf(name)?.remove(&uids);
        Ok(())
    }

    fn copy(
        &mut self,
        from: &mut Opened,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble> {
        (0..uids.len()).for_each(|done| progress.reached(done, uids.len()));
        let letters = from.letters(uids);
        let here: Vec<Uid> = letters.iter().map(|(uid, _)| *uid).collect();
        let mut account = self.account();
        account.shelf(target)?;
        let now = account.clock;
        let letters = letters.into_iter().map(|(_, (kept, words))| (Kept { saved: now, ..kept }, words));
        let (uid_validity, there) = account.put(target, letters.collect())?;
        Ok(Arrived { uid_validity, uids: here.into_iter().zip(there).collect() })
    }

    fn relocate(
        &mut self,
        from: &mut Opened,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble> {
        let arrived = self.copy(from, uids, target, progress)?;
        let here: Vec<Uid> = arrived.uids.iter().map(|(here, _)| *here).collect();
        from.expunge(&here)?;
        Ok(arrived)
    }

    fn quota(&mut self, name: &str) -> Result<Vec<QuotaRoot>, Trouble> {
        let mut account = self.account();
        account.shelf(name)?;
        let (octets, count) = account.used();
        let (storage, messages) = ((octets, account.quota), (count, None));
        Ok(vec![QuotaRoot { name: "User quota".to_owned(), storage, messages }])
    }

    fn metadata(&mut self, name: &str) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
        let mut account = self.account();
        if !name.is_empty() {
            account.shelf(name)?;
        }
        let mine = account.annotations.iter().filter(|((mailbox, _), _)| mailbox == name);
        Ok(mine.map(|((_, entry), value)| (entry.clone(), value.clone())).collect())
    }

    fn annotate(&mut self, name: &str, entry: &str, value: Option<&[u8]>) -> Result<(), Trouble> {
        let mut account = self.account();
        if !name.is_empty() {
            account.shelf(name)?;
        }
        let key = (name.to_owned(), entry.to_owned());
        match value {
            Some(value) => drop(account.annotations.insert(key, value.to_vec())),
            None => drop(account.annotations.remove(&key)),
        }
        Ok(())
    }

    fn rights(&mut self, name: &str) -> Result<String, Trouble> {
        let mut account = self.account();
        account.shelf(name)?;
        Ok(if account.locked.contains(name) { "lrs".to_owned() } else { ALL_RIGHTS.to_owned() })
    }

    fn acl(&mut self, name: &str) -> Result<Vec<(String, String)>, Trouble> {
        let mut account = self.account();
        let acl = account.shelf(name)?.acl.clone();
        Ok(std::iter::once(("owner".to_owned(), ALL_RIGHTS.to_owned())).chain(acl).collect())
    }

    fn set_acl(&mut self, name: &str, who: &str, rights: &str) -> Result<(), Trouble> {
        let mut account = self.account();
        account.may_change(name)?;
        let acl = &mut account.shelf(name)?.acl;
        if rights.is_empty() {
            acl.remove(who);
        } else {
            acl.insert(who.to_owned(), rights.to_owned());
        }
        Ok(())
    }

    fn news(&mut self) -> Result<Vec<News>, Trouble> {
        let all = self.look().happened.len();
        let heard = self.heard.replace(all).unwrap_or(all);
        let mut news: Vec<News> = Vec::new();
        for one in self.look().happened[heard..].iter().rev() {
            if !news.contains(one) {
                news.insert(0, one.clone());
            }
        }
        Ok(news)
    }

    fn now(&self) -> i64 {
        self.look().clock
    }
}
