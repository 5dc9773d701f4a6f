use std::io::Write;
use std::path::PathBuf;

use imap::{Change, Flags, Folder, Happened, Marks, Needle, Progress};

use super::*;

struct House {
    home: tempfile::TempDir,
    settings: Settings,
}

impl House {
    fn new() -> House {
        let settings = Settings { user: "bob@x.test".to_owned(), ..Settings::default() };
        House { home: tempfile::tempdir().unwrap(), settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn account(&self) -> Account {
        Account::open(&self.path("m"), self.settings.clone()).unwrap()
    }
}

fn letter(account: &mut Account, text: &str) -> Letter<Draft> {
    let mut draft = account.draft().unwrap();
    draft.write_all(text.as_bytes()).unwrap();
    let marks = Marks { flags: Flags::SEEN, keywords: vec!["$Work".to_owned()] };
    Letter { draft, marks, date: Some(1_000_000) }
}

fn append(account: &mut Account, name: &str, text: &str) -> Result<Uid, Trouble> {
    let letter = letter(account, text);
    account.append(name, vec![letter]).map(|arrived| arrived.uids[0].1)
}

fn names(account: &mut Account) -> Vec<String> {
    account.list().unwrap().into_iter().map(|listed| listed.name).collect()
}

fn read(folder: &mut Opened, uid: Uid) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut Folder::open(folder, uid).unwrap(), &mut text).unwrap();
    text
}

#[test]
fn every_account_is_given_its_folders_once() {
    let house = House::new();
    let mut account = house.account();
    assert_eq!(names(&mut account), ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]);
    let sent = account.list().unwrap().remove(4);
    assert_eq!((sent.special, sent.subscribed), (Some("\\Sent"), true));
    account.delete("Junk").unwrap();
    account.rename("Sent", "Gesendet").unwrap();
    let mut account = house.account();
    assert_eq!(names(&mut account)[..4], ["Archive", "Drafts", "Gesendet", "INBOX"]);
    let list = account.list().unwrap();
    assert_eq!(list[2].special, Some("\\Sent"));
    // Still subscribed, by their names.
    let missing: Vec<_> =
        list.iter().filter(|listed| listed.missing).map(|listed| listed.name.as_str()).collect();
    assert_eq!(missing, ["Junk", "Sent"]);
}

#[test]
fn a_folder_of_another_server_becomes_the_special_one() {
    let house = House::new();
    Maildir::create(&house.path("m")).unwrap();
    Maildir::create(&house.path("m/.Sent")).unwrap();
    std::fs::write(house.path("m/.Sent/cur/1.a:2,S"), "Subject: x\n\ny\n").unwrap();
    let mut account = house.account();
    assert_eq!(account.status("Sent", false).unwrap().messages, 1);
    assert_eq!(account.list().unwrap()[4].special, Some("\\Sent"));
}

#[test]
fn mailboxes_are_made_removed_and_renamed_with_all_below() {
    let house = House::new();
    let mut account = house.account();
    let id = account.create("a.b.c.", &[]).unwrap();
    append(&mut account, "a.b.c", "Subject: x\n\n").unwrap();
    let before = account.status("a.b.c", false).unwrap();
    assert_eq!(before.id, id);
    assert_eq!(account.create("a.b", &[]), Err(Trouble::Exists));
    assert_eq!(account.create("inbox", &[]), Err(Trouble::Exists));
    let a = account.list().unwrap().into_iter().find(|listed| listed.name == "a").unwrap();
    assert!(!a.no_select && !a.missing, "what lies above is made too");
    account.rename("a", "z.y").unwrap();
    // RFC 8474 §4.2: the id stays, and so does all else.
    assert_eq!(account.status("z.y.b.c", false).unwrap(), before);
    assert_eq!(account.status("a.b.c", false), Err(Trouble::NoMailbox));
    assert_eq!(account.rename("z.y", "z.y.x"), Err(Trouble::Cannot("A mailbox can't be put into itself.")));
    assert_eq!(account.rename("z.y.b", "Sent"), Err(Trouble::Exists));
    assert_eq!(account.rename("none", "some"), Err(Trouble::NoMailbox));
    account.delete("z.y.b").unwrap();
    assert_eq!(account.status("z.y.b.c", false).unwrap(), before);
    account.delete("z.y.b.c").unwrap();
    account.delete("z.y").unwrap();
    account.delete("z").unwrap();
    assert!(!names(&mut account).iter().any(|name| name.starts_with('z')));
    assert!(matches!(account.delete("INBOX"), Err(Trouble::Cannot(_))));
}

#[test]
fn a_mailbox_of_the_same_name_is_another_mailbox() {
    let house = House::new();
    let mut account = house.account();
    let one = account.create("x", &[]).unwrap();
    let before = account.status("x", false).unwrap();
    append(&mut account, "x", "a\n").unwrap();
    account.delete("x").unwrap();
    let two = account.create("x", &[]).unwrap();
    append(&mut account, "x", "b\n").unwrap();
    let after = account.status("x", false).unwrap();
    assert!(one != two && before.uid_validity < after.uid_validity);
    account.rename("x", "y").unwrap();
    account.create("x", &[]).unwrap();
    assert!(after.uid_validity < account.status("x", false).unwrap().uid_validity);
}

