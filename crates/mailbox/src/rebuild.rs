//! Making the index anew from what is on disk: the list of UIDs, the names in `cur`, the list of keywords.
//!
//! Where there is no list of UIDs either, that of Dovecot or Courier is taken over, so that clients need not download
//! again; else the mailbox gets a new UIDVALIDITY, greater than any before.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use imap::{Change, Marks, Trouble, Uid};
use maildir::Name;
use sys::durable::{Folder, open_any};

use crate::index;
use crate::keywords;
use crate::listing::Listing;
use crate::mailbox::Mailbox;
use crate::place::{Held, boot, mode, unavailable};
use crate::record::{New, Record};
use crate::state::State;
use crate::uidlist::List;
use crate::uids::{self, text};

/// The list of keywords.
pub(crate) const KEYWORDS: &str = "fulmar-keywords";
/// Microseconds by which a mod-sequence may be later than its change, at most.
const SLACK: u64 = 2_000_000;

/// A list of UIDs and where it comes from.
struct Origin {
    list: List,
    /// It is ours, and stays as it is.
    ours: bool,
    keywords: Vec<String>,
    /// Keywords of messages, by base, that are not letters in their names yet.
    words: Vec<Words>,
    /// It lay beside the mail, where our index was before.
    moved: bool,
}

/// A message's base and its keywords.
type Words = (Vec<u8>, Vec<String>);

impl Mailbox {
    /// Makes the index anew. What a session that is open still knows of the same messages is used.
    pub(crate) fn rebuild(&mut self, held: &Held, cause: Option<io::Error>) -> Result<(), Trouble> {
        let origin = self.origin(cause.as_ref())?;
        let was = self.uid_validity;
        let same = was == origin.list.uid_validity;
        self.tell(cause, &origin);
        self.uid_validity = origin.list.uid_validity;
        self.id = id(&origin.list)?;
        let old = std::mem::take(&mut self.state);
        let modseq = old.facts.modseq.saturating_add(1).max(self.later_than_all(sys::unix_micros()));
        self.make_state(&origin, &old, same, modseq)?;
        if !origin.ours {
            let noted = self.folders.note_uid_validity(self.uid_validity);
            noted.map_err(|error| self.cant("write", &error))?;
            self.write_list(held, origin.list.next.saturating_add(10_000))?;
            self.write_list_of(&self.state.keywords)?;
        }
        self.write_index(held, sys::unix_micros())?;
        if origin.moved {
            self.leave_former()?;
        }
        self.open_cache();
        (self.looked, self.looked_at) = (false, None);
        if let Err(trouble) = self.take_words(held, origin.words) {
            sys::log!("{}: warning: keywords could not be taken over: {trouble:?}", sys::logging::name());
        }
        if was != 0 && !same { Err(Trouble::MailboxGone) } else { Ok(()) }
    }

    /// A mod-sequence above those of all changes that the folders show, each of which was the time of its change: by a clock
    /// that has been set back since, if it is later than `now`.
    pub(crate) fn later_than_all(&self, now: u64) -> u64 {
        let Mailbox { folders, .. } = self;
        let files = [folders.cur.stat("."), folders.new.stat("."), folders.index.stat(uids::NAME)];
        let changed = |seen: nix::sys::stat::FileStat| {
            let seconds = u64::try_from(seen.st_ctime).unwrap_or(0);
            seconds.saturating_mul(1_000_000).saturating_add(seen.st_ctime_nsec as u64 / 1000)
        };
        match files.into_iter().flatten().map(changed).max() {
            Some(last) if last > now => last.saturating_add(SLACK),
            _ => now,
        }
    }

    fn tell(&self, cause: Option<io::Error>, origin: &Origin) {
        let fresh = origin.list.lines.is_empty();
        let cause = match cause {
            Some(error) if error.kind() == ErrorKind::NotFound && (!origin.ours || fresh) => return,
            Some(error) if error.kind() == ErrorKind::InvalidData => {
                "it is damaged or of another version".to_owned()
            }
            Some(error) => error.to_string(),
            None => "the list of UIDs is missing".to_owned(),
        };
        let (name, path) = (sys::logging::name(), self.place.index.display());
        sys::log!("{name}: warning: {path}: the index is made anew: {cause}");
    }

