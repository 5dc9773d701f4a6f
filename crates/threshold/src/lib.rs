//! Where a client becomes a mailbox's owner: `login` speaks with him, `lookup` says whose mailbox his ticket opens, and
//! this process, root until then, becomes that owner and the server.
//!
//! Reads nothing that comes from the network, and knows no protocol: what `login` has not read it passes on unseen.

mod entered;
mod grants;
mod opening;
mod passing;
mod porter;
mod ticket;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use ::owner::Opened;
use control::{Home, Role, Uids};
use sys::worker::{self, After, Job, Jobs};
use sys::{Env, Stop, process};

pub use crate::entered::Entered;
use crate::porter::{Admitted, Porter};

/// The first argument of a server program that is to stand at the gate itself. `gate` says it.
pub const AT_GATE: &str = "--at-gate";

/// What this process is once somebody has been let in.
pub enum Server {
    /// Another program, by its path: executed.
    Program(OsString),
    /// The program that this is already, by its name.
    Here(&'static str, fn(Entered) -> Result<(), Stop>),
}

impl Server {
    fn name(&self) -> &str {
        match self {
            Server::Program(path) => Path::new(path).file_name().and_then(OsStr::to_str).unwrap_or_default(),
            Server::Here(name, _) => name,
        }
    }
}

/// The work of a server program: stands at the gate if it is to, and then serves whoever is let in; or serves the client
/// whom another program has let in.
pub fn serve(name: &'static str, serve: fn(Entered) -> Result<(), Stop>) -> Result<(), Stop> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((first, words)) if first == AT_GATE => stand(words, Server::Here(name, serve)),
        _ => serve(Entered::here(name)?),
    }
}

/// Lets clients in: `words` are the name of `login`, and what it is told.
pub fn stand(words: &[OsString], server: Server) -> Result<(), Stop> {
    let [login, service, ..] = words else { return Err(usage()) };
    let home = Home::find();
    let uids = Uids::read(&home).map_err(Stop::permanent)?;
    let identity = uids.identity(Role::Net).map_err(Stop::permanent)?;
    let mut porter = Porter::new(program(login), words[1..].to_vec(), identity);
    porter.prepare().map_err(|error| Stop::temporary(format_args!("can't start login: {error}")))?;
    let Some(jobs) = worker::jobs_while(|| porter.is_sound())? else { return Ok(()) };
    // What it was started with is each client's environment only as far as the job says so.
    let gate = Gate { home, server, service: service.clone(), porter };
    gate.watch_over(jobs)
}

fn usage() -> Stop {
    Stop::usage("gate SERVER LOGIN SERVICE...   (such as: gate pop3d login pop3)")
}

/// A program is named by its path, or stands beside this one.
pub fn program(name: &OsString) -> OsString {
    let is_path = name.as_encoded_bytes().contains(&b'/');
    if is_path { name.clone() } else { process::sibling(&name.to_string_lossy()) }
}

struct Gate {
    home: Home,
    server: Server,
    service: OsString,
    porter: Porter,
}

impl Gate {
    /// One client after the other, until one is let in: with him this process ends.
    fn watch_over(mut self, mut jobs: Jobs) -> Result<(), Stop> {
        let _ = self.porter.warm_up();
        while let Some(job) = jobs.take()? {
            let env = job.env.clone();
            let after = match self.receive(job) {
                // Whoever is somebody else by then must get no more jobs, and no `login` either.
                Ok(guest) => {
                    drop(jobs);
                    return self.open(guest, env);
                }
                Err(after) => after,
            };
            jobs.done(if self.porter.is_sound() { after } else { After::Replace });
            // After the word to the parent: the client who has left is counted until that is said.
            if jobs.more() {
                let _ = self.porter.warm_up();
            }
        }
        Ok(())
    }

    /// Somebody who may be let in, and where his mailbox is; else, how to go on.
    fn receive(&mut self, job: Job) -> Result<(Admitted, ticket::Redeemed), After> {
        let id = std::process::id();
        let admitted = match self.porter.admit(job) {
            Ok(admitted) => admitted.ok_or(After::Ready)?,
            // Perhaps an attack: the next try shall cost a process, and its stem's time.
            Err(error) => {
                sys::log!("gate: {id} warning login: {error}");
                return Err(After::Replace);
            }
        };
        match ticket::redeem(&self.home.run("lookup-root"), &admitted.ticket) {
            Ok(redeemed) => Ok((admitted, redeemed)),
            Err(error) => {
                sys::log!("gate: {id} later cause={error}");
                admitted.login.refuse();
                Err(After::Ready)
            }
        }
    }

    fn open(self, (admitted, redeemed): (Admitted, ticket::Redeemed), env: Env) -> Result<(), Stop> {
        let Gate { home, server, service, porter } = self;
        let identity = porter.leave();
        let user = redeemed.opened.user().replace(' ', "\\x20");
        let ended = match redeemed.opened {
            Opened::Here(owner) => {
                opening::open(&home, &server, &owner, &service, admitted, redeemed.session, env)
            }
            Opened::There(there) => {
                Err(passing::pass(&home, &there, &service, identity.as_ref(), admitted, redeemed.session))
            }
        };
        ended.unwrap_or_else(|error| {
            sys::log!("gate: {} fatal: user={user} {error}", std::process::id());
            Err(Stop(111))
        })
    }
}
