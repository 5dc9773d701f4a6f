//! `gate SERVER LOGIN SERVICE...`: lets `login` speak with a client; after a good login becomes the
//! mailbox's owner, gives up all but his folder and is the server from then on.
//!
//! Runs as root and so reads nothing from the network: whose mailbox it is tells `lookup` alone,
//! for a ticket that `login` had from there and can neither make nor use itself.

mod grants;
mod opening;
mod owner;
mod passing;
mod porter;

use std::ffi::OsString;
use std::process::ExitCode;

use ::owner::Opened;
use control::{Home, Role, Uids};
use sys::worker::{self, After, Job};
use sys::{Stop, process};

use crate::porter::{Admitted, Porter};

fn main() -> ExitCode {
    sys::main("gate", run)
}

fn run() -> Result<(), Stop> {
    let mut args = std::env::args_os().skip(1);
    let (Some(server), Some(login)) = (args.next(), args.next()) else { return Err(usage()) };
    let service: Vec<OsString> = args.collect();
    if service.is_empty() {
        return Err(usage());
    }
    let home = Home::find();
    let uids = Uids::read(&home).map_err(Stop::permanent)?;
    let identity = uids.identity(Role::Net).map_err(Stop::permanent)?;
    let porter = Porter::new(program(&login), service, identity);
    let mut gate = Gate { home, server: program(&server), porter };
    gate.porter.warm_up().map_err(|error| Stop::temporary(format_args!("can't start login: {error}")))?;
    worker::serve(|job| gate.receive(job))
}

fn usage() -> Stop {
    Stop::usage("gate SERVER LOGIN SERVICE...   (such as: gate pop3d login pop3)")
}

/// A program is named by its path, or stands beside this one.
fn program(name: &OsString) -> OsString {
    let is_path = name.as_encoded_bytes().contains(&b'/');
    if is_path { name.clone() } else { process::sibling(&name.to_string_lossy()) }
}

struct Gate {
    home: Home,
    server: OsString,
    porter: Porter,
}

impl Gate {
    /// Returns only when nobody was let in.
    fn receive(&mut self, job: Job) -> After {
        let env = job.env.clone();
        match self.porter.admit(job) {
            Ok(None) => {}
            Ok(Some(admitted)) => {
                if self.open(admitted, env) == After::Replace {
                    return After::Replace;
                }
            }
            Err(error) => sys::log!("gate: {} warning login: {error}", std::process::id()),
        }
        let ready = !worker::is_worker() || self.porter.warm_up().is_ok();
        if ready { After::Ready } else { After::Replace }
    }

    fn open(&self, admitted: Admitted, env: sys::Env) -> After {
        let id = std::process::id();
        match owner::redeem(&self.home.run("lookup-root"), &admitted.ticket) {
            Ok((opened, session)) => {
                let user = opened.user().replace(' ', "\\x20");
                let service = self.porter.service();
                let error = match &opened {
                    Opened::Here(owner) => {
                        opening::open(&self.home, &self.server, owner, service, admitted, session, env)
                    }
                    Opened::There(there) => {
                        passing::pass(&self.home, there, service, self.porter.identity(), admitted, session)
                    }
                };
                sys::log!("gate: {id} fatal: user={user} {error}");
                After::Replace
            }
            Err(error) => {
                sys::log!("gate: {id} later cause={error}");
                admitted.login.refuse();
                After::Ready
            }
        }
    }
}
