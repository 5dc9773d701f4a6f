//! How long things take in a mailbox of 100,000 messages.
//!     cargo run --release -p mailbox --example figures [messages] [folder]

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use imap::{Change, Flags, Folder, Marks, Uid};
use mailbox::{Arrival, Draft, Mailbox, Options, Place, Source};

fn time<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = act();
    println!("{:>9.1} ms  {what}", start.elapsed().as_secs_f64() * 1000.0);
    done
}

fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

fn arrival(text: &str, tmp: &Path) -> Arrival {
    let mut draft = Draft::begin(tmp).unwrap();
    draft.write_all(text.as_bytes()).unwrap();
    let (marks, source) = (Marks::default(), Source::Draft(draft));
    Arrival { source, marks, date: None, saved: 0, record: None, email_id: None }
}

fn open(place: &Place) -> Mailbox {
    Mailbox::open(place.clone(), Options::default()).unwrap()
}

fn fill(path: &Path, count: usize) {
    for number in 0..count {
        let text = format!("Subject: {number}\n\n{}\n", "x".repeat(number % 3000));
        let (octets, wire) = (text.len(), text.len() + 3);
        let name = format!(
            "{}.M{:06}P1Q{number}.host,S={octets},W={wire}:2,",
            1_600_000_000 + number,
            number % 1000
        );
        std::fs::write(path.join("cur").join(name), text).unwrap();
    }
}

fn reading(mailbox: &mut Mailbox, all: &[Uid]) {
    time("dates of all", || all.iter().for_each(|uid| _ = mailbox.date(*uid).unwrap()));
    time("keeping 600 octets of all", || all.iter().for_each(|uid| mailbox.keep(*uid, &[7; 600])));
    let mut record = Vec::new();
    time("reading them", || all.iter().for_each(|uid| assert!(mailbox.kept(*uid, &mut record).unwrap())));
    time("refresh after it", || mailbox.refresh().unwrap());
    time("reading all texts", || {
        let mut octets = 0;
        mailbox.each_text(all, &|_, text| text.len(), &mut |_, length| octets += length).unwrap();
        assert!(octets > all.len());
    });
}

fn adding(mailbox: &mut Mailbox, place: &Place, all: &[Uid]) {
    let tmp = &place.temporary;
    time("add 1000, one by one", || {
        (0..1000).for_each(|_| _ = mailbox.add(vec![arrival("Subject: x\r\n\r\nText\r\n", tmp)]).unwrap());
    });
    time("copy 10,000", || {
        let copies = all.iter().take(10_000).map(|uid| {
            let source = Source::Of(mailbox.original(*uid).unwrap());
            Arrival { source, marks: Marks::default(), date: None, saved: 0, record: None, email_id: None }
        });
        let copies = copies.collect();
        mailbox.add(copies).unwrap();
    });
    time("refresh after it", || mailbox.refresh().unwrap());
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(100_000, |count| count.parse().unwrap());
    let home = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let path = home.join(format!("figures-{}", std::process::id()));
    maildir::Maildir::create(&path).unwrap();
    time("making the files", || fill(&path, count));
    let place = Place { index: path.clone(), temporary: path.join("tmp"), maildir: path.clone() };
    println!("{:>9} KB  memory before", memory());
    let mut mailbox = time("open, no index", || open(&place));
    assert_eq!(mailbox.messages().len(), count);
    println!("{:>9} KB  memory, open", memory());
    std::thread::sleep(std::time::Duration::from_millis(50));
    mailbox.refresh().unwrap();
    drop(mailbox);
    time("STATUS, nothing changed", || Mailbox::peek(place.clone(), false).unwrap());
    let options = Options { may_sleep: true, ..Options::default() };
    let mut asleep = time("open, end of the index", || Mailbox::open(place.clone(), options).unwrap());
    time("... and the rest of it", || assert!(asleep.wake(true).unwrap()));
    drop(asleep);
    let mut mailbox = time("open, index", || open(&place));
    let mut other = open(&place);
    println!("{:>9} KB  memory, two open", memory());
    time("1000 single stores and refreshes", || {
        for uid in 1..=1000 {
            let marks = Marks { flags: Flags::SEEN, keywords: vec![] };
            mailbox.store(&[uid], Change::Add, &marks, None).unwrap();
            mailbox.refresh().unwrap();
        }
    });
    time("... seen by another", || assert!(other.refresh().unwrap()));
    let all: Vec<Uid> = mailbox.messages().iter().map(|message| message.uid).collect();
    time("store all", || {
        let marks = Marks { flags: Flags::FLAGGED, keywords: vec!["Word".into()] };
        mailbox.store(&all, Change::Add, &marks, None).unwrap();
    });
    time("refresh after it", || mailbox.refresh().unwrap());
    time("... seen by another", || assert!(other.refresh().unwrap()));
    reading(&mut mailbox, &all);
    adding(&mut mailbox, &place, &all);
    let half: Vec<Uid> = all.iter().copied().filter(|uid| uid % 10 == 0).collect();
    time("expunge every tenth", || mailbox.expunge(&half).unwrap());
    time("refresh after it", || mailbox.refresh().unwrap());
    println!("{:>9} KB  memory", memory());
    time("close", || drop(mailbox));
    time("... seen by another", || assert!(other.refresh().unwrap()));
    drop(other);
    time("open, folders changed", || drop(open(&place)));
    std::fs::write(path.join("fulmar-index"), "").unwrap();
    time("open, index lost", || drop(open(&place)));
    std::fs::remove_dir_all(&path).unwrap();
}
