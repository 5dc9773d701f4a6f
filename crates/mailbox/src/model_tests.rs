//! Several sessions and a foreign program on one mailbox, step by step and at the same time, with the index
//! files being damaged; each view is checked against a model.

use super::tests::{Home, arrival_in};
use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;

use imap::Flags;

use crate::add::{Arrival, Source};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.roll(from.len()))
    }
}

/// What each UID has ever named. A UID that names two messages is the end.
#[derive(Default)]
struct Named(BTreeMap<(u32, Uid), String>);

impl Named {
    fn check(&mut self, validity: u32, uid: Uid, text: &str) {
        let before = self.0.entry((validity, uid)).or_insert_with(|| text.to_owned());
        assert_eq!(before, text, "UID {uid} of {validity} names two messages");
    }
}

const WORDS: [&str; 3] = ["Alpha", "$Beta", "gamma"];

/// Flags and keywords (as bits of WORDS) of every message there is, by its text.
type Model = BTreeMap<String, (Flags, u8)>;

struct World {
    home: Home,
    dice: Dice,
    sessions: Vec<Mailbox>,
    model: Model,
    named: Named,
    count: usize,
    /// Highest modseq that any session has shown.
    highest: u64,
    damaged: bool,
    /// Texts of what the sessions see, by their UIDs.
    views: Vec<BTreeMap<Uid, String>>,
}

impl World {
    fn new(seed: u64) -> World {
        let home = Home::new();
        let sessions: Vec<Mailbox> = (0..3).map(|_| home.open()).collect();
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let views = vec![BTreeMap::new(); 3];
        World {
            home,
            dice,
            sessions,
            model: Model::new(),
            named: Named::default(),
            count: 0,
            highest: 0,
            damaged: false,
            views,
        }
    }

    fn text(&mut self) -> String {
        self.count += 1;
        format!("text {}\n", self.count)
    }

