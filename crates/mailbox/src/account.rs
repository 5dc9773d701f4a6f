//! An account: all mailboxes that a user sees, as an IMAP session asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::Path;

use imap::{
    Arrived, Folder, Letter, Listed, Namespace, NamespaceKind, News, Progress, QuotaRoot, Status, Store,
    Trouble, Uid,
};
use maildir::{Maildir, Quota};
use nix::sys::stat::{Mode, umask};

use crate::adding::Target;
use crate::draft::Draft;
use crate::mailbox::Mailbox;
use crate::names::{INBOX, Names};
use crate::news::Watched;
use crate::opened::Opened;
use crate::place::{Options, Place, unavailable};
use crate::rights::Rights;
use crate::settings::Settings;
use crate::special::{self, Special};
use crate::tree::{MOST, Root, Spot, Tree};
use crate::undelete::{self, Deletions};
use crate::{annotations, subscriptions, tree};

/// What shared folders lie below.
pub(crate) const SHARED: &str = "Shared";
/// No message is larger: IMAP4rev1 counts octets in 32 bits.
const LARGEST: u64 = u32::MAX as u64;
const QUOTA_ROOT: &str = "User quota";

/// An account, ready to be served.
#[derive(Debug)]
pub struct Account {
    pub(crate) settings: Settings,
    pub(crate) tree: Tree,
    pub(crate) own: Maildir,
    pub(crate) target: Option<Target>,
    watched: Option<Watched>,
}

impl Account {
    /// Opens the account whose Maildir is at `maildir`; makes that, and the folders that every account is given, if
    /// need be.
    pub fn open(maildir: &Path, settings: Settings) -> Result<Account, Trouble> {
        // Whoever is confined to the Maildir can open it, not make it.
        let own = match Maildir::open(maildir) {
            Err(error) if error.kind() == ErrorKind::NotFound => Maildir::create(maildir),
            other => other,
        };
        let own = own.map_err(|error| unavailable(maildir, "can't open the Maildir", &error))?;
        let names = Names { separator: settings.separator };
        let mut roots = vec![Root::open(INBOX, maildir, settings.index.clone())?];
        for (name, path) in &settings.shared {
            // One that this user can't reach is none of his.
            let name = format!("{SHARED}{}{name}", settings.separator);
            roots.extend(Root::open(&name, path, None).ok());
        }
        if roots.len() > 1 {
            // What a group shares has the bits that it is made with.
            umask(Mode::from_bits_truncate(0o007));
        }
        let account = Account { settings, tree: Tree { names, roots }, own, target: None, watched: None };
        if let Err(trouble) = account.give_folders() {
            // The mail that is there can be read all the same.
            sys::log!(
                "{}: warning: {}: no folders made: {trouble:?}",
                sys::logging::name(),
                maildir.display()
            );
        }
        account.tidy();
        Ok(account)
    }

    pub(crate) fn names(&self) -> Names {
        self.tree.names
    }

    pub(crate) fn root(&self) -> &Root {
        &self.tree.roots[0]
    }

