//! Whole messages through the folders, and every way a file can be wrong.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::Duration;

use wire::Fate;

use super::*;

mod bell;

struct House {
    home: tempfile::TempDir,
    queue: Queue,
}

fn house() -> House {
    let home = tempfile::tempdir().unwrap();
    let queue = Queue::make(&home.path().join("queue")).unwrap();
    House { home, queue }
}

fn head() -> Head {
    Head {
        requiretls: true,
        arrival: 1_700_000_000_000_000,
        uid: 1000,
        pid: 42,
        token: b"t1".to_vec(),
        sender: b"a@b".to_vec(),
    }
}

impl House {
    fn write(&self, id: u64, text: &[u8], recipients: &[&[u8]]) {
        let mut draft = Draft::new(&self.queue, id, Vec::new());
        draft.message(text).unwrap();
        draft.envelope(&head()).unwrap();
        recipients.iter().for_each(|recipient| draft.recipient(recipient).unwrap());
        draft.save().unwrap();
    }

    fn path(&self, id: u64) -> std::path::PathBuf {
        self.home.path().join(format!("queue/mess/{}/{id}", id % SPLIT))
    }
}

fn text_of(stored: &Stored, folder: &std::path::Path) -> Vec<u8> {
    let mut text = Vec::new();
    fs::File::from(stored.copy_message(folder).unwrap()).read_to_end(&mut text).unwrap();
    text
}

/// Does everything that is ever done with a file; the first trouble met.
fn use_all(stored: Result<Stored, Trouble>, folder: &std::path::Path) -> Result<Vec<Vec<u8>>, Trouble> {
    let stored = stored?;
    stored.check()?;
    stored.check_message()?;
    stored.copy_message(folder)?;
    let window = stored.recipients(0, 1000)?;
    Ok(window.recipients.into_iter().map(|recipient| recipient.address).collect())
}

#[test]
fn a_message_comes_back_as_it_was_written() {
    let house = house();
    for (id, text) in [(1, &b""[..]), (2, b"Subject: x\n\nno final newline"), (3, b"\0\n\r\n\xff")] {
        house.write(id, text, &[b"c@d", b"", b"e\nf@g"]);
        let stored = house.queue.stored(id).unwrap();
        assert_eq!(text_of(&stored, house.home.path()), text);
        assert_eq!(stored.check().unwrap(), (head(), 3, 0));
        let window = stored.recipients(0, 10).unwrap();
        let addresses: Vec<_> = window.recipients.iter().map(|r| &r.address[..]).collect();
        assert_eq!((addresses, window.next), (vec![&b"c@d"[..], b"", b"e\nf@g"], None));
    }
}

#[test]
fn a_message_without_token_or_recipients_is_whole() {
    let house = house();
    let mut draft = Draft::new(&house.queue, 7, Vec::new());
    draft.message(b"x").unwrap();
    let head = Head { token: Vec::new(), sender: Vec::new(), ..head() };
    draft.envelope(&head).unwrap();
    draft.save().unwrap();
    let stored = house.queue.stored(7).unwrap();
    assert_eq!(stored.check().unwrap(), (head, 0, 0));
    assert!(stored.recipients(0, 10).unwrap().recipients.is_empty());
}

#[test]
fn large_messages_and_envelopes_are_written_in_pieces_and_read_in_windows() {
    let house = house();
    let text: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
    let mut draft = Draft::new(&house.queue, 99, Vec::new());
    text.chunks(9999).for_each(|piece| draft.message(piece).unwrap());
    draft.envelope(&head()).unwrap();
    (0..50_000).for_each(|n| draft.recipient(format!("user{n}@example.test").as_bytes()).unwrap());
    draft.save().unwrap();
    let stored = house.queue.stored(99).unwrap();
    assert_eq!(text_of(&stored, house.home.path()), text);
    assert_eq!(stored.check().unwrap().1, 50_000);
    let (mut from, mut seen) = (0, 0);
    loop {
        let window = stored.recipients(from, 777).unwrap();
        for recipient in &window.recipients {
            assert_eq!(recipient.address, format!("user{seen}@example.test").as_bytes());
            seen += 1;
        }
        let places: Vec<u64> = window.recipients.iter().map(|r| r.place).collect();
        house.queue.mark_done(99, &places).unwrap();
        let Some(next) = window.next else { break };
        from = next;
    }
    assert_eq!(seen, 50_000);
    assert_eq!(house.queue.stored(99).unwrap().check().unwrap().2, 50_000);
}