#[test]
fn no_name_leads_out_of_the_maildir() {
    // I10, I11
    let house = House::new();
    let mut account = house.account();
    let count = |house: &House| std::fs::read_dir(house.home.path()).unwrap().count();
    let bad = [
        "../../x",
        "/etc/x",
        "a/../../b",
        ".",
        "..",
        "a//b",
        "INBOX/../x",
        "~root",
        "a\nb",
        "a\0b",
        "",
        "a..b",
    ];
    let long = ["x".repeat(1000), ["d"; 200].join(".")];
    for name in bad.into_iter().chain(long.iter().map(String::as_str)) {
        assert!(account.create(name, &[]).is_err(), "{name:?}");
        assert!(account.rename("Sent", name).is_err(), "{name:?}");
        assert!(account.subscribe(name, true).is_err(), "{name:?}");
        assert!(account.open(name, false).is_err() && account.status(name, false).is_err(), "{name:?}");
        assert!(account.delete(name).is_err() && account.accepts(name).is_err(), "{name:?}");
        assert!(append(&mut account, name, "x").is_err(), "{name:?}");
    }
    assert_eq!(count(&house), 1);
    for name in ["&Jjo", "&&&", "Übung 😀", "a&b"] {
        account.create(name, &[]).unwrap();
        assert!(names(&mut account).contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn the_inbox_stays_when_it_is_renamed_and_its_mail_goes() {
    let house = House::new();
    let mut account = house.account();
    append(&mut account, "INBOX", "Subject: x\n\nhello\n").unwrap();
    account.create("INBOX.child", &[]).unwrap();
    account.rename("inbox", "old").unwrap();
    assert_eq!(account.status("INBOX", false).unwrap().messages, 0);
    let mut old = account.open("old", false).unwrap();
    assert_eq!(read(&mut old, 1), "Subject: x\n\nhello\n");
    assert!(names(&mut account).contains(&"INBOX.child".to_owned()));
}

#[test]
fn what_is_appended_has_its_flags_and_its_date() {
    let house = House::new();
    let mut account = house.account();
    let uid = append(&mut account, "Sent", "Subject: x\r\n\r\nhello\r\n").unwrap();
    let mut sent = account.open("Sent", false).unwrap();
    let message = sent.messages()[0];
    assert_eq!((message.uid, message.flags, sent.date(uid).unwrap()), (uid, Flags::SEEN, 1_000_000));
    assert_eq!(sent.keywords(), ["$Work"]);
    assert_eq!(read(&mut sent, uid), "Subject: x\n\nhello\n");
    // Many, one by one, and after another has taken the mailbox's place.
    append(&mut account, "Sent", "2\n").unwrap();
    account.rename("Sent", "Old").unwrap();
    account.create("Sent", &[]).unwrap();
    append(&mut account, "Sent", "3\n").unwrap();
    assert_eq!(account.status("Old", false).unwrap().messages, 2);
    assert_eq!(account.status("Sent", false).unwrap().messages, 1);
}

#[test]
fn another_program_may_put_another_folder_in_a_mailboxs_place() {
    let house = House::new();
    let mut account = house.account();
    append(&mut account, "Sent", "1\n").unwrap();
    std::fs::rename(house.path("m/.Sent"), house.path("m/.Moved")).unwrap();
    Maildir::create(&house.path("m/.Sent")).unwrap();
    append(&mut account, "Sent", "2\n").unwrap();
    assert_eq!(account.status("Moved", false).unwrap().messages, 1);
    assert_eq!(account.status("Sent", false).unwrap().messages, 1);
}

#[test]
fn too_large_a_message_and_one_too_many_leave_nothing() {
    // I22
    let mut house = House::new();
    house.settings.append_limit = Some(100);
    house.settings.quota = Quota { octets: 150, messages: 3 };
    let mut account = house.account();
    assert_eq!(append(&mut account, "INBOX", &"x".repeat(101)), Err(Trouble::TooBig));
    append(&mut account, "INBOX", &"x".repeat(90)).unwrap();
    assert_eq!(append(&mut account, "INBOX", &"x".repeat(90)), Err(Trouble::OverQuota));
    let letters = (0..3).map(|_| letter(&mut account, "x\n")).collect();
    assert_eq!(account.append("INBOX", letters), Err(Trouble::OverQuota));
    let mut inbox = account.open("INBOX", false).unwrap();
    assert_eq!(account.copy(&mut inbox, &[1], "Sent", &mut Progress::unheard()), Err(Trouble::OverQuota));
    // A move takes no room, and Trash counts for nothing.
    account.relocate(&mut inbox, &[1], "Sent", &mut Progress::unheard()).unwrap();
    let mut sent = account.open("Sent", false).unwrap();
    account.copy(&mut sent, &[1], "Trash", &mut Progress::unheard()).unwrap();
    // A draft that was not appended is nowhere.
    drop(letter(&mut account, "lost"));
    assert_eq!(std::fs::read_dir(house.path("m/tmp")).unwrap().count(), 0);
    assert_eq!(account.status("INBOX", false).unwrap().messages, 0);
    // RFC 9208
    let root = account.quota("INBOX").unwrap().remove(0);
    assert_eq!((root.storage, root.messages), ((90, Some(150)), (1, Some(3))));
}

#[test]
fn copies_keep_flags_dates_and_what_is_kept_of_them_and_moves_leave_nothing() {
    let house = House::new();
    let mut account = house.account();
    for n in 0..3 {
        append(&mut account, "INBOX", &format!("Subject: {n}\n\nx\n")).unwrap();
    }
    let mut inbox = account.open("INBOX", false).unwrap();
    inbox.keep(2, b"record");
    let copied = account.copy(&mut inbox, &[1, 2], "Archive", &mut Progress::unheard()).unwrap();
    assert_eq!(copied.uids, [(1, 1), (2, 2)]);
    let mut archive = account.open("Archive", false).unwrap();
    assert_eq!((archive.messages()[1].flags, archive.keywords()), (Flags::SEEN, &["$Work".to_owned()][..]));
    assert_eq!(archive.date(2).unwrap(), 1_000_000);
    // RFC 8474 §5.1
    assert_eq!(archive.email_id(2).unwrap(), inbox.email_id(2).unwrap());
    let mut record = Vec::new();
    assert!(archive.kept(2, &mut record).unwrap() && record == b"record");
    assert!(!archive.kept(1, &mut record).unwrap());
    let moved = account.relocate(&mut inbox, &[1, 3], "Archive", &mut Progress::unheard()).unwrap();
    assert_eq!(moved.uids, [(1, 3), (3, 4)]);
    inbox.refresh().unwrap();
    assert_eq!(inbox.messages().len(), 1);
    archive.refresh().unwrap();
    assert_eq!(read(&mut archive, 4), "Subject: 2\n\nx\n");
    // To itself.
    account.copy(&mut archive, &[1], "Archive", &mut Progress::unheard()).unwrap();
    account.relocate(&mut archive, &[2], "Archive", &mut Progress::unheard()).unwrap();
    archive.refresh().unwrap();
    assert_eq!(archive.messages().iter().map(|message| message.uid).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
    assert_eq!(account.copy(&mut archive, &[2], "INBOX", &mut Progress::unheard()), Err(Trouble::Gone));
    assert_eq!(account.copy(&mut archive, &[1], "none", &mut Progress::unheard()), Err(Trouble::NoMailbox));
}

#[test]
fn special_uses_are_given_by_create() {
    // RFC 6154 §3
    let house = House::new();
    let mut account = house.account();
    let with = |what: &str| vec![what.to_owned()];
    assert!(matches!(account.create("x", &with("\\Sent")), Err(Trouble::Cannot(_))));
    assert!(matches!(account.create("x", &with("\\All")), Err(Trouble::Cannot(_))));
    account.delete("Sent").unwrap();
    account.create("x", &with("\\sent")).unwrap();
    assert_eq!(account.list().unwrap().last().unwrap().special, Some("\\Sent"));
}

#[test]
fn annotations_go_with_their_mailbox() {
    let house = House::new();
    let mut account = house.account();
    account.annotate("Sent", "/private/comment", Some(b"mine")).unwrap();
    account.annotate("", "/shared/comment", Some(b"server")).unwrap();
    account.rename("Sent", "x").unwrap();
    assert_eq!(account.metadata("x").unwrap(), [("/private/comment".to_owned(), b"mine".to_vec())]);
    assert_eq!(account.metadata("").unwrap().len(), 1);
    account.annotate("x", "/private/comment", None).unwrap();
    assert!(account.metadata("x").unwrap().is_empty());
    assert_eq!(account.metadata("Sent"), Err(Trouble::NoMailbox));
}

#[test]
fn what_happens_in_other_mailboxes_is_news() {
    let house = House::new();
    let mut account = house.account();
    account.status("Sent", false).unwrap();
    assert!(account.news().unwrap().is_empty());
    let mut other = house.account();
    append(&mut other, "Sent", "x\n").unwrap();
    other.create("new", &[]).unwrap();
    other.delete("Junk").unwrap();
    let news: Vec<_> = account.news().unwrap().into_iter().map(|news| (news.name, news.what)).collect();
    let expected = [("Junk", Happened::Removed), ("Sent", Happened::Messages), ("new", Happened::Created)];
    assert_eq!(news, expected.map(|(name, what)| (name.to_owned(), what)));
    assert!(account.news().unwrap().is_empty());
}

#[test]
fn removed_mail_is_kept_and_counts_to_no_quota() {
    let mut house = House::new();
    house.settings.undelete = 5;
    house.settings.quota = Quota::octets(1000);
    let mut account = house.account();
    append(&mut account, "INBOX", "one\n").unwrap();
    append(&mut account, "INBOX", "two\n").unwrap();
    append(&mut account, "Sent", "three\n").unwrap();
    let mut inbox = account.open("INBOX", false).unwrap();
    inbox.expunge(&[1]).unwrap();
    account.relocate(&mut inbox, &[2], "Archive", &mut Progress::unheard()).unwrap();
    account.delete("Sent").unwrap();
    assert_eq!(account.quota("INBOX").unwrap()[0].storage.0, 4);
    let deletions = Deletions::open(&house.path("m")).unwrap().unwrap();
    let kept: Vec<_> = deletions.list(0).unwrap();
    let mut from: Vec<_> = kept.iter().map(|deleted| deleted.mailbox.as_str()).collect();
    from.sort();
    assert_eq!(from, ["INBOX", "Sent"]);
    kept.iter().for_each(|deleted| drop(deletions.restore(deleted).unwrap()));
    inbox.refresh().unwrap();
    assert_eq!(inbox.messages().len(), 1);
    assert_eq!(read(&mut inbox, 3), "one\n");
    assert_eq!(account.quota("INBOX").unwrap()[0].storage.0, 14);
    assert!(names(&mut account).contains(&"Restored".to_owned()));
}

fn sales(acl: &str) -> House {
    let mut house = House::new();
    house.settings.shared = vec![("sales".to_owned(), house.path("s"))];
    Maildir::create(&house.path("s")).unwrap();
    std::fs::write(house.path("s/new/1.a"), "Subject: offer\n\nx\n").unwrap();
    std::fs::write(house.path("s/fulmar-acl"), acl).unwrap();
    house
}

#[test]
fn among_shared_folders_nobody_makes_mailboxes_of_his_own() {
    let house = sales("anyone lrs\n");
    let mut account = house.account();
    let refused = Err(Trouble::Cannot("Here are shared mailboxes only."));
    for name in ["Shared", "Shared.other", "Shared.other.x"] {
        assert_eq!(account.create(name, &[]), refused, "{name}");
        assert_eq!(account.rename("Drafts", name), refused.clone().map(drop), "{name}");
    }
    account.create("Sharedness", &[]).unwrap();
    // Who has no shared folders may use the name.
    House::new().account().create("Shared.other", &[]).unwrap();
}

#[test]
fn a_rename_that_fails_leaves_everything_where_it_was() {
    let house = House::new();
    let mut account = house.account();
    let file = house.path("m/fulmar-special");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(account.rename("Junk", "Spam"), Err(Trouble::Unavailable(_))));
    assert!(house.path("m/.Junk/cur").exists() && !house.path("m/.Spam").exists());
}

#[test]
fn shared_folders_give_what_their_list_says() {
    let house = sales("anyone lrs\nbob@x.test wi\n");
    let mut account = house.account();
    assert_eq!(account.namespaces().len(), 2);
    assert!(names(&mut account).contains(&"Shared.sales".to_owned()));
    assert_eq!(account.rights("Shared.sales").unwrap(), "lrswi");
    let mut sales = account.open("Shared.sales", false).unwrap();
    let marks = |flags| Marks { flags, keywords: Vec::new() };
    sales.store(&[1], Change::Add, &marks(Flags::FLAGGED | Flags::DELETED), None).unwrap();
    assert_eq!(sales.messages()[0].flags, Flags::FLAGGED);
    sales.store(&[1], Change::Replace, &marks(Flags::ANSWERED | Flags::DELETED), None).unwrap();
    assert_eq!(sales.messages()[0].flags, Flags::ANSWERED);
    assert_eq!(sales.store(&[1], Change::Add, &marks(Flags::DELETED), None), Err(Trouble::NotAllowed));
    assert_eq!(sales.expunge(&[1]), Err(Trouble::NotAllowed));
    assert_eq!(
        account.relocate(&mut sales, &[1], "INBOX", &mut Progress::unheard()),
        Err(Trouble::NotAllowed)
    );
    account.copy(&mut sales, &[1], "INBOX", &mut Progress::unheard()).unwrap();
    append(&mut account, "Shared.sales", "Subject: y\n\n").unwrap();
    assert_eq!(account.create("Shared.sales.x", &[]), Err(Trouble::NotAllowed));
    assert_eq!(account.set_acl("Shared.sales", "bob@x.test", "a"), Err(Trouble::NotAllowed));
    assert!(matches!(account.delete("Shared.sales"), Err(Trouble::NotAllowed)));
}

#[test]
fn who_may_not_see_a_shared_folder_is_told_that_there_is_none() {
    let house = sales("eve@x.test lrswipkxtea\n");
    let mut account = house.account();
    assert!(!names(&mut account).contains(&"Shared.sales".to_owned()));
    assert_eq!(account.rights("Shared.sales"), Err(Trouble::NoMailbox));
    assert_eq!(account.status("Shared.sales", false), Err(Trouble::NoMailbox));
    assert_eq!(account.accepts("Shared.sales"), Err(Trouble::NoMailbox));
}

#[test]
fn seen_is_each_users_own_in_a_shared_folder() {
    let mut house = sales("anyone lrs\n");
    let mut account = house.account();
    let seen = Marks { flags: Flags::SEEN, keywords: Vec::new() };
    let mut sales = account.open("Shared.sales", false).unwrap();
    sales.store(&[1], Change::Add, &seen, None).unwrap();
    assert_eq!(account.status("Shared.sales", false).unwrap().unseen, 0);
    drop(sales);
    let sales = house.account().open("Shared.sales", false).unwrap();
    assert!(sales.messages()[0].flags.has(Flags::SEEN));
    house.settings.user = "eve@x.test".to_owned();
    let mut eve = Account::open(&house.path("eve"), house.settings.clone()).unwrap();
    assert_eq!(eve.status("Shared.sales", false).unwrap().unseen, 1);
}

#[test]
fn what_each_user_has_seen_of_a_shared_folder_stays_when_another_renames_it() {
    let mut house = sales("anyone lrswipkxte\n");
    let mut account = house.account();
    account.create("Shared.sales.Old", &[]).unwrap();
    append(&mut account, "Shared.sales.Old", "a\n").unwrap();
    // As it was called by earlier versions.
    let notes = house.path("m/fulmar-shared");
    let is_seen = |name: &std::path::Path| name.to_str().unwrap().ends_with(":seen");
    let files = || std::fs::read_dir(&notes).unwrap().map(|entry| entry.unwrap().path());
    let file = files().find(|path| is_seen(path)).unwrap();
    std::fs::rename(file, notes.join("Shared.sales.Old:seen")).unwrap();
    assert_eq!(account.status("Shared.sales.Old", false).unwrap().unseen, 0);
    house.settings.user = "eve@x.test".to_owned();
    let mut eve = Account::open(&house.path("eve"), house.settings.clone()).unwrap();
    eve.rename("Shared.sales.Old", "Shared.sales.New").unwrap();
    eve.create("Shared.sales.Old", &[]).unwrap();
    append(&mut eve, "Shared.sales.Old", "b\n").unwrap();
    assert_eq!(account.status("Shared.sales.New", false).unwrap().unseen, 0);
    assert_eq!(account.status("Shared.sales.Old", false).unwrap().unseen, 1);
}

#[test]
fn what_each_user_has_noted_of_a_shared_folder_stays_when_another_renames_it() {
    let mut house = sales("anyone lrswipkxte\n");
    let mut account = house.account();
    for (name, note) in [("Shared.sales.Old", "mine"), ("Shared.sales.Gone", "of what is gone")] {
        account.create(name, &[]).unwrap();
        account.annotate(name, "/private/comment", Some(note.as_bytes())).unwrap();
    }
    // As it was called by earlier versions.
    let notes = house.path("m/fulmar-shared");
    let files = || std::fs::read_dir(&notes).unwrap().map(|entry| entry.unwrap().path());
    let is_mine = |path: &PathBuf| std::fs::read_to_string(path).unwrap().ends_with("mine\n");
    std::fs::rename(files().find(is_mine).unwrap(), notes.join("Shared.sales.Old:metadata")).unwrap();
    let mine = [("/private/comment".to_owned(), b"mine".to_vec())];
    assert_eq!(account.metadata("Shared.sales.Old").unwrap(), mine);
    house.settings.user = "eve@x.test".to_owned();
    let mut eve = Account::open(&house.path("eve"), house.settings.clone()).unwrap();
    eve.rename("Shared.sales.Old", "Shared.sales.New").unwrap();
    eve.delete("Shared.sales.Gone").unwrap();
    assert_eq!(account.metadata("Shared.sales.New").unwrap(), mine);
    for name in ["Shared.sales.Old", "Shared.sales.Gone"] {
        eve.create(name, &[]).unwrap();
        assert!(account.metadata(name).unwrap().is_empty(), "{name}");
    }
    assert!(eve.metadata("Shared.sales.New").unwrap().is_empty());
}

#[test]
fn who_administers_a_shared_folder_says_who_may_do_what() {
    let house = sales("bob@x.test lrswipkxtea\n");
    let mut account = house.account();
    account.set_acl("Shared.sales", "eve@x.test", "lr").unwrap();
    assert_eq!(account.acl("Shared.sales").unwrap()[1], ("eve@x.test".to_owned(), "lr".to_owned()));
    account.create("Shared.sales.2026", &[]).unwrap();
    // What says nothing is as what is above it.
    assert_eq!(account.acl("Shared.sales.2026").unwrap().len(), 2);
    account.annotate("Shared.sales.2026", "/private/comment", Some(b"mine")).unwrap();
    account.annotate("Shared.sales.2026", "/shared/comment", Some(b"ours")).unwrap();
    assert_eq!(account.metadata("Shared.sales.2026").unwrap().len(), 2);
    assert!(
        !house.path("s/.2026/fulmar-metadata").exists() || {
            let text = std::fs::read_to_string(house.path("s/.2026/fulmar-metadata")).unwrap();
            !text.contains("mine")
        }
    );
    account.rename("Shared.sales.2026", "Shared.sales.2027").unwrap();
    account.delete("Shared.sales.2027").unwrap();
    assert_eq!(account.acl("INBOX").unwrap(), [("bob@x.test".to_owned(), "lrswipkxtea".to_owned())]);
}

#[test]
fn a_search_is_narrowed_by_what_the_one_before_has_read() {
    let house = House::new();
    let mut account = house.account();
    for word in ["apple", "Grüße", "cherry"] {
        append(&mut account, "INBOX", &format!("Subject: {word} pie\n\ntext of {word}\n")).unwrap();
    }
    let mut inbox = account.open("INBOX", false).unwrap();
    let all = inbox.narrow(Needle::Text("apple")).unwrap();
    assert_eq!(all, [1, 2, 3]);
    let mut found = Vec::new();
    let work = |_, text: &[u8]| text.windows(5).any(|piece| piece == b"apple");
    inbox.each_text(&all, &work, &mut |uid, holds| found.extend(holds.then_some(uid))).unwrap();
    assert_eq!(found, [1]);
    assert_eq!(inbox.narrow(Needle::Text("ppl")).unwrap(), [1]);
    assert_eq!(inbox.narrow(Needle::Body("grüße")).unwrap(), [2]);
    assert_eq!(inbox.narrow(Needle::Text("pie\n")).unwrap(), [1, 2, 3]);
    assert_eq!(inbox.narrow(Needle::Text("-")), None);
    append(&mut account, "INBOX", "Subject: later\n\nx\n").unwrap();
    inbox.refresh().unwrap();
    assert_eq!(inbox.narrow(Needle::Text("cherry")).unwrap(), [3, 4]);
    let mut house = house;
    house.settings.fulltext = false;
    let mut inbox = house.account().open("INBOX", false).unwrap();
    assert_eq!(inbox.narrow(Needle::Text("cherry")), None);
}

#[test]
fn an_index_elsewhere_serves_as_well() {
    let mut house = House::new();
    house.settings.index = Some(house.path("i"));
    std::fs::create_dir(house.path("i")).unwrap();
    let mut account = house.account();
    let uid = append(&mut account, "Sent", "x\n").unwrap();
    let before = account.status("Sent", false).unwrap();
    account.rename("Sent", "x.y").unwrap();
    assert_eq!(account.status("x.y", false).unwrap(), before);
    let mut opened = house.account().open("x.y", false).unwrap();
    assert_eq!(read(&mut opened, uid), "x\n");
    assert!(!house.path("m/.x.y/fulmar-index").exists());
}

#[test]
fn what_a_group_shares_all_of_it_may_read_and_write() {
    use std::os::unix::fs::PermissionsExt;
    let house = sales("anyone lrswipkxtea\n");
    for name in ["", "new", "cur", "tmp"] {
        let bits = std::fs::Permissions::from_mode(0o2770);
        std::fs::set_permissions(house.path("s").join(name), bits).unwrap();
    }
    let mut account = house.account();
    append(&mut account, "INBOX", "Subject: x\n\ny\n").unwrap();
    append(&mut account, "Shared.sales", "Subject: a\n\nb\n").unwrap();
    account.create("Shared.sales.new", &[]).unwrap();
    let mut inbox = account.open("INBOX", false).unwrap();
    account.copy(&mut inbox, &[1], "Shared.sales.new", &mut Progress::unheard()).unwrap();
    let mut sales = account.open("Shared.sales", false).unwrap();
    let all: Vec<Uid> = sales.messages().iter().map(|message| message.uid).collect();
    sales.narrow(Needle::Text("xyz"));
    sales.each_text(&all, &|_, _| (), &mut |_, ()| ()).unwrap();
    sales.store(&[2], Change::Add, &Marks { flags: Flags::FLAGGED, ..Marks::default() }, None).unwrap();
    account.annotate("Shared.sales", "/shared/comment", Some(b"ours")).unwrap();
    drop(sales);
    let mut folders = vec![house.path("s")];
    let (mut files, mut found) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let (path, seen) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            files += 1;
            let strangers = path.ends_with("fulmar-acl") || path.ends_with("maildirfolder");
            let is_theirs = path.file_name().unwrap().to_string_lossy().starts_with("1.a");
            if seen.permissions().mode() & 0o060 != 0o060 && !strangers && !is_theirs {
                found.push(path.clone());
            }
            folders.extend(seen.is_dir().then_some(path));
        }
    }
    assert!(found.is_empty() && files > 20, "{found:?}");
    let own = house.path("m/cur").read_dir().unwrap().next().unwrap().unwrap();
    assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn sessions_that_make_rename_and_remove_the_same_mailboxes_leave_a_sound_account() {
    let house = House::new();
    house.account();
    let work = |seed: u64| {
        let (mut account, mut dice) = (house.account(), seed);
        for _ in 0..60 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let name = |shift: u32| ["a", "a.b", "a.b.c", "d"][(dice >> shift & 3) as usize];
            let done = match dice >> 60 & 3 {
                0 => account.create(name(40), &[]).map(drop),
                1 => account.rename(name(40), name(44)),
                2 => account.delete(name(40)),
                _ => append(&mut account, name(40), "x\n").map(drop),
            };
            let expected = matches!(
                done,
                Ok(())
                    | Err(Trouble::NoMailbox | Trouble::Exists | Trouble::Cannot(_) | Trouble::MailboxGone)
            );
            assert!(expected, "{done:?}");
        }
    };
    std::thread::scope(|scope| (1..4).for_each(|seed| drop(scope.spawn(move || work(seed * 7919)))));
    let mut account = house.account();
    for listed in account.list().unwrap().iter().filter(|listed| !listed.no_select) {
        let status = account.status(&listed.name, false).unwrap();
        assert_eq!(account.open(&listed.name, false).unwrap().messages().len() as u32, status.messages);
    }
    let left = std::fs::read_dir(house.path("m")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with("fulmar-removed")));
}

