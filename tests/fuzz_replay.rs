//! The fuzz targets on the stable toolchain: every seed of every corpus, and 10,000 mutations of them
//! that are the same each time.

#[path = "fuzz/targets/mod.rs"]
#[allow(dead_code, clippy::panic, clippy::unwrap_used)]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

const MUTATIONS: usize = 10_000;
/// Largest mutation, in octets.
const LARGEST: usize = 2000;

/// Numbers without end, always the same ones (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Octets that mean something to somebody.
const SPECIAL: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\r\n.\r\n",
    b"\0",
    b" ",
    b":",
    b"@",
    b"<",
    b">",
    b"\"",
    b"\\",
    b",",
    b"=",
    b"/",
    b"-",
    b"0",
    b"4294967296",
    b"18446744073709551616",
    b"-1",
    b"\xff",
    b"\xc3\xa9",
    b"\xc0\x0c",
    b"{",
    b"}",
    b"[",
    b"]",
    b"#",
];

fn mutate(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut data = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(data.len() + 1);
        let end = (at + dice.roll(12)).min(data.len());
        match dice.roll(7) {
            0 if at < data.len() => data[at] ^= 1 << dice.roll(8),
            1 if at < data.len() => data[at] = dice.roll(256) as u8,
            2 => drop(data.drain(at..end)),
            3 => data.truncate(at),
            4 => drop(data.splice(at..at, data[at..end].repeat(dice.roll(5)))),
            5 => {
                let other = &seeds[dice.roll(seeds.len())];
                let from = dice.roll(other.len() + 1);
                drop(data.splice(at..end, other[from..].iter().copied().take(200)));
            }
            _ => drop(data.splice(at..end, SPECIAL[dice.roll(SPECIAL.len())].iter().copied())),
        }
    }
    data.truncate(LARGEST);
    data
}

fn replay(target: &str) {
    let seeds = seeds(target);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mutations = (0..MUTATIONS).map(|_| mutate(&seeds, &mut dice)).collect::<Vec<_>>();
    for data in seeds.iter().chain(&mutations) {
        if catch_unwind(AssertUnwindSafe(|| targets::run(target, data))).is_err() {
            panic!("{target} breaks on \"{}\"", data.escape_ascii());
        }
    }
}

macro_rules! replay {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_built_for_fuzzing() {
            let names: Vec<_> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let manifest = include_str!("fuzz/Cargo.toml");
            assert!(names.iter().all(|name| manifest.contains(&format!("name = \"{name}\""))));
        }
    };
}

replay! {
    address assign cdb control digest dns dot envelope folder_names header imap_frame imap_login imap_parse imap_session imap_utf7 imported keywords lines mailbox mailbox_cache mailbox_index maildir manuscript mime mime_addresses orders packet password pop3_login pop3_mailbox proxy qmail qmtp queue relay rules sasl secrecy smtp smtp_client uidlist users words
}
