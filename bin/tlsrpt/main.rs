//! tlsrpt: tells other domains how TLS went with their servers, once a day, from what `remote` has noted. RFC 8460.
//!
//! Started by cron. What has been told is removed; what can't be told waits for two more days.

mod day;
mod letter;

use std::process::ExitCode;

use control::{Control, Home, Role, Uids};
use dns::Resolver;
use https::Https;
use submission::Submission;
use sys::Stop;
use sys::confine::Confine;

use crate::day::{Day, Teller};

const USAGE: &str = "tlsrpt [--print]   (started by cron)";
/// Where `remote` notes it.
const NOTES: &str = "tlsrpt";

fn main() -> ExitCode {
    sys::main("tlsrpt", run)
}

fn run() -> Result<(), Stop> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let print = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--print"] => true,
        _ => return Err(Stop::usage(USAGE)),
    };
    let home = Home::find();
    let control = Control::open(&home);
    let authorities = https::authorities(&control);
    let myself = Uids::read(&home).and_then(|uids| uids.identity(Role::Remote)).map_err(Stop::temporary)?;
    if let Some(myself) = myself {
        sys::become_user(&myself).map_err(Stop::temporary)?;
    }
    let submission = Submission::usual(home.run("queue"));
    if !submission.is_to_program() {
        let own = Confine::new().read(home.control()).write(home.run(NOTES)).internet().sockets();
        dns::FOLDERS.iter().fold(own, Confine::read).apply().map_err(Stop::temporary)?;
    }
    let resolver = Resolver::new(https::servers(&control).map_err(Stop::temporary)?);
    let https = Https::new(resolver.clone(), &authorities);
    let me = control.me().map_err(Stop::temporary)?;
    let mut teller = Teller { me, resolver, https, submission, print };
    let (today, mut failed) = (sys::unix_seconds() / day::SECONDS, false);
    for day in Day::all(&home.run(NOTES)).map_err(Stop::temporary)? {
        if print || day.number < today {
            failed |= day
                .tell(&mut teller, today)
                .inspect_err(|cause| sys::log!("tlsrpt: warning: {cause}"))
                .is_err();
        }
    }
    if failed { Err(Stop(111)) } else { Ok(()) }
}
