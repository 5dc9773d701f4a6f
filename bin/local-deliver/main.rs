//! Delivers one message for one recipient: finds the instructions, writes Maildirs, forwards.
//!
//! One-shot with qmail-local's arguments and the message on descriptor 0, or as a worker of
//! `spawn` with orders as packets on descriptor 3. Runs as the mailbox's owner, executes nothing:
//! instructions that need a program are answered "needs programs" before anything is done.

mod deliver;
mod forward;
mod instructions;
mod order;
mod qmail;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use control::Home;
use sys::confine::{Confine, Limits};
use sys::{Packet, Stop};
use wire::Fate;

use crate::order::{Call, Order};

const USAGE: &str = "local-deliver [-nN] user home local dash ext domain sender defaultdelivery";
/// A delivery that takes longer ends with SIGALRM; nobody cleans `tmp` before that. Seconds.
const LONGEST: u32 = 24 * 3600;

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
        deliver::show(&call.order, &mut std::io::stdout())
    } else {
        sys::signals::alarm(LONGEST);
        match sys::adopt(0) {
            Ok(message) => deliver::deliver(house, &call.order, message),
            Err(error) => Fate::later(3, 0, format!("no message on descriptor 0: {error}")),
        }
    };
    report(&fate)
}

/// What was done to stdout, what went wrong to stderr: qmail-local's way.
fn report(fate: &Fate) -> Result<(), Stop> {
    if fate.is_done() {
        let text = fate.text().sentence.replace('/', "\n");
        // The mail is delivered: that nobody could be told must not have it come twice.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(());
    }
    sys::log!("{}", fate.text());
    Err(Stop(fate.exit_code()))
}

fn worker(house: &Home) -> Result<(), Stop> {
    let limits = Limits { memory: Some(512 << 20), files: Some(64), file_size: None };
    limits.apply().map_err(|error| Stop::temporary(format_args!("can't set limits: {error}")))?;
    let mut confined_to = None;
    sys::worker::orders(|packet| {
        sys::signals::alarm(LONGEST);
        let answer = answer(house, packet, &mut confined_to).to_bytes();
        sys::signals::alarm(0);
        answer
    })
}

/// One order. The first one says which folder this worker is for; it gives up all others then.
fn answer(house: &Home, packet: Packet, confined_to: &mut Option<PathBuf>) -> Fate {
    let Some(order) = Order::from_packet(&packet.bytes) else {
        return Fate::later(3, 0, "order mangled");
    };
    let Some(message) = packet.fds.into_iter().next() else {
        return Fate::later(3, 0, "order without a message");
    };
    let confined_to = match confined_to {
        Some(home) => home,
        None => match qmail::Home::enter(&order.home).and_then(|_| confine(&order)) {
            Ok(home) => confined_to.insert(home),
            Err(fate) => return fate,
        },
    };
    if confined_to != &order.home {
        return Fate::later(3, 0, "order for another home than this worker's");
    }
    deliver::deliver(house, &order, message)
}

fn confine(order: &Order) -> Result<PathBuf, Fate> {
    let kept = order.own_maildirs().fold(Confine::new().sockets().write(&order.home), Confine::write);
    let cannot =
        |error| Fate::later(3, 5, format!("can't confine myself to {}: {error}", order.home.display()));
    kept.apply().map_err(cannot)?;
    Ok(order.home.clone())
}
