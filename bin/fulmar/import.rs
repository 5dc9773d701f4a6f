//! `fulmar import-queue`: takes a qmail queue over, message by message.
//!
//! Nothing is taken out of the other queue: a message that has been taken over is noted in
//! `queue/lock/imported`, so that the command can be given again, and qmail's own queue stays as it
//! was until the admin removes it. Both must not run: `qmail-send` holds a lock while it does.

mod records;
mod theirs;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Args;
use control::{Home, Role, Uids};
use queue::{Bell, Draft, Failure, Head, Queue};
use sys::Stop;
use wire::Fate;

use crate::show::print;
use theirs::Mess;

/// Octets of a message copied at a time.
const PIECE: usize = 64 << 10;

#[derive(Args)]
pub(crate) struct Options {
    /// The queue of qmail, netqmail or notqmail, split in any way
    #[arg(default_value = "/var/qmail/queue")]
    queue: PathBuf,
    /// Only say what would be taken over
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(home: &Home, options: &Options) -> Result<(), Stop> {
    let from = &options.queue;
    let failed = |error: &dyn std::fmt::Display| Stop::temporary(format_args!("{}: {error}", from.display()));
    let messes = theirs::all(from).map_err(|error| failed(&error))?;
    // Held until the end: what is read must not be delivered meanwhile.
    let _lock = match theirs::lock(from).map_err(|error| failed(&error))? {
        Some(lock) => lock,
        None => return Err(failed(&"qmail-send is running on it; stop it first")),
    };
    let owner = Uids::read(home).and_then(|uids| uids.identity(Role::Queue)).map_err(Stop::temporary)?;
    let owner = owner.map(|queue| (queue.uid, queue.gid));
    let queue = open(home, owner)?;
    let mut books = Books::open(home, &queue, owner)?;
    let (mut count, mut result) = (0, Ok(()));
    for mess in messes {
        let taken = mess.map_err(|error| error.to_string()).and_then(|mess| {
            if books.done.contains(&mess.name()) || mess.is_over() {
                return Ok(());
            }
            say(options.dry_run, &mess);
            count += 1;
            if options.dry_run { Ok(()) } else { books.take(&mess).map_err(|error| error.to_string()) }
        });
        if let Err(error) = taken {
            result = Err(failed(&error));
        }
    }
    Bell::new(&queue).ask_scan(&queue);
    let word = if options.dry_run { "would be " } else { "" };
    print(&format!("{count} messages {word}taken over\n"))?;
    result
}

/// Our queue; it is made, if nothing has been started here yet.
fn open(home: &Home, owner: Option<(u32, u32)>) -> Result<Queue, Stop> {
    let path = home.queue();
    if path.join("mess").exists() {
        return crate::queue::open(home);
    }
    let made = match owner {
        Some((uid, gid)) => Queue::make_for(&path, uid, gid),
        None => Queue::make(&path),
    };
    made.map_err(|error| Stop::temporary(format_args!("can't make {}: {error}; be root", path.display())))
}

fn say(dry_run: bool, mess: &Mess) {
    let word = if dry_run { "would take" } else { "takes" };
    let sender = String::from_utf8_lossy(&mess.sender).into_owned();
    let count = mess.recipients.len();
    let _ =
        print(&format!("{word} {} from <{}> for {count} recipients\n", mess.number, sender.escape_default()));
}

/// Our queue, and what has been taken into it already.
struct Books<'q> {
    queue: &'q Queue,
    done: HashSet<String>,
    list: std::fs::File,
    owner: Option<(u32, u32)>,
}

impl<'q> Books<'q> {
    fn open(home: &Home, queue: &'q Queue, owner: Option<(u32, u32)>) -> Result<Books<'q>, Stop> {
        let path = home.queue().join("lock/imported");
        let at = |error| Stop::temporary(format_args!("{}: {error}; be root", path.display()));
        let mut list =
            std::fs::File::options().read(true).append(true).create(true).open(&path).map_err(at)?;
        let mut text = String::new();
        list.read_to_string(&mut text).map_err(at)?;
        Ok(Books { queue, done: text.lines().map(str::to_owned).collect(), list, owner })
    }

    /// Takes one message over: our file is durable before the note that it is. A crash between the two
    /// doubles one message, and loses none.
    fn take(&mut self, mess: &Mess) -> std::io::Result<()> {
        let id = self.free(mess.birth)?;
        self.failures(id, mess)?;
        let mut draft = Draft::new(self.queue, id, Vec::new());
        let (mut text, mut piece) = (mess.text()?, vec![0; PIECE]);
        loop {
            match text.read(&mut piece)? {
                0 => break,
                count => draft.message(&piece[..count])?,
            }
        }
        let token = format!("qmail-{}", mess.number).into_bytes();
        let arrival = mess.birth * 1_000_000;
        draft.envelope(&Head {
            requiretls: false,
            arrival,
            uid: 0,
            pid: std::process::id(),
            token,
            sender: mess.sender.clone(),
        })?;
        for recipient in &mess.recipients {
            draft.recipient(recipient)?;
        }
        draft.save_for(self.owner)?;
        self.queue.folder(id).sync()?;
        writeln!(self.list, "{}", mess.name())?;
        self.list.sync_all()?;
        self.done.insert(mess.name());
        Ok(())
    }

    /// Failures that qmail has not bounced yet are bounced by us.
    fn failures(&self, id: u64, mess: &Mess) -> std::io::Result<()> {
        let failures: Vec<Failure> = mess
            .failures()?
            .into_iter()
            .map(|(address, why)| Failure { address, fate: Fate::never(0, 0, why) })
            .collect();
        if failures.is_empty() {
            return Ok(());
        }
        self.queue.note(id, &failures)?;
        self.queue.give_notes(id, self.owner)
    }

    /// An ID that nobody has: of the second in which the message came, as far as there is room.
    fn free(&self, birth: u64) -> std::io::Result<u64> {
        let taken = |id: &u64| self.queue.stored(*id).is_ok() || self.queue.has_notes(*id);
        let start = birth * 1_000_000;
        (start..).find(|id| !taken(id)).ok_or_else(|| std::io::ErrorKind::Other.into())
    }
}
