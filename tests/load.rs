//! A load generator for scripts/bench: sends messages as fast as a server takes them, or asks the disk.
//!
//! `load smtp ADDRESS SESSIONS SECONDS conn|kept SIZE MAILDIR=RECIPIENT...` prints accepted and
//! delivered messages per second (accepted ones only if no MAILDIR is named); `load disk FOLDER THREADS SECONDS SIZE` prints
//! durable files per second; `load relay ADDRESS SINK SESSIONS SECONDS SIZE` prints messages accepted and handed on to
//! a sink per second; `load many ADDRESS SINK RECIPIENTS DOMAINS [BLACKHOLE]` prints how long one message takes to
//! all its recipients; `load handshakes ADDRESS SESSIONS SECONDS` prints TLS sessions per second, `load idle ADDRESS
//! SESSIONS` keeps some open; `load pop3 ADDRESS SESSIONS SECONDS USER PASSWORD` prints logins per second.
//! `load letters MAILDIR COUNT` writes a mailbox; `load imap ADDRESS USER PASSWORD cold ROW` prints a row, `... warm
//! [SECONDS]` all rows with their seconds, after waiting for an index of words for so long; `... logins SESSIONS SECONDS`
//! logins per second and how many; `... idle|idle-tls SESSIONS` keeps sessions open. `load pair FOLDER THREADS SECONDS SIZE`
//! prints how often per second a file can be made durable, then another, and the first be removed: the least that a
//! delivery is; `load hold` keeps sessions that say nothing; `load hole` keeps a port that does not answer; `load
//! retr` prints messages fetched per second; `load start` prints how long a program takes from fork to its end, in ms.

#[path = "load/hold.rs"]
mod hold;
#[path = "load/imap.rs"]
mod imap;
#[path = "load/letters.rs"]
mod letters;
#[path = "load/limit.rs"]
mod limit;
#[path = "load/relay.rs"]
mod relay;
#[path = "load/start.rs"]
mod start;
#[path = "load/tls.rs"]
mod tls;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::Smtp;

const USAGE: &str = "usage: load smtp ADDRESS SESSIONS SECONDS conn|kept SIZE MAILDIR=RECIPIENT...
       load relay ADDRESS SINK SESSIONS SECONDS SIZE
       load many ADDRESS SINK RECIPIENTS DOMAINS [BLACKHOLE]
       load handshakes ADDRESS SESSIONS SECONDS
       load idle ADDRESS SESSIONS
       load disk FOLDER THREADS SECONDS SIZE
       load pop3 ADDRESS SESSIONS SECONDS USER PASSWORD
       load letters MAILDIR COUNT
       load imap ADDRESS USER PASSWORD cold ROW | warm [SECONDS] | logins SESSIONS SECONDS | idle|idle-tls SESSIONS
       load pair FOLDER THREADS SECONDS SIZE
       load hold ADDRESS SESSIONS greeted|ehlo|pop3 [USER PASSWORD]
       load hole ADDRESS
       load retr ADDRESS USER PASSWORD
       load start COUNT PROGRAM [ARGUMENT...]";