fn for_a_group(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    for part in ["tmp", "new", "cur", ""] {
        std::fs::set_permissions(path.join(part), PermissionsExt::from_mode(0o2770)).unwrap();
    }
}

#[test]
fn a_copy_out_of_what_a_group_may_write_to_is_a_file_of_its_own() {
    use std::os::unix::fs::MetadataExt;
    let house = sales("anyone lrswite\n");
    for_a_group(&house.path("s"));
    let mut account = house.account();
    let mut sales = account.open("Shared.sales", false).unwrap();
    account.copy(&mut sales, &[1], "INBOX", &mut Progress::unheard()).unwrap();
    let file = std::fs::read_dir(house.path("m/cur")).unwrap().next().unwrap().unwrap().metadata().unwrap();
    assert_eq!((file.nlink(), file.mode() & 0o777), (1, 0o600));
}

#[test]
fn what_was_removed_from_a_shared_mailbox_is_kept_for_its_group_and_not_for_ever() {
    use std::os::unix::fs::MetadataExt;
    let mut house = sales("anyone lrswite\n");
    house.settings.undelete = 3;
    for_a_group(&house.path("s"));
    let mut account = house.account();
    let mut sales = account.open("Shared.sales", false).unwrap();
    sales.expunge(&[1]).unwrap();
    let kept = house.path("s/fulmar-deleted/INBOX");
    assert_eq!(std::fs::metadata(&kept).unwrap().mode() & 0o7777, 0o2770);
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1);
    std::fs::write(kept.join("1000-old"), "x").unwrap();
    std::fs::create_dir_all(house.path("s/fulmar-removed.1/cur")).unwrap();
    house.account();
    assert!(!kept.join("1000-old").exists() && !house.path("s/fulmar-removed.1").exists());
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1);
}

