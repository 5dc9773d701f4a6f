//! APPEND, COPY, MOVE, STORE, EXPUNGE, mailboxes made and renamed, and the power failing at any step: what was answered
//! with OK is there under its UID, what was removed is gone, and no UID that a client has heard names another message.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use imap::{Folder, Letter, Marks, Needle, Store};
use mailbox::{Account, Settings};
use tests::imap::{Answer, Imap, Items, numbers};
use tests::{DOMAIN, House, PASSWORD};

use super::cut::{State, states};
use super::disk::{Act, Disk};
use super::trace::{Recorder, can_record};
use super::{effort, seed, wake};

const MAILBOXES: [&str; 4] = ["INBOX", "Archive", "Plans", "Done"];

/// Where a message is, and as which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    mailbox: &'static str,
    uid: u32,
    mark: String,
}

/// What a command has changed when it is answered.
#[derive(Default)]
struct Deed {
    tag: String,
    came: Vec<Spot>,
    went: Vec<Spot>,
    /// What went is kept for some days (control/undelete).
    kept: bool,
}

/// One session, and what has come of it.
struct Talk {
    imap: Imap,
    tag: usize,
    deeds: Vec<Deed>,
    /// Messages that are there by now.
    now: BTreeSet<Spot>,
}

fn mark(number: usize) -> String {
    format!("X-Crash: {number};")
}

/// With CR LF.
fn text(mark: &str) -> String {
    format!("Subject: crash\r\n{mark}\r\n\r\n{}The end.\r\n", "All that is here was promised.\r\n".repeat(40))
}

impl Talk {
    fn done(&mut self, came: Vec<Spot>, went: Vec<Spot>) {
        came.iter().for_each(|spot| _ = self.now.insert(spot.clone()));
        went.iter().for_each(|spot| _ = self.now.remove(spot));
        self.deeds.push(Deed { tag: format!("a{}", self.tag), came, went, kept: false });
    }

    fn say(&mut self, line: &str) -> Answer {
        self.tag += 1;
        self.imap.good(line)
    }

    fn append(&mut self, mailbox: &'static str, number: usize) {
        self.tag += 1;
        let answer = self.imap.try_append(mailbox, " (\\Seen)", text(&mark(number)).as_bytes()).unwrap();
        let uid = last_number(&answer, "APPENDUID");
        self.done(vec![Spot { mailbox, uid: uid[0], mark: mark(number) }], Vec::new());
    }

    /// COPY or MOVE of the messages with these UIDs.
    fn carry(&mut self, verb: &str, uids: &[u32], from: &'static str, mailbox: &'static str) {
        let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let answer = self.say(&format!("UID {verb} {set} {mailbox}"));
        let new = last_number(&answer, "COPYUID");
        let old: Vec<Spot> = self
            .now
            .iter()
            .filter(|spot| spot.mailbox == from && uids.contains(&spot.uid))
            .cloned()
            .collect();
        assert_eq!(old.len(), new.len());
        let came =
            old.iter().zip(new).map(|(old, uid)| Spot { mailbox, uid, mark: old.mark.clone() }).collect();
        self.done(came, if verb == "MOVE" { old } else { Vec::new() });
    }

    fn expunge(&mut self, uids: &[u32], mailbox: &'static str) {
        let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        self.say(&format!("UID STORE {set} +FLAGS (\\Deleted $Junk)"));
        self.done(Vec::new(), Vec::new());
        self.say(&format!("UID EXPUNGE {set}"));
        let went =
            self.now.iter().filter(|spot| spot.mailbox == mailbox && uids.contains(&spot.uid)).cloned();
        let went = went.collect();
        self.done(Vec::new(), went);
        self.deeds.last_mut().unwrap().kept = true;
    }

    fn rename(&mut self, from: &'static str, mailbox: &'static str) {
        self.say(&format!("RENAME {from} {mailbox}"));
        let went: Vec<Spot> = self.now.iter().filter(|spot| spot.mailbox == from).cloned().collect();
        let came = went.iter().map(|spot| Spot { mailbox, ..spot.clone() }).collect();
        self.done(came, went);
    }
}