    /// Makes those folders that the account has never been given.
    fn give_folders(&self) -> Result<(), Trouble> {
        let given = Special::read(&self.root().folder)?;
        let missing: Vec<_> =
            self.settings.folders.iter().filter(|(_, what)| !given.was_given(what)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let _lock = self.root().lock()?;
        let mut special = Special::read(&self.root().folder)?;
        for (name, what) in missing {
            if special.was_given(what) || self.names().check(name).is_err() {
                continue;
            }
            if self.tree.find(name).is_err() {
                self.tree.make(&self.tree.plan(name))?;
            }
            special.set(&self.root().folder, self.names(), name, what)?;
            subscriptions::change(&self.root().folder, self.names(), name, None, true)?;
        }
        Ok(())
    }

    /// What is left of the past. Whatever fails here is done by the next login.
    fn tidy(&self) {
        let purged = |path: &Path| match self.settings.undelete {
            0 => Ok(()),
            days => {
                Deletions::open(path)?.map_or(Ok(()), |deletions| deletions.purge_daily(self.now(), days))
            }
        };
        for root in &self.tree.roots {
            let own = || if root.is_shared() { Ok(()) } else { self.own.clean(sys::now()) };
            if let Err(error) = own().and_then(|()| root.sweep()).and_then(|()| purged(&root.path)) {
                unavailable(&root.path, "can't tidy up", &error);
            }
        }
    }

    pub(crate) fn place(&self, spot: &Spot) -> Result<Place, Trouble> {
        // In a shared one, what is written there is the group's from the beginning.
        let shared = self.tree.root(spot).is_shared();
        let temporary = if shared { self.tree.path(spot) } else { self.root().path.clone() }.join("tmp");
        Ok(Place { maildir: self.tree.path(spot), index: self.tree.index(spot)?, temporary })
    }

    pub(crate) fn mailbox(&self, spot: &Spot, how: Options) -> Result<Mailbox, Trouble> {
        let root = self.tree.root(spot);
        let undelete = (self.settings.undelete > 0).then(|| undelete::place(&root.path, &spot.disk));
        let user_seen = root.is_shared().then(|| self.note_of(spot, "seen")).transpose()?;
        let (quota, quota_of) = (self.quota_of(spot), Some(root.path.clone()));
        Mailbox::open(self.place(spot)?, Options { quota, quota_of, undelete, user_seen, ..how })
    }

    /// The quota that counts what is in a mailbox: Trash counts to none, by Maildir++.
    pub(crate) fn quota_of(&self, spot: &Spot) -> Quota {
        let free = self.tree.root(spot).is_shared() || spot.disk == ".Trash";
        if free { Quota::NONE } else { self.settings.quota }
    }

    /// Makes those mailboxes above this one that are not there.
    pub(crate) fn make_above(&self, name: &str, spot: &Spot) -> Result<(), Trouble> {
        let mut above = self.names().above(name);
        while let Some(parent) = above {
            let planned = self.tree.plan(parent);
            if planned.root != spot.root || planned.disk.is_empty() || self.tree.find(parent).is_ok() {
                break;
            }
            self.tree.make(&planned)?;
            above = self.names().above(parent);
        }
        Ok(())
    }

    /// Names of all mailboxes that this user may see, with their places.
    pub(crate) fn visible(&self) -> Result<BTreeMap<String, Spot>, Trouble> {
        let mut visible = BTreeMap::new();
        for (name, spot) in self.tree.all()? {
            if self.may(&spot)?.has('l') {
                visible.insert(name, spot);
            }
        }
        Ok(visible)
    }
}

impl Store for Account {
    type Folder = Opened;
    type Draft = Draft;

    fn separator(&self) -> char {
        self.settings.separator
    }

    fn namespaces(&self) -> Vec<Namespace> {
        let mut parts = vec![Namespace { prefix: String::new(), kind: NamespaceKind::Personal }];
        if self.tree.roots.len() > 1 {
            let prefix = format!("{SHARED}{}", self.settings.separator);
            parts.push(Namespace { prefix, kind: NamespaceKind::Shared });
        }
        parts
    }

    fn list(&mut self) -> Result<Vec<Listed>, Trouble> {
        // Without what these say, mail can be read all the same; the log has been told.
        let (names, special) = (self.names(), Special::read(&self.root().folder).unwrap_or_default());
        let subscribed = subscriptions::read(&self.root().folder, names).unwrap_or_default();
        let visible = self.visible()?;
        let mut all: BTreeMap<String, Listed> = BTreeMap::new();
        for (name, spot) in &visible {
            let special = if spot.root == 0 { special.of(names, name) } else { None };
            all.insert(name.clone(), Listed { name: name.clone(), special, ..Listed::default() });
        }
        for name in &subscribed {
            let missing = Listed { name: name.clone(), no_select: true, missing: true, ..Listed::default() };
            all.entry(name.clone()).or_insert(missing).subscribed = true;
        }
        for name in visible.keys() {
            let mut above = names.above(name);
            while let Some(parent) = above {
                let entry = all.entry(parent.to_owned());
                let found = entry.or_insert_with(|| Listed {
                    name: parent.to_owned(),
                    no_select: true,
                    ..Listed::default()
                });
                // Subscribed, no mailbox, but there are some below.
                found.missing = false;
                above = names.above(parent);
            }
        }
        Ok(all.into_values().collect())
    }

