use super::*;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use imap::Flags;

use crate::add::{Arrival, Source};
use crate::draft::Draft;
use crate::record::Record;
use crate::uidlist::List;

pub(crate) struct Home(pub(crate) tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        let home = tempfile::tempdir().unwrap();
        maildir::Maildir::create(&home.path().join("Maildir")).unwrap();
        Home(home)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("Maildir")
    }

    pub(crate) fn place(&self) -> Place {
        let maildir = self.path();
        Place { index: maildir.clone(), temporary: maildir.join("tmp"), maildir }
    }

    pub(crate) fn open(&self) -> Mailbox {
        let mut mailbox = self.open_asleep();
        assert!(mailbox.wake(true).unwrap());
        mailbox
    }

    pub(crate) fn open_asleep(&self) -> Mailbox {
        Mailbox::open(self.place(), Options { may_sleep: true, ..Options::default() }).unwrap()
    }

    /// As another program delivers.
    pub(crate) fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn files(&self, folder: &str) -> BTreeSet<String> {
        let names = std::fs::read_dir(self.path().join(folder)).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

pub(crate) fn arrival(text: &str) -> Arrival {
    arrival_in(text, Path::new("/tmp"))
}

pub(crate) fn arrival_in(text: &str, folder: &Path) -> Arrival {
    let mut draft = Draft::begin(folder).unwrap();
    draft.write_all(text.as_bytes()).unwrap();
    let (marks, source) = (Marks::default(), Source::Draft(draft));
    Arrival { source, marks, date: None, saved: 5, record: None, email_id: None }
}

pub(crate) fn add(home: &Home, mailbox: &mut Mailbox, texts: &[&str]) -> Vec<Uid> {
    let tmp = home.path().join("tmp");
    mailbox.add(texts.iter().map(|text| arrival_in(text, &tmp)).collect()).unwrap()
}

pub(crate) fn uids(mailbox: &Mailbox) -> Vec<Uid> {
    mailbox.messages().iter().map(|message| message.uid).collect()
}

fn text(mailbox: &mut Mailbox, uid: Uid) -> String {
    let mut text = String::new();
    mailbox.open(uid).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn flags(mailbox: &Mailbox, uid: Uid) -> Flags {
    mailbox.messages()[mailbox.state.position(uid).unwrap()].flags
}

pub(crate) fn seen() -> Marks {
    Marks { flags: Flags::SEEN, keywords: Vec::new() }
}

/// Lets the folders' last changes become so old that no later one can have the same time.
pub(crate) fn age() {
    std::thread::sleep(Duration::from_millis(40));
}

#[test]
fn new_mail_gets_uids_in_its_order_and_is_recent_to_one_session() {
    let home = Home::new();
    home.put("new/20.b", "two\n");
    home.put("new/9.a", "one\n");
    let mut first = home.open();
    assert_eq!((uids(&first), first.recent_from()), (vec![1, 2], 1));
    assert_eq!((text(&mut first, 1), text(&mut first, 2)), ("one\n".into(), "two\n".into()));
    assert!(home.files("new").is_empty());
    assert_eq!(home.files("cur"), ["20.b:2,", "9.a:2,"].map(String::from).into());
    let second = home.open();
    assert_eq!((uids(&second), second.recent_from(), second.status().recent), (vec![1, 2], 3, 0));
    assert_eq!(first.status().recent, 2);
    assert_eq!(second.status().id, first.status().id);
}

#[test]
fn what_one_session_does_the_other_sees_after_it_has_asked() {
    // I25
    let home = Home::new();
    let (mut one, mut two) = (home.open(), home.open());
    assert_eq!(add(&home, &mut one, &["a\r\n", "b\r\nb", "c"]), [1, 2, 3]);
    assert!(two.messages().is_empty() && two.refresh().unwrap() && !two.refresh().unwrap());
    assert_eq!((uids(&two), two.size(1).unwrap(), two.size(2).unwrap()), (vec![1, 2, 3], Some(3), None));
    let before = two.status().highest_modseq;
    let marks = Marks { flags: Flags::SEEN, keywords: vec!["$Junk".into()] };
    assert!(one.store(&[2, 9], Change::Add, &marks, None).unwrap().is_empty());
    assert!(two.refresh().unwrap());
    assert_eq!(
        (flags(&two, 2), two.messages()[1].keywords, two.keywords()),
        (Flags::SEEN, 1, &["$Junk".to_owned()][..])
    );
    assert!(two.messages()[1].modseq > before && two.messages()[0].modseq <= before);
    assert_eq!(two.store(&[1, 2], Change::Replace, &seen(), Some(before)).unwrap(), [2]);
    let before = two.status().highest_modseq;
    one.expunge(&[2]).unwrap();
    assert_eq!((uids(&two), two.open(2).unwrap_err()), (vec![1, 2, 3], Trouble::Gone));
    assert!(two.refresh().unwrap());
    assert_eq!((uids(&two), two.vanished_since(before)), (vec![1, 3], Some(vec![(2, 2)])));
    assert_eq!(two.vanished_since(two.status().highest_modseq), Some(vec![]));
    assert_eq!(two.vanished_since(1), None);
    assert_eq!(add(&home, &mut two, &["d"]), [4]);
    assert!(home.files("tmp").is_empty());
}

#[test]
fn what_other_programs_do_is_seen_with_and_without_a_watch() {
    // I26
    for watched in [true, false] {
        let home = Home::new();
        let mut mailbox = home.open();
        if !watched {
            mailbox.watch = None;
        }
        home.put("cur/1.a:2,", "a");
        home.put("cur/2.b", "b");
        home.put("new/3.c", "c");
        home.put("cur/4.d:2,SPz", "d");
        assert!(mailbox.refresh().unwrap());
        assert_eq!((uids(&mailbox), flags(&mailbox, 4)), (vec![1, 2, 3, 4], Flags::SEEN));
        let cur = home.path().join("cur");
        std::fs::rename(cur.join("1.a:2,"), cur.join("1.a:2,FS")).unwrap();
        std::fs::remove_file(cur.join("2.b")).unwrap();
        assert_eq!(text(&mut mailbox, 1), "a");
        assert_eq!(mailbox.open(2).unwrap_err(), Trouble::Gone);
        let before = mailbox.status().highest_modseq;
        assert!(mailbox.refresh().unwrap(), "{watched}");
        assert_eq!((uids(&mailbox), flags(&mailbox, 1)), (vec![1, 3, 4], Flags::SEEN | Flags::FLAGGED));
        assert_eq!(mailbox.vanished_since(before), Some(vec![(2, 2)]));
        // The same base a second time: another message.
        home.put("cur/1.a:2,T", "twin");
        home.put("new/4.d", "twin of d");
        assert!(mailbox.refresh().unwrap());
        assert_eq!(
            (uids(&mailbox).len(), text(&mut mailbox, 1), home.files("cur").len()),
            (5, "a".into(), 5)
        );
        let twins: BTreeSet<String> = [5, 6].map(|uid| text(&mut mailbox, uid)).into();
        assert_eq!(twins, ["twin", "twin of d"].map(String::from).into());
        assert!(
            mailbox.store(&[4], Change::Add, &Marks { flags: Flags::DRAFT, keywords: vec![] }, None).is_ok()
        );
        assert!(home.files("cur").contains("4.d:2,DPSz"));
        assert_eq!(mailbox.refresh(), Ok(false));
    }
}

#[test]
fn only_files_are_messages() {
    let home = Home::new();
    let mut mailbox = home.open();
    for folder in ["cur", "new"] {
        let folder = home.path().join(folder);
        sys::durable::make_fifo(&folder.join("1.fifo"), 0o600).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("2.link")).unwrap();
        std::fs::create_dir(folder.join("3.folder")).unwrap();
        std::fs::write(folder.join(".hidden"), "").unwrap();
    }
    assert!(!mailbox.refresh().unwrap());
    mailbox.watch = None;
    assert!(!mailbox.refresh().unwrap() && home.open().messages().is_empty());
}

#[test]
fn odd_names_are_given_proper_ones() {
    let home = Home::new();
    let long = format!("cur/{}", "x".repeat(250));
    for name in ["cur/a\nb:2,S", "new/c\nd", &long, "cur/:2,F", "new/5.e:1,strange"] {
        home.put(name, name);
    }
    let mut mailbox = home.open();
    assert_eq!(mailbox.messages().len(), 5);
    let all = uids(&mailbox);
    mailbox.store(&all, Change::Replace, &seen(), None).unwrap();
    assert_eq!(home.files("cur").iter().filter(|name| name.ends_with(":2,S")).count(), 5);
    drop(mailbox);
    for file in [index::NAME, "fulmar-cache"] {
        std::fs::remove_file(home.path().join(file)).unwrap();
    }
    assert_eq!(uids(&home.open()), all);
}

#[test]
fn status_of_an_unchanged_mailbox_is_read_from_the_end_of_the_index() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a\n", "bb\n"]);
    mailbox.store(&[1], Change::Add, &seen(), None).unwrap();
    age();
    mailbox.refresh().unwrap();
    drop(mailbox);
    let (_, facts) = index::last_facts(&Folders::open(&home.place()).unwrap().index).unwrap();
    assert_eq!((facts.cur, facts.new), Folders::open(&home.place()).unwrap().stamps().unwrap());
    let status = Mailbox::peek(home.place(), true).unwrap();
    assert_eq!((status.messages, status.unseen, status.uid_next, status.size), (2, 1, 3, 7));
    assert_eq!(Mailbox::peek(home.place(), false).unwrap(), Status { size: 0, ..status });
    home.put("new/1.x", "x");
    let status = Mailbox::peek(home.place(), false).unwrap();
    assert_eq!((status.messages, status.unseen, status.recent, status.uid_next), (3, 2, 1, 4));
    let no_mailbox = Place { maildir: home.path().join("none"), ..home.place() };
    assert_eq!(Mailbox::peek(no_mailbox, false).unwrap_err(), Trouble::NoMailbox);
}

