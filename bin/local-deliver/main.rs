//! Delivers one message for one recipient: finds the instructions, writes Maildirs, forwards.
//!
//! One-shot with qmail-local's arguments and the message on descriptor 0, or as a worker of
//! `spawn` with orders as packets on descriptor 3. Runs as the mailbox's owner, executes nothing:
//! instructions that need a program are `dot-qmail`'s, said before anything is done.

use std::path::PathBuf;
use std::process::ExitCode;

use control::Home;
use delivery::{Call, Kept, Order, Report};
use submission::Submission;
use sys::confine::{Confine, Limits};
use sys::process::{Start, sibling};
use sys::{Packet, Stop};
use wire::Fate;

const USAGE: &str = "local-deliver [-nN] user home local dash ext domain sender defaultdelivery";
/// A delivery that takes longer ends with SIGALRM; nobody cleans `tmp` before that. Seconds.
const LONGEST: u32 = 24 * 3600;
/// The answer, in place of a fate, to an order that `dot-qmail` has to carry out.
const NEEDS_PROGRAMS: &[u8] = b"P";

fn main() -> ExitCode {
    sys::main("local-deliver", run)
}

fn run() -> Result<(), Stop> {
    let house = Home::find();
    match sys::worker::is_worker() {
        true => worker(&house),
        false => once(&house),
    }
}

fn once(house: &Home) -> Result<(), Stop> {
    let call = Call::from_args(std::env::args_os().skip(1)).ok_or_else(|| Stop::usage(USAGE))?;
    let fate = if call.only_show {
        delivery::show(&call.order, &mut std::io::stdout())
    } else {
        sys::signals::alarm(LONGEST);
        let message = sys::adopt(0)
            .map_err(|error| Stop::temporary(format_args!("no message on descriptor 0: {error}")))?;
        let mut queue = Submission::usual(house.run("queue"));
        match delivery::deliver(&mut queue, &mut Kept::new(), &call.order, message, None) {
            Report::Fate(fate) => fate,
            Report::NeedsPrograms => return Err(hand_over()),
        }
    };
    match delivery::report(&fate) {
        0 => Ok(()),
        code => Err(Stop(code)),
    }
}

/// `dot-qmail` has the same interface, and can run programs.
fn hand_over() -> Stop {
    let error = Start::new(sibling("dot-qmail")).args(std::env::args_os().skip(1)).exec();
    Stop::temporary(format_args!("unable to start dot-qmail: {error}"))
}

fn worker(house: &Home) -> Result<(), Stop> {
    let limits = Limits { memory: Some(512 << 20), files: Some(64), file_size: None };
    limits.apply().map_err(|error| Stop::temporary(format_args!("can't set limits: {error}")))?;
    // For all copies at once: the kernel takes its time to learn it.
    let calls = Confine::new().sockets().calls_only().apply();
    calls.map_err(|error| Stop::temporary(format_args!("can't confine myself: {error}")))?;
    let (mut confined_to, mut kept) = (None, Kept::new());
    sys::worker::orders(|packet| {
        // It goes on while nothing is to be done; spawn keeps nobody idle for so long.
        sys::signals::alarm(LONGEST);
        let answer = answer(house, packet, &mut confined_to, &mut kept).unwrap_or_else(Report::Fate);
        match answer {
            Report::Fate(fate) => fate.to_bytes(),
            Report::NeedsPrograms => NEEDS_PROGRAMS.to_vec(),
        }
    })
}

/// One order. The first one says which folder this worker is for; it gives up all others then.
fn answer(
    house: &Home,
    packet: Packet,
    confined_to: &mut Option<PathBuf>,
    kept: &mut Kept,
) -> Result<Report, Fate> {
    let order = Order::from_packet(&packet.bytes).ok_or_else(|| Fate::later(3, 0, "order mangled"))?;
    let message = packet.fds.into_iter().next();
    let message = message.ok_or_else(|| Fate::later(3, 0, "order without a message"))?;
    let confined_to = match confined_to {
        Some(home) => home,
        None => {
            delivery::enter(&order.home)?;
            confined_to.insert(confine(&order)?)
        }
    };
    if confined_to != &order.home {
        return Err(Fate::later(3, 0, "order for another home than this worker's"));
    }
    let mut queue = Submission::at(house.run("queue"));
    Ok(delivery::deliver(&mut queue, kept, &order, message, None))
}

fn confine(order: &Order) -> Result<PathBuf, Fate> {
    let kept = order.own_maildirs().fold(Confine::new().paths_only().write(&order.home), Confine::write);
    let cannot =
        |error| Fate::later(3, 5, format!("can't confine myself to {}: {error}", order.home.display()));
    kept.apply().map_err(cannot)?;
    Ok(order.home.clone())
}
