//! `fulmar init`: makes a home, or completes one. What an admin has written is kept.

mod folders;
mod made;
mod services;
mod starters;
mod texts;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use clap::Args;
use control::{Control, Home, Uids};
use sys::Stop;

use crate::qmail_names::LINKS;
use crate::show::print;
pub(crate) use folders::FOLDERS;
use services::Lines;
pub(crate) use services::PROGRAMS;

#[derive(Args)]
pub(crate) struct Options {
    /// The server's own full name, such as mail.example.org [default: the machine's]
    #[arg(long, value_name = "NAME")]
    me: Option<String>,
    /// The domain whose postmaster hears of mail that can neither be delivered nor returned
    /// [default: the server's own name]
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// The address to listen at; 0 means all [default: as last time, else 0]
    #[arg(long, value_name = "IP")]
    address: Option<String>,
    /// Added to every port number: 20000 makes SMTP listen at 20025 [default: as last time, else 0]
    #[arg(long, value_name = "BASE", value_parser = clap::value_parser!(u16).range(0..=60_000))]
    ports: Option<u16>,
    /// As root: run the programs with numeric ids from this one on, instead of the users named
    /// fulmar-net and so on
    #[arg(long, value_name = "FIRST", value_parser = clap::value_parser!(u32).range(1..=4_000_000_000))]
    uids: Option<u32>,
    /// Where the programs are [default: where this one is]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Link the programs instead of copying them
    #[arg(long)]
    link: bool,
}

pub(crate) fn run(home: &Home, options: &Options) -> Result<(), Stop> {
    let me = own_name(home, options)?;
    folders::make(home, "", 0o755)?;
    folders::make(home, "control", 0o755)?;
    texts::write(home, &me, options.domain.as_deref(), options.uids)?;
    let uids = Uids::read(home).map_err(Stop::permanent)?;
    folders::make_all(home, &uids)?;
    programs(home, options)?;
    links(home)?;
    let (address, base) = listening(home, options)?;
    services::write(home, &Lines { me: &me, address: &address, base, uids: &uids })?;
    crate::cdb::compile(home)?;
    print(&format!(
        "home {} is ready; its services are in {}\n",
        home.path().display(),
        home.join("etc/run").display()
    ))
}

/// Puts qmail's names beside the programs that are meant.
fn links(home: &Home) -> Result<(), Stop> {
    for (name, program) in LINKS {
        let (link, new) = (home.program(name), home.bin().join(format!(".{name}.new")));
        let _ = fs::remove_file(&new);
        let placed = symlink(program, &new).and_then(|()| fs::rename(&new, &link));
        placed.map_err(|error| folders::failed(&link, &error))?;
    }
    Ok(())
}

/// Where to listen, and what is added to ports: as told, or as last time.
fn listening(home: &Home, options: &Options) -> Result<(String, u16), Stop> {
    let last = |choice| made::remembered(home, choice);
    let address = options.address.clone().or_else(|| last("address")).unwrap_or_else(|| "0".to_owned());
    let base = options.ports.or_else(|| last("ports")?.parse().ok()).unwrap_or(0);
    folders::make(home, "etc/made", 0o755)?;
    made::remember(home, "address", &address)?;
    made::remember(home, "ports", &base.to_string())?;
    Ok((address, base))
}

/// The name to greet with: as told, as an existing home has it, or the machine's.
fn own_name(home: &Home, options: &Options) -> Result<String, Stop> {
    let existing = || Control::open(home).line("me").ok().flatten();
    let name = options.me.clone().or_else(existing).unwrap_or_else(sys::hostname).to_ascii_lowercase();
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if name.is_empty() || !name.chars().all(good) || name.len() > 253 {
        return Err(Stop::permanent(format_args!(
            "'{name}' is no host name; give one with --me mail.example.org"
        )));
    }
    Ok(name)
}

/// Puts the programs into `bin/`, each by rename, so that a running one is never written over.
fn programs(home: &Home, options: &Options) -> Result<(), Stop> {
    let own = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let Some(from) = options.programs.clone().or(own) else {
        return Err(Stop::temporary("cannot tell where the programs are; give --programs DIR"));
    };
    let from = fs::canonicalize(&from).map_err(|error| folders::failed(&from, &error))?;
    if fs::canonicalize(home.bin()).is_ok_and(|bin| bin == from) {
        return Ok(());
    }
    for name in services::PROGRAMS {
        let (source, target) = (from.join(name), home.program(name));
        let new = home.bin().join(format!(".{name}.new"));
        let _ = fs::remove_file(&new);
        let placed = match options.link {
            true => symlink(&source, &new),
            false => fs::copy(&source, &new)
                .and_then(|_| fs::set_permissions(&new, fs::Permissions::from_mode(0o755))),
        };
        if !source.is_file() {
            let _ = fs::remove_file(&new);
            return Err(Stop::permanent(format_args!(
                "there is no program {}; scripts/build makes all",
                source.display()
            )));
        }
        placed.and_then(|()| fs::rename(&new, &target)).map_err(|error| folders::failed(&target, &error))?;
    }
    Ok(())
}
