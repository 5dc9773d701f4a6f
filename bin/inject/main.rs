//! `inject`: sends a message that a person or a script has written: completes its header and addresses,
//! finds its recipients, puts it into the queue. As `sendmail`, `mailq` and `newaliases` it takes their
//! arguments.
//!
//! Runs as whoever calls it. The header is read whole; the body streams through.

mod fields;
mod followup;
mod hosts;
mod instead;
mod letter;
mod options;
mod outbox;
mod person;
mod sendmail;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::ExitCode;

use control::{Control, Home};
use message::{Manuscript, Part};
use sys::{Env, Stop};

use crate::hosts::Hosts;
use crate::letter::Letter;
use crate::options::Order;
use crate::outbox::Outbox;
use crate::person::Person;
use crate::sendmail::Call;

const PIECE: usize = 64 * 1024;

fn main() -> ExitCode {
    sys::main("inject", run)
}

fn run() -> Result<(), Stop> {
    let mut args = std::env::args_os();
    let called = args.next().unwrap_or_default();
    let args: Vec<Vec<u8>> = args.map(OsString::into_vec).collect();
    let name = Path::new(&called).file_name().map_or(&b""[..], |name| name.as_bytes());
    let call = match name {
        b"sendmail" | b"qmail-sendmail" => sendmail::read(&args).map_err(Stop::permanent)?,
        b"mailq" => Call::ShowQueue,
        b"newaliases" => return Err(Stop::permanent(sendmail::ALIASES)),
        _ => Call::Inject(options::read(&args).ok_or_else(|| Stop::usage(options::USAGE))?),
    };
    match call {
        Call::Inject(order) => inject(&order, &Env::here()),
        Call::ShowQueue => instead::queue(),
        Call::Smtp => instead::smtp(),
        Call::Nothing => Ok(()),
    }
}

fn inject(order: &Order, env: &Env) -> Result<(), Stop> {
    let home = Home::find();
    let hosts = Hosts::read(env, &Control::open(&home)).map_err(Stop::temporary)?;
    let person = Person::of(env, order.name.as_deref(), &hosts);
    let followup = followup::lists(env)?;
    let mut letter = Letter::new(order, &hosts, &person, followup);
    let mut outbox = if order.print { Outbox::print() } else { Outbox::queue(home.run("queue")) };
    if sys::was_closed(0) {
        return Err(Stop::temporary("no message: descriptor 0 is closed"));
    }
    let mut manuscript = Manuscript::new();
    let mut body = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = read(&mut piece)
            .map_err(|error| Stop::temporary(format_args!("can't read the message: {error}")))?;
        let mut each = |part: Part<'_>| match part {
            Part::Field(field) => letter.field(field),
            Part::Body(piece) => body.extend_from_slice(piece),
        };
        let fed = match count {
            0 => std::mem::take(&mut manuscript).end(&mut each),
            _ => manuscript.feed(&piece[..count], &mut each),
        };
        fed.map_err(|_| Stop::permanent("the header is longer than 16 megabytes"))?;
        if count == 0 || !body.is_empty() {
            outbox.head(&mut letter).inspect_err(|_| {
                if count > 0 {
                    drain(&mut piece)
                }
            })?;
            outbox.body(&body)?;
            body.clear();
        }
        if count == 0 {
            return outbox.send();
        }
    }
}

fn read(piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match io::stdin().lock().read(piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whoever still writes would be ended by SIGPIPE, and not see our exit code.
fn drain(piece: &mut [u8]) {
    while read(piece).is_ok_and(|count| count > 0) {}
}
