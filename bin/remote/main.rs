//! Delivers to other hosts: takes orders from `send`, finds the servers of a domain, speaks SMTP to them.
//!
//! As `remote host sender recipient...` it does so once, with qmail-remote's interface; as qmail-tcpto
//! and qmail-tcpok it shows and empties the memory of addresses that did not answer.

mod authorities;
mod carrier;
mod delivery;
mod demand;
mod handshake;
mod hosts;
mod letter;
mod line;
mod lines;
mod notes;
mod once;
mod serve;
mod settings;
mod sts;
mod tcpto;
mod wanted;
mod world;

use std::fs::File;
use std::process::ExitCode;

use control::Home;
use sys::Stop;

const USAGE: &str = "remote [host sender recipient...]";
/// The memory of silent addresses.
const TCPTO: &str = "tcpto";

fn main() -> ExitCode {
    sys::main("remote", run)
}

fn run() -> Result<(), Stop> {
    let mut args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let name = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    match name.rsplit('/').next() {
        Some("qmail-tcpto") => show(),
        Some("qmail-tcpok") => forget(),
        _ if args.is_empty() => serve::serve(),
        _ => once::run(&args),
    }
}

fn show() -> Result<(), Stop> {
    let path = Home::find().run(TCPTO);
    let text = tcpto::show(&path, sys::unix_seconds())
        .map_err(|error| Stop::temporary(format_args!("{}: {error}", path.display())))?;
    print!("{text}");
    Ok(())
}

fn forget() -> Result<(), Stop> {
    let path = Home::find().run(TCPTO);
    let emptied = File::options().write(true).truncate(true).open(&path);
    emptied.map(drop).map_err(|error| Stop::temporary(format_args!("{}: {error}", path.display())))
}
