//! File names in a Maildir: unique ones for new messages, and what the names of others say.
//!
//! A name is `base:2,FLAGS` or just `base`; the base never changes while the message lives and
//! may hold its sizes as `,S=octets` (on disk) and `,W=octets` (with CR LF line ends).

use std::cmp::Ordering;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering as Order};

/// Octets of the host's name that go into a file name.
const HOST_LIMIT: usize = 64;

/// A name that no other message has or will get: time, microseconds, process, a count, random
/// octets, host. Stays unique when the clock is set back, when process ids come again or are
/// the same in two containers, and when hosts share a name.
pub fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = sys::unix_micros();
    let count = COUNT.fetch_add(1, Order::Relaxed);
    let process = this_process();
    let (pid, token, host) = (std::process::id(), process.token, &process.host);
    format!("{}.M{:06}P{pid}Q{count}R{token:016x}.{host}", now / 1_000_000, now % 1_000_000)
}

struct Process {
    token: u64,
    host: String,
}

fn this_process() -> &'static Process {
    static PROCESS: OnceLock<Process> = OnceLock::new();
    PROCESS.get_or_init(|| {
        // Without random octets the time in nanoseconds tells processes apart.
        let token = sys::random().map_or_else(|_| sys::monotonic().as_nanos() as u64, u64::from_ne_bytes);
        Process { token, host: host(sys::hostname().as_bytes()) }
    })
}

/// A host's name such that it can stand in a file name: `/` is `\057`, `:` is `\072` as maildir(5)
/// wants it, and so on for `,` (begins a size), blanks, controls and what is not ASCII.
fn host(name: &[u8]) -> String {
    let mut host = String::new();
    for byte in name {
        let plain = byte.is_ascii_graphic() && !b"/:,\\".contains(byte);
        let next = if plain { char::from(*byte).to_string() } else { format!("\\{byte:03o}") };
        if host.len() + next.len() > HOST_LIMIT {
            break;
        }
        host.push_str(&next);
    }
    if host.is_empty() { "localhost".to_owned() } else { host }
}

/// A file name, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// What stays while flags come and go: the message's identity in this Maildir.
    pub base: &'a [u8],
    /// The letters after `:2,`; empty when there are none.
    pub flags: &'a [u8],
}

impl<'a> Name<'a> {
    /// Reads any name. A part after `:` that is not `2,FLAGS` (maildir(5) keeps `1,` for experiments)
    /// holds no flags.
    pub fn read(name: &'a [u8]) -> Name<'a> {
        let Some(colon) = name.iter().position(|b| *b == b':') else {
            return Name { base: name, flags: b"" };
        };
        let flags = name[colon + 1..].strip_prefix(b"2,").unwrap_or_default();
        Name { base: &name[..colon], flags }
    }

    /// Octets on disk, if the name tells.
    pub fn octets(&self) -> Option<u64> {
        self.number(b",S=")
    }

    /// Octets with CR LF line ends, if the name tells.
    pub fn wire(&self) -> Option<u64> {
        self.number(b",W=")
    }

    fn number(&self, key: &[u8]) -> Option<u64> {
        let at = self.base.windows(key.len()).position(|piece| piece == key)?;
        let value = &self.base[at + key.len()..];
        let value = &value[..value.iter().position(|b| *b == b',').unwrap_or(value.len())];
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        if digits { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
    }

    /// Is the letter `flag` set?
    pub fn has(&self, flag: u8) -> bool {
        self.flags.contains(&flag)
    }

    /// The file name with exactly `flags`: in ASCII order, each once, as maildir(5) wants them.
    pub fn with(&self, flags: &[u8]) -> Vec<u8> {
        let mut flags = flags.to_vec();
        flags.sort_unstable();
        flags.dedup();
        [self.base, b":2,", &flags].concat()
    }

    /// The file name with `flags` in addition to those it has.
    pub fn and(&self, flags: &[u8]) -> Vec<u8> {
        self.with(&[self.flags, flags].concat())
    }

    /// Oldest first, by the time that begins the base; among equals by the octets of the base, which
    /// for [`unique`] names is the order in which they were made. Names without a time come first.
    pub fn order(&self, other: &Name<'_>) -> Ordering {
        seconds(self.base).cmp(&seconds(other.base)).then_with(|| self.base.cmp(other.base))
    }

    /// Puts many names in that order.
    pub fn sort(names: &mut Vec<Vec<u8>>) {
        let taken = std::mem::take(names).into_iter().map(|name| {
            let base = Name::read(&name).base;
            (seconds(base), base.len(), name)
        });
        let mut keyed: Vec<(u64, usize, Vec<u8>)> = taken.collect();
        keyed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.2[..a.1].cmp(&b.2[..b.1])));
        names.extend(keyed.into_iter().map(|(_, _, name)| name));
    }
}