#[test]
fn copies_are_links_and_keep_their_email_id_also_when_the_index_is_lost() {
    let (home, other) = (Home::new(), Home::new());
    let (mut from, mut to) = (home.open(), other.open());
    add(&home, &mut from, &["a\n", "b\n"]);
    let copies = [2, 1].map(|uid| Arrival {
        source: Source::Of(from.original(uid).unwrap()),
        marks: seen(),
        ..arrival("")
    });
    // Renamed while it is being copied.
    from.store(&[1], Change::Add, &seen(), None).unwrap();
    assert_eq!(to.add(copies.into()).unwrap(), [1, 2]);
    let ids = |mailbox: &mut Mailbox| [1, 2].map(|uid| mailbox.email_id(uid).unwrap());
    let [one, two] = ids(&mut from);
    assert_eq!((text(&mut to, 1), ids(&mut to)), ("b\n".into(), [two.clone(), one.clone()]));
    assert_eq!((from.date(2).unwrap(), from.octets(2).unwrap()), (to.date(1).unwrap(), 2));
    drop(to);
    std::fs::write(other.path().join(index::NAME), "").unwrap();
    let mut to = other.open();
    assert_eq!((ids(&mut to), flags(&to, 1)), ([two, one], Flags::SEEN));
}

#[test]
fn an_addition_that_fails_leaves_nothing() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a"]);
    let gone = mailbox.original(1).unwrap();
    mailbox.expunge(&[1]).unwrap();
    let tmp = home.path().join("tmp");
    let copy = Arrival { source: Source::Of(gone), ..arrival_in("", &tmp) };
    assert_eq!(mailbox.add(vec![arrival_in("b", &tmp), copy]).unwrap_err(), Trouble::Gone);
    assert!(home.files("cur").is_empty() && home.files("tmp").is_empty());
    assert!(!mailbox.refresh().unwrap() && mailbox.messages().is_empty());
    assert_eq!(add(&home, &mut mailbox, &["c"]), [2]);
}

