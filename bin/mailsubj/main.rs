//! `mailsubj`: sends standard input to somebody, with a subject.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use message::mailbox;
use sys::Stop;
use sys::process::{Start, sibling};

fn main() -> ExitCode {
    sys::main("mailsubj", run)
}

fn run() -> Result<(), Stop> {
    let arguments = courier::arguments();
    let [subject, recipients @ ..] = &arguments[..] else { return Err(usage()) };
    if recipients.is_empty() {
        return Err(usage());
    }
    let recipients = recipients.iter().map(|recipient| address(recipient)).collect::<Result<Vec<_>, _>>()?;
    let subject = one_line(subject.as_bytes());
    let header = [b"Subject: ", &subject[..], b"\nTo: ", &recipients.join(&b",\n  "[..]), b"\n\n"].concat();
    let inject = sibling("inject");
    match courier::feed(&inject, Start::new(&inject).arg("-h"), &header)? {
        0 => Ok(()),
        code => Err(Stop(code)),
    }
}

fn usage() -> Stop {
    Stop::usage("mailsubj subject recipient ...")
}

/// One address as a header has it, never several: a script may pass on a stranger's.
fn address(argument: &OsStr) -> Result<Vec<u8>, Stop> {
    let text = argument.as_bytes();
    let wrong = |why| Stop::permanent(format_args!("can't read the recipient {}: {why}", argument.display()));
    let one = mailbox::mailbox(text).map_err(wrong)?;
    Ok(match one.host {
        Some(host) if one.odd => message::quoted(&[&one.local[..], b"@", &host].concat()),
        _ => one_line(text),
    })
}

/// No line end of an argument begins a header line.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|b| if b.is_ascii_control() { b' ' } else { *b }).collect()
}