    /// The list of UIDs that there is.
    fn origin(&self, cause: Option<&io::Error>) -> Result<Origin, Trouble> {
        let folder = &self.folders.index;
        let read =
            |folder: &Folder, name: &str| text(folder, name).map_err(|error| self.cant("read", &error));
        let own_keywords = self.own_keywords()?;
        let ours = read(folder, uids::NAME)?;
        if let Some(list) = ours.as_ref().and_then(|text| List::read(text)) {
            return Ok(Origin { list, ours: true, keywords: own_keywords, words: Vec::new(), moved: false });
        }
        if ours.is_none()
            && let Some(origin) =
                self.former_origin()?.map_or_else(|| self.foreign_origin(), |it| Ok(Some(it)))?
        {
            return Ok(origin);
        }
        let known = ours.is_some() || cause.is_some_and(|error| error.kind() != ErrorKind::NotFound);
        if known {
            let (name, path) = (sys::logging::name(), self.place.index.join(uids::NAME));
            sys::log!("{name}: warning: {}: missing or damaged; all messages get new UIDs", path.display());
        }
        let now = sys::unix_seconds().clamp(1, u64::from(u32::MAX)) as u32;
        let before = ours.and_then(|text| List::likely_uid_validity(&text));
        let before = before.max(Some(self.uid_validity)).max(index::uid_validity(folder));
        let before = before.max(self.folders.noted_uid_validity());
        let uid_validity = now.max(before.unwrap_or_default().saturating_add(1));
        let list = List { uid_validity, next: 1, ..List::default() };
        Ok(Origin { list, ours: false, keywords: own_keywords, words: Vec::new(), moved: false })
    }

    /// Our own that lies beside the mail, when the index is elsewhere now.
    fn former_origin(&self) -> Result<Option<Origin>, Trouble> {
        if self.place.index == self.place.maildir {
            return Ok(None);
        }
        let root = open_any(&self.place.maildir)?;
        let read = |name: &str| text(&root, name).map_err(|error| self.cant("read", &error));
        let Some(list) = read(uids::NAME)?.and_then(|text| List::read(&text)) else { return Ok(None) };
        let keywords = read(KEYWORDS)?.map(|text| keywords::read(&text)).unwrap_or_default();
        Ok(Some(Origin { list, ours: false, keywords, words: Vec::new(), moved: true }))
    }

