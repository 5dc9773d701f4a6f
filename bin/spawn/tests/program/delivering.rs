//! Orders that are carried out.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use crate::house::{House, account, give, mode, owner, until};

const MESSAGE: &[u8] = b"Subject: hello\n\nHello.\n";

#[test]
fn mail_arrives_as_the_owners_own_file_and_holds_no_envelope() {
    let house = House::new();
    house.home("alice");
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    let head = b"Return-Path: <sender@x.test>\nDelivered-To: alice@x.test\n";
    assert_eq!(house.mail("alice"), [[head, MESSAGE].concat()]);
    let folder = house.path("mail/x.test/alice/Maildir/new");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().metadata().unwrap();
    assert_eq!(
        (file.uid(), file.gid(), file.mode() & 0o777),
        (owner(), if sys::is_root() { owner() } else { file.gid() }, 0o600)
    );
    until(|| house.log().contains("spawn: 1795248000000001 done recipient=alice@x.test"));
}

#[test]
fn each_recipient_of_an_order_gets_an_answer_of_its_own() {
    let house = House::with(&[], &[], |house, address| match address {
        "nobody@x.test" => Some(b"D5.1.1 no such user".to_vec()),
        _ => Some(account(house, address, "do=./Maildir/")),
    });
    house.home("alice");
    house.home("bob");
    let fates = house.deliver(&["alice@x.test", "nobody@x.test", "bob@x.test"], MESSAGE);
    assert_eq!(fates, ["Kdid 1+0+0/", "D5.1.1 no such user", "Kdid 1+0+0/"]);
    assert_eq!((house.mail("alice").len(), house.mail("bob").len()), (1, 1));
}

#[test]
fn a_message_too_large_for_memory_passes_whole() {
    // L12
    let house = House::new();
    house.home("alice");
    let message: Vec<u8> = (0..9_000_001u32).map(|n| (n % 253) as u8).collect();
    assert_eq!(house.deliver(&["alice@x.test"], &message), ["Kdid 1+0+0/"]);
    assert!(house.mail("alice")[0].ends_with(&message));
}

