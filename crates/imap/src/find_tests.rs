//! What a search costs: which messages are read, and how often.

use std::cell::RefCell;
use std::io::Cursor;

use super::*;
use crate::flags::Flags;
use crate::store::{Marks, Status};
use crate::syntax::Change;
use crate::view::View;

/// A folder that keeps account of what is asked of it.
#[derive(Default)]
struct Watched {
    messages: Vec<Message>,
    texts: Vec<Vec<u8>>,
    records: Vec<Vec<u8>>,
    /// What its index says to any question.
    index: Option<Vec<Uid>>,
    read: RefCell<Vec<Uid>>,
    gone: Vec<Uid>,
    /// Can't be read.
    broken: Vec<Uid>,
    /// Keeps nothing.
    forgets: bool,
}

impl Watched {
    fn there(&self, uid: Uid) -> Result<usize, Trouble> {
        if self.gone.contains(&uid) { Err(Trouble::Gone) } else { Ok(uid as usize - 1) }
    }
}

impl Folder for Watched {
    type Text = Cursor<Vec<u8>>;

    fn status(&self) -> Status {
        Status::default()
    }
    fn read_only(&self) -> bool {
        true
    }
    fn messages(&self) -> &[Message] {
        &self.messages
    }
    fn recent_from(&self) -> Uid {
        Uid::MAX
    }
    fn keywords(&self) -> &[String] {
        &[]
    }
    fn takes_new_keywords(&self) -> bool {
        false
    }
    fn refresh(&mut self) -> Result<bool, Trouble> {
        Ok(false)
    }
    fn vanished_since(&self, _: u64) -> Option<Vec<(Uid, Uid)>> {
        None
    }
    fn store(&mut self, _: &[Uid], _: Change, _: &Marks, _: Option<u64>) -> Result<Vec<Uid>, Trouble> {
        Err(Trouble::NotAllowed)
    }
    fn expunge(&mut self, _: &[Uid]) -> Result<(), Trouble> {
        Err(Trouble::NotAllowed)
    }
    fn expunge_deleted(&mut self, _: &[Uid]) -> Result<(), Trouble> {
        Err(Trouble::NotAllowed)
    }
    fn date(&mut self, uid: Uid) -> Result<i64, Trouble> {
        self.there(uid).map(|place| place as i64 * 86_400)
    }
    fn size(&mut self, uid: Uid) -> Result<Option<u64>, Trouble> {
        self.there(uid).map(|_| None)
    }
    fn email_id(&mut self, uid: Uid) -> Result<String, Trouble> {
        self.there(uid).map(|place| format!("M{place}"))
    }
    fn octets(&mut self, uid: Uid) -> Result<u64, Trouble> {
        self.there(uid).map(|place| self.texts[place].len() as u64)
    }
    fn open(&mut self, uid: Uid) -> Result<Cursor<Vec<u8>>, Trouble> {
        self.there(uid).map(|place| Cursor::new(self.texts[place].clone()))
    }
    fn kept(&mut self, uid: Uid, record: &mut Vec<u8>) -> Result<bool, Trouble> {
        record.clone_from(&self.records[self.there(uid)?]);
        Ok(!record.is_empty())
    }
    fn keep(&mut self, uid: Uid, record: &[u8]) {
        if !self.forgets {
            self.records[uid as usize - 1] = record.to_vec();
        }
    }
    fn each_text<T: Send>(
        &mut self,
        uids: &[Uid],
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        for uid in uids {
            if self.broken.contains(uid) {
                return Err(Trouble::Unavailable("broken".to_owned()));
            }
            let Ok(place) = self.there(*uid) else { continue };
            self.read.borrow_mut().push(*uid);
            done(*uid, work(*uid, &self.texts[place]));
        }
        Ok(())
    }
    fn narrow(&mut self, _: store::Needle<'_>) -> Option<Vec<Uid>> {
        self.index.clone()
    }
}

/// Six messages, of which the odd ones are seen; each says its number and `all` in its body.
fn open() -> Open<Watched> {
    let texts: Vec<Vec<u8>> = (1..=6)
        .map(|number| {
            let subject = if number < 4 { "low" } else { "high" };
            format!("Subject: {subject}\nX-Number: {number}\n\nall say no{number}\n").into_bytes()
        })
        .collect();
    let seen = |uid: Uid| if uid % 2 == 1 { Flags::SEEN } else { Flags::NONE };
    let messages = (1..=6).map(|uid| Message { uid, flags: seen(uid), ..Message::default() }).collect();
    let records = vec![Vec::new(); texts.len()];
    let folder = Watched { messages, texts, records, ..Watched::default() };
    Open {
        name: String::new(),
        folder,
        view: View::new((1..=6).collect(), 0),
        saved: Vec::new(),
        watches: Vec::new(),
        keywords: 0,
        body: None,
    }
}

fn seen() -> SearchKey {
    SearchKey::Flag(crate::flags::FlagWord::System(Flags::SEEN))
}

fn subject(text: &str) -> SearchKey {
    SearchKey::Header("subject".to_owned(), text.to_owned())
}