#[test]
fn a_mark_changes_one_octet_and_no_sum() {
    let house = house();
    house.write(5, b"text", &[b"one@x", b"two@x"]);
    let before = fs::read(house.path(5)).unwrap();
    let place = house.queue.stored(5).unwrap().recipients(0, 9).unwrap().recipients[1].place;
    house.queue.mark_done(5, &[place]).unwrap();
    let after = fs::read(house.path(5)).unwrap();
    let changed: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    assert_eq!(changed, [place as usize]);
    let stored = house.queue.stored(5).unwrap();
    assert_eq!(stored.check().unwrap(), (head(), 2, 1));
    assert!(stored.recipients(0, 9).unwrap().recipients[1].done);
}

#[test]
fn a_file_cut_anywhere_is_damaged_and_never_delivered() {
    // Q05
    let house = house();
    house.write(1, b"Subject: x\n\nhello\n", &[b"one@x", b"two@x"]);
    let whole = fs::read(house.path(1)).unwrap();
    for cut in 0..whole.len() {
        fs::write(house.path(1), &whole[..cut]).unwrap();
        let seen = use_all(house.queue.stored(1), house.home.path());
        assert!(matches!(seen, Err(Trouble::Damaged(_))), "cut at {cut}: {seen:?}");
    }
    for more in [1, 31, 32, 4096] {
        fs::write(house.path(1), [&whole[..], &vec![0; more]].concat()).unwrap();
        assert!(matches!(house.queue.stored(1), Err(Trouble::Damaged(_))));
    }
}

#[test]
fn no_changed_octet_goes_unnoticed() {
    // Q05
    let house = house();
    house.write(1, b"Subject: x\n\nhello\n", &[b"one@x", b"two@x"]);
    let whole = fs::read(house.path(1)).unwrap();
    for at in 0..whole.len() {
        for flip in [1, 0x10, 0x80, 0xff, b'T' ^ b'D'] {
            let mut bad = whole.clone();
            bad[at] ^= flip;
            if whole[at] == b'T' && bad[at] == b'D' {
                continue;
            }
            fs::write(house.path(1), &bad).unwrap();
            let seen = use_all(house.queue.stored(1), house.home.path());
            assert!(matches!(seen, Err(Trouble::Damaged(_))), "octet {at} ^ {flip}: {seen:?}");
        }
    }
}

#[test]
fn an_envelope_with_right_sums_and_wrong_records_is_damaged() {
    // Q05
    let house = house();
    let wrong: [&[u8]; 9] = [
        b"",
        b"V1\0",
        b"V2\0A1\0U1\0P1\0Fa\0Tb\0",
        b"A1\0V1\0U1\0P1\0Fa\0Tb\0",
        b"V1\0Ax\0U1\0P1\0Fa\0Tb\0",
        b"V1\0A1\0U99999999999\0P1\0Fa\0Tb\0",
        b"V1\0A1\0U1\0P1\0Fa\0Fb\0Tb\0",
        b"V1\0A1\0U1\0P1\0Fa\0\0Tb\0",
        b"V1\0A1\0U1\0P1\0Fa\0Tb",
    ];
    for envelope in
        wrong.iter().copied().chain([&[&b"V1\0A1\0U1\0P1\0F"[..], &[b'x'; 2000], b"\0"].concat()[..]])
    {
        let end = format::End {
            message: 2,
            envelope: envelope.len() as u64,
            message_sum: crc32fast::hash(b"x\n"),
            envelope_sum: crc32fast::hash(envelope),
        };
        fs::write(house.path(1), [b"x\n", envelope, &end.to_bytes()].concat()).unwrap();
        let seen = use_all(house.queue.stored(1), house.home.path());
        assert!(matches!(seen, Err(Trouble::Damaged(_))), "{seen:?}");
    }
}

#[test]
fn lengths_that_overflow_are_damaged() {
    for (message, envelope) in [(u64::MAX, u64::MAX), (u64::MAX, 1), (0, u64::MAX - 31), (1 << 40, 0)] {
        let end = format::End { message, envelope, message_sum: 0, envelope_sum: 0 };
        assert!(matches!(format::End::parse(&end.to_bytes(), 32), Err(Trouble::Damaged(_))));
    }
}

#[test]
fn links_folders_and_fifos_are_damaged_not_followed() {
    // Q05
    let house = house();
    std::os::unix::fs::symlink("/etc/passwd", house.path(1)).unwrap();
    fs::create_dir(house.path(2)).unwrap();
    sys::durable::make_fifo(&house.path(3), 0o600).unwrap();
    for id in 1..=3 {
        assert!(house.queue.stored(id).is_err(), "{id}");
    }
    assert!(matches!(house.queue.stored(4), Err(Trouble::Gone)));
}

