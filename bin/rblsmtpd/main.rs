//! `rblsmtpd`: stands before an SMTP server and keeps out whom block lists in the DNS name, or RBLSMTPD.
//!
//! Who is not blocked gets the program of the command line, as if it had been started at once. Who is
//! blocked gets a little SMTP and the reason. Knows nothing of mail.

mod options;
mod session;
mod verdict;

use std::ffi::OsString;
use std::net::IpAddr;
use std::process::ExitCode;

use dns::{Config, Resolver};
use sys::process::Start;
use sys::{Env, Stop, Timed, worker};

use crate::options::Options;
use crate::session::Session;
use crate::verdict::Block;

const USAGE: &str = "rblsmtpd [-bBcC] [-t seconds] [-r list[:text]] [-a list] program [argument ...]";

fn main() -> ExitCode {
    sys::main("rblsmtpd", run)
}

fn run() -> Result<(), Stop> {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let options = Options::parse(args).map_err(|wrong| Stop::usage(format_args!("{USAGE} ({wrong})")))?;
    if worker::is_worker() {
        return Err(Stop::permanent("a worker's connections come as packets; start tcpserver without -w"));
    }
    let env = Env::here();
    // Malformed or not there: nobody to ask about. The program will treat the client as unknown.
    let ip = env.text("TCPREMOTEIP").and_then(|text| text.parse::<IpAddr>().ok());
    match verdict(&options, &env, ip) {
        Some(block) => refuse(&options, &block, ip),
        None => Err(start(&options.rest)),
    }
}

fn verdict(options: &Options, env: &Env, ip: Option<IpAddr>) -> Option<Block> {
    if let Some(value) = env.get("RBLSMTPD") {
        return verdict::by_variable(value);
    }
    let servers = env.text("DNSCACHEIP").unwrap_or_default();
    let resolver = Resolver::new(Config::find(servers));
    let ask = |name: &str, kind| resolver.lookup(name, kind).map(|answer| answer.records);
    verdict::by_lists(options, ip?.to_canonical(), ask)
}

/// Returns only when the program can't be started.
fn start(rest: &[OsString]) -> Stop {
    let Some((program, args)) = rest.split_first() else { return Stop::usage(USAGE) };
    let error = Start::new(program).args(args).exec();
    Stop::temporary(format_args!("{}: {error}", program.to_string_lossy()))
}

fn refuse(options: &Options, block: &Block, ip: Option<IpAddr>) -> Result<(), Stop> {
    let ip = ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
    sys::log!("rblsmtpd: {ip} pid {}: {}", std::process::id(), session::refusal(block));
    let fds = sys::adopt(0).and_then(|input| Ok((input, sys::adopt(1)?)));
    let (input, output) =
        fds.map_err(|error| Stop::temporary(format_args!("no descriptors 0 and 1: {error}")))?;
    let mut client = Timed::new(input, output, options.patience);
    client.set_deadline(Some(options.patience));
    // However the talk ends, the client has not been served, and that is what was wanted.
    let _ = wire::pump(&mut client, &mut Session::new(block));
    Ok(())
}