fn spot(mailbox: &'static str, items: &Items) -> Spot {
    let header = items.iter().find(|(name, _)| name.starts_with("BODY")).unwrap().1.word();
    Spot { mailbox, uid: items["UID"].number().unwrap() as u32, mark: header.trim().to_owned() }
}

/// The UIDs that a response code ends with.
fn last_number(answer: &Answer, code: &str) -> Vec<u32> {
    let told = answer.code(code).unwrap_or_else(|| panic!("no {code}: {}", answer.tagged));
    numbers(told.rsplit(' ').next().unwrap())
}

/// A house that runs in another boot than this one, as far as the programs can tell.
fn house_of_another_boot() -> House {
    let mut house = House::empty();
    house.write("control/undelete", "7\n");
    house.write("etc/boot", "11111111-2222-3333-4444-555555555555\n");
    let boot = house.path("etc/boot").display().to_string();
    let there = "/proc/sys/kernel/random/boot_id";
    house
        .services()
        .before_each(&format!("exec unshare -m sh -c 'mount --bind {boot} {there} && exec \"$0\"' \"$0\""));
    house.run();
    house.well(&["domain", "add", DOMAIN, &format!("postmaster=alice@{DOMAIN}")]);
    house.user("alice", &[]);
    house
}

/// What is recorded, and what was told meanwhile.
struct Story {
    disk: Disk,
    deeds: Vec<Deed>,
    /// After how many acts each deed was acknowledged.
    ends: Vec<usize>,
    uid_validity: BTreeMap<&'static str, u32>,
}

fn story() -> Option<(House, Story)> {
    let mounts = std::process::Command::new("unshare").args(["-m", "true"]).status();
    if !can_record() || !mounts.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: needs root and the right to mount");
        return None;
    }
    let mut house = house_of_another_boot();
    // Everybody's first mailboxes are made.
    Imap::login(house.imap(), &format!("alice@{DOMAIN}"), PASSWORD).log_out();
    let mut disk = Disk::of(&house.path(""));
    let trace = tempfile::NamedTempFile::new().unwrap();
    let pids: Vec<i32> = house.processes().into_iter().map(|(pid, _)| pid).collect();
    let recorder = Recorder::attach(&pids, trace.path());
    for number in 0..2 {
        house.send(
            &format!("bob@{DOMAIN}"),
            &format!("alice@{DOMAIN}"),
            &text(&mark(number)).replace('\r', ""),
        );
        house.await_mail("alice", number + 1);
    }
    let imap = Imap::login(house.imap(), &format!("alice@{DOMAIN}"), PASSWORD);
    let mut talk = Talk { imap, tag: 1, deeds: Vec::new(), now: BTreeSet::new() };
    let uid_validity = converse(&mut talk);
    talk.imap.log_out();
    house.await_empty_queue();
    house.services().kill_all();
    disk.replay(recorder.end());
    disk.check();
    let files = State::last(&disk).files(&disk, &format!("mail/{DOMAIN}/alice/Maildir"));
    assert!(
        files.iter().any(|(name, _)| name.contains("fulmar-words")),
        "no index of words was made: {files:?}"
    );
    let ends = talk.deeds.iter().map(|deed| end_of(&disk, &deed.tag)).collect();
    Some((house, Story { disk, deeds: talk.deeds, ends, uid_validity }))
}

fn end_of(disk: &Disk, tag: &str) -> usize {
    let ok = format!("{tag} OK");
    let said = |act: &Act| matches!(act, Act::Said(said) if String::from_utf8_lossy(said).contains(&ok));
    1 + disk.acts.iter().position(said).unwrap_or_else(|| panic!("{tag} was not seen to be answered"))
}