#[test]
fn what_leaves_a_mailbox_that_was_renamed_meanwhile_is_counted() {
    let mut house = House::new();
    house.settings.quota = Quota::octets(1000);
    let mut account = house.account();
    account.create("Lists", &[]).unwrap();
    append(&mut account, "Lists", "1234").unwrap();
    let mut lists = account.open("Lists", false).unwrap();
    house.account().rename("Lists", "Old").unwrap();
    assert_eq!(account.quota("Old").unwrap()[0].storage.0, 4);
    lists.expunge(&[1]).unwrap();
    assert_eq!(account.quota("Old").unwrap()[0].storage.0, 0);
}

#[test]
fn an_identifier_is_the_same_in_either_spelling_and_nobody_is_told_of_what_he_may_not_see() {
    let house = sales("bob@x.test lra\nuser=eve@x.test lrs\n");
    let mut account = house.account();
    account.set_acl("Shared.sales", "user=eve@x.test", "").unwrap();
    assert_eq!(account.acl("Shared.sales").unwrap(), [("bob@x.test".to_owned(), "lra".to_owned())]);
    let house = sales("eve@x.test lr\n");
    assert_eq!(house.account().quota("Shared.sales"), Err(Trouble::NoMailbox));
}

#[test]
fn who_can_t_be_given_folders_can_read_his_mail_all_the_same() {
    let house = House::new();
    std::fs::create_dir_all(house.path("m/fulmar-tree-lock")).unwrap();
    let mut account = house.account();
    assert_eq!(names(&mut account), ["INBOX"]);
    assert_eq!(account.status("INBOX", false).unwrap().messages, 0);
}

