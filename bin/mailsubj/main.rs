//! `mailsubj`: sends standard input to somebody, with a subject.

use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

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
    let recipients: Vec<Vec<u8>> =
        recipients.iter().map(|recipient| one_line(recipient.as_bytes())).collect();
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

/// No line end of an argument begins a header line.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|b| if b.is_ascii_control() { b' ' } else { *b }).collect()
}
