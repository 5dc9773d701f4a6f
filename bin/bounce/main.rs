//! `bounce`: turns the failure notes of one message into a notification and puts it into the queue.
//!
//! Started by `send` when all of a message's recipients are settled and some have failed. Touches
//! neither the message nor the notes: `send` removes them once this exits with 0.

mod addressee;
mod dsn;
mod letter;

use std::process::ExitCode;

use control::{Control, Home, Role, Uids};
use queue::Queue;
use submission::Submission;
use sys::Stop;
use sys::confine::Confine;
use wire::Fate;

use crate::addressee::{Addressee, DOUBLE};
use crate::letter::Letter;

fn main() -> ExitCode {
    sys::main("bounce", run)
}

fn run() -> Result<(), Stop> {
    let mut args = std::env::args().skip(1);
    let (Some(Ok(id)), None) = (args.next().map(|id| id.parse::<u64>()), args.next()) else {
        return Err(Stop::usage("bounce ID   (started by send)"));
    };
    let home = Home::find();
    let identity = Uids::read(&home).and_then(|uids| uids.identity(Role::Queue)).map_err(Stop::temporary)?;
    if let Some(identity) = identity {
        sys::become_user(&identity).map_err(Stop::temporary)?;
    }
    let submission = Submission::usual(home.run("queue"));
    // Who sets QMAILQUEUE wants it for bounces, too, and its program needs all the world.
    if !submission.is_to_program() {
        Confine::new().read(home.queue()).read(home.control()).sockets().apply().map_err(Stop::temporary)?;
    }
    tell(&home, id, submission)
}

fn tell(home: &Home, id: u64, mut submission: Submission) -> Result<(), Stop> {
    let queue = Queue::open(&home.queue()).map_err(Stop::temporary)?;
    let message = queue.stored(id).map_err(Stop::temporary)?;
    let head = message.head().map_err(Stop::temporary)?;
    let failures = letter::failures(&queue, id).map_err(Stop::temporary)?;
    let control = Control::open(home);
    let (sender, letter) = match addressee::addressee(&head.sender) {
        Addressee::Nobody => {
            sys::log!("triple bounce: discarding bounce/{id}");
            return Ok(());
        }
        Addressee::Postmaster => (DOUBLE, Letter::to_postmaster(&control)),
        Addressee::Sender(to) => ("", Letter::to_sender(&control, to)),
    };
    let letter = letter.map_err(Stop::temporary)?;
    submission.open(&format!("bounce-{id}")).map_err(Stop::temporary)?;
    if head.requiretls {
        submission.requiretls();
    }
    letter.write(id, &head, &failures, &message, &mut submission).map_err(Stop::temporary)?;
    submission.sender(sender.as_bytes());
    submission.recipient(letter.to());
    match submission.commit() {
        Fate::Done(new) => {
            sys::log!("bounce msg {id} qp {}", new.sentence);
            Ok(())
        }
        fate => Err(Stop::temporary(format_args!("bounce of {id} not queued: {}", fate.text()))),
    }
}