/// Says all there is to be said; gives the mailboxes' UIDVALIDITY.
fn converse(talk: &mut Talk) -> BTreeMap<&'static str, u32> {
    let mut validity = BTreeMap::new();
    let selected = talk.say("SELECT INBOX");
    validity.insert("INBOX", selected.number("UIDVALIDITY").unwrap() as u32);
    let fetched = talk.say("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Crash)])").fetches();
    let came = fetched.iter().map(|(_, items)| spot("INBOX", items)).collect();
    talk.done(came, Vec::new());
    (2..5).for_each(|number| talk.append("INBOX", number));
    let uid = |talk: &Talk, mailbox: &str, number: usize| {
        talk.now.iter().find(|spot| spot.mailbox == mailbox && spot.mark == mark(number)).unwrap().uid
    };
    let (one, two, three) = (uid(talk, "INBOX", 0), uid(talk, "INBOX", 2), uid(talk, "INBOX", 3));
    talk.carry("COPY", &[one, two], "INBOX", "Archive");
    talk.carry("MOVE", &[one, three], "INBOX", "Archive");
    talk.expunge(&[two], "INBOX");
    // The index of words is made.
    talk.say("SEARCH BODY promised");
    talk.done(Vec::new(), Vec::new());
    talk.say("CREATE Plans");
    talk.done(Vec::new(), Vec::new());
    talk.append("Plans", 5);
    talk.append("Plans", 6);
    talk.rename("Plans", "Done");
    talk.append("Done", 7);
    talk.append("INBOX", 8);
    let last = uid(talk, "INBOX", 8);
    talk.carry("MOVE", &[last], "INBOX", "Done");
    talk.append("INBOX", 9);
    for mailbox in ["Archive", "Done"] {
        let status = talk.say(&format!("STATUS {mailbox} (UIDVALIDITY)"));
        let line = status.after("STATUS").unwrap();
        let number: String = line.chars().rev().skip(1).take_while(char::is_ascii_digit).collect();
        validity.insert(mailbox, number.chars().rev().collect::<String>().parse().unwrap());
    }
    validity
}

/// What a client sees in the mailboxes: everything that is there, whole.
fn look(
    account: &mut Account,
    mailboxes: &[&'static str],
) -> Result<BTreeMap<&'static str, (u32, Vec<Spot>)>, String> {
    let mut all = BTreeMap::new();
    for mailbox in mailboxes {
        let mut folder = match account.open(mailbox, false) {
            Ok(folder) => folder,
            Err(imap::Trouble::NoMailbox) => continue,
            Err(trouble) => return Err(format!("{mailbox} can't be opened: {trouble:?}")),
        };
        let mut spots = Vec::new();
        for message in folder.messages().to_vec() {
            let mut octets = String::new();
            let opened = folder
                .open(message.uid)
                .map_err(|trouble| format!("{mailbox} {}: {trouble:?}", message.uid))?;
            { opened }.read_to_string(&mut octets).map_err(|error| error.to_string())?;
            let mark =
                octets.lines().find(|line| line.starts_with("X-Crash: ")).unwrap_or_default().to_owned();
            if !octets.ends_with(&text(&mark).replace('\r', "")) {
                return Err(format!("{mailbox} {} is not whole: {octets}", message.uid));
            }
            spots.push(Spot { mailbox, uid: message.uid, mark });
        }
        // Whatever became of the index of words, it hides nothing.
        let narrowed = folder.narrow(Needle::Body("promised"));
        if let Some(spot) =
            spots.iter().find(|spot| narrowed.as_ref().is_some_and(|uids| !uids.contains(&spot.uid)))
        {
            return Err(format!("a search does not find {spot:?}"));
        }
        all.insert(*mailbox, (folder.status().uid_validity, spots));
    }
    Ok(all)
}