#[test]
fn uids_outlive_the_index_and_are_never_given_again() {
    // I27
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b", "c"]);
    mailbox.expunge(&[3]).unwrap();
    let status = mailbox.status();
    drop(mailbox);
    for damage in [&b""[..], b"garbage", b"fulmarIX\xff\xff\xff\xff", &[0; 200]] {
        std::fs::write(home.path().join(index::NAME), damage).unwrap();
        let mut mailbox = home.open();
        assert_eq!((uids(&mailbox), text(&mut mailbox, 2)), (vec![1, 2], "b".into()));
        let now = mailbox.status();
        assert_eq!((now.uid_validity, now.id), (status.uid_validity, status.id.clone()));
        assert!(now.uid_next > 3 && now.highest_modseq > status.highest_modseq);
        assert_eq!(mailbox.vanished_since(status.highest_modseq), None);
        let new = add(&home, &mut mailbox, &["d"]);
        assert!(new[0] > 3);
        mailbox.expunge(&new).unwrap();
    }
}

#[test]
fn a_lost_list_is_written_again_from_the_index_and_without_either_all_is_new() {
    // I27
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b"]);
    let validity = mailbox.status().uid_validity;
    for damage in [None, Some(&b""[..]), Some(b"3 V1 N5 G0\n"), Some(b"garbage\n\n")] {
        match damage {
            None => std::fs::remove_file(home.path().join("fulmar-uidlist")).unwrap(),
            Some(text) => std::fs::write(home.path().join("fulmar-uidlist"), text).unwrap(),
        }
        let next = mailbox.status().uid_next;
        assert_eq!(add(&home, &mut mailbox, &["c"]), [next]);
        let list = List::read(&std::fs::read(home.path().join("fulmar-uidlist")).unwrap()).unwrap();
        assert_eq!((list.uid_validity, list.lines.len()), (validity, mailbox.messages().len()));
    }
    std::fs::write(home.path().join("fulmar-uidlist"), format!("3 V{validity} N7\n")).unwrap();
    std::fs::write(home.path().join(index::NAME), "x").unwrap();
    let other = home.open();
    assert!(other.status().uid_validity > validity && other.messages().len() == 6);
    assert_eq!(mailbox.refresh().unwrap_err(), Trouble::MailboxGone);
}

#[test]
fn after_a_power_cut_uids_go_on_above_what_was_promised() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b", "c"]);
    // Another boot wrote the index, and the last lines of the list were lost.
    mailbox.state.facts.boot = 1;
    let held = mailbox.lock().unwrap();
    mailbox.commit(&held, &[], None).unwrap();
    drop(held);
    std::mem::forget(mailbox);
    let list = std::fs::read(home.path().join("fulmar-uidlist")).unwrap();
    std::fs::write(home.path().join("fulmar-uidlist"), &list[..list.len() - 20]).unwrap();
    let status = Mailbox::peek(home.place(), false).unwrap();
    assert!(status.uid_next > 10_000);
    let mut mailbox = home.open();
    assert_eq!((uids(&mailbox), add(&home, &mut mailbox, &["d"])), (vec![1, 2, 3], vec![status.uid_next]));
}

#[test]
fn who_resynchronizes_after_a_power_cut_keeps_nothing_that_is_gone() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b"]);
    mailbox.state.facts.boot = 1;
    let held = mailbox.lock().unwrap();
    mailbox.commit(&held, &[], None).unwrap();
    drop(held);
    let index = home.path().join(index::NAME);
    let written = std::fs::metadata(&index).unwrap().len();
    // What one client has been told of, and another has removed, has not reached the disk.
    add(&home, &mut mailbox, &["c"]);
    let told = mailbox.status().highest_modseq;
    mailbox.expunge(&[3]).unwrap();
    std::mem::forget(mailbox);
    File::options().write(true).open(&index).unwrap().set_len(written).unwrap();
    let mailbox = home.open();
    assert!(mailbox.status().highest_modseq > told);
    assert_eq!((uids(&mailbox), mailbox.vanished_since(told)), (vec![1, 2], None));
    drop(mailbox);
    // Once only: what this boot has written is not in doubt.
    let mailbox = home.open();
    let told = mailbox.status().highest_modseq;
    assert_eq!(mailbox.vanished_since(told), Some(vec![]));
    assert_eq!(home.open().status().highest_modseq, told);
}

#[test]
fn a_writer_that_was_killed_half_way_leaves_no_harm() {
    let home = Home::new();
    let (mut one, mut two) = (home.open(), home.open());
    add(&home, &mut one, &["a", "b"]);
    let file = home.path().join(index::NAME);
    let before = std::fs::metadata(&file).unwrap().len();
    add(&home, &mut one, &["c"]);
    std::mem::forget(one);
    // Of its last record, only some was written.
    std::fs::File::options().write(true).open(&file).unwrap().set_len(before + 20).unwrap();
    two.refresh().unwrap();
    assert_eq!(two.messages().len(), 3);
    assert_eq!((text(&mut two, 1), uids(&two)[..2].to_vec()), ("a".into(), vec![1, 2]));
    assert!(uids(&two)[2] >= 3);
    let next = add(&home, &mut two, &["d"]);
    assert!(next[0] > uids(&two)[2]);
    let mut three = home.open();
    assert_eq!(uids(&three), uids(&two));
    assert!(!three.refresh().unwrap() && !two.refresh().unwrap());
}

#[test]
fn of_a_message_that_cannot_be_read_the_file_is_named() {
    let home = Home::new();
    home.put("cur/1.a:2,", "a");
    let mut mailbox = home.open();
    std::fs::remove_file(home.path().join("cur/1.a:2,")).unwrap();
    std::os::unix::fs::symlink("/nowhere", home.path().join("cur/1.a:2,")).unwrap();
    let Err(Trouble::Unavailable(why)) = mailbox.open(1) else { panic!("it was read") };
    assert!(why.contains("cur/1.a:2,: can't read"), "{why}");
}

#[test]
fn a_message_that_cannot_be_read_keeps_no_other_from_being_found() {
    for count in [3, 40] {
        let home = Home::new();
        (0..count).for_each(|number| home.put(&format!("cur/{number}.a:2,"), "a"));
        let mut mailbox = home.open();
        std::fs::remove_file(home.path().join("cur/1.a:2,")).unwrap();
        std::os::unix::fs::symlink("/nowhere", home.path().join("cur/1.a:2,")).unwrap();
        let (all, mut read) = (uids(&mailbox), 0);
        mailbox.each_text(&all, &|_, text| text.len(), &mut |_, length| read += length).unwrap();
        assert_eq!(read, count - 1);
    }
}

