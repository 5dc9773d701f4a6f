//! IMAP on a large mailbox: how long each thing takes that clients do; logins; sessions that idle.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::Imap;

use super::letters::{Dice, RARE, TOPIC, letter};
use super::tls;

/// Where, and who.
pub(crate) struct Account<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

/// What is measured while nothing changes: name and command.
fn readings() -> Vec<(&'static str, String)> {
    let rows = [
        ("flags", "FETCH 1:* (FLAGS)"),
        ("envelope", "FETCH 1:* (ENVELOPE)"),
        ("bodystructure", "FETCH 1:* (BODYSTRUCTURE)"),
        ("sort", "SORT (REVERSE DATE SUBJECT) UTF-8 ALL"),
        ("thread", "THREAD REFERENCES UTF-8 ALL"),
    ];
    let mut rows: Vec<_> = rows.iter().map(|(name, line)| (*name, (*line).to_owned())).collect();
    rows.push(("subject", format!("SEARCH SUBJECT {TOPIC}")));
    rows.push(("text", format!("SEARCH TEXT {RARE}")));
    rows
}

impl Account<'_> {
    fn login(&self) -> Imap {
        let imap = Imap::try_login(self.address, self.user, self.password).expect("a login");
        imap.patience(Duration::from_secs(1800));
        imap
    }

    fn inbox(&self) -> (Imap, u32, f64) {
        let mut imap = self.login();
        let start = Instant::now();
        let exists = imap.good("SELECT INBOX").told("EXISTS").expect("EXISTS");
        let took = start.elapsed().as_secs_f64();
        (imap, exists, took)
    }

    /// SELECT and one row by a new session, whose server has forgotten all: "select s row s".
    pub(crate) fn cold(&self, row: &str) -> String {
        let (mut imap, exists, select) = self.inbox();
        let took = match row {
            "select" => select,
            "bodies" => bodies(&mut imap, exists),
            _ => reading(&mut imap, row),
        };
        format!("{row} {took:.4}")
    }

    /// All rows, one after the other, each on a line; searches for text may become faster for `patience` seconds first.
    pub(crate) fn warm(&self, patience: u64) -> String {
        let (mut imap, exists, _) = self.inbox();
        // What is cached after the first time is cached now.
        for (name, _) in readings() {
            reading(&mut imap, name);
        }
        await_words(&mut imap, patience);
        imap.good("LOGOUT");
        let mut selects: Vec<f64> = (0..5).map(|_| self.inbox().2).collect();
        selects.sort_by(f64::total_cmp);
        let (mut imap, _, _) = self.inbox();
        let mut rows = vec![("select", selects[2])];
        rows.extend(readings().iter().map(|(name, _)| (*name, reading(&mut imap, name))));
        rows.push(("bodies", bodies(&mut imap, exists)));
        rows.extend(self.changes(&mut imap, exists));
        let rows: Vec<String> = rows.iter().map(|(name, took)| format!("{name} {took:.4}")).collect();
        rows.join("\n")
    }

    /// The mailbox is afterwards as it was, but for its UIDs.
    fn changes(&self, imap: &mut Imap, exists: u32) -> Vec<(&'static str, f64)> {
        let tenth = exists / 10;
        let mut rows = vec![("store-all", timed(imap, "STORE 1:* +FLAGS.SILENT (\\Flagged)"))];
        timed(imap, "STORE 1:* -FLAGS.SILENT (\\Flagged)");
        rows.push(("stores", stores(imap, exists)));
        imap.command("CREATE Copied");
        rows.push(("copy", timed(imap, &format!("COPY 1:{tenth} Copied"))));
        timed(imap, &format!("STORE 1:{tenth} +FLAGS.SILENT (\\Deleted)"));
        rows.push(("expunge", timed(imap, "EXPUNGE")));
        imap.good("SELECT Copied");
        timed(imap, "MOVE 1:* INBOX");
        imap.good("SELECT INBOX");
        imap.good("DELETE Copied");
        rows.push(("appends", appends(imap)));
        timed(imap, &format!("STORE {}:* +FLAGS.SILENT (\\Deleted)", exists + 1));
        timed(imap, "EXPUNGE");
        rows
    }

    /// Logs in and out, again and again: per second, and how often.
    pub(crate) fn logins(&self, sessions: usize, limit: Duration) -> String {
        let (count, end) = (AtomicUsize::new(0), Instant::now() + limit);
        thread::scope(|scope| {
            for _ in 0..sessions {
                scope.spawn(|| {
                    while Instant::now() < end {
                        self.login().good("LOGOUT");
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let count = count.into_inner();
        format!("{:.0} {count}", count as f64 / limit.as_secs_f64())
    }

    /// So many sessions in IDLE with the inbox open; says `open`, and keeps them until standard input ends.
    pub(crate) fn idle(&self, sessions: usize, secret: bool) -> String {
        let one = || {
            let mut imap = match secret {
                true => tls::imap(self.address).expect("a session"),
                false => Imap::try_connect(self.address).expect("a session"),
            };
            imap.good(&format!("LOGIN {} \"{}\"", self.user, self.password));
            imap.good("SELECT INBOX");
            imap.try_idle().expect("IDLE");
            imap
        };
        let all: Vec<Imap> = (0..sessions).map(|_| one()).collect();
        println!("open");
        let _ = std::io::stdin().lines().count();
        format!("{} were kept", all.len())
    }
}

fn reading(imap: &mut Imap, row: &str) -> f64 {
    let rows = readings();
    let line = &rows.iter().find(|(name, _)| *name == row).expect("a row").1;
    timed(imap, line)
}

/// A server may index words while nobody asks for anything: until a search for text has become no faster for a while.
fn await_words(imap: &mut Imap, patience: u64) {
    let (mut best, mut since) = (f64::MAX, 0);
    while since < patience {
        let took = reading(imap, "text");
        since = if took < best / 2.0 { 0 } else { since + 1 };
        best = best.min(took);
        thread::sleep(Duration::from_secs(1));
    }
}

fn timed(imap: &mut Imap, line: &str) -> f64 {
    let start = Instant::now();
    let tagged = imap.try_pass_over(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert!(tagged.starts_with("OK"), "{line}: {tagged}");
    start.elapsed().as_secs_f64()
}

fn bodies(imap: &mut Imap, exists: u32) -> f64 {
    let (mut dice, start) = (Dice::new(42), Instant::now());
    for _ in 0..1000 {
        timed(imap, &format!("FETCH {} (BODY.PEEK[])", 1 + dice.below(exists as usize)));
    }
    start.elapsed().as_secs_f64()
}

fn stores(imap: &mut Imap, exists: u32) -> f64 {
    let mut took = 0.0;
    for (change, timing) in [("+FLAGS", true), ("-FLAGS", false)] {
        let (mut dice, start) = (Dice::new(43), Instant::now());
        for _ in 0..1000 {
            timed(imap, &format!("STORE {} {change} (\\Draft)", 1 + dice.below(exists as usize)));
        }
        if timing {
            took = start.elapsed().as_secs_f64();
        }
    }
    took
}

fn appends(imap: &mut Imap) -> f64 {
    let texts: Vec<String> = (0..50).map(|number| letter(1_000_000 + number).replace('\n', "\r\n")).collect();
    let start = Instant::now();
    for number in 0..1000 {
        let answer = imap.try_append("INBOX", " (\\Seen)", texts[number % texts.len()].as_bytes());
        assert!(answer.expect("an answer").is_ok());
    }
    start.elapsed().as_secs_f64()
}