/// The index knows its own number on the disk, which is another one in a copy.
fn renumber(maildir: &Path) {
    const HEAD: usize = 60;
    for folder in tests::files(maildir).into_iter().chain([maildir.to_owned()]) {
        let path = folder.join("fulmar-index");
        let Ok(file) = fs::File::options().read(true).write(true).open(&path) else { continue };
        let mut head = [0; HEAD];
        let sum = |head: &[u8; HEAD]| crc32fast::hash(&head[..HEAD - 4]).to_le_bytes();
        if file.read_exact_at(&mut head, 0).is_ok()
            && head.starts_with(b"fulmarIX")
            && head[HEAD - 4..] == sum(&head)
        {
            head[32..40].copy_from_slice(&file.metadata().unwrap().ino().to_le_bytes());
            let sum = sum(&head);
            head[HEAD - 4..].copy_from_slice(&sum);
            file.write_all_at(&head, 0).unwrap();
        }
    }
}

impl Story {
    fn wrong(&self, state: &State) -> Option<String> {
        let home = tempfile::tempdir_in("/dev/shm").unwrap();
        state.write(&self.disk, &format!("mail/{DOMAIN}/alice/Maildir"), home.path());
        renumber(home.path());
        let settings = Settings { user: format!("alice@{DOMAIN}"), ..Settings::default() };
        let mut account = match Account::open(home.path(), settings) {
            Ok(account) => account,
            Err(trouble) => return Some(format!("the account can't be opened: {trouble:?}")),
        };
        let there = match look(&mut account, &MAILBOXES) {
            Ok(there) => there,
            Err(how) => return Some(how),
        };
        let done = self.ends.iter().filter(|end| **end <= state.after).count();
        self.missing(&there, done)
            .or_else(|| self.unkept(state, done))
            .or_else(|| self.mistaken(&there, done))
            .or_else(|| self.reused(&mut account, done))
    }

    /// The whole house comes up, in this boot, and a client finds what was promised.
    fn really(&self, house: &mut House, state: &State) {
        wake(house, &self.disk, state);
        renumber(&house.path("mail").join(DOMAIN).join("alice/Maildir"));
        house.services().before_each(":");
        house.run();
        let mut imap = Imap::login(house.imap(), &format!("alice@{DOMAIN}"), PASSWORD);
        let done = self.ends.iter().filter(|end| **end <= state.after).count();
        let mut there = BTreeMap::new();
        for mailbox in MAILBOXES {
            let selected = imap.command(&format!("SELECT {mailbox}"));
            if selected.is_ok() {
                let fetched = imap.good("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Crash)])").fetches();
                let validity = selected.number("UIDVALIDITY").unwrap() as u32;
                there.insert(
                    mailbox,
                    (validity, fetched.iter().map(|(_, items)| spot(mailbox, items)).collect()),
                );
            }
        }
        imap.log_out();
        let how = self.missing(&there, done).or_else(|| self.mistaken(&there, done));
        assert!(how.is_none(), "after {} ({}): {how:?}", state.after, state.how);
    }

    /// What has to be there and is not, or is and must not be. Its UID may be another one: see `mistaken`.
    fn missing(&self, there: &BTreeMap<&'static str, (u32, Vec<Spot>)>, done: usize) -> Option<String> {
        let mut must = BTreeSet::new();
        for deed in &self.deeds[..done] {
            deed.came.iter().for_each(|spot| _ = must.insert(spot));
            deed.went.iter().for_each(|spot| _ = must.remove(spot));
        }
        let none = Deed::default();
        let begun = self.deeds.get(done).unwrap_or(&none);
        let is_at = |mailbox: &str, mark: &str| {
            there.get(mailbox).is_some_and(|(_, spots)| spots.iter().any(|one| one.mark == mark))
        };
        for spot in &must {
            // One that is on its way to another mailbox is in one of the two.
            let mut new = begun.came.iter().filter(|new| begun.went.contains(spot) && new.mark == spot.mark);
            let moved = new.next().map_or(begun.went.contains(spot), |new| is_at(new.mailbox, &new.mark));
            if !is_at(spot.mailbox, &spot.mark) && !moved {
                return Some(format!("{spot:?} is lost; there are {there:?}"));
            }
        }
        for (mailbox, (_, spots)) in there {
            let may = must.iter().copied().chain(&begun.came).filter(|spot| spot.mailbox == *mailbox);
            let may: BTreeSet<&str> = may.map(|spot| spot.mark.as_str()).collect();
            if let Some(spot) = spots.iter().find(|spot| !may.contains(spot.mark.as_str())) {
                return Some(format!("{spot:?} has come back"));
            }
        }
        None
    }