/// How long deliveries may go on after the last message was accepted.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let line = match words.as_slice() {
        ["smtp", address, sessions, seconds, mode @ ("conn" | "kept"), size, recipients @ ..] => Plan {
            address: address.parse().expect("an address with a port"),
            sessions: sessions.parse().expect("a number of sessions"),
            limit: Duration::from_secs(seconds.parse().expect("a number of seconds")),
            kept: *mode == "kept",
            size: size.parse().expect("a size in octets"),
            recipients: recipients
                .iter()
                .map(|word| word.split_once('=').expect("MAILDIR=RECIPIENT"))
                .collect(),
        }
        .run(),
        ["disk", folder, threads, seconds, size] => {
            let time = Duration::from_secs(seconds.parse().expect("a number of seconds"));
            limit::disk(
                Path::new(folder),
                threads.parse().expect("a number"),
                time,
                size.parse().expect("a size"),
            )
        }
        ["relay", address, sink, sessions, seconds, size] => relay::steady(
            address.parse().expect("an address with a port"),
            sink.parse().expect("an address with a port"),
            sessions.parse().expect("a number"),
            Duration::from_secs(seconds.parse().expect("a number of seconds")),
            size.parse().expect("a size in octets"),
        ),
        ["many", address, sink, recipients, domains, blackhole @ ..] => relay::many(
            address.parse().expect("an address with a port"),
            sink.parse().expect("an address with a port"),
            recipients.parse().expect("a number"),
            domains.parse().expect("a number"),
            blackhole.first().map(|hole| hole.parse().expect("an address with a port")),
        ),
        ["handshakes", address, sessions, seconds] => tls::handshakes(
            address.parse().expect("an address with a port"),
            sessions.parse().expect("a number"),
            Duration::from_secs(seconds.parse().expect("a number of seconds")),
        ),
        ["idle", address, sessions] => {
            tls::idle(address.parse().expect("an address with a port"), sessions.parse().expect("a number"))
        }
        words => match of_imap(words).or_else(|| of_others(words)) {
            Some(line) => line,
            None => return usage(),
        },
    };
    println!("{line}");
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(100)
}

/// The measurements of IMAP; `None`: it is none of them.
fn of_imap(words: &[&str]) -> Option<String> {
    let (address, user, password, what) = match words {
        ["letters", maildir, count] => return letters::write(Path::new(maildir), count.parse().ok()?).ok(),
        ["imap", address, user, password, what @ ..] => (address.parse().ok()?, user, password, what),
        _ => return None,
    };
    let account = imap::Account { address, user, password };
    Some(match what {
        ["cold", row] => account.cold(row),
        ["warm"] => account.warm(30),
        ["warm", patience] => account.warm(patience.parse().ok()?),
        ["logins", sessions, seconds] => {
            account.logins(sessions.parse().ok()?, Duration::from_secs(seconds.parse().ok()?))
        }
        [how @ ("idle" | "idle-tls"), sessions] => account.idle(sessions.parse().ok()?, *how == "idle-tls"),
        _ => return None,
    })
}

/// What is neither SMTP nor IMAP; `None`: it is none of them.
fn of_others(words: &[&str]) -> Option<String> {
    Some(match words {
        ["pair", folder, threads, seconds, size] => {
            let time = Duration::from_secs(seconds.parse().ok()?);
            limit::pairs(Path::new(folder), threads.parse().ok()?, time, size.parse().ok()?)
        }
        ["hold", address, sessions, "greeted"] => {
            hold::smtp(address.parse().ok()?, sessions.parse().ok()?, false)
        }
        ["hold", address, sessions, "ehlo"] => {
            hold::smtp(address.parse().ok()?, sessions.parse().ok()?, true)
        }
        ["hold", address, sessions, "pop3", user, password] => {
            hold::pop3(address.parse().ok()?, sessions.parse().ok()?, user, password)
        }
        ["pop3", address, sessions, seconds, user, password] => {
            let time = Duration::from_secs(seconds.parse().ok()?);
            logins(address.parse().ok()?, sessions.parse().ok()?, time, user, password)
        }
        ["hole", address] => relay::hole(address.parse().ok()?),
        ["retr", address, user, password] => retrieve(address.parse().ok()?, user, password),
        ["start", count, program, arguments @ ..] => start::time(count.parse().ok()?, program, arguments)?,
        _ => return None,
    })
}

/// Fetches everything in one session: messages per second, and how many.
fn retrieve(address: std::net::SocketAddr, user: &str, password: &str) -> String {
    let mut pop3 = tests::Pop3::login(address, user, password);
    let stat = pop3.good("STAT");
    let count: usize = stat.split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
    let start = Instant::now();
    (1..=count).for_each(|number| drop(pop3.fetch(number)));
    let took = start.elapsed();
    pop3.good("QUIT");
    format!("{:.0} {count}", count as f64 / took.as_secs_f64())
}