#[test]
fn a_scan_tells_messages_from_strangers_and_strangers_can_be_set_aside() {
    // Q05
    let house = house();
    house.write(24, b"x", &[b"a@b"]);
    let folder = house.home.path().join("queue/mess/1");
    for name in ["25", "024", "-1", "x", "24.bak", "99999999999999999999"] {
        fs::write(folder.join(name), "x").unwrap();
    }
    fs::create_dir(folder.join("47")).unwrap();
    std::os::unix::fs::symlink("24", folder.join("70")).unwrap();
    let (mut messages, mut strangers) = (Vec::new(), Vec::new());
    let mut each = |found| match found {
        Found::Message(id) => messages.push(id),
        Found::Stranger(number, name) => strangers.push((number, name)),
    };
    house.queue.scan(&mut each).unwrap();
    assert_eq!((messages, strangers.len()), (vec![24], 8));
    for (number, name) in &strangers {
        house.queue.set_aside(*number, name).unwrap();
    }
    fs::write(folder.join("x"), "y").unwrap();
    assert_eq!(house.queue.set_aside(1, b"x").unwrap(), "x.1");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    assert_eq!(fs::read_dir(house.home.path().join("queue/bad")).unwrap().count(), 9);
}

#[test]
fn numbers_are_never_given_twice_whatever_the_clock_and_the_queue_do() {
    // Q09, L02
    let house = house();
    let mut given = std::collections::BTreeSet::new();
    let now = 1_700_000_000_000_000;
    for clock in [now, now, 0, now - 3_600_000_000, now + 10, now + 365 * 86_400_000_000, now] {
        let ids = Ids::open(&house.queue).unwrap();
        for tick in 0..100 {
            let id = ids.next(clock + tick).unwrap();
            assert!(given.last().is_none_or(|last| *last < id) && id < 1 << 63);
            given.insert(id);
        }
        if clock == 0 {
            ids.close().unwrap();
        }
    }
    // The memory is lost, a message is there.
    let highest = *given.last().unwrap() + 1_000_000_000;
    house.write(highest, b"x", &[]);
    fs::remove_file(house.home.path().join("queue/lock/ids")).unwrap();
    assert!(Ids::open(&house.queue).unwrap().next(now).unwrap() > highest);
}

#[test]
fn messages_of_one_moment_share_a_folder() {
    let house = house();
    let ids = Ids::open(&house.queue).unwrap();
    let now = 1_700_000_000_000_000;
    let folders: std::collections::BTreeSet<u64> =
        (0..100).map(|tick| ids.next(now + tick * 100).unwrap() % SPLIT).collect();
    assert_eq!(folders.len(), 1);
}

#[test]
fn a_draft_that_is_dropped_leaves_nothing() {
    let house = house();
    let mut draft = Draft::new(&house.queue, 5, Vec::new());
    draft.message(&vec![b'x'; 1_000_000]).unwrap();
    let tmp = house.home.path().join("queue/tmp");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 1);
    drop(draft);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn a_message_never_takes_the_place_of_another() {
    let house = house();
    house.write(5, b"first", &[b"a@b"]);
    let mut draft = Draft::new(&house.queue, 5, Vec::new());
    draft.message(b"second").unwrap();
    draft.envelope(&head()).unwrap();
    assert!(draft.save().is_err());
    assert_eq!(text_of(&house.queue.stored(5).unwrap(), house.home.path()), b"first");
    assert_eq!(fs::read_dir(house.home.path().join("queue/tmp")).unwrap().count(), 0);
}

#[test]
fn left_overs_are_swept_when_old_and_only_then() {
    let house = house();
    let tmp = house.home.path().join("queue/tmp");
    fs::write(tmp.join("1"), "x").unwrap();
    let old = fs::File::create(tmp.join("2")).unwrap();
    old.set_modified(sys::now() - Duration::from_secs(37 * 3600)).unwrap();
    assert_eq!(house.queue.sweep(Duration::from_secs(36 * 3600)).unwrap(), 1);
    assert!(tmp.join("1").exists() && !tmp.join("2").exists());
}

#[test]
fn notes_come_back_and_one_that_was_cut_is_passed_over() {
    let house = house();
    let failure = |address: &[u8], text: &'static str| Failure {
        address: address.to_vec(),
        fate: Fate::never(1, 1, text),
    };
    let first = [failure(b"a@b", "no such user"), failure(b"odd%0A%\n\xff@b", "")];
    house.queue.note(9, &first).unwrap();
    let path = house.home.path().join("queue/bounce/9");
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        house.queue.note(9, &[failure(b"z@b", "last")]).unwrap();
        let notes: Vec<Failure> = house.queue.notes(9).unwrap().unwrap().map(Result::unwrap).collect();
        assert_eq!(notes.last(), Some(&failure(b"z@b", "last")), "cut at {cut}");
        assert!(notes[..notes.len() - 1].iter().all(|note| first.contains(note)), "cut at {cut}");
    }
    let long = Failure { address: b"l@b".to_vec(), fate: Fate::never(0, 0, "x".repeat(1_000_000)) };
    house.queue.note(9, &[long, failure(b"end@b", "")]).unwrap();
    let notes: Vec<Failure> = house.queue.notes(9).unwrap().unwrap().map(Result::unwrap).collect();
    assert_eq!(notes.last(), Some(&failure(b"end@b", "")));
    assert!(notes.iter().all(|note| note.fate.text().sentence.len() < 5000));
    assert!(house.queue.notes(10).unwrap().is_none());
}

