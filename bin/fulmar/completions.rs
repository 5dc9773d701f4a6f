//! `fulmar completions`: what the shell needs to complete our words.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use sys::Stop;

#[derive(Args)]
pub(crate) struct Options {
    /// The shell
    shell: Shell,
}

pub(crate) fn run<C: CommandFactory>(options: &Options) -> Result<(), Stop> {
    clap_complete::generate(options.shell, &mut C::command(), "fulmar", &mut std::io::stdout());
    Ok(())
}
