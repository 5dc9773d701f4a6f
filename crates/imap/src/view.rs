//! What the client has been told of the open mailbox: numbers, UIDs, and up to which change.
//!
//! RFC 9051 §2.3.1.2: a message keeps its number until the client has been told of an EXPUNGE before it. So numbers are
//! counted here, never in the folder.

use crate::reply::Reply;
use crate::sequence::Set;
use crate::store::Uid;

/// What the client knows.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// UIDs in order: the n-th is message n + 1.
    uids: Vec<Uid>,
    /// The UIDs are not known yet, but that there are so many.
    asleep: Option<u32>,
    /// The largest UID that there has been.
    last: Uid,
    /// All changes up to this have been told of all messages.
    up_to: u64,
    /// Later ones that have been told of single messages, by UID; nothing after each command that may tell all.
    later: Vec<(Uid, u64)>,
}

impl View {
    /// A view of a mailbox that has just been opened.
    pub(crate) fn new(uids: Vec<Uid>, up_to: u64) -> View {
        let last = uids.last().copied().unwrap_or(0);
        View { uids, last, up_to, ..View::default() }
    }

    /// A view of `count` messages whose UIDs come with [`View::wake`].
    pub(crate) fn asleep(count: u32, up_to: u64) -> View {
        View { asleep: Some(count), up_to, ..View::default() }
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// Learns the UIDs. False: they are not as many as the client has been told of.
    pub(crate) fn wake(&mut self, uids: Vec<Uid>) -> bool {
        let told = self.asleep.take();
        *self = View::new(uids, self.up_to);
        told.is_none_or(|told| told == self.count())
    }

    /// How many messages the client believes in.
    pub(crate) fn count(&self) -> u32 {
        self.asleep.unwrap_or_else(|| u32::try_from(self.uids.len()).unwrap_or(u32::MAX))
    }

    /// All UIDs, by number.
    pub(crate) fn uids(&self) -> &[Uid] {
        &self.uids
    }

    /// The UID up to which the client knows what there is.
    pub(crate) fn last_uid(&self) -> Uid {
        self.last
    }

    /// Up to which change the client has been told of everything.
    pub(crate) fn up_to(&self) -> u64 {
        self.up_to
    }

    /// The UID of a number, from 1.
    pub(crate) fn uid(&self, number: u32) -> Option<Uid> {
        self.uids.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    /// The number of a UID.
    pub(crate) fn number(&self, uid: Uid) -> Option<u32> {
        let place = self.uids.binary_search(&uid).ok()?;
        u32::try_from(place + 1).ok()
    }

    /// The messages that a client names, as numbers and UIDs in order. Numbers that it can't know are BAD; UIDs that are
    /// not there are passed over (RFC 9051 §6.4.9). `saved`: what `$` stands for.
    pub(crate) fn pick(&self, set: &Set, by_uid: bool, saved: &[Uid]) -> Result<Vec<(u32, Uid)>, Reply> {
        match set {
            Set::Saved => Ok(saved.iter().filter_map(|uid| Some((self.number(*uid)?, *uid))).collect()),
            Set::Ranges(_) if by_uid => Ok(self.by_uid(set)),
            Set::Ranges(ranges) => self.by_number(set, ranges),
        }
    }

    fn by_uid(&self, set: &Set) -> Vec<(u32, Uid)> {
        let largest = self.uids.last().copied().unwrap_or(0);
        let mut picked = Vec::new();
        for (first, last) in set.ranges(largest) {
            let from = self.uids.partition_point(|uid| *uid < first);
            let within = self.uids[from..].iter().take_while(|uid| **uid <= last);
            picked.extend(within.zip(from + 1..).map(|(uid, number)| (number as u32, *uid)));
        }
        picked
    }

    fn by_number(&self, set: &Set, ranges: &[(Option<u32>, Option<u32>)]) -> Result<Vec<(u32, Uid)>, Reply> {
        let count = self.count();
        // A range with a star reaches as far as there are messages; a plain number has to be one of them.
        let beyond = |range: &(Option<u32>, Option<u32>)| match range {
            (Some(one), Some(other)) => *one.max(other) > count,
            _ => false,
        };
        if ranges.iter().any(beyond) {
            return Err(Reply::NO_SUCH_NUMBER);
        }
        let mut picked = Vec::new();
        for (first, last) in set.ranges(count) {
            let (first, last) = (first.max(1), last.min(count));
            picked.extend((first..=last).filter_map(|number| Some((number, self.uid(number)?))));
        }
        Ok(picked)
    }

    /// The client has just been told of `uid` as it is at `modseq` (or needs not be told).
    pub(crate) fn told(&mut self, uid: Uid, modseq: u64) {
        if modseq <= self.up_to {
            return;
        }
        // A command tells of one message after the other.
        let place = match self.later.last() {
            Some((last, _)) if *last >= uid => self.later.binary_search_by_key(&uid, |(known, _)| *known),
            _ => Err(self.later.len()),
        };
        match place {
            Ok(place) => self.later[place].1 = modseq,
            Err(place) => self.later.insert(place, (uid, modseq)),
        }
    }

    /// Up to which change the client has been told of `uid`.
    pub(crate) fn told_of(&self, uid: Uid) -> u64 {
        let place = self.later.binary_search_by_key(&uid, |(known, _)| *known);
        place.map_or(0, |place| self.later[place].1).max(self.up_to)
    }

    /// All changes up to `modseq` have been told.
    pub(crate) fn told_all(&mut self, modseq: u64) {
        self.up_to = self.up_to.max(modseq);
        let up_to = self.up_to;
        self.later.retain(|(_, told)| *told > up_to);
        if self.later.is_empty() {
            self.later = Vec::new();
        }
    }

    /// New messages come to the end.
    pub(crate) fn grow(&mut self, uids: impl IntoIterator<Item = Uid>) {
        self.uids.extend(uids);
        self.last = self.uids.last().copied().unwrap_or(0).max(self.last);
    }

    /// Takes messages out that `there` does not know; gives their numbers (each as it was before any was taken out)
    /// and UIDs, ascending.
    pub(crate) fn shrink(&mut self, mut there: impl FnMut(Uid) -> bool) -> Vec<(u32, Uid)> {
        let mut gone = Vec::new();
        let mut number = 0;
        self.uids.retain(|uid| {
            number += 1;
            let stays = there(*uid);
            if !stays {
                gone.push((number, *uid));
            }
            stays
        });
        if !gone.is_empty() {
            self.later.retain(|(uid, _)| gone.binary_search_by_key(uid, |(_, gone)| *gone).is_err());
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(Option<u32>, Option<u32>)]) -> Set {
        Set::Ranges(ranges.to_vec())
    }

    #[test]
    fn numbers_are_those_the_client_knows_and_others_are_refused() {
        let view = View::new(vec![3, 5, 9], 1);
        assert_eq!(view.pick(&set(&[(Some(2), None)]), false, &[]), Ok(vec![(2, 5), (3, 9)]));
        assert_eq!(view.pick(&set(&[(Some(4), Some(4))]), false, &[]), Err(Reply::NO_SUCH_NUMBER));
        assert_eq!(view.pick(&set(&[(Some(7), None)]), false, &[]), Ok(vec![(3, 9)]));
        assert_eq!(View::default().pick(&set(&[(Some(1), None)]), false, &[]), Ok(vec![]));
    }

    #[test]
    fn uids_that_are_not_there_are_passed_over() {
        let view = View::new(vec![3, 5, 9], 1);
        assert_eq!(view.pick(&set(&[(Some(4), Some(u32::MAX))]), true, &[]), Ok(vec![(2, 5), (3, 9)]));
        assert_eq!(view.pick(&set(&[(Some(700), None)]), true, &[]), Ok(vec![(3, 9)]));
        assert_eq!(view.pick(&Set::Saved, true, &[5, 6]), Ok(vec![(2, 5)]));
    }

    #[test]
    fn a_view_that_wakes_has_as_many_messages_as_it_told() {
        let mut view = View::asleep(2, 9);
        assert_eq!((view.count(), view.is_asleep(), view.up_to()), (2, true, 9));
        assert!(view.wake(vec![4, 6]) && !view.is_asleep());
        assert_eq!((view.number(6), view.last_uid(), view.up_to()), (Some(2), 6, 9));
        assert!(!View::asleep(2, 9).wake(vec![4]));
    }

    #[test]
    fn who_was_told_of_one_message_is_not_told_again() {
        let mut view = View::new(vec![3, 5], 10);
        view.told(5, 12);
        assert_eq!((view.told_of(3), view.told_of(5)), (10, 12));
        view.told_all(11);
        assert_eq!((view.told_of(3), view.told_of(5)), (11, 12));
        assert_eq!(view.shrink(|uid| uid == 5), [(1, 3)]);
        assert_eq!(view.number(5), Some(1));
    }
}