#[test]
fn the_lists_of_other_servers_are_taken_over_with_their_keywords() {
    let home = Home::new();
    home.put("cur/1.a,S=1:2,Sb", "a");
    home.put("cur/2.b:2,", "b");
    home.put(
        "dovecot-uidlist",
        "3 V77 N100 G3085f01b7f11094c501100008c4a11c1\n50 :1.a,S=1\n99 :2.b\n98 :gone\n",
    );
    home.put("dovecot-keywords", "0 $Forwarded\n1 Work\n");
    home.put("new/3.c", "c");
    let mailbox = home.open();
    let status = mailbox.status();
    assert_eq!((uids(&mailbox), status.uid_validity, status.uid_next), (vec![50, 99, 100], 77, 101));
    assert_eq!(status.id, "3085f01b7f11094c501100008c4a11c1");
    assert_eq!(
        (mailbox.keywords(), mailbox.messages()[0].keywords),
        (&["$Forwarded".into(), "Work".into()][..], 2)
    );
    let home = Home::new();
    home.put("cur/1.a,S=1:2,S", "a");
    home.put("courierimapuiddb", "1 88 7\n5 1.a,S=1\n");
    std::fs::create_dir(home.path().join("courierimapkeywords")).unwrap();
    home.put("courierimapkeywords/:list", "Work\n$Junk\n\n1.a,S=1:1 7\nnone:0\n");
    assert_eq!(Mailbox::peek(home.place(), false).unwrap().messages, 1);
    let mailbox = home.open();
    assert_eq!((mailbox.keywords(), mailbox.messages()[0].keywords), (&["$Junk".to_owned()][..], 1));
    assert!(home.files("cur").contains("1.a,S=1:2,Sa"));
    assert_eq!((uids(&mailbox), mailbox.status().uid_validity, mailbox.status().uid_next), (vec![5], 88, 7));
}

#[test]
fn records_are_kept_read_in_order_and_lost_without_harm() {
    let home = Home::new();
    let mut mailbox = home.open();
    let texts: Vec<String> = (0..300).map(|count| format!("{count}\n")).collect();
    let texts: Vec<&str> = texts.iter().map(|text| &text[..]).collect();
    let all = add(&home, &mut mailbox, &texts);
    let record = |uid: Uid| format!("{uid} ").repeat(uid as usize * 3).into_bytes();
    let mut found = Vec::new();
    assert!(!mailbox.kept(5, &mut found).unwrap());
    all.iter().for_each(|uid| mailbox.keep(*uid, &record(*uid)));
    let check = |mailbox: &mut Mailbox| {
        let mut found = Vec::new();
        all.iter().filter(|uid| mailbox.kept(**uid, &mut found).unwrap() && found == record(**uid)).count()
    };
    assert_eq!(check(&mut mailbox), 300);
    let mut other = home.open();
    assert_eq!(check(&mut other), 0);
    drop(mailbox);
    other.refresh().unwrap();
    assert_eq!(check(&mut other), 300);
    let file = home.path().join("fulmar-cache");
    let mut octets = std::fs::read(&file).unwrap();
    octets[1000..1100].fill(0);
    std::fs::write(&file, &octets).unwrap();
    let left = check(&mut home.open());
    assert!((290..300).contains(&left), "{left}");
    std::fs::remove_file(&file).unwrap();
    let mut mailbox = home.open();
    assert_eq!(check(&mut mailbox), 0);
    mailbox.keep(7, b"seven");
    assert!(mailbox.kept(7, &mut found).unwrap() && found == b"seven");
}

#[test]
fn every_text_is_looked_at_whatever_its_file_is_called_by_now() {
    let home = Home::new();
    let mut mailbox = home.open();
    let texts: Vec<String> = (1..=100).map(|count| format!("{count}")).collect();
    let texts: Vec<&str> = texts.iter().map(|text| &text[..]).collect();
    let all = add(&home, &mut mailbox, &texts);
    let name = |uid| home.path().join("cur").join(OsStr::from_bytes(&mailbox.name_of(uid).unwrap()));
    std::fs::rename(name(7), format!("{}F", name(7).display())).unwrap();
    std::fs::remove_file(name(8)).unwrap();
    let mut found = BTreeSet::new();
    let work = |uid: Uid, text: &[u8]| (uid, String::from_utf8(text.to_vec()).unwrap());
    mailbox
        .each_text(&all, &work, &mut |uid, result| {
            assert_eq!(result, (uid, uid.to_string()));
            found.insert(uid);
        })
        .unwrap();
    assert_eq!(found, all.into_iter().filter(|uid| *uid != 8).collect());
}

#[test]
fn more_keywords_than_letters_are_kept_in_the_index_and_no_more_than_64_are_taken() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b"]);
    let names: Vec<String> = (0..64).map(|number| format!("Word{number}")).collect();
    let marks = Marks { flags: Flags::NONE, keywords: names.clone() };
    mailbox.store(&[1], Change::Add, &marks, None).unwrap();
    assert_eq!((mailbox.messages()[0].keywords, mailbox.keywords()), (u64::MAX, &names[..]));
    let more = Marks { flags: Flags::NONE, keywords: vec!["More".into()] };
    assert!(matches!(mailbox.store(&[2], Change::Add, &more, None), Err(Trouble::Limit(_))));
    let last = Marks { flags: Flags::NONE, keywords: vec!["wORD63".into()] };
    mailbox.store(&[1], Change::Remove, &last, None).unwrap();
    drop(mailbox);
    let mut mailbox = home.open();
    assert_eq!((mailbox.messages()[0].keywords, mailbox.takes_new_keywords()), (u64::MAX >> 1, false));
    std::fs::write(home.path().join(index::NAME), "").unwrap();
    assert!(mailbox.refresh().is_ok());
    assert_eq!(home.open().keywords(), names);
}

