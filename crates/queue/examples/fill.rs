//! Fills a queue with messages as `queued` would have left them, for `scripts/bench queue`. Syncs nothing.
//!
//! `fill QUEUE COUNT DEAD SOON`: COUNT messages that have been tried before, to be tried again between one and
//! three hours from now; of them DEAD to one host, x@h.dead.test, due within the next ten minutes, and SOON to
//! s0@example.test ... s9@example.test, due one after the other from half a minute on, which carry the time in a
//! line `X-Due:`. The newest message is a new one, to last@example.test: whoever has read it has read all.
//! Run it as the owner of the folder, while no `send` runs.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::format::{End, Head, record};

/// Between two messages' numbers, in µs. No multiple of the number of folders.
const STEP: u64 = 60_000;
/// How long ago the newest of those that were tried came, in seconds.
const AGE: u64 = 86_400;

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| words.get(place).and_then(|word| word.parse::<u64>().ok());
    let (Some(queue), Some(count), Some(dead), Some(soon)) = (words.first(), number(1), number(2), number(3))
    else {
        return Err(io::Error::other("usage: fill QUEUE COUNT DEAD SOON"));
    };
    let plan = Plan { queue: Path::new(queue), count, dead, soon, now: seconds() };
    (0..count).try_for_each(|turn| plan.write(turn))?;
    plan.last()?;
    println!("{count} messages, {dead} to a dead host, {soon} due soon");
    Ok(())
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

struct Plan<'a> {
    queue: &'a Path,
    count: u64,
    dead: u64,
    soon: u64,
    now: u64,
}

impl Plan<'_> {
    fn write(&self, turn: u64) -> io::Result<()> {
        let id = (self.now - AGE) * 1_000_000 - (self.count - turn) * STEP;
        // Spread over the queue by a step that has no divisor in common with most counts.
        let place = (turn.wrapping_mul(7_368_787)) % self.count.max(1);
        let (to, due) = match place {
            place if place < self.soon => {
                (format!("s{}@example.test", place % 10), self.now + 30 + place * 60 / self.soon.max(1))
            }
            place if place < self.soon + self.dead => {
                ("x@h.dead.test".into(), self.now + (place - self.soon) * 600 / self.dead.max(1))
            }
            place => (format!("x@d{}.sink.test", place % 5000), self.now + 3600 + place * 7200 / self.count),
        };
        self.put(id, &to, &format!("queued\nX-Due: {due}"), Some(due))
    }

    fn last(&self) -> io::Result<()> {
        self.put(self.now * 1_000_000, "last@example.test", "last", None)
    }

    fn put(&self, id: u64, to: &str, subject: &str, due: Option<u64>) -> io::Result<()> {
        let id = id - id % queue::SPLIT + (id / STEP) % queue::SPLIT;
        let path = self.queue.join(format!("mess/{}/{id}", id % queue::SPLIT));
        let mut file = open(&path)?;
        file.write_all(&content(id, to, subject))?;
        match due {
            Some(due) => {
                let due = UNIX_EPOCH + Duration::from_secs(due);
                file.set_times(FileTimes::new().set_modified(due))
            }
            None => Ok(()),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn content(id: u64, to: &str, subject: &str) -> Vec<u8> {
    let message =
        format!("From: bench@example.net\nSubject: {subject}\n\nThe quick brown fox.\n").into_bytes();
    let head = Head { arrival: id, sender: b"bench@example.net".to_vec(), ..Head::default() };
    let mut envelope = head.to_bytes();
    record(&mut envelope, b'T', to.as_bytes());
    let end = End {
        message: message.len() as u64,
        envelope: envelope.len() as u64,
        message_sum: crc32fast::hash(&message),
        envelope_sum: crc32fast::hash(&envelope),
    };
    [message, envelope, end.to_bytes().to_vec()].concat()
}
