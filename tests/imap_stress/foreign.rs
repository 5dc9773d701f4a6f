//! What others do to a Maildir while sessions are at work, and what its files say.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::imap::Value;
use tests::{ImapServer, files as files_of, give};

use super::truth::{Dice, Truth, identity_of, text_of};

fn folder(server: &ImapServer, mailbox: &str) -> PathBuf {
    let maildir = server.maildir("alice");
    if mailbox == "INBOX" { maildir } else { maildir.join(format!(".{mailbox}")) }
}

fn mail(folder: &Path) -> Vec<PathBuf> {
    ["new", "cur"].iter().flat_map(|part| files_of(&folder.join(part))).collect()
}

/// Has a message two names? A copy of it has a name of its own.
pub(crate) fn has_second_names(server: &ImapServer, mailbox: &str) -> bool {
    let files = mail(&folder(server, mailbox));
    let base =
        |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
    let bases: BTreeSet<String> = files.iter().map(base).collect();
    bases.len() < files.len()
}

/// Whose texts the files are.
pub(crate) fn identities(server: &ImapServer, mailbox: &str) -> Vec<usize> {
    let read = |path: PathBuf| {
        let text = fs::read(&path).unwrap();
        identity_of(&text).unwrap_or_else(|| panic!("{}: {}", path.display(), String::from_utf8_lossy(&text)))
    };
    mail(&folder(server, mailbox)).into_iter().map(read).collect()
}

const SYSTEM: [(&str, char); 5] =
    [("\\Draft", 'D'), ("\\Flagged", 'F'), ("\\Answered", 'R'), ("\\Seen", 'S'), ("\\Deleted", 'T')];

/// System flags as a file's name has them.
pub(crate) fn letters(flags: &Value) -> String {
    let has = |name: &str| flags.list().iter().any(|flag| flag.word().eq_ignore_ascii_case(name));
    SYSTEM.iter().filter(|(name, _)| has(name)).map(|(_, letter)| *letter).collect()
}

/// Those of all files, sorted.
pub(crate) fn letters_on_disk(server: &ImapServer, mailbox: &str) -> Vec<String> {
    let of = |path: &PathBuf| {
        let name = path.to_str().unwrap();
        let flags = name.rsplit_once(":2,").map_or("", |(_, flags)| flags);
        flags.chars().filter(|letter| letter.is_ascii_uppercase() && *letter != 'P').collect::<String>()
    };
    let mut all: Vec<String> = mail(&folder(server, mailbox)).iter().map(of).collect();
    all.sort();
    all
}

/// Another program of the user's: as mutt, getmail, rsync and mv do.
pub(crate) fn files(server: &ImapServer, truth: &Truth, over: &AtomicBool, seed: u64) {
    let mut dice = Dice::new(seed + 500);
    let inbox = folder(server, "INBOX");
    while !over.load(Ordering::SeqCst) {
        match dice.below(10) {
            0..4 => deliver(&inbox, truth, &mut dice),
            4..7 => mark(&inbox, &mut dice),
            7 | 8 => see(&inbox, &mut dice),
            _ => remove_or_rename(&inbox, truth, &mut dice),
        }
        std::thread::sleep(Duration::from_millis(dice.below(20) as u64));
    }
}

fn deliver(inbox: &Path, truth: &Truth, dice: &mut Dice) {
    let identity = truth.new_identity();
    let name = format!("17{identity:08}.foreign{}.host", dice.below(1000));
    let (temporary, part) = (inbox.join("tmp").join(&name), ["new", "cur"][dice.below(2)]);
    fs::write(&temporary, text_of(identity).replace("\r\n", "\n")).unwrap();
    give(&temporary, inbox);
    let name = if part == "cur" { format!("{name}:2,F") } else { name };
    fs::rename(&temporary, inbox.join(part).join(name)).unwrap();
    truth.promise(identity);
    truth.count("delivered");
}

fn any(folder: &Path, dice: &mut Dice) -> Option<PathBuf> {
    let mut all = files_of(folder);
    (!all.is_empty()).then(|| all.swap_remove(dice.below(all.len())))
}

/// Sets or takes away a flag; the name may have changed meanwhile, then it does nothing.
fn mark(inbox: &Path, dice: &mut Dice) {
    let Some(path) = any(&inbox.join("cur"), dice) else { return };
    let name = path.to_str().unwrap().to_owned();
    let (base, flags) = name.rsplit_once(":2,").unwrap_or((&name, ""));
    let letter = ['F', 'R', 'S'][dice.below(3)];
    let mut flags: Vec<char> = flags.chars().filter(|flag| *flag != letter).collect();
    if dice.one_in(2) {
        flags.push(letter);
    }
    flags.sort_unstable();
    let _ = fs::rename(&path, format!("{base}:2,{}", flags.iter().collect::<String>()));
}

fn see(inbox: &Path, dice: &mut Dice) {
    let Some(path) = any(&inbox.join("new"), dice) else { return };
    let name = path.file_name().unwrap().to_str().unwrap();
    let _ = fs::rename(&path, inbox.join("cur").join(format!("{name}:2,S")));
}

fn remove_or_rename(inbox: &Path, truth: &Truth, dice: &mut Dice) {
    let Some(path) = any(&inbox.join("cur"), dice) else { return };
    let Some(identity) = fs::read(&path).ok().and_then(|text| identity_of(&text)) else { return };
    if dice.one_in(2) {
        // To a server this is one message less and another more.
        let name = format!("18{identity:08}.renamed{}.host:2,", dice.next());
        let _ = fs::rename(&path, inbox.join("cur").join(name));
        return;
    }
    truth.doom(identity);
    let _ = fs::remove_file(&path);
    truth.count("removed");
}

/// Ends sessions without a word.
pub(crate) fn kills(server: &ImapServer, over: &AtomicBool, seed: u64) {
    let mut dice = Dice::new(seed + 600);
    while !over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(30 + dice.below(150) as u64));
        let sessions = server.sessions();
        if !sessions.is_empty() {
            let _ = kill(Pid::from_raw(sessions[dice.below(sessions.len())]), Signal::SIGKILL);
        }
    }
}

/// Damages what the server keeps besides the mail.
pub(crate) fn indexes(server: &ImapServer, over: &AtomicBool, seed: u64, uid_lists: bool) {
    let mut dice = Dice::new(seed + 700);
    while !over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20 + dice.below(150) as u64));
        let folder = folder(server, super::MAILBOXES[dice.below(2)]);
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let list = ["fulmar-uidlist", "fulmar-keywords"].contains(&name.as_str());
            name.starts_with("fulmar-") && path.is_file() && (uid_lists || !list)
        };
        let all: Vec<PathBuf> = files_of(&folder).into_iter().filter(ours).collect();
        if let Some(path) = all.get(dice.below(all.len())) {
            // It may be gone by now.
            let _ = damage(path, &mut dice);
        }
    }
}

fn damage(path: &Path, dice: &mut Dice) -> std::io::Result<()> {
    let size = fs::metadata(path)?.len();
    match dice.below(5) {
        0 => return fs::remove_file(path),
        1 => return fs::OpenOptions::new().write(true).open(path)?.set_len(0),
        2 => return fs::OpenOptions::new().write(true).open(path)?.set_len(dice.next() % size.max(1)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    let from = if dice.one_in(2) { SeekFrom::End(0) } else { SeekFrom::Start(dice.next() % size.max(1)) };
    file.seek(from)?;
    let garbage: Vec<u8> = (0..1 + dice.below(200)).map(|_| dice.next() as u8).collect();
    file.write_all(&garbage)
}