#[test]
fn expunged_mail_is_put_away_where_that_is_wanted_and_the_quota_follows() {
    let home = Home::new();
    let away = home.0.path().join("away");
    std::fs::create_dir(&away).unwrap();
    let quota = maildir::Quota::octets(1000);
    let options = Options { undelete: Some(away.clone()), quota, ..Options::default() };
    let mut mailbox = Mailbox::open(home.place(), options).unwrap();
    let usage = || maildir::Maildir::open(&home.path()).unwrap().usage(&quota).unwrap();
    assert_eq!(usage(), (0, 0));
    add(&home, &mut mailbox, &["1234", "567"]);
    assert_eq!(usage(), (7, 2));
    mailbox.store(&[1], Change::Add, &Marks { flags: Flags::DELETED, keywords: vec![] }, None).unwrap();
    assert_eq!(usage(), (3, 1));
    mailbox.expunge(&[1, 2, 3]).unwrap();
    assert_eq!((usage(), std::fs::read_dir(&away).unwrap().count()), ((0, 0), 2));
    assert!(home.files("cur").is_empty());
}

#[test]
fn what_was_not_added_after_all_is_not_counted() {
    let home = Home::new();
    let quota = maildir::Quota::octets(1000);
    let user_seen = Some(home.0.path().join("there is none/ann"));
    let mut mailbox =
        Mailbox::open(home.place(), Options { quota, user_seen, ..Options::default() }).unwrap();
    let usage = || maildir::Maildir::open(&home.path()).unwrap().usage(&quota).unwrap();
    add(&home, &mut mailbox, &["abc"]);
    let before = (usage(), home.files("cur"));
    // That it has been seen can't be noted.
    let failed = mailbox.add(vec![Arrival { marks: seen(), ..arrival("defghi") }]);
    assert!(matches!(failed, Err(Trouble::Unavailable(_))), "{failed:?}");
    assert_eq!((usage(), home.files("cur")), before);
    mailbox.refresh().unwrap();
    assert_eq!(uids(&mailbox), [1]);
}

#[test]
fn what_each_user_has_seen_of_a_shared_mailbox_is_his_own() {
    let home = Home::new();
    let open = |user: &str| {
        let options = Options { user_seen: Some(home.0.path().join(user)), ..Options::default() };
        Mailbox::open(home.place(), options).unwrap()
    };
    let (mut ann, mut bob) = (open("ann"), open("bob"));
    add(&home, &mut ann, &["a", "b"]);
    let marks = Marks { flags: Flags::SEEN | Flags::FLAGGED, keywords: vec![] };
    ann.store(&[1], Change::Add, &marks, None).unwrap();
    bob.refresh().unwrap();
    assert_eq!((flags(&ann, 1), flags(&bob, 1)), (marks.flags, Flags::FLAGGED));
    assert_eq!((ann.status().unseen, bob.status().unseen), (1, 2));
    bob.store(&[2], Change::Add, &seen(), None).unwrap();
    ann.refresh().unwrap();
    assert_eq!(
        (flags(&ann, 2), flags(&bob, 2), flags(&open("ann"), 1)),
        (Flags::NONE, Flags::SEEN, marks.flags)
    );
    ann.store(&[1], Change::Replace, &Marks::default(), None).unwrap();
    assert_eq!(flags(&ann, 1), Flags::NONE);
}

#[test]
fn a_mailbox_that_can_only_be_read_is_read() {
    if sys::is_root() {
        eprintln!("SKIPPED: root may write everywhere");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.put("new/1.a", "a");
    home.put("cur/2.b:2,S", "b");
    let folders = ["", "cur", "new"].map(|name| home.path().join(name));
    let mode = |mode: u32| {
        folders.iter().for_each(|f| std::fs::set_permissions(f, PermissionsExt::from_mode(mode)).unwrap());
    };
    mode(0o500);
    let mut mailbox = home.open();
    assert_eq!((uids(&mailbox), mailbox.read_only(), text(&mut mailbox, 1)), (vec![1, 2], true, "a".into()));
    assert_eq!(mailbox.expunge(&[1]).unwrap_err(), Trouble::NotAllowed);
    mode(0o700);
}

#[test]
fn removing_the_folder_ends_the_session_and_renaming_it_does_not() {
    // I25
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a"]);
    let elsewhere = home.0.path().join("Elsewhere");
    std::fs::rename(home.path(), &elsewhere).unwrap();
    assert_eq!((mailbox.refresh(), text(&mut mailbox, 1)), (Ok(false), "a".into()));
    std::fs::remove_dir_all(&elsewhere).unwrap();
    assert_eq!(mailbox.refresh().unwrap_err(), Trouble::MailboxGone);
    assert_eq!(mailbox.open(1).unwrap_err(), Trouble::Gone);
}

#[test]
fn an_index_that_is_to_be_elsewhere_keeps_uids_and_keywords_and_is_not_taken_twice() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b", "c"]);
    let marks = Marks { keywords: vec!["Work".to_owned()], ..Marks::default() };
    mailbox.mark(&[2], Change::Add, &marks, None).unwrap();
    mailbox.expunge(&[1]).unwrap();
    let (before, known) = (mailbox.status(), uids(&mailbox));
    drop(mailbox);
    let place = Place { index: home.0.path().join("indexes/of/it"), ..home.place() };
    let open = || Mailbox::open(place.clone(), Options::default()).unwrap();
    let mut mailbox = open();
    let after = mailbox.status();
    assert_eq!((uids(&mailbox), after.uid_validity, after.id), (known, before.uid_validity, before.id));
    assert_eq!((mailbox.keywords(), mailbox.messages()[0].keywords), (&["Work".to_owned()][..], 1));
    assert!(add(&home, &mut mailbox, &["d"])[0] > 3);
    drop(mailbox);
    // The disk with the indexes is lost: by the list of then, UIDs that it has given since would be given again.
    std::fs::remove_dir_all(&place.index).unwrap();
    assert!(!home.path().join("fulmar-uidlist").exists() && !home.path().join(index::NAME).exists());
    assert_eq!(uids(&open())[0], 1);
}

#[test]
fn the_index_may_be_elsewhere_and_nothing_of_it_is_in_the_maildir_then() {
    let home = Home::new();
    let place = Place { index: home.0.path().join("indexes/of/it"), ..home.place() };
    let open = || Mailbox::open(place.clone(), Options::default()).unwrap();
    let mut mailbox = open();
    add(&home, &mut mailbox, &["a"]);
    assert_eq!((uids(&open()), std::fs::read_dir(home.path()).unwrap().count()), (vec![1], 3));
}

