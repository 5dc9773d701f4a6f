//! fulmar: the admin's command. Each subcommand is a file of its own.
//!
//! Changes to users and domains are asked of `lookup` over `run/admin`; nothing here writes
//! their files. Exit codes: 0 done, 100 won't work like this, 111 try again.

mod admin;
mod alias;
mod assign;
mod cdb;
mod check;
mod completions;
mod database;
mod domain;
mod explain;
mod import;
mod init;
mod password;
mod qmail_names;
mod queue;
mod relay;
mod restore;
mod run_lines;
mod service;
mod show;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use control::Home;
use sys::Stop;

/// Run a Fulmar mail server: make a home, add domains and users, see what waits in the queue.
#[derive(Parser)]
#[command(name = "fulmar", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    /// The server's home folder [default: $FULMAR_HOME, or /var/fulmar]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(flatten)]
    shape: show::Shape,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  fulmar domain add example.org
  fulmar user add alice@example.org
The exit code is 0 for done, 100 for 'not like this', 111 for 'try again later'.";

#[derive(Subcommand)]
enum Command {
    /// Make a home folder, or complete one: folders, control files, run scripts
    Init(init::Options),
    /// Compile the tables: tcp.smtp, control files, users
    Cdb(cdb::Options),
    /// Look for trouble: every control file and table, permissions, services
    Check(check::Options),
    /// Domains that this server receives mail for
    #[command(subcommand)]
    Domain(domain::Verb),
    /// Users: who has a mailbox here
    #[command(subcommand)]
    User(user::Verb),
    /// Aliases: addresses that lead to others
    #[command(subcommand)]
    Alias(alias::Verb),
    /// The databases that control/users names
    #[command(subcommand)]
    Database(database::Verb),
    /// Say what would become of a message, and which line of which file says so; nothing is sent
    Explain(explain::Options),
    /// Who may relay because he has fetched mail
    #[command(subcommand)]
    Relay(relay::Verb),
    /// Messages that wait to be delivered
    #[command(subcommand)]
    Queue(queue::Verb),
    /// Bring back mail that was removed by IMAP
    Restore(restore::Options),
    /// Take the messages of a qmail queue over
    ImportQueue(import::Options),
    /// The services: start, stop, say what runs
    #[command(subcommand)]
    Service(service::Verb),
    /// Print a completion script for a shell
    Completions(completions::Options),
}

fn main() -> ExitCode {
    sys::main("fulmar", run)
}

fn run() -> Result<(), Stop> {
    if let Some(done) = qmail_names::run(std::env::args_os()) {
        return done;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return show::usage(&error),
    };
    let (home, shape) = (arguments.home.map_or_else(Home::find, Home::at), arguments.shape);
    match arguments.command {
        Command::Init(options) => init::run(&home, &options),
        Command::Cdb(options) => cdb::command(&home, &options),
        Command::Check(options) => check::run(&home, &options, shape),
        Command::Domain(verb) => domain::run(&home, &verb, shape),
        Command::User(verb) => user::run(&home, &verb, shape),
        Command::Alias(verb) => alias::run(&home, &verb, shape),
        Command::Database(verb) => database::run(&home, &verb),
        Command::Explain(options) => explain::run(&home, &options, shape),
        Command::Relay(verb) => relay::run(&home, &verb, shape),
        Command::Queue(verb) => queue::run(&home, &verb, shape),
        Command::Restore(options) => restore::run(&home, &options, shape),
        Command::ImportQueue(options) => import::run(&home, &options),
        Command::Service(verb) => service::run(&home, verb),
        Command::Completions(options) => completions::run::<Arguments>(&options),
    }
}
