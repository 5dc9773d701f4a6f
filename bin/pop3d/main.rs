//! `pop3d [MAILDIR]`: serves one Maildir to one client who has proved whose it is.
//!
//! Started by `gate` as the mailbox's owner, or by hand behind checkpassword, as qmail-pop3d is.
//! Reads no password and no table; can reach nothing but the Maildir.

mod conn;
mod house;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use maildir::{Maildir, Quota};
use pop3::Mailbox;
use sys::confine::{Confine, Limits};
use sys::{Env, Stop, Timed};

use crate::conn::Conn;
use crate::house::House;

/// RFC 1939 §3: at least ten minutes.
const IDLE: Duration = Duration::from_secs(600);
const _: () = assert!(IDLE.as_secs() >= 600);
/// Address space. A mailbox of a million messages takes a third of it.
const MEMORY: u64 = 1 << 30;
const FILES: u64 = 64;

fn main() -> ExitCode {
    sys::main("pop3d", run)
}

fn run() -> Result<(), Stop> {
    let (path, unread) = mailbox()?;
    let mut conn = connection(unread).map_err(|error| Stop::permanent(format_args!("no client: {error}")))?;
    match open(&path) {
        Ok(house) => serve(&mut conn, house),
        Err(error) => {
            conn.say(pop3::UNREADABLE);
            Err(Stop::temporary(format_args!("{}: {error}", path.display())))
        }
    }
}

/// The Maildir to serve, and what the client has sent already. A Maildir on the command line: somebody else
/// has let the client in, and read no further. Else `gate` has: see its manual.
fn mailbox() -> Result<(PathBuf, Vec<u8>), Stop> {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next(), std::env::var_os("MAILDIR")) {
        (Some(named), None, _) => Ok((named.into(), Vec::new())),
        (None, None, Some(path)) => Ok((path.into(), unread()?)),
        _ => Err(Stop::usage("pop3d [MAILDIR]   (or MAILDIR in the environment)")),
    }
}

/// Descriptor 3 holds `tag NUL unread`; POP3 has no tags. Not there: nothing has been read.
fn unread() -> Result<Vec<u8>, Stop> {
    const MOST: u64 = 65_536;
    let Ok(handed_over) = sys::adopt(3) else { return Ok(Vec::new()) };
    let bytes = sys::memory::read_all(handed_over, MOST);
    let bytes = bytes.map_err(|error| Stop::temporary(format_args!("descriptor 3: {error}")))?;
    Ok(bytes.splitn(2, |b| *b == 0).nth(1).unwrap_or_default().to_vec())
}

fn connection(unread: Vec<u8>) -> io::Result<Conn> {
    let client = Timed::new(sys::adopt(0)?, sys::adopt(1)?, IDLE);
    sys::no_delay(client.output());
    Ok(Conn::new(unread, client))
}

/// Opens the Maildir, which is made if there is none yet, and gives up all else.
fn open(path: &Path) -> io::Result<House> {
    if sys::is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "refusing to serve mail as root"));
    }
    let maildir = match Maildir::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Maildir::create(path)?,
        other => other?,
    };
    Limits { memory: Some(MEMORY), files: Some(FILES), file_size: None }.apply()?;
    Confine::new().write(path).apply()?;
    let quota =
        Env::here().text("QUOTA").and_then(|octets| octets.parse().ok()).map_or(Quota::NONE, Quota::octets);
    House::open(maildir, quota)
}

fn serve(conn: &mut Conn, house: House) -> Result<(), Stop> {
    let mut session = Mailbox::new(house);
    let end = wire::pump(conn, &mut session);
    let user = Env::here().text("USER").unwrap_or_default().replace(' ', "\\x20");
    sys::log!("pop3d: {} end user={user} {}", std::process::id(), session.store());
    match end {
        Ok(_) => Ok(()),
        Err(error) => Err(Stop::temporary(format_args!("user={user} {error}"))),
    }
}