#[test]
fn a_cache_of_which_little_is_of_use_becomes_shorter() {
    let home = Home::new();
    let mut mailbox = home.open();
    let texts: Vec<String> = (0..60).map(|count| format!("{count}\n")).collect();
    let texts: Vec<&str> = texts.iter().map(|text| &text[..]).collect();
    let all = add(&home, &mut mailbox, &texts);
    all.iter().for_each(|uid| mailbox.keep(*uid, &[*uid as u8; 40_000]));
    mailbox.expunge(&all[5..]).unwrap();
    let mut other = home.open();
    let size = || std::fs::metadata(home.path().join("fulmar-cache")).unwrap().len();
    let before = size();
    // Until the changes are folded into a new snapshot.
    let generation = mailbox.index.as_ref().unwrap().head.generation;
    for _ in 0..10_000 {
        mailbox.store(&[1], Change::Add, &seen(), None).unwrap();
        mailbox.store(&[1], Change::Remove, &seen(), None).unwrap();
        if mailbox.index.as_ref().unwrap().head.generation != generation {
            break;
        }
    }
    assert!(before > 2_000_000 && size() < 300_000, "{before} {}", size());
    let mut record = Vec::new();
    for session in [&mut mailbox, &mut other] {
        session.refresh().unwrap();
        for uid in 1..=5 {
            assert!(session.kept(uid, &mut record).unwrap() && record == [uid as u8; 40_000]);
        }
    }
    assert_eq!(other.refresh(), Ok(false));
}

#[test]
fn what_has_been_heard_of_is_not_forgotten_when_it_could_not_be_recorded() {
    let home = Home::new();
    home.put("new/1.a", "a");
    let mut mailbox = home.open();
    // As a disk that is full would have it.
    let list = home.path().join(crate::uids::NAME);
    std::fs::remove_file(&list).unwrap();
    std::fs::create_dir_all(list.join("x")).unwrap();
    home.put("cur/2.b:2,S", "b");
    mailbox.refresh().unwrap();
    assert_eq!(mailbox.messages().len(), 1);
    std::fs::remove_dir_all(&list).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(40));
    mailbox.refresh().unwrap();
    assert_eq!(mailbox.messages().len(), 2);
    assert_eq!(Mailbox::peek(home.place(), false).unwrap().messages, 2);
}

#[test]
fn what_killed_writers_have_left_is_swept_and_nothing_else() {
    let home = Home::new();
    let left = [".fulmar-index.01.tmp", ".fulmar-cache.02.tmp", ".fulmar-uidlist.03.tmp"];
    let others = [".fulmar-special.04.tmp", ".fulmar-indexes.tmp", ".fulmar-index.x"];
    left.iter().chain(&others).for_each(|name| home.put(name, "x"));
    index::sweep(&home.open().folders.index).unwrap();
    let files = home.files("");
    assert!(
        left.iter().all(|name| !files.contains(*name)) && others.iter().all(|name| files.contains(*name))
    );
}

#[test]
fn a_message_that_comes_from_another_file_system_arrives_with_its_date() {
    let (home, Ok(elsewhere)) = (Home::new(), tempfile::tempdir_in("/dev/shm")) else { return };
    let mut arrival = arrival_in("a\r\nb\r\n", elsewhere.path());
    arrival.date = Some(1_000_000);
    let mut mailbox = home.open();
    let uid = mailbox.add(vec![arrival]).unwrap()[0];
    assert_eq!(mailbox.octets(uid), Ok(4));
    let name = String::from_utf8(mailbox.name_of(uid).unwrap()).unwrap();
    use std::os::unix::fs::MetadataExt;
    let path = home.path().join("cur").join(name);
    assert_eq!(
        (std::fs::read(&path).unwrap(), path.metadata().unwrap().mtime()),
        (b"a\nb\n".into(), 1_000_000)
    );
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn what_is_added_as_seen_to_a_shared_mailbox_is_so_for_who_added_it_alone() {
    let home = Home::new();
    let open = |user: &str| {
        let options = Options { user_seen: Some(home.0.path().join(user)), ..Options::default() };
        Mailbox::open(home.place(), options).unwrap()
    };
    let mut ann = open("ann");
    let mut arrival = arrival_in("a", &home.path().join("tmp"));
    arrival.marks = seen();
    ann.add(vec![arrival]).unwrap();
    assert_eq!((flags(&open("ann"), 1), flags(&open("bob"), 1)), (Flags::SEEN, Flags::NONE));
    // What can't be read is not taken for nothing.
    let file = home.0.path().join("ann");
    std::fs::rename(&file, home.0.path().join("kept")).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(ann.store(&[1], Change::Add, &seen(), None).is_err());
}

#[test]
fn what_is_brought_back_from_a_backup_gives_no_uid_again_that_was_given_since() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["1", "2"]);
    drop(mailbox);
    let backup = home.0.path().join("backup");
    let bring = |from: &Path, to: &Path| {
        assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    bring(&home.path(), &backup);
    let mut mailbox = home.open();
    assert_eq!(add(&home, &mut mailbox, &["3"]), [3]);
    drop(mailbox);
    std::fs::rename(home.path(), home.0.path().join("lost")).unwrap();
    bring(&backup, &home.path());
    let status = Mailbox::peek(home.place(), false).unwrap();
    assert!(status.uid_next > 3 && status.messages == 2);
    let mut mailbox = home.open();
    let next = mailbox.status().uid_next;
    assert!(next > 10_000 + crate::uids::BLOCK);
    assert_eq!(mailbox.messages().iter().map(|message| message.uid).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(add(&home, &mut mailbox, &["4"]), [next]);
    drop(mailbox);
    assert_eq!(home.open().status().uid_next, next + 1, "it is no copy any more");
}

#[test]
fn what_is_brought_back_over_what_is_there_gives_no_uid_again_either() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["1", "2"]);
    drop(mailbox);
    let kept = ["fulmar-index", "fulmar-uidlist"].map(|name| home.path().join(name));
    let texts = kept.each_ref().map(|path| std::fs::read(path).unwrap());
    let mut mailbox = home.open();
    assert_eq!(add(&home, &mut mailbox, &["3"]), [3]);
    let told = mailbox.status().highest_modseq;
    let three = home.path().join("cur").join(OsStr::from_bytes(&mailbox.name_of(3).unwrap()));
    drop(mailbox);
    std::fs::remove_file(three).unwrap();
    // As tar and cp -a do: by the same inodes, with the times of then.
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    for (path, text) in kept.iter().zip(texts) {
        std::fs::write(path, text).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
    }
    assert!(Mailbox::peek(home.place(), false).unwrap().uid_next > 10_000);
    let mut mailbox = home.open();
    // Nor does a client who resynchronizes keep what is not there, or flags that are not those of then.
    assert_eq!(mailbox.vanished_since(told), None);
    assert!(mailbox.messages().iter().all(|message| message.modseq > told));
    let next = mailbox.status().uid_next;
    assert_eq!(add(&home, &mut mailbox, &["4"]), [next]);
    drop(mailbox);
    assert_eq!(home.open().status().uid_next, next + 1, "it is no copy any more");
}

