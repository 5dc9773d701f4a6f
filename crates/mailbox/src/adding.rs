//! Messages that come into a mailbox of an account: appended, copied, moved. All of one call, or none.

use imap::{Arrived, Folder, Letter, Marks, Message, Progress, Store, Trouble, Uid};
use maildir::{Maildir, Quota};

use crate::account::Account;
use crate::add::{Arrival, Source};
use crate::change::Which;
use crate::draft::Draft;
use crate::mailbox::Mailbox;
use crate::opened::{Opened, allowed};
use crate::place::Options;
use crate::tree::Spot;

/// Octets of kept records that travel with copies; the others are made anew when somebody asks.
const MOST_RECORDS: usize = 32 << 20;

/// The mailbox that messages were last added to: many are often added one by one.
#[derive(Debug)]
pub(crate) struct Target {
    spot: Spot,
    /// Device and number of its `cur`: another program may put another in its place.
    cur: (u64, u64),
    mailbox: Mailbox,
}

impl Account {
    pub(crate) fn add_letters(
        &mut self,
        name: &str,
        letters: Vec<Letter<Draft>>,
    ) -> Result<Arrived, Trouble> {
        let (spot, rights) = self.reach(name, 'i')?;
        let limit = self.append_limit().unwrap_or(u64::MAX);
        if letters.iter().any(|letter| letter.draft.wire() > limit) {
            return Err(Trouble::TooBig);
        }
        self.need_room(&spot, letters.iter().map(|letter| letter.draft.octets()))?;
        let saved = self.now();
        let arrival = |letter: Letter<Draft>| Arrival {
            source: Source::Draft(letter.draft),
            marks: allowed(rights, &letter.marks),
            date: letter.date,
            saved,
            record: None,
            email_id: None,
        };
        let arrivals: Vec<Arrival> = letters.into_iter().map(arrival).collect();
        let from = vec![0; arrivals.len()];
        self.add(&spot, &from, arrivals, &mut Progress::unheard())
    }

