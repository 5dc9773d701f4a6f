//! Mailboxes that get other names, and what is kept of those that are removed.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;

use imap::{Folder, Progress, Store, Trouble, Uid};

use crate::account::Account;
use crate::names::INBOX;
use crate::special::Special;
use crate::tree::Spot;
use crate::undelete;

impl Account {
    /// The mailboxes at `from` and below it, with the names they are to have.
    fn moved(&self, from: &str, to: &str) -> Result<Vec<(String, Spot, String)>, Trouble> {
        let mut moved = Vec::new();
        for (name, spot) in self.visible()? {
            if name == from || self.names().is_below(&name, from) {
                let new = format!("{to}{}", &name[from.len()..]);
                moved.push((name, spot, new));
            }
        }
        if moved.is_empty() { Err(Trouble::NoMailbox) } else { Ok(moved) }
    }

    pub(crate) fn rename_tree(&mut self, from: &str, to: &str) -> Result<(), Trouble> {
        if self.names().is_below(to, from) {
            return Err(Trouble::Cannot("A mailbox can't be put into itself."));
        }
        let moved = self.moved(from, to)?;
        if self.tree.find(to).is_ok() {
            return Err(Trouble::Exists);
        }
        // Read once: there may be thousands.
        let taken = self.tree.all()?.into_iter().map(|(name, _)| self.names().spelled(&name));
        let taken: BTreeSet<String> = taken.collect();
        let mut places = Vec::new();
        for (name, spot, new) in &moved {
            let target = self.tree.plan(new);
            self.may_create(new, &target)?;
            self.may(spot)?.need('x')?;
            if spot.disk.is_empty() || target.root != spot.root {
                return Err(Trouble::Cannot("It can't be moved there."));
            }
            if taken.contains(&self.names().spelled(new)) {
                return Err(Trouble::Exists);
            }
            places.push((name, spot, new, target));
        }
        self.make_above(to, &places[0].3)?;
        // What may fail on a full disk comes first: who is told NO has his mailboxes where they were.
        let own = places.iter().filter(|(_, spot, ..)| spot.root == 0);
        let renamed = own.map(|(name, _, new, _)| (name.as_str(), new.as_str()));
        Special::read(&self.root().folder)?.rename(&self.root().folder, self.names(), renamed)?;
        for (_, spot, _, target) in places {
            self.tree.rename(spot, &target)?;
        }
        let spot = &moved[0].1;
        self.tree.root(spot).folder.sync()?;
        self.tree.recount(spot);
        Ok(())
    }

    /// RENAME of the inbox makes a mailbox of its mail; the inbox and what lies below it stay. RFC 9051 §6.3.6.
    pub(crate) fn rename_inbox(&mut self, to: &str) -> Result<(), Trouble> {
        self.create(to, &[])?;
        let mut inbox = self.open(INBOX, false)?;
        let uids: Vec<Uid> = inbox.messages().iter().map(|message| message.uid).collect();
        self.relocate(&mut inbox, &uids, to, &mut Progress::unheard()).map(drop)
    }

    /// Keeps the mail of a mailbox that is being removed.
    pub(crate) fn keep_deleted(&self, spot: &Spot) -> Result<(), Trouble> {
        if self.settings.undelete == 0 {
            return Ok(());
        }
        let kept = undelete::place(&self.tree.root(spot).path, &spot.disk);
        let (folder, kept) = (self.tree.folder(spot)?, undelete::folder(&kept)?);
        for place in ["new", "cur"] {
            let place = folder.folder(place)?;
            for name in place.names()? {
                place.rename(&name, &kept, undelete::named(self.now(), name.as_bytes()))?;
            }
        }
        Ok(kept.sync()?)
    }
}
