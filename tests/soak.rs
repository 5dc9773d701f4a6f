//! Mixed load for as long as `FULMAR_SOAK_SECONDS` says (6): what is sent arrives once, and the memory and the
//! descriptors of every program stay where they were.
//!
//! Each user sends himself a few letters, fetches until all are there, removes them, and begins anew: so it is the
//! programs' own use that is looked at, not that of a mailbox or a queue that grows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tests::{DOMAIN, House, Imap, PASSWORD, PATIENCE, Pop3, Smtp, files};

/// Who takes part; those of even numbers fetch by POP3, the others by IMAP.
const USERS: usize = 6;
/// How often is looked, the first quarter being the time in which programs get warm.
const LOOKS: usize = 16;
/// How much more than before a program may use, in KiB of all its processes, and in descriptors: how many sessions
/// there are at one moment is chance.
const MORE_MEMORY: u64 = 6 * 1024;
const MORE_DESCRIPTORS: u64 = 60;

/// What all processes of one program use.
#[derive(Clone, Copy, Default)]
struct Use {
    processes: u64,
    /// KiB, shared pages counted in parts.
    memory: u64,
    descriptors: u64,
}

type Look = BTreeMap<String, Use>;

fn look(house: &House) -> Look {
    let mut seen = Look::new();
    for (pid, name) in house.processes() {
        let folder = format!("/proc/{pid}");
        let Ok(rollup) = fs::read_to_string(format!("{folder}/smaps_rollup")) else { continue };
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
        let used = seen.entry(name).or_default();
        used.processes += 1;
        used.memory +=
            pss.split_ascii_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        used.descriptors += files(Path::new(&format!("{folder}/fd"))).len() as u64;
    }
    seen
}

/// The median of a program's use in some looks.
fn median(looks: &[Look], name: &str, of: impl Fn(&Use) -> u64) -> u64 {
    let mut values: Vec<u64> =
        looks.iter().map(|look| of(&look.get(name).copied().unwrap_or_default())).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

struct Doors {
    smtp: SocketAddr,
    pop3: SocketAddr,
    imap: SocketAddr,
}

/// One user's day; gives how many letters he has sent, all of which he has got.
fn day(doors: &Doors, number: usize, end: Instant) -> usize {
    let address = format!("user{number}@{DOMAIN}");
    let mut sent = 0;
    for turn in 0.. {
        if Instant::now() > end {
            break;
        }
        let count = 1 + turn % 5;
        for letter in 0..count {
            send(doors, &address, turn * 5 + letter);
        }
        sent += count;
        let (mut got, patience) = (0, Instant::now() + PATIENCE);
        while got < count {
            assert!(Instant::now() < patience, "{address}: {got} letters of {count} came");
            got += if number.is_multiple_of(2) { by_pop3(doors, &address) } else { by_imap(doors, &address) };
        }
        assert_eq!(got, count, "{address}: once each");
    }
    sent
}

/// Letters of all sizes; now and then somebody who does not exist, or a connection that breaks off.
fn send(doors: &Doors, address: &str, number: usize) {
    let size = [300, 3_000, 30_000, 300_000][[0, 0, 1, 0, 2, 1, 0, 3][number % 8]];
    let text = format!(
        "Subject: {number}\n\n{}",
        "a line of fifty octets, more or less, in a letter.\n".repeat(size / 50)
    );
    let mut smtp = Smtp::connect(doors.smtp);
    if number.is_multiple_of(11) {
        assert!(smtp.send(address, &[&format!("nobody{number}@{DOMAIN}")], b"x\n").starts_with("550 "));
        smtp.command("RSET");
    }
    if number.is_multiple_of(13) {
        let mut broken = Smtp::connect(doors.smtp);
        broken.command(&format!("MAIL FROM:<{address}>"));
        broken.command(&format!("RCPT TO:<{address}>"));
        broken.command("DATA");
    }
    let reply = smtp.send(address, &[address], text.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
}

fn by_pop3(doors: &Doors, address: &str) -> usize {
    let mut pop3 = Pop3::login(doors.pop3, address, PASSWORD);
    let told = pop3.good("STAT");
    let count = told.split(' ').next().unwrap().parse::<usize>().unwrap();
    for number in 1..=count {
        pop3.fetch(number);
        pop3.good(&format!("DELE {number}"));
    }
    pop3.good("QUIT");
    count
}

fn by_imap(doors: &Doors, address: &str) -> usize {
    let mut imap = Imap::login(doors.imap, address, PASSWORD);
    let count = imap.good("SELECT INBOX").told("EXISTS").unwrap() as usize;
    // More may come meanwhile, which is for the next time.
    if count > 0 {
        let all =
            imap.good(&format!("FETCH 1:{count} (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])")).fetches().len();
        assert_eq!(all, count);
        imap.good("SEARCH TEXT fifty");
        imap.good(&format!("STORE 1:{count} +FLAGS.SILENT (\\Deleted)"));
        imap.good("EXPUNGE");
    }
    imap.log_out();
    count
}

#[test]
fn days_of_mail_leave_memory_and_descriptors_as_they_were() {
    let seconds = std::env::var("FULMAR_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let mut house = House::empty();
    // Of days of mail the log would be larger than the mail.
    house.services().log_to(File::options().write(true).open("/dev/null").unwrap());
    house.run();
    house.well(&["domain", "add", DOMAIN]);
    (0..USERS).for_each(|number| house.user(&format!("user{number}"), &[]));
    let end = Instant::now() + Duration::from_secs(seconds);
    let users: Vec<_> = (0..USERS)
        .map(|number| {
            let doors = Doors { smtp: house.smtp(), pop3: house.pop3(), imap: house.imap() };
            thread::spawn(move || day(&doors, number, end))
        })
        .collect();
    let mut looks = Vec::new();
    while looks.len() < LOOKS && !users.iter().all(thread::JoinHandle::is_finished) {
        thread::sleep(Duration::from_secs(seconds) / LOOKS as u32);
        looks.push(look(&house));
    }
    let sent: usize = users.into_iter().map(|user| user.join().unwrap()).sum();
    house.await_empty_queue();
    println!("{sent} letters in {seconds} seconds, each sent, delivered and fetched once");
    let grown = grown(&looks);
    // Programs that have just been started are still growing.
    assert!(seconds < 60 || grown.is_empty(), "these have grown: {grown:?}");
}

/// Prints a table, the last quarter of the looks beside the second one; gives the programs that use more than they did.
fn grown(looks: &[Look]) -> Vec<&String> {
    let (early, late) = (&looks[looks.len() / 4..looks.len() / 2], &looks[looks.len() * 3 / 4..]);
    println!("| program | processes | PSS early, KiB | PSS late | descriptors early | descriptors late |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut grown = Vec::new();
    let names: BTreeSet<&String> = late.iter().flat_map(Look::keys).collect();
    for name in names {
        let [before, after] = [early, late].map(|looks| {
            let [processes, memory, descriptors] = [
                median(looks, name, |used| used.processes),
                median(looks, name, |used| used.memory),
                median(looks, name, |used| used.descriptors),
            ];
            Use { processes, memory, descriptors }
        });
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            after.processes, before.memory, after.memory, before.descriptors, after.descriptors
        );
        if after.memory > before.memory + MORE_MEMORY
            || after.descriptors > before.descriptors + MORE_DESCRIPTORS
        {
            grown.push(name);
        }
    }
    grown
}