/// From here on this thread is no root: what it may not do, it can't.
fn become_nobody(home: &std::path::Path) {
    const NOBODY: u32 = 65_534;
    if !sys::is_root() {
        return;
    }
    let give = |path: &std::path::Path| std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        give(&folder);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            give(&entry.path());
            folders.extend(entry.file_type().unwrap().is_dir().then(|| entry.path()));
        }
    }
    nix::unistd::setfsuid(NOBODY.into());
}

#[test]
fn what_can_not_be_removed_here_when_it_is_moved_is_not_left_there_either() {
    let house = House::new();
    let mut account = house.account();
    for text in ["Subject: a\n\na\n", "Subject: b\n\nb\n"] {
        append(&mut account, "INBOX", text).unwrap();
    }
    append(&mut account, "Archive", "Subject: c\n\nc\n").unwrap();
    become_nobody(house.home.path());
    let mut inbox = account.open("INBOX", false).unwrap();
    let bits = |bits| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(bits);
        std::fs::set_permissions(house.path("m/cur"), permissions).unwrap();
    };
    bits(0o500);
    let moved = account.relocate(&mut inbox, &[1, 2], "Archive", &mut Progress::unheard());
    bits(0o700);
    assert!(matches!(moved, Err(Trouble::Unavailable(_))), "{moved:?}");
    inbox.refresh().unwrap();
    assert_eq!(inbox.messages().len(), 2);
    let mut archive = account.open("Archive", false).unwrap();
    assert_eq!(archive.messages().len(), 1);
    assert_eq!(read(&mut archive, 1), "Subject: c\n\nc\n");
    // And it can be tried again.
    account.relocate(&mut inbox, &[1, 2], "Archive", &mut Progress::unheard()).unwrap();
    archive.refresh().unwrap();
    assert_eq!((inbox.messages().len(), archive.messages().len()), (0, 3));
}

