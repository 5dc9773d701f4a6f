//! Interprets .qmail files whole: what `local-deliver` does, and programs, and files anywhere.
//!
//! qmail-local's interface: eight arguments, the message on descriptor 0. Runs as the mailbox's owner,
//! unconfined, as what it starts are the owner's programs; `spawn` starts it for a delivery that needs it.

mod shell;

use std::process::ExitCode;

use control::{Control, Home};
use delivery::{Call, Kept, Report};
use submission::Submission;
use sys::Stop;
use wire::Fate;

use crate::shell::Shell;

const USAGE: &str = "dot-qmail [-nN] user home local dash ext domain sender defaultdelivery";
/// A delivery that takes longer ends with SIGALRM; nobody cleans a Maildir's `tmp` before that. Seconds.
const LONGEST: u32 = 24 * 3600;

fn main() -> ExitCode {
    sys::main("dot-qmail", run)
}

fn run() -> Result<(), Stop> {
    let mut call = Call::from_args(std::env::args_os().skip(1)).ok_or_else(|| Stop::usage(USAGE))?;
    let fate = if call.only_show {
        delivery::show(&call.order, &mut std::io::stdout())
    } else {
        sys::signals::alarm(LONGEST);
        call.order.from_environment();
        let home = Home::find();
        call.order.most_delivered_to = most_delivered_to(&home)?;
        deliver(&home, &call)
    };
    match delivery::report(&fate) {
        0 => Ok(()),
        code => Err(Stop(code)),
    }
}

fn deliver(home: &Home, call: &Call) -> Fate {
    let message = match sys::adopt(0) {
        Ok(message) => message,
        Err(error) => return Fate::later(3, 0, format!("no message on descriptor 0: {error}")),
    };
    let mut queue = Submission::usual(home.run("queue"));
    match delivery::deliver(&mut queue, &mut Kept::new(), &call.order, message, Some(&mut Shell)) {
        Report::Fate(fate) => fate,
        Report::NeedsPrograms => Fate::later(3, 5, "programs can't be run"),
    }
}

/// A control folder that is not there (we run as anybody, anywhere) sets no limit; a broken file waits.
fn most_delivered_to(home: &Home) -> Result<u64, Stop> {
    if !home.control().exists() {
        return Ok(0);
    }
    Control::open(home).number("maxdeliveredto").map_err(Stop::temporary)
}
