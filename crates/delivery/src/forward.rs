//! Forwards: one message to all addresses, handed to `queued` in one piece or not at all.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use submission::Submission;
use wire::{Fate, Text};

use crate::order::Order;

const PIECE: usize = 256 * 1024;

/// Submits `message` with `delivered_to` above it; gives its id in the queue. Nobody gets it
/// unless all will.
pub(crate) fn submit(
    queue: &mut Submission,
    order: &Order,
    sender: &[u8],
    recipients: &[Vec<u8>],
    delivered_to: &[u8],
    message: &File,
) -> Result<String, Fate> {
    let token = String::from_utf8_lossy(&order.id);
    queue.open(&token).map_err(|error| unable(&format!("queue: {error}")))?;
    if order.requiretls {
        queue.requiretls();
    }
    queue.write(delivered_to);
    write_message(queue, message).map_err(|error| unable(&format!("message: {error}")))?;
    queue.sender(sender);
    recipients.iter().for_each(|recipient| queue.recipient(recipient));
    match queue.commit() {
        Fate::Done(id) => Ok(id.sentence.trim().to_owned()),
        Fate::Never(text) => Err(Fate::Never(told(&text))),
        Fate::Later(text) => Err(Fate::Later(told(&text))),
    }
}

fn unable(cause: &str) -> Fate {
    Fate::later(3, 0, format!("unable to forward message: {cause}"))
}

fn told(text: &Text) -> Text {
    Text::new(text.code, format!("unable to forward message: {}", text.sentence))
}

/// On an error the submission is dropped unfinished, and `queued` forgets it.
fn write_message(queue: &mut Submission, message: &File) -> io::Result<()> {
    let (mut piece, mut offset) = (vec![0; PIECE], 0);
    loop {
        match message.read_at(&mut piece, offset) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                queue.write(&piece[..count]);
                offset += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
