//! `datemail`: sendmail with a Date line in local time.

use std::process::ExitCode;

use sys::Stop;
use sys::process::{Start, sibling};

fn main() -> ExitCode {
    sys::main("datemail", run)
}

fn run() -> Result<(), Stop> {
    let now = sys::unix_seconds() as i64;
    let line = format!("Date: {}\n", message::date_local(now, sys::zone(now)));
    let inject = sibling("inject");
    let sendmail = Start::new(&inject).name("sendmail").args(courier::arguments());
    match courier::feed(&inject, sendmail, line.as_bytes())? {
        0 => Ok(()),
        code => Err(Stop(code)),
    }
}