    fn cur(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.home.path().join("cur"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    fn step(&mut self) {
        match self.dice.roll(16) {
            0 | 1 => self.add(),
            2..=4 => self.store(),
            5 => self.expunge(),
            6 => self.copy(),
            7 | 8 => self.foreign_flags(),
            9 => self.foreign_delete(),
            10 => self.foreign_add(),
            11 => self.damage(),
            12 => self.reopen(),
            13 => self.keep(),
            _ => {
                let which = self.dice.roll(3);
                self.check(which);
            }
        }
    }

    /// Does something in a session; one whose mailbox has got another UIDVALIDITY is opened anew.
    fn with<T>(&mut self, which: usize, act: impl FnOnce(&mut Mailbox) -> Result<T, Trouble>) -> Option<T> {
        match act(&mut self.sessions[which]) {
            Ok(done) => Some(done),
            Err(Trouble::MailboxGone) => {
                self.sessions[which] = self.home.open();
                self.views[which].clear();
                None
            }
            Err(trouble) => panic!("{trouble:?}"),
        }
    }

    fn add(&mut self) {
        let (which, texts) = (self.dice.roll(3), [self.text(), self.text()]);
        let tmp = self.home.path().join("tmp");
        let count = 1 + self.dice.roll(2);
        let arrivals = || texts[..count].iter().map(|text| arrival_in(text, &tmp)).collect::<Vec<_>>();
        let uids = match self.with(which, |session| session.add(arrivals())) {
            Some(uids) => uids,
            None => self.sessions[which].add(arrivals()).unwrap(),
        };
        let validity = self.sessions[which].uid_validity;
        for (uid, text) in uids.into_iter().zip(texts) {
            self.named.check(validity, uid, &text);
            self.model.insert(text, (Flags::NONE, 0));
        }
    }

    /// Some messages that a session sees, and their texts.
    fn some(&mut self, which: usize) -> Vec<(Uid, String)> {
        let view: Vec<(Uid, String)> =
            self.views[which].iter().map(|(uid, text)| (*uid, text.clone())).collect();
        let there: Vec<_> =
            view.into_iter().filter(|(uid, _)| self.sessions[which].at(*uid).is_ok()).collect();
        (0..self.dice.roll(4)).filter_map(|_| self.dice.pick(&there).cloned()).collect()
    }

    fn store(&mut self) {
        let which = self.dice.roll(3);
        let some = self.some(which);
        let uids: Vec<Uid> = some.iter().map(|(uid, _)| *uid).collect();
        let (flags, words) = (Flags(self.dice.roll(32) as u8), self.dice.roll(8) as u8);
        let keywords = (0..3).filter(|bit| words >> bit & 1 == 1).map(|bit| WORDS[bit].to_owned()).collect();
        let change = [Change::Add, Change::Remove, Change::Replace][self.dice.roll(3)];
        let marks = Marks { flags, keywords };
        let done = self.with(which, |session| session.store(&uids, change, &marks, None));
        if done.is_none() {
            return;
        }
        for (uid, text) in some {
            // By a damage, it may have got another UID just now.
            let there = self.sessions[which].at(uid).is_ok();
            let Some(has) = self.model.get_mut(&text).filter(|_| there || !self.damaged) else { continue };
            *has = match change {
                Change::Add => (has.0 | flags, has.1 | words),
                Change::Remove => (has.0 & !flags, has.1 & !words),
                Change::Replace => (flags, words),
            };
        }
    }

    fn expunge(&mut self) {
        let which = self.dice.roll(3);
        let some = self.some(which);
        let uids: Vec<Uid> = some.iter().map(|(uid, _)| *uid).collect();
        if self.with(which, |session| session.expunge(&uids)).is_some() {
            let left: BTreeSet<String> =
                self.cur().iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
            for (_, text) in some {
                assert!(self.damaged || !left.contains(&text));
                if !left.contains(&text) {
                    self.model.remove(&text);
                }
            }
        }
    }

    /// A copy has a text of its own here, so that it can be told apart.
    fn copy(&mut self) {
        let (from, to) = (self.dice.roll(3), self.dice.roll(3));
        let Some((uid, text)) = self.some(from).pop() else { return };
        let original = self.sessions[from].original(uid);
        let Ok(original) = original else { return };
        let tmp = self.home.path().join("tmp");
        let source = Source::Of(original);
        let copied =
            self.with(to, |session| match session.add(vec![Arrival { source, ..arrival_in("", &tmp) }]) {
                Err(Trouble::Gone) => Ok(Vec::new()),
                other => other,
            });
        let Some(uids) = copied.filter(|uids| !uids.is_empty()) else { return };
        assert!(self.model.contains_key(&text));
        let name = self.sessions[to].name_of(uids[0]).unwrap();
        let file = self.home.path().join("cur").join(OsStr::from_bytes(&name));
        std::fs::remove_file(&file).unwrap();
        let text = self.text();
        std::fs::write(&file, &text).unwrap();
        self.model.insert(text, (Flags::NONE, 0));
    }

    fn foreign_flags(&mut self) {
        let files = self.cur();
        let Some(file) = self.dice.pick(&files).cloned() else { return };
        let text = std::fs::read_to_string(&file).unwrap();
        let Some(has) = self.model.get_mut(&text) else { return };
        let name = file.file_name().unwrap().as_bytes().to_vec();
        has.0 = Flags(self.dice.roll(32) as u8);
        let letters: Vec<u8> = [b'R', b'F', b'T', b'S', b'D']
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| has.0.0 >> bit & 1 == 1)
            .map(|(_, letter)| letter)
            .collect();
        let others: Vec<u8> =
            Name::read(&name).flags.iter().copied().filter(|letter| !letter.is_ascii_uppercase()).collect();
        let new = Name::read(&name).with(&[letters, others].concat());
        std::fs::rename(&file, file.with_file_name(OsStr::from_bytes(&new))).unwrap();
    }

    fn foreign_delete(&mut self) {
        let files = self.cur();
        let Some(file) = self.dice.pick(&files) else { return };
        self.model.remove(&std::fs::read_to_string(file).unwrap());
        std::fs::remove_file(file).unwrap();
    }

    fn foreign_add(&mut self) {
        let text = self.text();
        let name = match self.dice.roll(4) {
            0 => format!("new/{}", maildir::unique()),
            1 => format!("cur/{}:2,", maildir::unique()),
            // The base of another. Should that be renamed before anybody has looked, nobody could tell the two apart.
            kind => {
                self.check(0);
                let files = self.cur();
                let Some(file) = self.dice.pick(&files) else { return };
                let name = file.file_name().unwrap().to_str().unwrap();
                let base = name.split(':').next().unwrap();
                if kind == 2 { format!("new/{base}") } else { format!("cur/{base}:2,X") }
            }
        };
        let path = self.home.path().join(&name);
        if path.exists() {
            return;
        }
        std::fs::write(path, &text).unwrap();
        self.model.insert(text, (Flags::NONE, 0));
        self.check(0);
    }

    fn damage(&mut self) {
        self.damaged = true;
        let file = ["fulmar-index", "fulmar-uidlist", "fulmar-cache"][self.dice.roll(3)];
        let path = self.home.path().join(file);
        let Ok(mut octets) = std::fs::read(&path) else { return };
        match self.dice.roll(5) {
            0 => std::fs::remove_file(&path).unwrap(),
            1 => {
                let length = self.dice.roll(octets.len() + 1) as u64;
                std::fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            }
            2 => std::fs::write(&path, "garbage").unwrap(),
            3 if !octets.is_empty() => {
                let at = self.dice.roll(octets.len());
                octets[at] ^= 1 << self.dice.roll(8);
                std::fs::write(&path, octets).unwrap();
            }
            _ => std::fs::write(&path, [&octets[..], &[0; 50]].concat()).unwrap(),
        }
    }

    fn reopen(&mut self) {
        let which = self.dice.roll(3);
        let mut new = self.home.open();
        if self.dice.roll(3) == 0 {
            new.watch = None;
        }
        let mut old = std::mem::replace(&mut self.sessions[which], new);
        self.views[which].clear();
        if self.dice.roll(2) == 0 {
            // As if killed: it writes no more.
            old.writable = false;
        }
    }

    fn keep(&mut self) {
        let which = self.dice.roll(3);
        for (uid, text) in self.some(which) {
            self.sessions[which].keep(uid, text.as_bytes());
        }
    }

    /// Refreshes a session, and compares all that it sees with the model.
    fn check(&mut self, which: usize) {
        let before: BTreeMap<Uid, Message> =
            self.sessions[which].messages().iter().map(|message| (message.uid, *message)).collect();
        if self.sessions[which].watch.is_none() {
            // As if its own last change were some seconds ago.
            self.sessions[which].looked_at = None;
        }
        if self.with(which, |session| session.refresh()).is_none() {
            return;
        }
        let mut seen = Model::new();
        let session = &mut self.sessions[which];
        let status = session.status();
        assert!(status.highest_modseq >= self.highest, "modseq goes back");
        self.highest = status.highest_modseq;
        assert!(session.messages().is_sorted_by(|a, b| a.uid < b.uid));
        let mut view = BTreeMap::new();
        for message in session.messages().to_vec() {
            let mut text = String::new();
            session.open(message.uid).unwrap().read_to_string(&mut text).unwrap();
            self.named.check(status.uid_validity, message.uid, &text);
            assert!(message.uid < status.uid_next && message.modseq <= status.highest_modseq);
            let words = (0..3).filter(|bit| {
                let at = session.keywords().iter().position(|name| name == WORDS[*bit]);
                at.is_some_and(|at| message.keywords >> at & 1 == 1)
            });
            let words = words.fold(0, |words, bit| words | 1 << bit);
            if let Some(old) = before.get(&message.uid) {
                let same = (old.flags, old.keywords) == (message.flags, message.keywords);
                assert!(if same { message.modseq >= old.modseq } else { message.modseq > old.modseq });
            }
            let mut record = Vec::new();
            if session.kept(message.uid, &mut record).unwrap() {
                assert_eq!(record, text.as_bytes());
            }
            view.insert(message.uid, text.clone());
            assert!(seen.insert(text, (message.flags, words)).is_none(), "one message with two UIDs");
        }
        assert_eq!(seen, self.model);
        self.views[which] = view;
    }
}

#[test]
fn no_view_ever_differs_from_the_model_whatever_is_done_to_files_and_index() {
    // I26, I27
    // More of them: FULMAR_SEEDS=1000 cargo test -p mailbox no_view
    let seeds = std::env::var("FULMAR_SEEDS").map_or(8, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        eprintln!("seed {seed}");
        let mut world = World::new(seed);
        for step in 0..250 {
            world.step();
            if step % 50 == 49 {
                // Sessions that are open need not notice a damage; one that opens the mailbox does.
                drop(world.home.open());
                (0..3).chain(0..3).for_each(|which| world.check(which));
                world.damaged = false;
            }
        }
        (0..3).for_each(|which| world.check(which));
        (0..3).for_each(|which| world.check(which));
    }
}

/// What sessions at the same time have in common.
struct Scene {
    home: Home,
    named: Mutex<Named>,
    /// Texts of all messages that were ever added, and of those that somebody removed.
    made: Mutex<BTreeSet<String>>,
    gone: Mutex<BTreeSet<String>>,
}

fn read(session: &mut Mailbox, uid: Uid) -> Option<String> {
    let mut text = String::new();
    match session.open(uid) {
        Ok(mut file) => drop(file.read_to_string(&mut text).unwrap()),
        Err(Trouble::Gone) => return None,
        Err(trouble) => panic!("{trouble:?}"),
    }
    Some(text)
}

impl Scene {
    fn session(&self, number: u64) {
        let mut dice = Dice(number * 7919 + 13);
        let mut session = self.home.open();
        for step in 0..150 {
            let uids: Vec<Uid> = session.messages().iter().map(|message| message.uid).collect();
            let some: Vec<Uid> = (0..3).filter_map(|_| dice.pick(&uids).copied()).collect();
            match dice.roll(6) {
                0 => {
                    let text = format!("{number} {step}\n");
                    self.made.lock().unwrap().insert(text.clone());
                    session.add(vec![arrival_in(&text, &self.home.path().join("tmp"))]).unwrap();
                }
                1 | 2 => {
                    let marks = Marks { flags: Flags(dice.roll(32) as u8), keywords: vec![] };
                    session.store(&some, Change::Replace, &marks, None).unwrap();
                }
                3 if dice.roll(3) == 0 => {
                    let texts: Vec<String> = some.iter().filter_map(|uid| read(&mut session, *uid)).collect();
                    self.gone.lock().unwrap().extend(texts);
                    session.expunge(&some).unwrap();
                }
                4 => session = self.home.open(),
                _ => drop(session.refresh().unwrap()),
            }
            for uid in some {
                let Some(text) = read(&mut session, uid) else { continue };
                self.named.lock().unwrap().check(session.uid_validity, uid, &text);
            }
        }
    }

