//! Carries an order out: checks, instructions in their order, then all forwards at once.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use dotqmail::{Instruction, Verdict, World};
use maildir::{Kept, Maildir, Quota, Text, Trouble};
use message::HeaderLines;
use submission::Submission;
use wire::Fate;

use crate::home::Home;
use crate::order::{Order, path};
use crate::{forward, mbox};

const PIECE: usize = 16 * 1024;
const DELIVERED_TO: &[u8] = b"Delivered-To:";

/// An order that needs programs has been given back before.
const NO_PROGRAMS: Fate = Fate::Later(wire::Text {
    code: wire::Code(4, 3, 5),
    sentence: std::borrow::Cow::Borrowed("programs are not run here"),
});

/// What came of an order.
#[derive(Debug)]
pub enum Report {
    /// This.
    Fate(Fate),
    /// Nothing was done: there are instructions that only a caller with [`Programs`] can carry out.
    NeedsPrograms,
}

impl From<Fate> for Report {
    fn from(fate: Fate) -> Report {
        Report::Fate(fate)
    }
}

/// How the commands of a .qmail file are run.
pub trait Programs {
    /// Runs `command` with the message, from its start, on descriptor 0 and `environment` added to our own.
    /// The error says why there is no exit code.
    fn run(
        &mut self,
        command: &[u8],
        environment: &[(&'static str, Vec<u8>)],
        message: &File,
    ) -> Result<i32, Fate>;
}

/// What is to be done, known before anything is done.
struct Plan {
    home: Home,
    instructions: Vec<Instruction>,
    /// They come from the account's entry, not from a .qmail file: its Maildir may be made.
    own: bool,
    /// What stands for `default` in the name of the .qmail file.
    default: Option<Vec<u8>>,
}

/// What has been done so far.
#[derive(Default)]
struct Did {
    files: usize,
    programs: usize,
    forwards: Vec<Vec<u8>>,
}

/// Delivers `message` as `order` says; forwards go to `queue`; a Maildir may be `kept` open for the next one. Nothing is
/// reported as done that is not durable. Without `programs` an order that needs them is given back untouched.
pub fn deliver(
    queue: &mut Submission,
    kept: &mut Kept,
    order: &Order,
    message: OwnedFd,
    programs: Option<&mut dyn Programs>,
) -> Report {
    carry_out(queue, kept, order, &File::from(message), programs).unwrap_or_else(|report| report)
}

fn carry_out(
    queue: &mut Submission,
    kept: &mut Kept,
    order: &Order,
    message: &File,
    programs: Option<&mut dyn Programs>,
) -> Result<Report, Report> {
    let length = length_of_file(message)?;
    let home = Home::enter(&order.home)?;
    let delivered_to = message::delivered_to(&order.local, &order.domain);
    let start = refuse_loop(message, &delivered_to, order.most_delivered_to)?;
    let text = Text { file: message, length, start: &start };
    let plan = plan(home, order)?;
    if programs.is_none() && plan.instructions.iter().any(|one| needs_programs(one, &plan, order)) {
        return Err(Report::NeedsPrograms);
    }
    let did = obey(&plan, kept, order, text, &delivered_to, programs)?;
    let mut said = format!("did {}+{}+{}/", did.files, did.forwards.len(), did.programs);
    if !did.forwards.is_empty() {
        let sender = plan.home.new_sender(order)?;
        let id = forward::submit(queue, order, &sender, &did.forwards, &delivered_to, message)?;
        said.push_str(&format!("qp {id}/"));
    }
    Ok(Fate::done(said).into())
}

/// Carries out the instructions but for the forwards, which it gathers. The first failure is the end.
fn obey(
    plan: &Plan,
    kept: &mut Kept,
    order: &Order,
    text: Text<'_>,
    delivered_to: &[u8],
    mut programs: Option<&mut dyn Programs>,
) -> Result<Did, Fate> {
    let (mut did, quota) = (Did::default(), Quota::octets(order.quota));
    let head = [message::return_path(&order.sender), delivered_to.to_vec()].concat();
    for instruction in &plan.instructions {
        match instruction {
            Instruction::Maildir(folder) => {
                store(kept, path(folder), plan.own, &head, text, &quota)?;
                did.files += 1;
            }
            Instruction::Mbox(file) => {
                let from = message::from_line(&order.sender, sys::unix_seconds().cast_signed());
                let append = mbox::append(path(file), &[&from[..], &head].concat(), text.file);
                append.map_err(|error| trouble("unable to append to", path(file), &error))?;
                did.files += 1;
            }
            Instruction::Forward(address) => did.forwards.push(address.clone()),
            Instruction::Program(command) => {
                did.programs += 1;
                let Some(programs) = &mut programs else { return Err(NO_PROGRAMS) };
                let verdict = run(plan, order, command, text.file, &mut **programs)?;
                if verdict == Verdict::Enough {
                    break;
                }
            }
        }
    }
    Ok(did)
}

fn run(
    plan: &Plan,
    order: &Order,
    command: &[u8],
    message: &File,
    programs: &mut dyn Programs,
) -> Result<Verdict, Fate> {
    let new_sender = plan.home.new_sender(order)?;
    let world = World {
        user: &order.user,
        home: order.home.as_os_str().as_bytes(),
        local: &order.local,
        ext: &order.ext,
        domain: &order.domain,
        sender: &order.sender,
        new_sender: &new_sender,
        default: plan.default.as_deref(),
        unix: sys::unix_seconds().cast_signed(),
    };
    let code = programs.run(command, &world.environment(), message)?;
    // What it was, the program has said itself, on the descriptors that it has from us.
    match Verdict::of(code) {
        Verdict::Never => Err(Fate::Never(wire::Text::default())),
        Verdict::Later => Err(Fate::Later(wire::Text::default())),
        verdict => Ok(verdict),
    }
}

/// What was done to standard output, what went wrong to standard error: qmail-local's way. Gives the
/// exit code.
pub fn report(fate: &Fate) -> i32 {
    if fate.is_done() {
        let text = fate.text().sentence.replace('/', "\n");
        // The mail is delivered: that nobody could be told must not have it come twice.
        let _ = std::io::stdout().write_all(text.as_bytes());
    } else if *fate.text() != wire::Text::default() {
        sys::log!("{}", fate.text());
    }
    fate.exit_code()
}

/// Says what would be done, as `qmail-local -n` does. No message is read.
pub fn show(order: &Order, out: &mut dyn Write) -> Fate {
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

/// Octets of the message. A pipe could be read once only, and what stands in for a closed descriptor would look empty.
fn length_of_file(message: &File) -> Result<u64, Fate> {
    match message.metadata() {
        Ok(seen) if seen.is_file() => Ok(seen.len()),
        _ => Err(Fate::later(3, 0, "the message is not in a file")),
    }
}

/// The header line that we put on every message for this recipient: a message that has it has
/// been here before. Gives what was read first.
fn refuse_loop(message: &File, delivered_to: &[u8], most: u64) -> Result<Vec<u8>, Fate> {
    let (mut header, mut looping, mut others) = (HeaderLines::new(), false, 0);
    let (mut piece, mut offset, mut start) = ([0; PIECE], 0, Vec::new());
    loop {
        let count = match message.read_at(&mut piece, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fate::later(3, 0, format!("unable to read message: {error}"))),
            Ok(count) => count,
        };
        if offset == 0 {
            start = piece[..count].to_vec();
        }
        offset += count as u64;
        let over = header.feed(&piece[..count], &mut |line| {
            looping |= message::same_line(line, delivered_to);
            others += u64::from(
                line.len() > DELIVERED_TO.len()
                    && line[..DELIVERED_TO.len()].eq_ignore_ascii_case(DELIVERED_TO),
            );
        });
        if looping {
            let text = "this message is looping: it already has my Delivered-To line";
            return Err(Fate::never(4, 6, text));
        }
        if most > 0 && others > most {
            return Err(Fate::never(4, 6, "this message is looping: too many Delivered-To lines"));
        }
        if over || count == 0 {
            return Ok(start);
        }
    }
}

fn plan(home: Home, order: &Order) -> Result<Plan, Fate> {
    let found = if order.qmail { home.search(order)? } else { None };
    let default = found.as_ref().and_then(|found| found.default.clone());
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
        dotqmail::read(text, forward_only).map_err(|fault| Fate::later(2, 1, format!("{fault}")))?;
    Ok(Plan { home, instructions, own, default })
}

/// Programs run in a world of their own, without a worker's confinement. So are files and Maildirs
/// elsewhere written that a .qmail file names.
fn needs_programs(instruction: &Instruction, plan: &Plan, order: &Order) -> bool {
    let elsewhere = |name: &[u8]| {
        let dots = path(name).components().any(|part| part == std::path::Component::ParentDir);
        dots || name.starts_with(b"/") && !path(name).starts_with(&order.home)
    };
    match instruction {
        Instruction::Program(_) => true,
        Instruction::Mbox(name) => elsewhere(name),
        Instruction::Maildir(name) => order.confined && !plan.own && elsewhere(name),
        Instruction::Forward(_) => false,
    }
}

fn store(
    kept: &mut Kept,
    folder: &Path,
    make: bool,
    head: &[u8],
    text: Text<'_>,
    quota: &Quota,
) -> Result<(), Fate> {
    let open = || match Maildir::open(folder) {
        Err(error) if make && error.kind() == ErrorKind::NotFound => Maildir::create(folder),
        other => other,
    };
    let open = || open().map_err(Unstored::Closed);
    match kept.with(folder, open, |maildir| maildir.deliver(head, text, quota).map_err(Unstored::Trouble)) {
        Ok(_) => Ok(()),
        Err(Unstored::Trouble(Trouble::Full)) => {
            Err(Fate::later(2, 2, "mailbox is full: its quota leaves no room for this message"))
        }
        Err(Unstored::Trouble(Trouble::System(error))) => {
            Err(trouble("temporary error on maildir delivery", folder, &error))
        }
        Err(Unstored::Closed(error)) => Err(trouble("unable to open maildir", folder, &error)),
    }
}

/// Why a message is not in a Maildir.
enum Unstored {
    /// It could not be opened.
    Closed(io::Error),
    /// It was, but then.
    Trouble(Trouble),
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