fn seconds(base: &[u8]) -> u64 {
    let digits = base.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn two_deliveries_never_get_the_same_name() {
        // L01, L02: the same process in the same second; the count and the token tell them apart
        // whatever clock and process id say.
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..5000).map(|_| unique()).collect::<Vec<_>>())).collect();
        let names: HashSet<String> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        assert_eq!(names.len(), 20_000);
        let token = format!("R{:016x}", this_process().token);
        assert!(names.iter().all(|name| name.contains(&token)));
    }

    #[test]
    fn a_host_name_never_becomes_a_path_or_a_flag() {
        // L03
        assert_eq!(host(b"mx/1:2,S"), "mx\\0571\\0722\\054S");
        assert_eq!(host(b"a\\b \n\xe9"), "a\\134b\\040\\012\\351");
        assert_eq!(host(b""), "localhost");
        assert_eq!(host(&[b'x'; 300]).len(), HOST_LIMIT);
        assert_eq!(host(&[b'/'; 300]).len(), HOST_LIMIT);
        let name = unique();
        assert!(name.len() < 160 && !name.contains(['/', ':', ',']));
    }

    #[test]
    fn sizes_and_flags_are_read_from_the_names_of_others() {
        let name = Name::read(b"1700000000.M1P2.host,S=1234,W=1290:2,FS");
        assert_eq!((name.octets(), name.wire(), name.flags), (Some(1234), Some(1290), &b"FS"[..]));
        assert!(name.has(b'S') && !name.has(b'T'));
        let name = Name::read(b"1700000000.1.host");
        assert_eq!((name.octets(), name.wire(), name.flags), (None, None, &b""[..]));
        for odd in
            [&b"1,S=:2,"[..], b"1,S=-5", b"1,S=12x", b"1,S=99999999999999999999999", b"1:2,,S=5", b"1,S"]
        {
            assert_eq!(Name::read(odd).octets(), None);
        }
        assert_eq!(Name::read(b"x:1,info"), Name { base: b"x", flags: b"" });
        assert_eq!(Name::read(b":2,S"), Name { base: b"", flags: b"S" });
    }

    #[test]
    fn flags_stand_in_ascii_order_each_once() {
        assert_eq!(Name::read(b"x").with(b""), b"x:2,");
        assert_eq!(Name::read(b"x:2,SF").and(b"SRa"), b"x:2,FRSa");
        assert_eq!(Name::read(b"x:2,SF").with(b"T"), b"x:2,T");
    }

    #[test]
    fn names_sort_by_time_and_then_as_they_were_made() {
        let mut names: Vec<&[u8]> = vec![b"20.a", b"9.M000002P1", b"100.a", b"strange", b"9.M000001P7"];
        let mut same: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
        names.sort_by(|a, b| Name::read(a).order(&Name::read(b)));
        Name::sort(&mut same);
        assert_eq!(same, names);
        assert_eq!(names, [&b"strange"[..], b"9.M000001P7", b"9.M000002P1", b"20.a", b"100.a"]);
    }
}
