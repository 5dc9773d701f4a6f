//! A load generator for scripts/bench: sends messages as fast as a server takes them, or asks the disk.
//!
//! `load smtp ADDRESS SESSIONS SECONDS conn|kept SIZE MAILDIR=RECIPIENT...` prints accepted and
//! delivered messages per second (accepted ones only if no MAILDIR is named); `load disk FOLDER THREADS SECONDS SIZE` prints
//! durable files per second; `load relay ADDRESS SINK SESSIONS SECONDS SIZE` prints messages accepted and handed on to
//! a sink per second; `load many ADDRESS SINK RECIPIENTS DOMAINS [BLACKHOLE]` prints how long one message takes to
//! all its recipients; `load handshakes ADDRESS SESSIONS SECONDS` prints TLS sessions per second, `load idle ADDRESS
//! SESSIONS` keeps some open; `load pop3 ADDRESS SESSIONS SECONDS USER PASSWORD` prints logins per second.
//! `load letters MAILDIR COUNT` writes a mailbox; `load imap ADDRESS USER PASSWORD cold ROW|warm` prints a row or all
//! rows with their seconds, `... logins SESSIONS SECONDS` logins per second; `... idle|idle-tls SESSIONS` keeps
//! sessions open.

#[path = "load/imap.rs"]
mod imap;
#[path = "load/letters.rs"]
mod letters;
#[path = "load/relay.rs"]
mod relay;
#[path = "load/tls.rs"]
mod tls;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
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
       load imap ADDRESS USER PASSWORD cold ROW | warm | logins SESSIONS SECONDS | idle|idle-tls SESSIONS";
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
            let limit = Duration::from_secs(seconds.parse().expect("a number of seconds"));
            disk(Path::new(folder), threads.parse().expect("a number"), limit, size.parse().expect("a size"))
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
        ["pop3", address, sessions, seconds, user, password] => {
            let limit = Duration::from_secs(seconds.parse().expect("a number of seconds"));
            logins(
                address.parse().expect("an address with a port"),
                sessions.parse().expect("a number"),
                limit,
                user,
                password,
            )
        }
        _ => match of_imap(words.as_slice()) {
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
        ["warm"] => account.warm(),
        ["logins", sessions, seconds] => {
            account.logins(sessions.parse().ok()?, Duration::from_secs(seconds.parse().ok()?))
        }
        [how @ ("idle" | "idle-tls"), sessions] => account.idle(sessions.parse().ok()?, *how == "idle-tls"),
        _ => return None,
    })
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
    format!("{:.0}", count.load(Ordering::Relaxed) as f64 / limit.as_secs_f64())
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

impl Plan<'_> {
    /// Gives "accepted/s delivered/s accepted refused".
    fn run(&self) -> String {
        let before = self.arrived();
        let (accepted, refused, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let start = Instant::now();
        thread::scope(|scope| {
            for number in 0..self.sessions {
                let (accepted, refused, over) = (&accepted, &refused, &over);
                scope.spawn(move || self.session(number, accepted, refused, over));
            }
            thread::sleep(self.limit);
            over.store(true, Ordering::Relaxed);
        });
        let (sending, accepted) = (start.elapsed(), accepted.into_inner());
        let watched = self.recipients.iter().all(|(maildir, _)| !maildir.is_empty());
        while watched && self.arrived() < before + accepted && start.elapsed() < sending + PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let (all, arrived) = (start.elapsed(), self.arrived() - before);
        let per_second = |count: usize, time: Duration| count as f64 / time.as_secs_f64();
        let (taken, given) = (per_second(accepted, sending), per_second(arrived, all));
        format!("{taken:.0} {given:.0} {accepted} {}", refused.into_inner())
    }

    fn session(&self, number: usize, accepted: &AtomicUsize, refused: &AtomicUsize, over: &AtomicBool) {
        let (mut turn, mut kept) = (number, None);
        while !over.load(Ordering::Relaxed) {
            let recipient = self.recipients[turn % self.recipients.len()].1;
            turn += 1;
            match self.send(&mut kept, recipient) {
                Ok(true) => accepted.fetch_add(1, Ordering::Relaxed),
                Ok(false) | Err(_) => {
                    kept = None;
                    refused.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
        if let Some(mut smtp) = kept {
            let _ = smtp.try_command("QUIT");
        }
    }

    fn send(&self, kept: &mut Option<Smtp>, recipient: &str) -> std::io::Result<bool> {
        let mut smtp = match kept.take() {
            Some(smtp) => smtp,
            None => Smtp::try_connect(self.address)?,
        };
        let mut text = b"From: bench@example.net\nSubject: bench\n\n".to_vec();
        while text.len() < self.size {
            text.extend(b"The quick brown fox jumps over the lazy dog, again and again and again.\n");
        }
        let reply = smtp.try_send("bench@example.net", &[recipient], &text)?;
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

/// Files created, written, synced, renamed, their folder synced: per second.
fn disk(folder: &Path, threads: usize, limit: Duration, size: usize) -> String {
    let start = Instant::now();
    let made: usize = thread::scope(|scope| {
        let one = |number| scope.spawn(move || durable_files(folder, number, start, limit, size));
        let all: Vec<_> = (0..threads).map(one).collect();
        all.into_iter().map(|thread| thread.join().expect("the disk")).sum()
    });
    format!("{:.0}", made as f64 / start.elapsed().as_secs_f64())
}

fn durable_files(folder: &Path, number: usize, start: Instant, limit: Duration, size: usize) -> usize {
    let content = vec![b'x'; size];
    let mut made = 0;
    while start.elapsed() < limit {
        let (temporary, name) = (folder.join(format!("t{number}")), folder.join(format!("d{number}.{made}")));
        durable(folder, &temporary, &name, &content).expect("a durable file");
        made += 1;
    }
    made
}

fn durable(folder: &Path, temporary: &PathBuf, name: &PathBuf, content: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, name)?;
    File::open(folder)?.sync_all()
}