    fn foreign_program(&self) {
        let mut dice = Dice(99);
        for step in 0..300 {
            let (text, path) = (format!("foreign {step}\n"), self.home.path());
            if dice.roll(3) == 0 {
                self.made.lock().unwrap().insert(text.clone());
                let name = maildir::unique();
                self.home.put(&format!("tmp/{name}"), &text);
                std::fs::rename(path.join("tmp").join(&name), path.join("new").join(&name)).unwrap();
            }
            let files: Vec<PathBuf> =
                std::fs::read_dir(path.join("cur")).unwrap().map(|entry| entry.unwrap().path()).collect();
            if let Some(file) = dice.pick(&files) {
                let name = file.file_name().unwrap().as_bytes().to_vec();
                let new = Name::read(&name).with([&b"S"[..], b"FS", b""][dice.roll(3)]);
                let _ = std::fs::rename(file, file.with_file_name(OsStr::from_bytes(&new)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn sessions_at_the_same_time_never_mistake_a_message_or_lose_one() {
    // I25: 4 sessions and a foreign program.
    let (home, none) = (Home::new(), || Mutex::new(BTreeSet::new()));
    let scene = Scene { home, named: Mutex::default(), made: none(), gone: none() };
    std::thread::scope(|scope| {
        (0..4).for_each(|number| {
            drop(scope.spawn({
                let scene = &scene;
                move || scene.session(number)
            }))
        });
        scope.spawn(|| scene.foreign_program());
    });
    let mut session = scene.home.open();
    session.refresh().unwrap();
    let mut left = BTreeSet::new();
    for message in session.messages().to_vec() {
        let text = read(&mut session, message.uid).unwrap();
        scene.named.lock().unwrap().check(session.uid_validity, message.uid, &text);
        assert!(left.insert(text));
    }
    let (made, gone) = (scene.made.into_inner().unwrap(), scene.gone.into_inner().unwrap());
    assert!(made.difference(&gone).all(|text| left.contains(text)), "a message was lost");
    assert!(left.is_subset(&made) && scene.home.files("cur").len() == left.len());
}