/// A file system of 256 KiB, if it can be had.
struct Small(PathBuf);

impl Small {
    fn mount(path: &Path) -> Option<Small> {
        let mut mount = std::process::Command::new("mount");
        let mount = mount
            .args(["-t", "tmpfs", "-o", "size=256k", "none"])
            .arg(path)
            .stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Small(path.to_owned()))
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_mail_can_be_read_and_removed_and_what_came_meanwhile_is_found_when_there_is_room() {
    let home = Home(tempfile::tempdir().unwrap());
    let Some(small) = Small::mount(home.0.path()) else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    maildir::Maildir::create(&home.path()).unwrap();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &[&"a\n".repeat(10_000), "b"]);
    drop(mailbox);
    // The list of UIDs ends with a page, so that not one octet can be added.
    home.put("new/3.c", "");
    small.fill();
    let list = home.path().join(crate::uids::NAME);
    let mut list = std::fs::OpenOptions::new().append(true).open(list).unwrap();
    while list.write_all(b"x").is_ok() {}
    let mut mailbox = home.open();
    assert_eq!(mailbox.messages().iter().map(|message| message.uid).collect::<Vec<_>>(), [1, 2]);
    let mut draft = Draft::begin(&home.path().join("tmp")).unwrap();
    assert!(draft.write_all(&[b'x'; 100_000]).is_err() || draft.finish(None).is_err());
    drop(draft);
    mailbox.expunge(&[1]).unwrap();
    assert_eq!(mailbox.messages().len(), 1);
    mailbox.refresh().unwrap();
    let uids: Vec<Uid> = mailbox.messages().iter().map(|message| message.uid).collect();
    assert!(uids.len() == 2 && uids[0] == 2 && uids[1] > 2, "{uids:?}");
    drop((mailbox, small));
}

#[test]
fn a_file_that_came_with_the_time_of_its_folder_set_back_is_seen() {
    let home = Home::new();
    home.put("cur/1.a:2,S", "a");
    let before = std::time::SystemTime::now() - Duration::from_secs(86_400);
    let set_back = || {
        for name in ["cur", "new"] {
            std::fs::File::open(home.path().join(name)).unwrap().set_modified(before).unwrap();
        }
    };
    set_back();
    // Until nothing can have happened at the time that is noted.
    std::thread::sleep(Duration::from_millis(50));
    drop(home.open());
    let index = std::fs::metadata(home.path().join("fulmar-index")).unwrap().len();
    drop(home.open());
    // Nothing has happened, and all is known.
    assert_eq!(std::fs::metadata(home.path().join("fulmar-index")).unwrap().len(), index);
    home.put("cur/2.b:2,", "b");
    set_back();
    assert_eq!(Mailbox::peek(home.place(), false).unwrap().messages, 2);
    assert_eq!(uids(&home.open()), [1, 2]);
}

/// A day, by the clock of mod-sequences.
const DAY: u64 = 86_400_000_000;

/// As if all up to now had happened while the clock was a day ahead.
fn from_tomorrow(mailbox: &mut Mailbox) -> u64 {
    let held = mailbox.lock().unwrap();
    let tomorrow = sys::unix_micros() + DAY;
    let seen = Record::Tail { uid: 1, tail: b":2,F" };
    let (mut records, name) = (Vec::new(), mailbox.name_of(1).unwrap());
    let new = [mailbox.state.base(0), b":2,F"].concat();
    let cur = mailbox.place.maildir.join("cur");
    let path = |name: &[u8]| cur.join(OsStr::from_bytes(name));
    std::fs::rename(path(&name), path(&new)).unwrap();
    seen.put(&mut records);
    mailbox.commit(&held, &records, Some(tomorrow)).unwrap();
    tomorrow
}

#[test]
fn a_clock_that_was_set_back_or_forward_makes_no_mod_sequence_lower_and_changes_no_uid() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b"]);
    let before = mailbox.status();
    let tomorrow = from_tomorrow(&mut mailbox);
    drop(mailbox);
    // It is yesterday again.
    let mut mailbox = home.open();
    let status = mailbox.status();
    assert_eq!((status.uid_validity, status.uid_next, &status.id), (before.uid_validity, 3, &before.id));
    assert!(status.highest_modseq >= tomorrow);
    mailbox.store(&[2], Change::Add, &seen(), None).unwrap();
    let changed = mailbox.status().highest_modseq;
    assert!(changed > tomorrow && mailbox.messages()[1].modseq == changed);
    // A client that was here tomorrow is told of what has happened since, and of nothing else.
    assert_eq!(mailbox.store(&[1, 2], Change::Add, &seen(), Some(tomorrow)).unwrap(), [2]);
    assert_eq!(add(&home, &mut mailbox, &["c"]), [3]);
    mailbox.expunge(&[2]).unwrap();
    assert_eq!(mailbox.vanished_since(tomorrow), Some(vec![(2, 2)]));
    let saved = mailbox.messages().iter().map(|message| message.saved).collect::<Vec<_>>();
    let last = mailbox.status().highest_modseq;
    drop(mailbox);
    let mailbox = home.open();
    assert_eq!(mailbox.status().highest_modseq, last);
    assert_eq!(mailbox.messages().iter().map(|message| message.saved).collect::<Vec<_>>(), saved);
    assert_eq!(uids(&mailbox), [1, 3]);
}

