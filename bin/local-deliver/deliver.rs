//! Carries an order out: checks, instructions, Maildirs in their order, then all forwards at once.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use maildir::{Maildir, Quota, Trouble};
use message::HeaderLines;
use wire::Fate;

use crate::forward;
use crate::instructions::{self, Instruction};
use crate::order::{Order, path};
use crate::qmail::Home;

const PIECE: usize = 16 * 1024;
/// Nothing has been done when this is answered.
const NEEDS_PROGRAMS: &str = "needs programs (a line with a command, an mbox or a maildir outside the home), but dot-qmail is not installed";

/// What is to be done, known before anything is done.
struct Plan {
    home: Home,
    instructions: Vec<Instruction>,
    /// They come from the account's entry, not from a .qmail file: its Maildir may be made.
    own: bool,
}

/// Delivers `message` as `order` says. Nothing is reported as done that is not durable.
pub(crate) fn deliver(house: &control::Home, order: &Order, message: OwnedFd) -> Fate {
    carry_out(house, order, &File::from(message)).unwrap_or_else(|fate| fate)
}

fn carry_out(house: &control::Home, order: &Order, message: &File) -> Result<Fate, Fate> {
    refuse_non_files(message)?;
    let home = Home::enter(&order.home)?;
    let delivered_to = message::delivered_to(&order.local, &order.domain);
    refuse_loop(message, &delivered_to)?;
    let plan = plan(home, order)?;
    refuse_programs(&plan, order)?;

    let head = [message::return_path(&order.sender), delivered_to.clone()].concat();
    let (mut files, mut forwards) = (0, Vec::new());
    for instruction in plan.instructions {
        match instruction {
            Instruction::Maildir(folder) => {
                store(path(&folder), plan.own, &head, message, &Quota::octets(order.quota))?;
                files += 1;
            }
            Instruction::Forward(address) => forwards.push(address),
            // Refused above.
            Instruction::Mbox(_) | Instruction::Program(_) => {}
        }
    }
    let mut did = format!("did {files}+{}+0/", forwards.len());
    if !forwards.is_empty() {
        let sender = plan.home.new_sender(order)?;
        let id = forward::submit(house, order, &sender, &forwards, &delivered_to, message)?;
        did.push_str(&format!("qp {id}/"));
    }
    Ok(Fate::done(did))
}

/// Says what would be done, as `qmail-local -n` does. No message is read.
pub(crate) fn show(order: &Order, out: &mut dyn Write) -> Fate {
    let planned = Home::enter(&order.home).and_then(|home| plan(home, order));
    let instructions = match planned {
        Ok(plan) => plan.instructions,
        Err(fate) => return fate,
    };
    let mut counts = [0; 3];
    for instruction in instructions {
        let (count, word, what) = match instruction {
            Instruction::Maildir(path) => (0, "maildir", path),
            Instruction::Mbox(path) => (0, "mbox", path),
            Instruction::Forward(address) => (1, "forward", address),
            Instruction::Program(command) => (2, "program", command),
        };
        counts[count] += 1;
        let line = [word.as_bytes(), b" ", &what, b"\n"].concat();
        if let Err(error) = out.write_all(&line) {
            return Fate::later(3, 0, format!("unable to write: {error}"));
        }
    }
    Fate::done(format!("did {}+{}+{}/", counts[0], counts[1], counts[2]))
}

/// A pipe could be read once only, and what stands in for a closed descriptor would look empty.
fn refuse_non_files(message: &File) -> Result<(), Fate> {
    match message.metadata() {
        Ok(seen) if seen.is_file() => Ok(()),
        _ => Err(Fate::later(3, 0, "the message is not in a file")),
    }
}

/// The header line that we put on every message for this recipient: a message that has it has
/// been here before.
fn refuse_loop(message: &File, delivered_to: &[u8]) -> Result<(), Fate> {
    let (mut header, mut looping) = (HeaderLines::new(), false);
    let (mut piece, mut offset) = ([0; PIECE], 0);
    loop {
        let count = match message.read_at(&mut piece, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fate::later(3, 0, format!("unable to read message: {error}"))),
            Ok(count) => count,
        };
        offset += count as u64;
        let over =
            header.feed(&piece[..count], &mut |line| looping |= message::same_line(line, delivered_to));
        if looping {
            let text = "this message is looping: it already has my Delivered-To line";
            return Err(Fate::never(4, 6, text));
        }
        if over || count == 0 {
            return Ok(());
        }
    }
}

fn plan(home: Home, order: &Order) -> Result<Plan, Fate> {
    let found = if order.qmail { home.search(order)? } else { None };
    let (text, forward_only, own) = match found {
        // An empty file stands for the default.
        Some(found) if !found.text.is_empty() => (found.text, found.forward_only, false),
        None if order.qmail && !order.dash.is_empty() => {
            return Err(Fate::never(1, 1, "Sorry, no mailbox here by that name."));
        }
        _ => (order.default.clone(), false, true),
    };
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let instructions =
        instructions::read(text, forward_only).map_err(|fault| Fate::later(2, 1, format!("{fault}")))?;
    Ok(Plan { home, instructions, own })
}

/// Programs run in a world of their own, without this one's confinement: `dot-qmail` makes it. So do
/// Maildirs elsewhere that a .qmail file names.
fn refuse_programs(plan: &Plan, order: &Order) -> Result<(), Fate> {
    let elsewhere = |folder: &[u8]| folder.starts_with(b"/") && !path(folder).starts_with(&order.home);
    let needed = |instruction: &Instruction| match instruction {
        Instruction::Mbox(_) | Instruction::Program(_) => true,
        Instruction::Maildir(folder) => order.confined && !plan.own && elsewhere(folder),
        Instruction::Forward(_) => false,
    };
    match plan.instructions.iter().any(needed) {
        true => Err(Fate::later(3, 5, NEEDS_PROGRAMS)),
        false => Ok(()),
    }
}

fn store(folder: &Path, make: bool, head: &[u8], message: &File, quota: &Quota) -> Result<(), Fate> {
    let open = match Maildir::open(folder) {
        Err(error) if make && error.kind() == ErrorKind::NotFound => Maildir::create(folder),
        other => other,
    };
    let maildir = open.map_err(|error| trouble("unable to open maildir", folder, &error))?;
    match maildir.deliver(head, message, quota) {
        Ok(_) => Ok(()),
        Err(Trouble::Full) => {
            Err(Fate::later(2, 2, "mailbox is full: its quota leaves no room for this message"))
        }
        Err(Trouble::System(error)) => Err(trouble("temporary error on maildir delivery", folder, &error)),
    }
}

fn trouble(what: &str, folder: &Path, error: &io::Error) -> Fate {
    let (subject, detail) = match error.kind() {
        ErrorKind::QuotaExceeded => (2, 2),
        ErrorKind::StorageFull => (3, 1),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => (2, 1),
        _ => (3, 0),
    };
    Fate::later(subject, detail, format!("{what}: {}: {error}", folder.display()))
}
