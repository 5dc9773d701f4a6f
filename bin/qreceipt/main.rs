//! `qreceipt`: tells a sender who has asked for it that his message has been delivered.

mod request;

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use control::Home;
use courier::Forward;
use sys::Stop;

/// Octets of a header that are looked at.
const HEADER_MAX: u64 = 1 << 20;

fn main() -> ExitCode {
    sys::main("qreceipt", run)
}

fn run() -> Result<(), Stop> {
    let arguments = courier::arguments();
    let [address] = &arguments[..] else { return Err(Stop::usage("qreceipt deliveraddress")) };
    let sender = courier::variable("SENDER")?;
    // Nobody answers what comes from nobody.
    if sender.is_empty() || sender == b"#@[]" {
        return Ok(());
    }
    let Some(asked) = request::find(&header()?, address.as_bytes()) else { return Ok(()) };
    let text = request::receipt(address.as_bytes(), &sender, &asked, sys::unix_seconds() as i64);
    let forward = Forward { sender: Vec::new(), above: text, with_message: false };
    courier::forward(Home::find().run("queue"), &forward, &[sender], false)
}

fn header() -> Result<Vec<u8>, Stop> {
    if sys::was_closed(0) {
        return Err(Stop::temporary("no message: descriptor 0 is closed"));
    }
    let read = sys::adopt(0).and_then(|fd| {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(File::from(fd), HEADER_MAX), &mut text)?;
        Ok(text)
    });
    let text = read.map_err(|error| Stop::temporary(format_args!("can't read the message: {error}")))?;
    Ok(message::split(&text).0.to_vec())
}