#[test]
fn a_copied_queue_works_where_it_is_copied_to() {
    // Q10
    let house = house();
    house.write(24, b"x", &[b"a@b"]);
    let other = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .args(["-r", "--"])
        .arg(house.home.path().join("queue"))
        .arg(other.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let queue = Queue::open(&other.path().join("queue")).unwrap();
    assert_eq!(queue.ids().unwrap(), [24]);
    assert_eq!(queue.show(24).unwrap().recipients, 1);
}

#[test]
fn the_admins_view_counts_what_is_there_and_what_is_damaged() {
    let house = house();
    house.write(1, b"12345", &[b"a@b", b"c@d"]);
    house.write(2, b"12345", &[b"a@b"]);
    house
        .queue
        .mark_done(1, &[house.queue.stored(1).unwrap().recipients(0, 1).unwrap().recipients[0].place])
        .unwrap();
    fs::write(house.path(3), "garbage").unwrap();
    let totals = house.queue.totals().unwrap();
    let expect =
        Totals { messages: 2, waiting: 2, octets: 10, held: 0, damaged: 1, oldest: Some(head().arrival) };
    assert_eq!(totals, expect);
    assert_eq!(house.queue.ids().unwrap(), [1, 2, 3]);
}

#[test]
fn the_second_lock_is_refused() {
    // Q06
    let house = house();
    let first = house.queue.lock("send").unwrap();
    assert!(first.is_some() && house.queue.lock("send").unwrap().is_none());
    drop(first);
    assert!(house.queue.lock("send").unwrap().is_some());
}

#[test]
fn nobody_but_the_owner_can_read_the_queue() {
    let house = house();
    house.write(1, b"x", &[b"a@b"]);
    for path in [house.path(1), house.home.path().join("queue/mess"), house.home.path().join("queue/bounce")]
    {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
    }
}

type Taken = (Result<(), Bad>, Vec<(u8, Vec<u8>)>);

fn taken(pieces: &[&[u8]]) -> Taken {
    let (mut intake, mut seen) = (Intake::new(), Vec::new());
    let fed = pieces.iter().try_for_each(|piece| {
        intake.feed(piece, |record| {
            seen.push(match record {
                Record::Sender(address) => (b'F', address.to_vec()),
                Record::Recipient(address) => (b'T', address.to_vec()),
            });
            Ok::<(), Bad>(())
        })
    });
    (fed.and_then(|()| intake.end()), seen)
}

#[test]
fn cutting_an_envelope_anywhere_changes_nothing() {
    let long = [&b"Fa\0T"[..], &[b'x'; 1003], b"\0T\0\0"].concat();
    let too_long = [&b"Fa\0T"[..], &[b'x'; 1004], b"\0"].concat();
    for input in [
        &b"F\0Ta@b\0Tc\0\0"[..],
        b"Fa\0",
        b"Fa\0Tb",
        b"Ta\0",
        b"Fa\0Fb\0",
        b"Fa\0\0Tb\0",
        b"\0",
        &long,
        &too_long,
    ] {
        let whole = taken(&[input]);
        for cut in 0..=input.len() {
            assert_eq!(taken(&[&input[..cut], &input[cut..]]).0, whole.0, "{cut}");
        }
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(taken(&octets), whole);
    }
    assert_eq!(taken(&[&long]).1.len(), 3);
    assert_eq!(taken(&[&too_long]).0, Err(Bad::TooLong));
    assert_eq!(taken(&[b""]).0, Err(Bad::Malformed));
}

proptest::proptest! {
    #[test]
    fn any_file_at_all_is_read_without_a_panic(bytes: Vec<u8>, message in 0u64..40, envelope in 0u64..80) {
        let house = house();
        let end = format::End { message, envelope, message_sum: 0, envelope_sum: 0 };
        for bytes in [bytes.clone(), [&bytes[..], &end.to_bytes()].concat()] {
            fs::write(house.path(1), &bytes).unwrap();
            let _ = use_all(house.queue.stored(1), house.home.path());
            let file = fs::OpenOptions::new().write(true).open(house.path(1)).unwrap();
            file.write_all_at(b"V1", 0).unwrap();
            let _ = use_all(house.queue.stored(1), house.home.path());
        }
    }
}
