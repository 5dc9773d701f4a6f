//! `forward`: sends the message of this delivery on to other addresses. For .qmail files, where
//! `&address` does not do: behind a pipe, or if a shell finds out the address.

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use control::Home;
use courier::Forward;
use sys::Stop;

fn main() -> ExitCode {
    sys::main("forward", run)
}

fn run() -> Result<(), Stop> {
    let recipients: Vec<Vec<u8>> = courier::arguments().into_iter().map(OsStringExt::into_vec).collect();
    if recipients.is_empty() {
        return Err(Stop::usage("forward address ..."));
    }
    courier::forward(Home::find().run("queue"), &Forward::usual()?, &recipients, false)
}