#[test]
fn a_first_letter_makes_the_home_of_a_virtual_account() {
    let house = House::new();
    assert_eq!(house.deliver(&["new@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    assert_eq!(house.deliver(&["new@other.test"], MESSAGE), ["Kdid 1+0+0/"]);
    let home = std::fs::metadata(house.path("mail/x.test/new")).unwrap();
    assert_eq!((home.uid(), home.mode() & 0o777), (owner(), 0o700));
    assert_eq!(house.mail("new").len(), 1);
}

#[test]
fn a_home_elsewhere_is_not_made() {
    let house = House::with(&[], &[], |house, address| {
        let text = String::from_utf8(account(house, address, "do=./Maildir/")).unwrap();
        Some(text.replace("home=", "home=/nonexistent").into_bytes())
    });
    let fates = house.deliver(&["alice@x.test"], MESSAGE);
    assert!(fates[0].starts_with("Z4.2.1 home folder /nonexistent"), "{fates:?}");
}

#[test]
fn the_quota_of_the_account_is_kept() {
    // L06
    let house = House::with(&[], &[], |house, address| {
        let text = String::from_utf8(account(house, address, "do=./Maildir/")).unwrap();
        Some(text.replace("quota=0", "quota=150").into_bytes())
    });
    house.home("alice");
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    let fates = house.deliver(&["alice@x.test"], MESSAGE);
    assert!(fates[0].starts_with("Z4.2.2 mailbox is full"), "{fates:?}");
    assert_eq!(house.mail("alice").len(), 1);
}

#[test]
fn an_accounts_own_qmail_files_decide_where_lookup_says_so() {
    let house = House::with(&[], &[], |house, address| Some(account(house, address, "do=.qmail")));
    let home = house.home("alice");
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    assert_eq!(house.deliver(&["alice-x@x.test"], MESSAGE), ["D5.1.1 Sorry, no mailbox here by that name."]);
    for (name, text) in [(".qmail-x", "./Maildir/\n./Maildir/\n"), (".qmail-p", "./Maildir/\n|true\n")] {
        std::fs::write(home.join(name), text).unwrap();
        mode(&home.join(name), 0o600);
        give(&home.join(name));
    }
    assert_eq!(house.deliver(&["alice-x@x.test"], MESSAGE), ["Kdid 2+0+0/"]);
    // Its uid may be others' too, so it has to be said that it may run programs.
    let refusal = "Z4.7.0 this mailbox may not run programs";
    assert_eq!(house.deliver(&["alice-p@x.test"], MESSAGE), [refusal]);
    assert_eq!(house.mail("alice").len(), 3);
}

/// A house in which everybody may run programs, and alice's .qmail-p holds `text`.
fn with_program(text: &str) -> House {
    let house = House::with(&["-t", "3"], &[], |house, address| {
        Some(account(house, address, "do=.qmail|programs=yes"))
    });
    let file = house.home("alice").join(".qmail-p");
    std::fs::write(&file, text).unwrap();
    mode(&file, 0o600);
    give(&file);
    house
}

#[test]
fn programs_run_as_the_owner_with_the_message_and_their_words_are_the_report() {
    // D02, D04
    for (text, expect) in [
        ("|cat >got\n|echo \"$SENDER $EXT $DEFAULT\"\n./mbox\n", "Ksender@x.test p /did 1+0+2/"),
        ("|exit 99\n|touch no\n", "Kdid 0+0+1/"),
        ("|echo I do not like you; exit 100\n./Maildir/\n", "D5.3.0 I do not like you"),
        ("|echo 5.7.1 no; exit 77\n", "D5.7.1 no"),
        ("|exit 1\n", "Z4.3.0 a program can't take this message now"),
        ("|kill -9 $$\n", "Z4.3.0 a command was ended by signal 9"),
        // D03: it reads nothing and says too much; what it leaves running keeps nobody.
        ("|sleep 100 & head -c 100000000 /dev/zero >&2; exit 0\n", "K"),
    ] {
        let house = with_program(text);
        let fates = house.deliver(&["alice-p@x.test"], MESSAGE);
        assert!(fates[0].starts_with(expect), "{text}: {}", &fates[0][..fates[0].len().min(200)]);
        assert!(fates[0].len() < 5000);
        assert!(!house.path("mail/x.test/alice/no").exists(), "{text}");
        if text.contains("got") {
            assert_eq!(std::fs::read(house.path("mail/x.test/alice/got")).unwrap(), MESSAGE);
        }
    }
}

#[test]
fn a_program_that_never_ends_is_ended_with_all_it_started() {
    // D03
    let house = with_program("|sleep 1000 | sleep 1000\n");
    let fates = house.deliver(&["alice-p@x.test"], MESSAGE);
    assert_eq!(fates, ["Z4.3.0 programs took longer than 3 seconds"]);
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"], "and others go on");
}

#[test]
fn a_worker_reaches_no_folder_but_its_own_home() {
    let house = House::with(&[], &[], |house, address| {
        let instructions =
            if address.starts_with("eve") { "do=./../alice/Maildir/" } else { "do=./Maildir/" };
        Some(account(house, address, instructions))
    });
    house.home("alice");
    house.home("eve");
    assert_eq!(house.deliver(&["alice@x.test"], MESSAGE), ["Kdid 1+0+0/"]);
    // The same uid, but Landlock stands between the accounts; without it there is nothing to see here.
    let fates = house.deliver(&["eve@x.test"], MESSAGE);
    if fates[0].starts_with('K') {
        eprintln!("SKIPPED: this kernel has no Landlock");
        return;
    }
    assert!(fates[0].starts_with("Z4.2.1 unable to open maildir"), "{fates:?}");
    assert_eq!(house.mail("alice").len(), 1);
}

#[test]
fn many_deliveries_at_a_time_to_one_maildir_and_to_many_lose_none_and_double_none() {
    // L01
    const COUNT: usize = 300;
    let house = House::new();
    let names: Vec<String> = (0..10).map(|n| format!("user{n}")).collect();
    names.iter().chain([&"alice".to_owned()]).for_each(|name| drop(house.home(name)));
    let start = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while answered < COUNT {
        while sent < COUNT && sent - answered < 10 {
            let name = if sent % 2 == 0 { "alice" } else { &names[sent % 10] };
            house.order(&sent.to_string(), &[&format!("{name}@x.test")], format!("{sent}\n").as_bytes());
            sent += 1;
        }
        let (_, fates) = house.answer();
        assert_eq!(fates, ["Kdid 1+0+0/"]);
        answered += 1;
    }
    println!("{:.0} deliveries a second", COUNT as f64 / start.elapsed().as_secs_f64());
    let all = names.iter().flat_map(|name| house.mail(name)).chain(house.mail("alice"));
    let texts: Vec<Vec<u8>> = all.collect();
    assert_eq!((texts.len(), texts.iter().collect::<HashSet<_>>().len()), (COUNT, COUNT));
    assert_eq!(house.mail("alice").len(), COUNT / 2);
}
