//! Processes are killed at random while mail comes in, is read and removed. Every 250 is a promise, and every OK.
//!
//! Everyday's storm ends with a thousand messages; `FULMAR_STORM_SECONDS` makes one that lasts so long.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{DOMAIN, House, Imap, PASSWORD, PATIENCE, Smtp};

const MESSAGES: usize = 1000;
const SENDERS: usize = 4;
/// All that must have died at least once.
const PROGRAMS: [&str; 12] = [
    "tcpserver",
    "queued",
    "send",
    "spawn",
    "pop3d",
    "lookup",
    "tlsd",
    "remote",
    "smtpd",
    "login",
    "local-deliver",
    "imapd",
];

/// What the clients have done so far.
#[derive(Default)]
struct Score {
    next: AtomicUsize,
    /// By SMTP, to alice and to carol.
    accepted: Mutex<Vec<usize>>,
    /// By IMAP, to bob.
    appended: Mutex<Vec<usize>>,
    /// By POP3, from carol.
    fetched: Mutex<BTreeSet<usize>>,
}

/// How long, or how much.
struct Storm {
    end: Option<Instant>,
    score: Score,
    smtp: SocketAddr,
    imap: SocketAddr,
    pop3: SocketAddr,
}

impl Storm {
    fn of(house: &House) -> Storm {
        let seconds = std::env::var("FULMAR_STORM_SECONDS").ok().and_then(|text| text.parse().ok());
        let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        Storm { end, score: Score::default(), smtp: house.smtp(), imap: house.imap(), pop3: house.pop3() }
    }

    fn is_over(&self) -> bool {
        match self.end {
            Some(end) => Instant::now() >= end,
            None => self.score.next.load(Ordering::SeqCst) >= MESSAGES,
        }
    }

    /// Sends messages; one that was not accepted gets another try, as a real client does.
    fn sender(&self) {
        while !self.is_over() {
            let number = self.score.next.fetch_add(1, Ordering::SeqCst);
            let deadline = Instant::now() + PATIENCE;
            while !self.sent(number) {
                assert!(Instant::now() < deadline, "gave up on message {number}");
            }
            self.score.accepted.lock().unwrap().push(number);
        }
    }

    fn sent(&self, number: usize) -> bool {
        let to = [format!("alice@{DOMAIN}"), format!("carol@{DOMAIN}")];
        let reply = Smtp::try_connect(self.smtp).and_then(|mut smtp| {
            smtp.try_send(&format!("bob@{DOMAIN}"), &[&to[0], &to[1]], text(number).as_bytes())
        });
        match reply {
            Ok(reply) => reply.starts_with("250 "),
            // Refused or cut off: the supervisor needs a moment, as it does for a real client.
            Err(_) => {
                std::thread::yield_now();
                false
            }
        }
    }

    /// Appends messages, some in each session.
    fn appender(&self) {
        let mut number = 0;
        while !self.is_over() {
            let Ok(mut imap) = Imap::try_login(self.imap, &format!("bob@{DOMAIN}"), PASSWORD) else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            for _ in 0..10 {
                number += 1;
                let text = text(number).replace('\n', "\r\n");
                match imap.try_append_at_once("INBOX", "", text.as_bytes()) {
                    Ok(answer) if answer.is_ok() => self.score.appended.lock().unwrap().push(number),
                    _ => break,
                }
            }
        }
    }

