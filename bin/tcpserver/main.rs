//! tcpserver: accepts connections, applies rules and limits, and runs a program for each of them or
//! hands it to a worker.
//!
//! Knows UCSPI and nothing of what the program speaks. Reads nothing that a client says, but for a
//! PROXY header from a peer whose rule asks for it and the answers of name and ident servers.

mod access;
mod connection;
mod ident;
mod inquiry;
mod listen;
mod options;
mod proxy;
mod server;
mod tally;
mod workers;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use options::Options;
use sys::Stop;

fn main() -> ExitCode {
    sys::main("tcpserver", run)
}

fn run() -> Result<(), Stop> {
    let options = Options::read(std::env::args_os())?;
    let (listener, port) = listen::bind(&options)?;
    options.become_user()?;
    if options.print_port {
        let told = writeln!(std::io::stdout(), "{port}").and_then(|()| std::io::stdout().flush());
        told.map_err(|error| options.fatal(format_args!("unable to print the port: {error}")))?;
    }
    detach().map_err(|error| options.fatal(format_args!("unable to open /dev/null: {error}")))?;
    if options.limit > 400 {
        let _ = sys::confine::raise_file_limit();
    }
    server::Server::new(Arc::new(options), listener)?.run()
}

/// Who started us and waits for the end of our output shall not wait.
fn detach() -> std::io::Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(())
}