#[test]
fn a_message_that_can_not_be_removed_is_not_replaced() {
    let house = House::new();
    let mut account = house.account();
    append(&mut account, "INBOX", "Subject: old\n\nx\n").unwrap();
    become_nobody(house.home.path());
    let bits = |bits| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(bits);
        std::fs::set_permissions(house.path("m/cur"), permissions).unwrap();
    };
    let mut session = imap::Session::new(house.account(), imap::Options::default());
    answer(&mut session, "a SELECT INBOX");
    let replace = "UID REPLACE 1 Drafts {16+}\r\nSubject: new\r\n\r\n";
    bits(0o500);
    let said = answer(&mut session, &format!("b {replace}"));
    bits(0o700);
    assert!(said.starts_with("b NO [UNAVAILABLE]"), "{said}");
    assert_eq!(account.status("Drafts", false).unwrap().messages, 0);
    assert_eq!(account.status("INBOX", false).unwrap().messages, 1);
    // And it can be tried again.
    let said = answer(&mut session, &format!("c {replace}"));
    assert!(said.starts_with("* OK [APPENDUID ") && said.contains("* 1 EXPUNGE\r\nc OK"), "{said}");
    assert_eq!(account.status("Drafts", false).unwrap().messages, 1);
    assert_eq!(account.status("INBOX", false).unwrap().messages, 0);
}

