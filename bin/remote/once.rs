//! qmail-remote's interface: one message on descriptor 0, arguments host, sender and recipients.
//!
//! Standard output gets for each recipient `r` (taken), `h` (never) or `s` (later), its text and a NUL;
//! then for the message `K`, `D` or `Z`, a text and a NUL. What can't be told for each is told for all.

use std::fs::File;
use std::io::{self, Write};

use control::{Control, Home};
use dns::Resolver;
use sys::Stop;
use wire::Fate;

use crate::authorities;
use crate::delivery::{Way, deliver};
use crate::letter::Letter;
use crate::lines::Lines;
use crate::notes::Notes;
use crate::settings::Settings;
use crate::sts::Policies;
use crate::tcpto::Memory;
use crate::world::World;

/// Runs once. Whatever becomes of the message, the exit code is 0: the output tells.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let [host, sender, recipients @ ..] = args else { return Err(Stop::usage(crate::USAGE)) };
    let report = match try_to(host, sender, recipients) {
        Ok(fates) => report(&fates),
        Err(fate) => for_all(&fate),
    };
    let mut out = io::stdout();
    out.write_all(&report).and_then(|()| out.flush()).map_err(Stop::temporary)
}

fn try_to(host: &str, sender: &str, recipients: &[String]) -> Result<Vec<Fate>, Fate> {
    let control = Control::open(&Home::find());
    let broken = |broken: control::Broken| Fate::later(3, 5, broken.to_string());
    let settings = Settings::read(&control).map_err(broken)?;
    authorities::read(&control);
    let resolver = Resolver::new(https::servers(&control).map_err(broken)?);
    let unable = |error: io::Error| Fate::later(3, 0, format!("unable to read the message: {error}"));
    let message = File::from(sys::adopt(0).map_err(unable)?);
    let message = whole(message).map_err(unable)?;
    let letter = Letter::open(&message, message.metadata().map_err(unable)?.len()).map_err(unable)?;
    let world = World {
        settings: &settings,
        resolver: &resolver,
        memory: &Memory::default(),
        lines: &Lines::new(1),
        policies: &Policies::at(None),
        notes: &Notes::at(None),
        id: "once",
        relay: None,
    };
    let host = host.to_ascii_lowercase();
    let fates = match Way::find(&world, sender, &host) {
        Ok(way) => deliver(&world, (&host, &way), sender, recipients, &letter),
        Err(fate) => vec![fate; recipients.len()],
    };
    world.lines.sweep(true);
    Ok(fates)
}

/// A pipe is copied to memory: the message is read more than once.
fn whole(mut message: File) -> io::Result<File> {
    if message.metadata()?.is_file() {
        return Ok(message);
    }
    let mut copy = sys::memory::unnamed()?;
    io::copy(&mut message, &mut copy)?;
    Ok(copy)
}

fn report(fates: &[Fate]) -> Vec<u8> {
    let mut report = Vec::new();
    for fate in fates {
        let letter = match fate {
            Fate::Done(_) => b'r',
            Fate::Later(_) => b's',
            Fate::Never(_) => b'h',
        };
        say(&mut report, letter, fate);
    }
    let done = fates.iter().find(|fate| fate.is_done());
    let (letter, fate) = match (done, fates.first()) {
        (Some(done), _) => (b'K', done),
        (None, Some(first)) if fates.iter().all(|fate| fate.letter() == b'D') => (b'D', first),
        (None, Some(_)) => (b'Z', fates.iter().find(|fate| fate.letter() == b'Z').unwrap_or(&fates[0])),
        (None, None) => return for_all(&Fate::never(1, 3, "no recipients")),
    };
    say(&mut report, letter, fate);
    report
}

fn for_all(fate: &Fate) -> Vec<u8> {
    let mut report = Vec::new();
    say(&mut report, fate.letter(), fate);
    report
}

fn say(report: &mut Vec<u8>, letter: u8, fate: &Fate) {
    report.push(letter);
    report.extend_from_slice(fate.text().to_string().as_bytes());
    report.extend_from_slice(b"\n\0");
}