    /// Fetches messages of carol's and has them removed.
    fn fetcher(&self) {
        while !self.is_over() {
            let mut got = Vec::new();
            // What was not said to be removed may come again.
            let _ = self.fetch(&mut got);
            self.score.fetched.lock().unwrap().extend(got);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn fetch(&self, got: &mut Vec<usize>) -> io::Result<()> {
        let mut pop3 = Pop3::connect(self.pop3)?;
        pop3.good(&format!("USER carol@{DOMAIN}"))?;
        pop3.good(&format!("PASS {PASSWORD}"))?;
        let stat = pop3.good("STAT")?;
        let count: usize = stat.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap_or(0);
        for message in 1..=count.min(5) {
            got.push(number_of(&pop3.message(message)?));
            pop3.good(&format!("DELE {message}"))?;
        }
        pop3.good("QUIT").map(drop)
    }
}

/// A client that takes no for an answer.
struct Pop3(BufReader<TcpStream>);

impl Pop3 {
    fn connect(address: SocketAddr) -> io::Result<Pop3> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut pop3 = Pop3(BufReader::new(stream));
        pop3.line().map(|_| pop3)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if line.ends_with("\r\n") {
            Ok(line.replace("\r\n", "\n"))
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn good(&mut self, words: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("{words}\r\n").as_bytes())?;
        let answer = self.line()?;
        if answer.starts_with("+OK") { Ok(answer) } else { Err(io::Error::other(answer)) }
    }

    fn message(&mut self, number: usize) -> io::Result<String> {
        self.good(&format!("RETR {number}"))?;
        let mut text = String::new();
        loop {
            match self.line()?.as_str() {
                ".\n" => return Ok(text),
                line => text += line,
            }
        }
    }
}

fn text(number: usize) -> String {
    format!("Subject: storm\nX-Number: {number}\n\n{}\n", "x".repeat(number % 5000))
}

/// The message must be whole.
fn number_of(mail: &str) -> usize {
    let number = mail.lines().find_map(|line| line.strip_prefix("X-Number: ")).expect("a whole message");
    let number = number.parse().unwrap();
    assert!(mail.ends_with(&text(number)), "message {number} is not whole");
    number
}

#[test]
fn nothing_accepted_is_lost_when_processes_are_killed_at_random() {
    // Q01
    let mut house = House::start();
    house.user("carol", &[]);
    let storm = Storm::of(&house);
    let mut killed: BTreeMap<String, usize> = BTreeMap::new();
    std::thread::scope(|scope| {
        let senders = (0..SENDERS).map(|_| scope.spawn(|| storm.sender()));
        let clients: Vec<_> =
            senders.chain([scope.spawn(|| storm.appender()), scope.spawn(|| storm.fetcher())]).collect();
        let mut seed = 1_u64;
        while clients.iter().any(|client| !client.is_finished()) {
            house.services().await_news(Duration::from_millis(10));
            kill_one(&mut house, &mut seed, &mut killed);
            house.services().start_all();
        }
    });
    house.run();
    house.flush();
    let spared: Vec<_> = PROGRAMS.iter().filter(|program| !killed.contains_key(**program)).collect();
    assert!(spared.is_empty(), "never killed: {spared:?}");
    println!("killed: {killed:?}");
    count(&house, &storm.score);
}

/// Each program has its turn, of whose processes one dies.
fn kill_one(house: &mut House, seed: &mut u64, killed: &mut BTreeMap<String, usize>) {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let mut all = house.processes();
    let least = |name: &String| killed.get(name).copied().unwrap_or_default();
    // Now and then anybody, otherwise one of those who have been spared most.
    if *seed >> 62 != 0 {
        let fewest = all.iter().map(|(_, name)| least(name)).min();
        all.retain(|(_, name)| Some(least(name)) == fewest);
    }
    let Some((pid, name)) = all.get((*seed >> 33) as usize % all.len().max(1)) else { return };
    if kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok() {
        *killed.entry(name.clone()).or_default() += 1;
    }
}

fn numbers(house: &House, name: &str) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    for mail in house.mail(name) {
        *found.entry(number_of(&String::from_utf8_lossy(&mail))).or_default() += 1;
    }
    found
}

fn count(house: &House, score: &Score) {
    let (alice, bob, carol) = (numbers(house, "alice"), numbers(house, "bob"), numbers(house, "carol"));
    let (accepted, appended) = (score.accepted.lock().unwrap(), score.appended.lock().unwrap());
    let fetched = score.fetched.lock().unwrap();
    let mut lost: Vec<_> = accepted.iter().filter(|number| !alice.contains_key(number)).collect();
    lost.extend(accepted.iter().filter(|number| !carol.contains_key(number) && !fetched.contains(number)));
    let unappended: Vec<_> = appended.iter().filter(|number| !bob.contains_key(number)).collect();
    let twice = |found: &BTreeMap<usize, usize>| found.values().filter(|count| **count > 1).count();
    println!(
        "{} accepted, {} lost, {} came twice; {} appended, {} lost, {} twice; {} fetched",
        accepted.len(),
        lost.len(),
        twice(&alice),
        appended.len(),
        unappended.len(),
        twice(&bob),
        fetched.len()
    );
    assert!(lost.is_empty() && unappended.is_empty(), "lost: {lost:?} {unappended:?}");
    assert!(!accepted.is_empty() && !appended.is_empty() && !fetched.is_empty());
}