#[test]
fn hundreds_of_mailboxes_get_another_name_at_once() {
    let house = House::new();
    let mut account = house.account();
    for number in 0..500 {
        std::fs::create_dir_all(house.path(&format!("m/.Lists.{number}/cur"))).unwrap();
    }
    let before = std::time::Instant::now();
    account.rename("Lists", "Old.Lists").unwrap();
    let took = before.elapsed();
    assert_eq!(names(&mut account).iter().filter(|name| name.starts_with("Old.Lists.")).count(), 500);
    // It took a hundred times as long when each name was looked for among all.
    eprintln!("{took:?}");
}

/// What a session answers to a command.
fn answer(session: &mut imap::Session<Account>, command: &str) -> String {
    let mut out = Vec::new();
    session.feed(format!("{command}\r\n").as_bytes(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_mailbox_that_is_found_to_be_unreadable_while_it_is_selected_is_not_selected() {
    let house = House::new();
    let mut account = house.account();
    append(&mut account, "INBOX", "a").unwrap();
    become_nobody(house.home.path());
    drop(account.open("INBOX", false).unwrap());
    crate::mailbox::tests::age();
    account.open("INBOX", false).unwrap().refresh().unwrap();
    drop(account.open("INBOX", false).unwrap());
    // In the middle; what SELECT tells is at the end. And the list that it would be made anew from can't be read.
    let (index, list) = (house.path("m/fulmar-index"), house.path("m/fulmar-uidlist"));
    let mut octets = std::fs::read(&index).unwrap();
    octets[120] ^= 1;
    std::fs::write(&index, octets).unwrap();
    std::fs::set_permissions(list, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let mut session = imap::Session::new(account, imap::Options::default());
    answer(&mut session, "a ENABLE QRESYNC");
    let selected = answer(&mut session, "b SELECT INBOX");
    assert!(selected.contains("* 1 EXISTS") && selected.contains("b OK"), "{selected}");
    let selected = answer(&mut session, "c SELECT INBOX (QRESYNC (1 1))");
    assert!(selected.contains("* 1 EXISTS") && selected.contains("c NO [UNAVAILABLE]"), "{selected}");
    let closed = answer(&mut session, "d CLOSE");
    assert!(closed.starts_with("d BAD"), "{closed}");
}

/// All that a session says to `command`, with the inbox open.
fn said(house: &House, command: &str) -> Vec<u8> {
    let mut session = imap::Session::new(house.account(), imap::Options::default());
    let mut out = Vec::new();
    session.feed(b"s SELECT INBOX\r\n", &mut out).unwrap();
    out.clear();
    session.feed(format!("{command}\r\n").as_bytes(), &mut out).unwrap();
    out
}

#[test]
fn a_wrong_size_in_a_name_is_found_out_when_the_message_is_read() {
    let house = House::new();
    drop(house.account());
    let texts =
        [b"Subject: a\n\nabc\n".to_vec(), [&b"Subject: b\n\n"[..], &b"abcdefg\n".repeat(400_000)].concat()];
    for (number, text) in texts.iter().enumerate() {
        let path = house.path(&format!("m/cur/{number}.x,S={},W=99:2,", text.len()));
        std::fs::write(path, text).unwrap();
    }
    for (number, text) in ["1", "2"].iter().zip(&texts) {
        let wire = String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n");
        let out = said(&house, &format!("a FETCH {number} (BODY.PEEK[])"));
        let want = format!("* {number} FETCH (BODY[] {{{}}}\r\n{wire})\r\na OK Done.\r\n", wire.len());
        assert!(out == want.as_bytes(), "{number}: {}", String::from_utf8_lossy(&out[..60]));
        let out = said(&house, &format!("a FETCH {number} (RFC822.SIZE)"));
        let want = format!("* {number} FETCH (RFC822.SIZE {})\r\na OK Done.\r\n", wire.len());
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
    // Nor is it in the name of a copy.
    said(&house, "a COPY 1 Archive");
    let mut archive = house.account().open("Archive", true).unwrap();
    assert_eq!(Folder::size(&mut archive, 1), Ok(Some(19)));
}

#[test]
fn files_of_the_account_that_can_not_be_read_keep_nobody_from_his_mail() {
    let house = House::new();
    let mut account = house.account();
    append(&mut account, "INBOX", "Subject: a\n\na\n").unwrap();
    drop(account);
    become_nobody(house.home.path());
    for name in ["fulmar-special", "subscriptions", "fulmar-tree-lock"] {
        let bits = |bits| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(bits);
            std::fs::set_permissions(house.path("m").join(name), permissions).unwrap();
        };
        bits(0);
        let mut account = house.account();
        assert_eq!(names(&mut account).len(), 6, "{name}");
        assert_eq!(account.open("INBOX", false).unwrap().messages().len(), 1, "{name}");
        // What has to be written there is not.
        let made = account.create("new", &["\\Important".to_owned()]);
        let changed = made.and_then(|_| account.subscribe("x", true));
        assert!(matches!(changed, Err(Trouble::Unavailable(_))), "{name}: {changed:?}");
        bits(0o600);
        let _ = account.delete("new");
    }
}

#[test]
fn what_is_copied_or_moved_has_the_flags_that_another_session_has_just_given_it() {
    let house = House::new();
    let (mut one, mut other) = (house.account(), house.account());
    append(&mut one, "INBOX", "a").unwrap();
    append(&mut one, "INBOX", "b").unwrap();
    let (mut here, mut there) = (one.open("INBOX", false).unwrap(), other.open("INBOX", false).unwrap());
    let marks = Marks { flags: Flags::FLAGGED, keywords: vec!["Later".to_owned()] };
    there.store(&[1, 2], Change::Add, &marks, None).unwrap();
    one.copy(&mut here, &[1], "Sent", &mut Progress::unheard()).unwrap();
    one.relocate(&mut here, &[2], "Sent", &mut Progress::unheard()).unwrap();
    let sent = one.open("Sent", false).unwrap();
    for message in sent.messages() {
        assert_eq!(message.flags, Flags::SEEN | Flags::FLAGGED);
        assert_eq!(sent.keywords()[1..], ["Later"]);
        assert_eq!(message.keywords, 3);
    }
}

#[test]
fn a_uid_that_another_session_has_just_removed_is_passed_over_and_a_number_is_not() {
    let house = House::new();
    let mut other = house.account();
    for text in ["a", "b", "c", "d"] {
        append(&mut other, "INBOX", text).unwrap();
    }
    let mut there = other.open("INBOX", false).unwrap();
    let mut session = imap::Session::new(house.account(), imap::Options::default());
    let mut say = |command: &str| answer(&mut session, command);
    say("s SELECT INBOX");
    there.expunge(&[2]).unwrap();
    let copied = say("a UID COPY 1:3 Sent");
    assert!(copied.starts_with("* 2 EXPUNGE\r\na OK [COPYUID") && copied.contains(" 1,3 1:2]"), "{copied}");
    there.expunge(&[3]).unwrap();
    // His number 2; it is told when the command is over.
    let refused = say("b COPY 1:2 Sent");
    assert_eq!(refused, "* 2 EXPUNGE\r\nb NO [EXPUNGEISSUED] Some of the messages are gone.\r\n");
    there.expunge(&[4]).unwrap();
    let moved = say("c UID MOVE 1:4 Sent");
    assert!(moved.contains(" 1 3] Moved.\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nc OK"), "{moved}");
    assert_eq!(other.open("Sent", true).unwrap().messages().len(), 3);
}