    /// What was removed and can't be had back.
    fn unkept(&self, state: &State, done: usize) -> Option<String> {
        let files = state.files(&self.disk, &format!("mail/{DOMAIN}/alice/Maildir/fulmar-deleted"));
        let texts: Vec<&[u8]> = files.iter().map(|(_, id)| state.text(&self.disk, *id)).collect();
        let is_kept = |spot: &&Spot| texts.contains(&text(&spot.mark).replace('\r', "").as_bytes());
        let removed = self.deeds[..done].iter().filter(|deed| deed.kept).flat_map(|deed| &deed.went);
        removed
            .into_iter()
            .find(|spot| !is_kept(spot))
            .map(|spot| format!("{spot:?} was removed and is not kept"))
    }

    /// UIDs that were told for another message, and numbers that were told for the mailbox.
    fn mistaken(&self, there: &BTreeMap<&'static str, (u32, Vec<Spot>)>, done: usize) -> Option<String> {
        let told: BTreeSet<&Spot> = self.deeds[..done].iter().flat_map(|deed| &deed.came).collect();
        for (mailbox, (validity, spots)) in there {
            let mine: Vec<&&Spot> = told.iter().filter(|spot| spot.mailbox == *mailbox).collect();
            if !mine.is_empty() && self.uid_validity.get(mailbox).is_some_and(|told| told != validity) {
                return Some(format!("{mailbox} has another UIDVALIDITY"));
            }
            let other = |spot: &&Spot| mine.iter().any(|told| told.uid == spot.uid && told.mark != spot.mark);
            if let Some(spot) = spots.iter().find(other) {
                return Some(format!("{spot:?} has the UID of another message"));
            }
        }
        None
    }

    /// A message that comes now gets a UID that nobody has heard of.
    fn reused(&self, account: &mut Account, done: usize) -> Option<String> {
        for mailbox in ["INBOX", "Archive"] {
            let mut draft = account.draft().unwrap();
            std::io::Write::write_all(&mut draft, text("X-Crash: new").as_bytes()).unwrap();
            let letter = Letter { draft, marks: Marks::default(), date: None };
            let arrived = match account.append(mailbox, vec![letter]) {
                Ok(arrived) => arrived,
                Err(trouble) => return Some(format!("{mailbox} takes no mail: {trouble:?}")),
            };
            let uid = arrived.uids[0].1;
            let told = self.deeds[..done].iter().flat_map(|deed| &deed.came);
            if let Some(spot) = told.filter(|spot| spot.mailbox == mailbox).find(|spot| spot.uid == uid) {
                return Some(format!("a new message got the UID of {spot:?}"));
            }
        }
        None
    }
}

#[test]
fn no_message_is_lost_and_no_uid_mistaken_whenever_the_power_fails() {
    // I27
    let Some((mut house, story)) = story() else { return };
    let mut started = 0;
    let (every, mut number, mut read, mut found) = (effort(30, 1), 0, 0, Vec::new());
    let count = states(&story.disk, seed(), |state| {
        number += 1;
        if number % every != 0 {
            return;
        }
        read += 1;
        let how = story.wrong(&state);
        if read % effort(40, 20) == 0 {
            story.really(&mut house, &state);
            started += 1;
        }
        let acts = story.disk.acts.len();
        found.extend(how.map(|how| format!("after {} of {acts} ({}): {how}", state.after, state.how)));
    });
    assert!(
        found.is_empty(),
        "{} of {read} states; the first: {:#?}",
        found.len(),
        &found[..found.len().min(5)]
    );
    println!("{} changes, {count} states, {read} read, {started} started", story.disk.acts.len());
}
