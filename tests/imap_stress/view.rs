//! What one session has been told of its mailbox, checked with each response.

use std::collections::BTreeSet;

use tests::Imap;
use tests::imap::{Answer, fetched, numbered, numbers};

use super::truth::{Place, Truth, identity_of, text_of};

/// A session with a mailbox open.
pub(crate) struct View<'a> {
    pub(crate) imap: Imap,
    pub(crate) place: Place,
    /// UIDs by sequence number less one; `None` where the session has not been told.
    pub(crate) uids: Vec<Option<u32>>,
    /// VANISHED comes in place of EXPUNGE.
    qresync: bool,
    truth: &'a Truth,
}

impl<'a> View<'a> {
    /// Selects `mailbox` and learns all UIDs.
    pub(crate) fn open(
        mut imap: Imap,
        mailbox: &str,
        qresync: bool,
        truth: &'a Truth,
    ) -> std::io::Result<View<'a>> {
        if qresync {
            imap.try_command("ENABLE QRESYNC")?;
        }
        let place = (String::new(), 0);
        let mut view = View { imap, place, uids: Vec::new(), qresync, truth };
        view.select(mailbox)?;
        Ok(view)
    }

    /// Selects another mailbox, or the same again.
    pub(crate) fn select(&mut self, mailbox: &str) -> std::io::Result<()> {
        let gone: BTreeSet<_> = self.truth.facts().gone.clone();
        let answer = self.imap.try_command(&format!("SELECT {mailbox}"))?;
        assert!(answer.is_ok(), "SELECT {mailbox}: {answer:?}");
        self.place = (mailbox.to_owned(), answer.number("UIDVALIDITY").expect("UIDVALIDITY"));
        self.uids = vec![None; answer.told("EXISTS").expect("EXISTS") as usize];
        if !self.uids.is_empty() {
            self.command("UID FETCH 1:* (FLAGS)", true)?;
        }
        for uid in self.uids.iter().flatten() {
            let back = gone.contains(&(self.place.clone(), *uid));
            assert!(!back, "UID {uid} of {:?} was told to be gone, and is back", self.place);
        }
        Ok(())
    }

    /// Gives a command. `may_expunge`: RFC 9051 §7.5.1 lets the server tell of removals in the answer.
    pub(crate) fn command(&mut self, line: &str, may_expunge: bool) -> std::io::Result<Answer> {
        let answer = self.imap.try_command(line)?;
        self.take(&answer, may_expunge, line);
        Ok(answer)
    }

    /// Learns from an answer.
    pub(crate) fn take(&mut self, answer: &Answer, may_expunge: bool, line: &str) {
        assert!(!answer.tagged.starts_with("BAD"), "{line}: {}", answer.tagged);
        for response in &answer.untagged {
            self.told(response, may_expunge, line);
        }
    }

    /// Learns from one untagged response.
    pub(crate) fn told(&mut self, response: &[u8], may_expunge: bool, line: &str) {
        if let Some(set) = response.strip_prefix(b"VANISHED ") {
            assert!(self.qresync && may_expunge, "VANISHED in the answer to {line}");
            let set = String::from_utf8_lossy(set);
            let earlier = set.starts_with("(EARLIER)");
            numbers(set.trim_start_matches("(EARLIER) ")).iter().for_each(|uid| self.vanished(*uid, earlier));
            return;
        }
        match numbered(response) {
            Some((number, "EXISTS")) => {
                let now = number as usize;
                assert!(now >= self.uids.len(), "EXISTS {now} after {} in answer to {line}", self.uids.len());
                self.uids.resize(now, None);
            }
            Some((number, "EXPUNGE")) => {
                assert!(may_expunge && !self.qresync, "EXPUNGE in the answer to {line}");
                let at = number as usize;
                assert!((1..=self.uids.len()).contains(&at), "EXPUNGE {at} of {}", self.uids.len());
                if let Some(uid) = self.uids.remove(at - 1) {
                    self.truth.is_gone(&self.place, uid);
                }
            }
            Some((number, "FETCH")) => self.fetched(number, response, line),
            _ => {}
        }
    }

    fn vanished(&mut self, uid: u32, earlier: bool) {
        let at = self.uids.iter().position(|known| *known == Some(uid));
        match at {
            Some(at) => drop(self.uids.remove(at)),
            None if earlier => {}
            // One that it has not been told the UID of: it lies between those whose UIDs are less and greater.
            None => {
                let from = self.uids.iter().rposition(|known| known.is_some_and(|known| known < uid));
                let from = from.map_or(0, |at| at + 1);
                let unknown = self.uids.get(from).is_some_and(Option::is_none);
                assert!(unknown, "VANISHED {uid}, which was never there: {:?}", self.uids);
                self.uids.remove(from);
            }
        }
        self.truth.is_gone(&self.place, uid);
    }

    fn fetched(&mut self, number: u32, response: &[u8], line: &str) {
        let shown = || String::from_utf8_lossy(response).into_owned();
        let (_, items) = fetched(response).unwrap_or_else(|| panic!("{line}: {}", shown()));
        let at = number as usize;
        assert!((1..=self.uids.len()).contains(&at), "FETCH of {at} of {}: {line}", self.uids.len());
        if let Some(uid) = items.get("UID") {
            let uid = uid.number().unwrap() as u32;
            let known = self.uids[at - 1].get_or_insert(uid);
            assert_eq!(*known, uid, "message {at} has another UID now: {line}: {}", shown());
            let ascending = self.uids.iter().flatten().collect::<Vec<_>>();
            assert!(ascending.is_sorted_by(|one, two| one < two), "UIDs do not ascend: {line}: {}", shown());
        }
        let Some(uid) = self.uids[at - 1] else { return };
        for (name, value) in &items {
            self.item(uid, name, value, line);
        }
    }

    /// Whatever is told of a message has to fit the one message that it is.
    fn item(&self, uid: u32, name: &str, value: &tests::imap::Value, line: &str) {
        // RFC 2180 §4.1: nothing may be told of a message that is gone.
        if *value == tests::imap::Value::Nil {
            return;
        }
        if name == "BODY[]" || name == "RFC822" {
            let text = value.octets();
            let identity = identity_of(text);
            let identity = identity
                .unwrap_or_else(|| panic!("{line}: a damaged message: {}", String::from_utf8_lossy(text)));
            return self.truth.is_named(&self.place, uid, identity);
        }
        let Some(identity) = self.truth.identity(&self.place, uid) else { return };
        let text = text_of(identity);
        let fits = match name {
            "RFC822.SIZE" => value.number() == Some(text.len() as u64),
            "ENVELOPE" => value.list()[1].word() == format!("stress {identity:08}"),
            "BODY[]<50>" => text.as_bytes()[50..].starts_with(value.octets()),
            "BODY[HEADER.FIELDS (X-IDENTITY)]" => value.word().trim() == format!("X-Identity: {identity:08}"),
            _ => true,
        };
        assert!(fits, "{line}: {name} of UID {uid}, which is {identity}: {}", value.word());
    }
}