    /// Removes what the index was made from: taken over once more, it would give UIDs a second time.
    fn leave_former(&self) -> Result<(), Trouble> {
        let root = open_any(&self.place.maildir)?;
        for name in [index::NAME, uids::NAME] {
            match root.remove(name) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.cant("remove", &error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// That of another program.
    fn foreign_origin(&self) -> Result<Option<Origin>, Trouble> {
        let root = open_any(&self.place.maildir)?;
        let read =
            |folder: &Folder, name: &str| text(folder, name).map_err(|error| self.cant("read", &error));
        for (list, names) in [("dovecot-uidlist", "dovecot-keywords"), ("courierimapuiddb", "")] {
            let Some(found) = read(&root, list)?.and_then(|text| List::read_foreign(&text)) else { continue };
            let names = if names.is_empty() { None } else { read(&root, names)? };
            let keywords = names.map(|text| keywords::read(&text)).unwrap_or_default();
            let couriers =
                if list.starts_with("courier") { root.folder("courierimapkeywords").ok() } else { None };
            let words = couriers.map_or(Ok(None), |folder| read(&folder, ":list"))?;
            let words = words.map(|text| keywords::read_courier(&text)).unwrap_or_default();
            let (name, path) = (sys::logging::name(), self.place.maildir.join(list));
            sys::log!("{name}: {}: {} UIDs are taken over", path.display(), found.lines.len());
            return Ok(Some(Origin { list: found, ours: false, keywords, words, moved: false }));
        }
        Ok(None)
    }

    /// Keywords that another server kept elsewhere become letters in names.
    fn take_words(&mut self, held: &Held, words: Vec<Words>) -> Result<(), Trouble> {
        let mut groups: HashMap<Vec<String>, Vec<Uid>> = HashMap::new();
        for (base, names) in words {
            if let Some(at) = self.state.find(&base) {
                groups.entry(names).or_default().push(self.state.messages[at].uid);
            }
        }
        for (keywords, uids) in groups {
            let marks = Marks { keywords, ..Marks::default() };
            self.mark_under_lock(held, &uids, Change::Add, &marks, None)?;
        }
        Ok(())
    }

    fn make_state(&mut self, origin: &Origin, old: &State, same: bool, modseq: u64) -> Result<(), Trouble> {
        let read = || match origin.list.lines.is_empty() {
            true => Ok(Listing::default()),
            false => Listing::read(&self.folders.cur).map(Listing::sorted),
        };
        let (listing, again) = (read()?, read()?);
        let mut records = Vec::new();
        for name in &origin.keywords {
            Record::Keyword(name.as_bytes()).put(&mut records);
        }
        for line in &origin.list.lines {
            let Some(name) = listing.find(&line.base).or_else(|| again.find(&line.base)) else { continue };
            let (base, tail) = name.split_at(line.base.len());
            let new = New { uid: line.uid, modseq, email: line.email, base, tail, ..New::default() };
            let before = if same { old.position(line.uid) } else { None };
            let before = before.filter(|at| old.base(*at) == base).map(|at| old.as_new(at));
            // Its modseq is new: what is lost may have been told to clients.
            let made = match before {
                Some(before) => New { kept: 0, tail, modseq, ..before },
                None => New { saved: arrival(base), ..new },
            };
            Record::New(made).put(&mut records);
        }
        let made = self.state.apply_all(crate::record::Octets(&records), modseq);
        made.map_err(|_| self.cant("make", &ErrorKind::InvalidData.into()))?;
        let facts = &mut self.state.facts;
        (facts.modseq, facts.floor, facts.boot) = (modseq, modseq, boot());
        (facts.next, facts.ceiling) = (origin.list.next, origin.list.next);
        facts.seen = if same && old.facts.seen > 0 { old.facts.seen } else { facts.next };
        facts.list = self.folders.index.stat(uids::NAME).map_or(0, |seen| seen.st_size as u64);
        Ok(())
    }

    /// The names of keywords in our file of them.
    pub(crate) fn own_keywords(&self) -> Result<Vec<String>, Trouble> {
        let text = text(&self.folders.index, KEYWORDS).map_err(|error| self.cant("read", &error))?;
        Ok(text.map(|text| keywords::read(&text)).unwrap_or_default())
    }

    /// Writes the file that names the keywords.
    pub(crate) fn write_list_of(&self, keywords: &[String]) -> Result<(), Trouble> {
        if keywords.is_empty() {
            return Ok(());
        }
        let text = keywords::write(keywords);
        let written = self.folders.index.replace(KEYWORDS, text.as_bytes(), mode(&self.folders.index));
        written.map_err(|error| self.cant("write", &error))
    }

    /// Where nothing can be written and there is no index: by whatever list there is. Messages that are not in
    /// it are not to be seen. Without any, their order gives the UIDs, and the UIDVALIDITY changes with the folder.
    pub(crate) fn load_foreign(&mut self) -> Result<(), Trouble> {
        let cant = |error: io::Error| unavailable(&self.place.index, "no index can be made", &error);
        let ours = text(&self.folders.index, uids::NAME).map_err(cant)?.and_then(|text| List::read(&text));
        let origin = match ours {
            Some(list) => {
                Origin { list, ours: true, keywords: self.own_keywords()?, words: Vec::new(), moved: false }
            }
            None => match self.former_origin()? {
                Some(origin) => origin,
                None => self.foreign_origin()?.map_or_else(|| self.list_of_all(), Ok)?,
            },
        };
        (self.uid_validity, self.id) = (origin.list.uid_validity, id(&origin.list)?);
        // The next look finds out which are in `new`.
        let modseq = sys::unix_micros();
        self.make_unwritten(&origin, modseq)
    }

    fn make_unwritten(&mut self, origin: &Origin, modseq: u64) -> Result<(), Trouble> {
        let mut records = Vec::new();
        for name in &origin.keywords {
            Record::Keyword(name.as_bytes()).put(&mut records);
        }
        for line in &origin.list.lines {
            let new = New { uid: line.uid, modseq, email: line.email, base: &line.base, ..New::default() };
            Record::New(New { saved: arrival(&line.base), ..new }).put(&mut records);
        }
        let made = self.state.apply_all(crate::record::Octets(&records), modseq);
        made.map_err(|_| self.cant("make", &ErrorKind::InvalidData.into()))?;
        let facts = &mut self.state.facts;
        (facts.modseq, facts.next, facts.seen) = (modseq, origin.list.next, origin.list.next);
        Ok(())
    }

    fn list_of_all(&self) -> Result<Origin, Trouble> {
        let mut names: HashMap<Vec<u8>, ()> = HashMap::new();
        for folder in [&self.folders.new, &*self.folders.cur] {
            let listing = Listing::read(folder)?;
            names.extend(listing.names().map(|name| (Name::read(name).base.to_vec(), ())));
        }
        let mut bases: Vec<Vec<u8>> = names.into_keys().collect();
        Name::sort(&mut bases);
        let lines = bases.into_iter().zip(1..).map(|(base, uid)| {
            let email = crate::state::fingerprint(&base);
            crate::uidlist::Line { uid, email, base }
        });
        let lines: Vec<_> = lines.collect();
        let changed = self.folders.stamps()?.0.seconds.clamp(1, i64::from(u32::MAX)) as u32;
        let next = lines.last().map_or(1, |last| last.uid + 1);
        let list = List { uid_validity: changed, next, lines, ..List::default() };
        Ok(Origin { list, ours: false, keywords: Vec::new(), words: Vec::new(), moved: false })
    }
}

/// The mailbox's id: the list's, or a new one.
fn id(list: &List) -> Result<[u8; 16], Trouble> {
    let digit = |at: usize| u8::from_str_radix(list.id.get(at..at + 2)?, 16).ok();
    match (0..16).map(|octet| digit(octet * 2)).collect::<Option<Vec<u8>>>() {
        Some(octets) => Ok(std::array::from_fn(|at| octets[at])),
        None => Ok(sys::random()?),
    }
}

/// When a message came, by its base if that tells: seconds since 1970.
fn arrival(base: &[u8]) -> i64 {
    let digits = base.iter().take_while(|octet| octet.is_ascii_digit()).take(11);
    let time = digits.fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let now = sys::unix_seconds() as i64;
    if (1..=now).contains(&time) { time } else { now }
}