    fn create(&mut self, name: &str, special: &[String]) -> Result<String, Trouble> {
        let name = self.names().spelled(name.strip_suffix(self.settings.separator).unwrap_or(name));
        let what = match special {
            [] => None,
            [one] => Some(special::known(one).ok_or(Trouble::Cannot("No mailbox can be for that here."))?),
            _ => return Err(Trouble::Cannot("A mailbox is for one thing only.")),
        };
        let spot = self.tree.plan(&name);
        self.may_create(&name, &spot)?;
        let _lock = self.tree.root(&spot).lock()?;
        if self.tree.find(&name).is_ok() {
            return Err(Trouble::Exists);
        }
        if self.tree.all()?.len() >= MOST {
            return Err(Trouble::Limit("There are too many mailboxes."));
        }
        let mut uses = match what {
            None => Special::default(),
            Some(_) => Special::read(&self.root().folder)?,
        };
        if what.is_some_and(|what| spot.root != 0 || uses.is_taken(what)) {
            return Err(Trouble::Cannot("Another mailbox is for that."));
        }
        self.make_above(&name, &spot)?;
        self.tree.make(&spot)?;
        if let Some(what) = what {
            uses.set(&self.root().folder, self.names(), &name, what)?;
        }
        Ok(Mailbox::peek(self.place(&spot)?, false)?.id)
    }

