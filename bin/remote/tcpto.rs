//! Addresses that did not answer: left alone for a while, also over a restart.
//!
//! After two time-outs at least two minutes apart an address is passed over for an hour or so; whoever
//! answers is forgotten. The file is read and written by this program alone, one line an address: address,
//! time-outs, time of the last one. An admin empties it (`qmail-tcpok`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seconds between two time-outs that count as two.
const APART: u64 = 120;
/// Seconds for which an address is passed over; up to half as much again, so that not all come back at once.
const LEFT_ALONE: u64 = 3840;
/// Most addresses that are remembered.
const MOST: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Silence {
    timeouts: u32,
    last: u64,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    table: Mutex<HashMap<IpAddr, Silence>>,
    file: Option<Mutex<File>>,
}

impl Memory {
    /// What `file` holds is remembered, and what happens goes there.
    pub(crate) fn open(mut file: File) -> Memory {
        let mut text = String::new();
        let _ = (&mut file).take(1 << 20).read_to_string(&mut text);
        Memory { table: Mutex::new(text.lines().filter_map(line).collect()), file: Some(Mutex::new(file)) }
    }

    /// Is `ip` to be passed over at `now` (seconds since 1970)?
    pub(crate) fn is_silent(&self, ip: IpAddr, now: u64) -> bool {
        self.forget_if_emptied();
        let jitter = u64::from(std::process::id() % 32) * 60;
        self.lock().get(&ip).is_some_and(|known| {
            known.timeouts >= 2 && now.saturating_sub(known.last) < LEFT_ALONE + jitter && now >= known.last
        })
    }

    /// It did not answer.
    pub(crate) fn timed_out(&self, ip: IpAddr, now: u64) {
        let mut table = self.lock();
        if table.len() >= MOST && !table.contains_key(&ip) {
            let oldest = table.iter().min_by_key(|(_, silence)| silence.last).map(|(ip, _)| *ip);
            oldest.map(|ip| table.remove(&ip));
        }
        let known = table.entry(ip).or_insert(Silence { timeouts: 0, last: 0 });
        if known.timeouts == 0 || now.abs_diff(known.last) >= APART {
            *known = Silence { timeouts: known.timeouts.saturating_add(1).min(10), last: now };
            self.write(&table);
        }
    }

    /// It answered.
    pub(crate) fn answered(&self, ip: IpAddr) {
        let mut table = self.lock();
        if table.remove(&ip).is_some() {
            self.write(&table);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Silence>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_if_emptied(&self) {
        let Some(file) = &self.file else { return };
        let file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.lock();
        if !table.is_empty() && file.metadata().is_ok_and(|seen| seen.len() == 0) {
            table.clear();
        }
    }

    /// What can't be written is only forgotten at the next start.
    fn write(&self, table: &HashMap<IpAddr, Silence>) {
        let Some(file) = &self.file else { return };
        let Ok(mut file) = file.try_lock() else { return };
        let text: String =
            table.iter().map(|(ip, known)| format!("{ip} {} {}\n", known.timeouts, known.last)).collect();
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(text.as_bytes()));
        let _ = file.set_len(text.len() as u64);
    }
}

fn line(line: &str) -> Option<(IpAddr, Silence)> {
    let mut words = line.split(' ');
    let ip = words.next()?.parse().ok()?;
    let (timeouts, last) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((ip, Silence { timeouts, last }))
}

/// What `qmail-tcpto` prints: address, seconds since the last time-out, how many.
pub(crate) fn show(path: &Path, now: u64) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    let show = |(ip, known): (IpAddr, Silence)| {
        format!(
            "{ip} timed out {} seconds ago; # recent timeouts: {}\n",
            now.saturating_sub(known.last),
            known.timeouts
        )
    };
    Ok(text.lines().filter_map(line).map(show).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn two_timeouts_apart_leave_an_address_alone_for_an_hour_and_an_answer_ends_that() {
        let memory = Memory::default();
        memory.timed_out(IP, 1000);
        memory.timed_out(IP, 1100);
        assert!(!memory.is_silent(IP, 1100), "two in one breath are one");
        memory.timed_out(IP, 1120);
        assert!(memory.is_silent(IP, 1121) && memory.is_silent(IP, 1120 + 3839));
        assert!(!memory.is_silent(IP, 1120 + 3840 + 32 * 60));
        assert!(!memory.is_silent(IP, 5), "a clock that was set back silences nobody");
        memory.answered(IP);
        assert!(!memory.is_silent(IP, 1121));
    }

    #[test]
    fn the_file_outlives_the_program_and_emptying_it_forgets_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tcpto");
        let open = || {
            Memory::open(
                File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap(),
            )
        };
        let memory = open();
        memory.timed_out(IP, 1000);
        memory.timed_out(IP, 2000);
        let again = open();
        assert!(again.is_silent(IP, 2001));
        assert_eq!(show(&path, 2010).unwrap(), "192.0.2.1 timed out 10 seconds ago; # recent timeouts: 2\n");
        std::fs::write(&path, "").unwrap();
        assert!(!again.is_silent(IP, 2001) && !memory.is_silent(IP, 2001));
        std::fs::write(&path, "rubbish\n1 2 3\n\0\n").unwrap();
        assert!(!open().is_silent(IP, 2001));
    }

    #[test]
    fn no_more_than_a_thousand_addresses_are_remembered() {
        let memory = Memory::default();
        for n in 0..3000u32 {
            memory.timed_out(IpAddr::V4(n.into()), u64::from(n) + 10);
        }
        assert_eq!(memory.lock().len(), MOST);
    }
}
