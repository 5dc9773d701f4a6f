//! `pop3d [MAILDIR]`: serves one Maildir to one client who has proved whose it is.
//!
//! Started by `gate` as the mailbox's owner, or by hand behind checkpassword, as qmail-pop3d is.
//! Reads no password and no table; can reach nothing but the Maildir.

mod conn;
mod house;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use maildir::{Maildir, Quota};
use pop3::Mailbox;
use sys::confine::{Confine, Limits};
use sys::{Env, Stop, Timed};
use threshold::Entered;

use crate::conn::Conn;
use crate::house::House;

/// RFC 1939 §3: at least ten minutes.
const IDLE: Duration = Duration::from_secs(600);
const _: () = assert!(IDLE.as_secs() >= 600);
/// Address space. A mailbox of a million messages takes a third of it.
const MEMORY: u64 = 1 << 30;
const FILES: u64 = 64;

fn main() -> ExitCode {
    sys::main("pop3d", || threshold::serve("pop3d", serve))
}

fn serve(client: Entered) -> Result<(), Stop> {
    let Entered { env, maildir, tag: _, unread, input, output, session: _held } = client;
    let client = Timed::new(input, output, IDLE);
    sys::no_delay(client.output());
    let mut conn = Conn::new(unread, client);
    match open(&maildir, &env) {
        Ok(house) => converse(&mut conn, house, &env),
        Err(error) => {
            conn.say(pop3::UNREADABLE);
            Err(Stop::temporary(format_args!("{}: {error}", maildir.display())))
        }
    }
}

/// Opens the Maildir, which is made if there is none yet, and gives up all else.
fn open(path: &Path, env: &Env) -> io::Result<House> {
    if sys::is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "refusing to serve mail as root"));
    }
    let maildir = match Maildir::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Maildir::create(path)?,
        other => other?,
    };
    Limits { memory: Some(MEMORY), files: Some(FILES), file_size: None }.apply()?;
    Confine::new().write(path).apply()?;
    let quota = env.text("QUOTA").and_then(|octets| octets.parse().ok()).map_or(Quota::NONE, Quota::octets);
    House::open(maildir, quota)
}

fn converse(conn: &mut Conn, house: House, env: &Env) -> Result<(), Stop> {
    let mut session = Mailbox::new(house);
    let end = wire::pump(conn, &mut session);
    let user = env.text("USER").unwrap_or_default().replace(' ', "\\x20");
    sys::log!("pop3d: {} end user={user} {}", std::process::id(), session.store());
    match end {
        Ok(_) => Ok(()),
        Err(error) => Err(Stop::temporary(format_args!("user={user} {error}"))),
    }
}