/// Logs in, asks how much mail there is and leaves, again and again.
fn logins(
    address: std::net::SocketAddr,
    sessions: usize,
    limit: Duration,
    user: &str,
    password: &str,
) -> String {
    let (count, end) = (AtomicUsize::new(0), Instant::now() + limit);
    thread::scope(|scope| {
        for _ in 0..sessions {
            scope.spawn(|| {
                while Instant::now() < end {
                    let mut pop3 = tests::Pop3::login(address, user, password);
                    pop3.good("STAT");
                    pop3.good("QUIT");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let count = count.into_inner();
    format!("{:.0} {count}", count as f64 / limit.as_secs_f64())
}

/// One run against one server.
struct Plan<'a> {
    address: std::net::SocketAddr,
    sessions: usize,
    limit: Duration,
    kept: bool,
    size: usize,
    recipients: Vec<(&'a str, &'a str)>,
}

/// What all sessions of a run share.
#[derive(Default)]
struct Tally {
    turn: AtomicUsize,
    accepted: AtomicUsize,
    refused: AtomicUsize,
    over: AtomicBool,
}

impl Plan<'_> {
    /// Gives "accepted/s delivered/s accepted refused".
    fn run(&self) -> String {
        let before = self.arrived();
        let (tally, text) = (Tally::default(), tests::on_the_wire(&relay::text(self.size)));
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..self.sessions {
                scope.spawn(|| self.session(&tally, &text));
            }
            thread::sleep(self.limit);
            tally.over.store(true, Ordering::Relaxed);
        });
        let (sending, accepted) = (start.elapsed(), tally.accepted.into_inner());
        let watched = self.recipients.iter().all(|(maildir, _)| !maildir.is_empty());
        while watched && start.elapsed() < sending + PATIENCE {
            // Looking must not be what the machine is busy with.
            let look = Instant::now();
            if self.arrived() >= before + accepted {
                break;
            }
            thread::sleep(Duration::from_millis(10).max(look.elapsed() * 4));
        }
        let (all, arrived) = (start.elapsed(), self.arrived() - before);
        let per_second = |count: usize, time: Duration| count as f64 / time.as_secs_f64();
        let (taken, given) = (per_second(accepted, sending), per_second(arrived, all));
        // Large messages are few.
        format!("{taken:.2} {given:.2} {accepted} {}", tally.refused.into_inner())
    }

    /// The sessions take recipients in turns, so that each message goes to another one.
    fn session(&self, tally: &Tally, text: &[u8]) {
        let mut kept = None;
        while !tally.over.load(Ordering::Relaxed) {
            let turn = tally.turn.fetch_add(1, Ordering::Relaxed);
            let recipient = self.recipients[turn % self.recipients.len()].1;
            match self.send(&mut kept, recipient, text) {
                Ok(true) => tally.accepted.fetch_add(1, Ordering::Relaxed),
                Ok(false) | Err(_) => {
                    kept = None;
                    tally.refused.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
        if let Some(mut smtp) = kept {
            let _ = smtp.try_command("QUIT");
        }
    }

    fn send(&self, kept: &mut Option<Smtp>, recipient: &str, text: &[u8]) -> std::io::Result<bool> {
        let mut smtp = match kept.take() {
            Some(smtp) => smtp,
            None => Smtp::try_connect(self.address)?,
        };
        let reply = smtp.try_send_wired("bench@example.net", &[recipient], text)?;
        if self.kept {
            *kept = Some(smtp);
        } else {
            smtp.try_command("QUIT")?;
        }
        Ok(reply.starts_with("250"))
    }

    fn arrived(&self) -> usize {
        let count = |maildir: &str| fs::read_dir(Path::new(maildir).join("new")).map_or(0, Iterator::count);
        self.recipients.iter().map(|(maildir, _)| count(maildir)).sum()
    }
}