#[test]
fn an_index_that_is_lost_begins_above_what_the_times_of_the_folders_show() {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a"]);
    mailbox.store(&[1], Change::Add, &seen(), None).unwrap();
    let last = mailbox.status().highest_modseq;
    // Also if the clock says yesterday by then.
    let yesterday = sys::unix_micros() - DAY;
    assert!(mailbox.later_than_all(yesterday) > last);
    let tomorrow = sys::unix_micros() + DAY;
    assert_eq!(mailbox.later_than_all(tomorrow), tomorrow);
    drop(mailbox);
    std::fs::remove_file(home.path().join("fulmar-index")).unwrap();
    let mailbox = home.open();
    assert!(mailbox.status().highest_modseq > last);
    assert_eq!((uids(&mailbox), mailbox.status().uid_validity > 0), (vec![1], true));
}

#[test]
fn a_message_that_has_two_names_is_one_and_keeps_one_of_them() {
    let home = Home::new();
    home.put("cur/1.a.host:2,", "Subject: a\n\nx\n");
    let mut mailbox = home.open();
    assert_eq!(mailbox.messages().len(), 1);
    let cur = home.path().join("cur");
    std::fs::hard_link(cur.join("1.a.host:2,"), cur.join("1.a.host:2,S")).unwrap();
    // Not at once: it may be that it is just being renamed.
    mailbox.refresh().unwrap();
    assert_eq!((mailbox.messages().len(), home.files("cur").len()), (1, 2));
    while home.files("cur").len() == 2 {
        mailbox.refresh().unwrap();
        assert_eq!(mailbox.messages().len(), 1);
    }
    mailbox.refresh().unwrap();
    assert_eq!((mailbox.messages().len(), home.files("cur").len()), (1, 1));
    assert_eq!(home.open().messages().len(), 1);
}

#[test]
fn what_another_has_unmarked_meanwhile_is_not_expunged() {
    let home = Home::new();
    let (mut one, mut other) = (home.open(), home.open());
    add(&home, &mut one, &["a", "b", "c"]);
    let deleted = Marks { flags: Flags::DELETED, ..Marks::default() };
    one.store(&[1, 2, 3], Change::Add, &deleted, None).unwrap();
    other.store(&[1], Change::Remove, &deleted, None).unwrap();
    // And another program.
    let name = home.files("cur").into_iter().find(|name| one.name_of(2).unwrap() == name.as_bytes()).unwrap();
    let cur = home.path().join("cur");
    std::fs::rename(cur.join(&name), cur.join(name.replace('T', "F"))).unwrap();
    one.expunge_deleted(&[1, 2, 3]).unwrap();
    one.refresh().unwrap();
    assert_eq!((uids(&one), home.files("cur").len()), (vec![1, 2], 2));
    assert_eq!((flags(&one, 1), flags(&one, 2)), (Flags::NONE, Flags::FLAGGED));
}

#[test]
fn a_message_with_a_copy_elsewhere_that_another_program_renames_all_the_time_is_not_lost() {
    let home = Home::new();
    home.put("cur/1.a.host:2,", "Subject: a\n\nx\n");
    let (one, other) = (home.path().join("cur/1.a.host:2,"), home.path().join("cur/1.a.host:2,S"));
    // As COPY into another mailbox leaves it: the file has two names, and one of them here.
    std::fs::hard_link(&one, home.0.path().join("copy")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let program = scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::rename(&one, &other).and_then(|()| std::fs::rename(&other, &one))?;
            }
            std::io::Result::Ok(())
        });
        for _ in 0..200 {
            let mut mailbox = home.open();
            (0..20).for_each(|_| assert!(mailbox.refresh().is_ok()));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        program.join().unwrap().unwrap();
    });
    assert_eq!((home.open().messages().len(), home.files("cur").len()), (1, 1));
}

#[test]
fn what_can_not_be_kept_for_some_days_is_not_removed_but_for_a_full_disk() {
    let home = Home::new();
    let undelete = home.path().join("fulmar-deleted/INBOX");
    let options = Options { undelete: Some(undelete.clone()), ..Options::default() };
    let mut mailbox = Mailbox::open(home.place(), options).unwrap();
    add(&home, &mut mailbox, &["a", "b"]);
    home.put("fulmar-deleted", "somebody else's");
    assert!(mailbox.expunge(&[1]).is_err());
    assert_eq!((uids(&mailbox), home.files("cur").len()), (vec![1, 2], 2));
    std::fs::remove_file(home.path().join("fulmar-deleted")).unwrap();
    mailbox.expunge(&[1]).unwrap();
    assert_eq!((uids(&mailbox), home.files("fulmar-deleted/INBOX").len()), (vec![2], 1));
    // Another file system.
    let Ok(there) = tempfile::tempdir_in("/dev/shm") else { return };
    mailbox.options.undelete = Some(there.path().join("INBOX"));
    mailbox.expunge(&[2]).unwrap();
    let kept: Vec<_> = std::fs::read_dir(there.path().join("INBOX")).unwrap().collect();
    assert_eq!((uids(&mailbox), kept.len(), home.files("cur").len()), (vec![], 1, 0));
    assert_eq!(std::fs::read(kept[0].as_ref().unwrap().path()).unwrap(), b"b");
}

#[test]
fn a_mailbox_that_takes_anothers_name_while_it_is_opened_is_not_opened_with_the_others_index() {
    let home = Home::new();
    let (here, there) = (home.path(), home.0.path().join("Other"));
    maildir::Maildir::create(&there).unwrap();
    let aside = home.0.path().join("Aside");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                [(&here, &aside), (&there, &here), (&aside, &there)]
                    .iter()
                    .for_each(|(from, to)| std::fs::rename(from, to).unwrap());
            }
        });
        let (mut opened, mut strange) = (0, 0);
        while opened < 50_000 {
            let Ok(folders) = Folders::open(&home.place()) else { continue };
            let inode = |seen: nix::Result<nix::sys::stat::FileStat>| seen.unwrap().st_ino;
            let above = nix::sys::stat::fstatat(&*folders.cur, "..", nix::fcntl::AtFlags::empty());
            strange += usize::from(inode(above) != folders.index.stat(".").unwrap().st_ino);
            opened += 1;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(strange, 0);
    });
}
