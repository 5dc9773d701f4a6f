//! `fulmar completions`: what the shell needs to complete our words.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use sys::Stop;

#[derive(Args)]
pub(crate) struct Options {
    /// The shell
    shell: Shell,
}

pub(crate) fn run<C: CommandFactory>(options: &Options) -> Result<(), Stop> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut C::command(), "fulmar", &mut script);
    // Who reads no further has enough.
    let _ = std::io::stdout().write_all(&script);
    Ok(())
}