    fn delete(&mut self, name: &str) -> Result<(), Trouble> {
        let (spot, _) = self.reach(name, 'x')?;
        if spot.disk.is_empty() {
            return Err(Trouble::Cannot("This mailbox always stays."));
        }
        self.target = None;
        let lock = self.tree.root(&spot).lock()?;
        // Another session may have had it before.
        let (spot, _) = self.reach(name, 'x')?;
        self.keep_deleted(&spot)?;
        let left = self.tree.remove(&spot)?;
        let forgotten = match spot.root {
            0 => Special::read(&self.root().folder)?.forget(&self.root().folder, self.names(), name),
            _ => Ok(()),
        };
        drop(lock);
        tree::erase_all(&left);
        forgotten
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Trouble> {
        let to = self.names().spelled(to.strip_suffix(self.settings.separator).unwrap_or(to));
        self.target = None;
        if self.names().is_inbox(from) {
            return self.rename_inbox(&to);
        }
        let from = self.names().spelled(from);
        if self.tree.find(&from).is_ok() {
            self.reach(&from, 'x')?;
        }
        let _lock = self.tree.root(&self.tree.plan(&from)).lock()?;
        self.rename_tree(&from, &to)
    }

    fn subscribe(&mut self, name: &str, on: bool) -> Result<(), Trouble> {
        if on && !self.names().is_inbox(name) && self.tree.find(name).is_err() {
            self.names().check(name)?;
        }
        let _lock = self.root().lock()?;
        let disk = self.tree.find(name).ok().filter(|spot| spot.root == 0).map(|spot| spot.disk);
        subscriptions::change(&self.root().folder, self.names(), name, disk.as_deref(), on)
    }

    fn status(&mut self, name: &str, sizes: bool) -> Result<Status, Trouble> {
        let (spot, _) = self.reach(name, 'r')?;
        if !self.tree.root(&spot).is_shared() {
            return self.steady(&spot, |_| Mailbox::peek(self.place(&spot)?, sizes));
        }
        // What is unseen is for this user to say.
        let seen =
            imap::Folder::status(&self.mailbox(&spot, Options { read_only: true, ..Options::default() })?);
        let status = Mailbox::peek(self.place(&spot)?, sizes)?;
        Ok(Status { unseen: seen.unseen, ..status })
    }

    fn open(&mut self, name: &str, read_only: bool) -> Result<Opened, Trouble> {
        let mut opened = self.open_asleep(name, read_only)?;
        Folder::wake(&mut opened, true)?;
        Ok(opened)
    }

    fn open_asleep(&mut self, name: &str, read_only: bool) -> Result<Opened, Trouble> {
        let (spot, rights) = self.reach(name, 'r')?;
        let how = Options { read_only, may_sleep: true, ..Options::default() };
        let mailbox = self.steady(&spot, |_| self.mailbox(&spot, how))?;
        Ok(Opened::new(mailbox, rights, spot, self.settings.fulltext))
    }

    fn append_limit(&self) -> Option<u64> {
        Some(self.settings.append_limit.unwrap_or(LARGEST))
    }

    fn accepts(&mut self, name: &str) -> Result<(), Trouble> {
        self.reach(name, 'i').map(drop)
    }

    fn draft(&mut self) -> Result<Draft, Trouble> {
        Draft::begin(&self.root().path.join("tmp"))
    }

    fn reread(&mut self, draft: Draft) -> Result<Box<dyn Read>, Trouble> {
        Ok(Box::new(draft.reread()?))
    }

    fn append(&mut self, name: &str, letters: Vec<Letter<Draft>>) -> Result<Arrived, Trouble> {
        self.add_letters(name, letters)
    }

    fn take_back(&mut self, name: &str, arrived: &Arrived) -> Result<(), Trouble> {
        self.remove_again(&self.tree.find(name)?, arrived)
    }

    fn copy(
        &mut self,
        from: &mut Opened,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble> {
        self.add_copies(from, uids, target, progress)
    }

    fn relocate(
        &mut self,
        from: &mut Opened,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble> {
        self.add_and_remove(from, uids, target, progress)
    }

    fn quota(&mut self, name: &str) -> Result<Vec<QuotaRoot>, Trouble> {
        let (spot, _) = self.reach(name, 'r')?;
        let quota = self.settings.quota;
        if self.quota_of(&spot) == Quota::NONE {
            return Ok(Vec::new());
        }
        let (octets, messages) = self.own.usage(&quota)?;
        let limit = |limit| Some(limit).filter(|limit| *limit > 0);
        Ok(vec![QuotaRoot {
            name: QUOTA_ROOT.to_owned(),
            storage: (octets, limit(quota.octets)),
            messages: (messages, limit(quota.messages)),
        }])
    }

    fn metadata(&mut self, name: &str) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
        if name.is_empty() {
            let entries = annotations::read(&self.root().folder, annotations::OF_SERVER)?;
            return Ok(entries.into_iter().collect());
        }
        let (spot, _) = self.reach(name, 'r')?;
        let mut entries = annotations::Entries::new();
        for private in BTreeSet::from([false, self.tree.root(&spot).is_shared()]) {
            let (folder, file) = self.notes(&spot, private)?;
            entries.extend(annotations::read(&folder, &file)?);
        }
        Ok(entries.into_iter().collect())
    }

    fn annotate(&mut self, name: &str, entry: &str, value: Option<&[u8]>) -> Result<(), Trouble> {
        let private = annotations::check(entry)?.starts_with("/private/");
        let _lock = self.root().lock()?;
        if name.is_empty() {
            return annotations::change(&self.root().folder, annotations::OF_SERVER, entry, value);
        }
        let (spot, _) = self.reach(name, if private { 'r' } else { 'w' })?;
        let shared = self.tree.root(&spot);
        let _theirs = (shared.is_shared() && !private).then(|| shared.lock()).transpose()?;
        let (folder, file) = self.notes(&spot, private)?;
        annotations::change(&folder, &file, entry, value)
    }

    fn rights(&mut self, name: &str) -> Result<String, Trouble> {
        let rights = self.may(&self.tree.find(name)?)?;
        if rights == Rights::default() { Err(Trouble::NoMailbox) } else { Ok(rights.to_string()) }
    }

    fn acl(&mut self, name: &str) -> Result<Vec<(String, String)>, Trouble> {
        let (spot, rights) = self.reach(name, 'a')?;
        match self.tree.root(&spot).is_shared() {
            true => Ok(self.list_of(&spot)?.lines()),
            false => Ok(vec![(self.settings.user.clone(), rights.to_string())]),
        }
    }

    fn set_acl(&mut self, name: &str, who: &str, rights: &str) -> Result<(), Trouble> {
        let (spot, _) = self.reach(name, 'a')?;
        if !self.tree.root(&spot).is_shared() {
            return Err(Trouble::Cannot("Others can't reach this mailbox, whatever rights they have."));
        }
        let _lock = self.tree.root(&spot).lock()?;
        self.list_of(&spot)?.change(&self.tree.folder(&spot)?, who, Rights::read(rights))
    }

    fn news(&mut self) -> Result<Vec<News>, Trouble> {
        let visible = self.visible()?;
        let now = Watched::look(&self.tree, &visible);
        let news = self.watched.as_ref().map(|before| now.since(before)).unwrap_or_default();
        self.watched = Some(now);
        Ok(news)
    }

    fn now(&self) -> i64 {
        sys::unix_seconds() as i64
    }

    fn rest(&mut self) {
        self.target = None;
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