    pub(crate) fn add_copies(
        &mut self,
        from: &mut Opened,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble> {
        let (spot, rights) = self.reach(target, 'i')?;
        // They take with them the flags they have now.
        from.refresh()?;
        let mut octets = Vec::with_capacity(uids.len());
        for uid in uids {
            octets.push(from.mailbox.octets(*uid)?);
        }
        self.need_room(&spot, octets.into_iter())?;
        let marks = |marks: &Marks| allowed(rights, marks);
        let arrivals = copies(from, uids, self.now(), marks, &mut progress.part(0, 2))?;
        self.add(&spot, uids, arrivals, &mut progress.part(1, 2))
    }

    pub(crate) fn add_and_remove(
        &mut self,
        from: &mut Opened,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble> {
        from.rights.need('t')?;
        from.rights.need('e')?;
        if from.read_only() {
            return Err(Trouble::Cannot("This mailbox is open for reading only."));
        }
        let (spot, rights) = self.reach(target, 'i')?;
        from.refresh()?;
        if self.quota_of(&spot) != self.quota_of(&from.spot) {
            // What counts already makes the account no fuller.
            let octets: Result<Vec<u64>, Trouble> =
                uids.iter().map(|uid| from.mailbox.octets(*uid)).collect();
            self.need_room(&spot, octets?.into_iter())?;
        }
        let marks = |marks: &Marks| allowed(rights, marks);
        let arrivals = copies(from, uids, self.now(), marks, &mut progress.part(0, 3))?;
        let arrived = self.add(&spot, uids, arrivals, &mut progress.part(1, 3))?;
        // They are not gone: nothing is to be kept of them here.
        let undelete = from.mailbox.options.undelete.take();
        let removed = from.mailbox.remove(uids, Which::All, &mut progress.part(2, 3));
        from.mailbox.options.undelete = undelete;
        match removed {
            Ok(()) => Ok(arrived),
            Err(trouble) => {
                self.undo_move(from, &spot, arrived);
                Err(trouble)
            }
        }
    }

    /// What could not be removed here is taken away there again, so that each message is in one of the two (RFC 6851
    /// §3.3). One that is not seen to be here stays there.
    fn undo_move(&mut self, from: &mut Opened, spot: &Spot, mut arrived: Arrived) {
        arrived.uids.retain(|(here, _)| from.mailbox.is_there(*here));
        if !arrived.uids.is_empty() {
            // Should that fail too, the log has been told, and they are in both.
            let _ = self.remove_again(spot, &arrived);
        }
    }

    /// Removes what has just arrived, and keeps nothing of it: it was not to be there alone.
    pub(crate) fn remove_again(&mut self, spot: &Spot, arrived: &Arrived) -> Result<(), Trouble> {
        self.target = None;
        let mut target = self.mailbox(spot, Options::default())?;
        if target.status().uid_validity != arrived.uid_validity {
            // Another mailbox has the name by now.
            return Err(Trouble::NoMailbox);
        }
        target.options.undelete = None;
        let uids: Vec<Uid> = arrived.uids.iter().map(|(_, there)| *there).collect();
        target.remove(&uids, Which::All, &mut Progress::unheard())
    }

    fn add(
        &mut self,
        spot: &Spot,
        from: &[Uid],
        arrivals: Vec<Arrival>,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble> {
        let cached = self.target.take();
        let (mut target, uids) = self.steady(spot, |cur| {
            let mut target = self.target(spot, cur, cached)?;
            let uids = target.mailbox.add_many(arrivals, progress)?;
            Ok((target, uids))
        })?;
        let uid_validity = target.mailbox.status().uid_validity;
        target.mailbox.rest();
        self.target = Some(target);
        Ok(Arrived { uid_validity, uids: from.iter().copied().zip(uids).collect() })
    }

    /// The mailbox whose `cur` this is, open for adding: the one that is open already, if it is that.
    fn target(&self, spot: &Spot, cur: (u64, u64), cached: Option<Target>) -> Result<Target, Trouble> {
        match cached {
            Some(target) if target.spot == *spot && target.cur == cur => Ok(target),
            _ => {
                let how = Options { only_to_add: true, ..Options::default() };
                Ok(Target { spot: spot.clone(), cur, mailbox: self.mailbox(spot, how)? })
            }
        }
    }

    /// Does the quota leave room for messages of these sizes?
    fn need_room(&self, spot: &Spot, sizes: impl ExactSizeIterator<Item = u64>) -> Result<(), Trouble> {
        let quota = self.quota_of(spot);
        if quota == Quota::NONE || sizes.len() == 0 {
            return Ok(());
        }
        let (count, octets) = (sizes.len() as u64, sizes.sum());
        let fits = has_room(&self.own, quota, count, octets)?;
        if fits { Ok(()) } else { Err(Trouble::OverQuota) }
    }
}

fn has_room(maildir: &Maildir, quota: Quota, count: u64, octets: u64) -> std::io::Result<bool> {
    if !maildir.has_room(&quota, octets)? {
        return Ok(false);
    }
    Ok(count == 1 || quota.messages == 0 || maildir.usage(&quota)?.1.saturating_add(count) <= quota.messages)
}

/// Messages as they are to arrive elsewhere: by a link, with flags, keywords, date and what was kept of them.
fn copies(
    from: &mut Opened,
    uids: &[Uid],
    saved: i64,
    marks: impl Fn(&Marks) -> Marks,
    progress: &mut Progress<'_>,
) -> Result<Vec<Arrival>, Trouble> {
    let (mut arrivals, mut octets, mut record) = (Vec::with_capacity(uids.len()), 0, Vec::new());
    for (done, uid) in uids.iter().enumerate() {
        progress.reached(done, uids.len());
        let mailbox = &mut from.mailbox;
        let message = *mailbox
            .messages()
            .binary_search_by_key(uid, |message| message.uid)
            .map(|place| &mailbox.messages()[place])
            .map_err(|_| Trouble::Gone)?;
        let kept = octets < MOST_RECORDS && mailbox.kept(*uid, &mut record)?;
        octets += if kept { record.len() } else { 0 };
        arrivals.push(Arrival {
            source: Source::Of(mailbox.original(*uid)?),
            marks: marks(&marks_of(mailbox, &message)),
            date: None,
            saved,
            record: kept.then(|| record.clone()),
            email_id: None,
        });
    }
    Ok(arrivals)
}

fn marks_of(mailbox: &Mailbox, message: &Message) -> Marks {
    let names = mailbox.keywords().iter().enumerate();
    let keywords = names.filter(|(bit, _)| message.keywords >> bit & 1 == 1).map(|(_, name)| name.clone());
    Marks { flags: message.flags, keywords: keywords.collect() }
}