fn body(text: &str) -> SearchKey {
    SearchKey::Body(text.to_owned())
}

/// The UIDs found, and those of messages that were read for it.
fn found(open: &mut Open<Watched>, key: &SearchKey) -> (Vec<Uid>, Vec<Uid>) {
    open.folder.read.take();
    let rows = find(open, key, 0, &mut Progress::unheard()).unwrap();
    (rows.into_iter().map(|(_, uid)| uid).collect(), open.folder.read.take())
}

#[test]
fn only_what_the_cheap_keys_leave_is_looked_at() {
    let mut open = open();
    let key = SearchKey::And(vec![body("no5"), subject("high"), seen()]);
    // A digest for the odd ones, made by reading; then the text of the one that is left.
    assert_eq!(found(&mut open, &key), (vec![5], vec![1, 3, 5, 5]));
    // The digests are kept.
    assert_eq!(found(&mut open, &key), (vec![5], vec![5]));
    assert_eq!(found(&mut open, &SearchKey::Or(Box::new(seen()), Box::new(subject("low")))).1, [2, 4, 6]);
    assert_eq!(found(&mut open, &subject("low")), (vec![1, 2, 3], vec![]));
}

#[test]
fn several_texts_are_looked_for_in_one_reading() {
    let mut open = open();
    let or = |one, other| SearchKey::Or(Box::new(one), Box::new(other));
    let key = or(SearchKey::And(vec![body("all"), body("no2")]), SearchKey::Not(Box::new(body("SAY"))));
    assert_eq!(found(&mut open, &key), (vec![2], vec![1, 2, 3, 4, 5, 6]));
    let key = or(seen(), SearchKey::And(vec![body("all"), SearchKey::Not(Box::new(body("no4")))]));
    assert_eq!(found(&mut open, &key), (vec![1, 2, 3, 5, 6], vec![2, 4, 6]));
}

#[test]
fn the_index_narrows_and_the_text_decides() {
    let mut open = open();
    open.folder.index = Some(vec![2, 3]);
    assert_eq!(found(&mut open, &body("no2")), (vec![2], vec![2, 3]));
    assert_eq!(found(&mut open, &SearchKey::Not(Box::new(body("no2")))), (vec![1, 3, 4, 5, 6], vec![2, 3]));
    let number = SearchKey::Header("x-number".to_owned(), "3".to_owned());
    assert_eq!(found(&mut open, &number), (vec![3], vec![2, 3]));
    open.folder.index = Some(vec![]);
    assert_eq!(found(&mut open, &body("no2")), (vec![], vec![]));
}

#[test]
fn a_message_that_goes_meanwhile_is_not_found_and_keeps_no_other_from_being_found() {
    let mut open = open();
    open.folder.gone = vec![2];
    for key in [
        SearchKey::Since(0),
        SearchKey::Not(Box::new(SearchKey::Larger(1_000_000))),
        SearchKey::Not(Box::new(subject("x"))),
        body("all"),
    ] {
        assert_eq!(found(&mut open, &key).0, [1, 3, 4, 5, 6], "{key:?}");
    }
    assert_eq!(found(&mut open, &SearchKey::On(4)).0, [5]);
}

#[test]
fn more_messages_than_are_read_in_one_go_are_found_all() {
    let mut open = open();
    let count = BATCH + 1000;
    let uids = 1..=u32::try_from(count).unwrap();
    open.folder.texts = vec![b"Subject: same\n\ntext\n".to_vec(); count];
    open.folder.records = vec![Vec::new(); count];
    open.folder.messages = uids.clone().map(|uid| Message { uid, ..Message::default() }).collect();
    open.view = View::new(uids.collect(), 0);
    let key = SearchKey::And(vec![subject("same"), body("text")]);
    let (found, read) = found(&mut open, &key);
    assert_eq!((found.len(), read.len()), (count, 2 * count));
}

#[test]
fn digests_that_nobody_keeps_are_made_once_for_each_question() {
    let mut open = open();
    open.folder.forgets = true;
    open.folder.gone = vec![2, 4];
    assert_eq!(found(&mut open, &subject("low")), (vec![1, 3], vec![1, 3, 5, 6]));
}

#[test]
fn a_message_that_cannot_be_read_keeps_no_other_from_having_a_digest() {
    let mut open = open();
    open.folder.broken = vec![3];
    let mut records = Records::default();
    let mut loaded = |uid| records.load(&mut open.folder, uid, uid + 1..=6, &mut Progress::unheard());
    assert_eq!([1, 2].map(&mut loaded), [Ok(true), Ok(true)]);
    assert_eq!(loaded(3), Err(Trouble::Unavailable("broken".to_owned())));
    assert_eq!([4, 5, 6].map(&mut loaded), [Ok(true), Ok(true), Ok(true)]);
    assert_eq!(open.folder.read.take(), [1, 2, 4, 5, 6]);
    let kept: Vec<bool> = open.folder.records.iter().map(|record| !record.is_empty()).collect();
    assert_eq!(kept, [true, true, false, true, true, true]);
}
