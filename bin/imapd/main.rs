//! `imapd [MAILDIR]`: serves the mailboxes of one account by IMAP to a client who has proved whose they are.
//!
//! Started by `gate` as the mailboxes' owner, or by hand behind checkpassword. Reads no password and no table;
//! reaches nothing but the account's folders and the settings that concern them.

mod conn;
mod deflate;
mod pump;
mod settings;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use imap::{Options, Session};
use mailbox::Account;
use maildir::Maildir;
use sys::confine::{Confine, Limits};
use sys::{Env, Stop, Timed};
use threshold::Entered;

use crate::conn::Conn;
use crate::pump::End;

/// Address space: a mailbox of a million messages, and four messages of the largest size at one time.
const MEMORY: u64 = 4 << 30;
/// Each message of an APPEND of many is two open files until all have come.
const FILES: u64 = 4096;
/// Tells whether the machine has been started anew since an index was written.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

fn main() -> ExitCode {
    sys::main("imapd", || threshold::serve("imapd", serve))
}

fn serve(client: Entered) -> Result<(), Stop> {
    let Entered { env, maildir, tag, unread, input, output, session: _held } = client;
    let client = Timed::new(input, output, pump::SILENCE);
    sys::no_delay(client.output());
    sys::keep_alive(client.output());
    let mut conn = Conn::new(unread, client);
    match open(&maildir, &env) {
        Ok(account) => converse(&mut conn, account, tag.as_deref(), &env),
        Err(error) => {
            conn.say(&refusal(tag.as_deref()));
            Err(Stop::temporary(format_args!("{}: {error}", maildir.display())))
        }
    }
}

/// Opens the account, which is made if there is none yet, and gives up all else.
fn open(maildir: &Path, env: &Env) -> io::Result<Account> {
    if sys::is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "refusing to serve mail as root"));
    }
    let settings = settings::read(env);
    make(maildir)?;
    Limits { memory: Some(MEMORY), files: Some(FILES), file_size: None }.apply()?;
    let beside = settings.shared.iter().map(|(_, path)| path).chain(&settings.index);
    let confine = beside.fold(Confine::new().write(maildir), Confine::write);
    confine.read(BOOT).apply()?;
    Account::open(maildir, settings).map_err(|trouble| io::Error::other(format!("{trouble:?}")))
}

/// A confinement can only grant what is there.
fn make(maildir: &Path) -> io::Result<()> {
    match ["cur", "new", "tmp"].iter().all(|folder| maildir.join(folder).exists()) {
        true => Ok(()),
        false => Maildir::create(maildir).map(drop),
    }
}

/// The mailboxes can't be opened: the answer that the client waits for.
fn refusal(tag: Option<&[u8]>) -> Vec<u8> {
    let text = b"NO [UNAVAILABLE] The mailboxes can't be opened now, please try again later\r\n";
    let answer = tag.map_or_else(Vec::new, |tag| [tag, b" ", text].concat());
    [&answer[..], b"* BYE [UNAVAILABLE] Try again later\r\n"].concat()
}

fn converse(conn: &mut Conn, account: Account, tag: Option<&[u8]>, env: &Env) -> Result<(), Stop> {
    let options = Options {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        compress: true,
        pace: settings::step(env).map(|step| conn.pace(step)),
        ..Options::default()
    };
    let mut session = Session::new(account, options);
    let end = pump::serve(conn, &mut session, tag);
    let user = env.text("USER").unwrap_or_default().replace(' ', "\\x20");
    sys::log!("imapd: {} end user={user} why={}", std::process::id(), why(&end));
    end.map(drop).map_err(|error| Stop::temporary(format_args!("user={user} {error}")))
}

fn why(end: &io::Result<End>) -> String {
    match end {
        Ok(end) => format!("{end:?}"),
        Err(error) => format!("Broken cause={}", error.kind()),
    }
}
