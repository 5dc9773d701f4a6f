//! The message goes back into the queue, for other recipients.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use submission::Submission;
use sys::Stop;
use wire::Fate;

use crate::{line, message, pieces, variable};

/// A message about to be forwarded.
#[derive(Debug)]
pub struct Forward {
    /// The envelope sender.
    pub sender: Vec<u8>,
    /// What is put above the message, with line ends.
    pub above: Vec<u8>,
    /// Octets of the message that come from descriptor 0, too.
    pub with_message: bool,
}

impl Forward {
    /// As a delivery forwards: from NEWSENDER, with DTLINE above the message.
    pub fn usual() -> Result<Forward, Stop> {
        Ok(Forward { sender: variable("NEWSENDER")?, above: line("DTLINE")?, with_message: true })
    }
}

/// Sends the message on descriptor 0 (from where it stands, or `again` from its beginning) to all of
/// `recipients`, through the queue at `path` or the program that QMAILQUEUE names. Nobody gets it unless
/// all will.
pub fn forward(path: PathBuf, forward: &Forward, recipients: &[Vec<u8>], again: bool) -> Result<(), Stop> {
    for recipient in recipients {
        if recipient.is_empty() || recipient.iter().any(u8::is_ascii_control) {
            let shown = sys::logging::escape_bytes(recipient);
            return Err(Stop::permanent(format_args!("`{shown}` is no address to forward to")));
        }
    }
    let mut letter = match forward.with_message {
        true => Some(open_message(again)?),
        false => None,
    };
    let mut queue = Submission::usual(path);
    let token = format!("{}-{}", sys::logging::name(), std::process::id());
    queue.open(&token).map_err(|error| Stop::temporary(format_args!("can't reach the queue: {error}")))?;
    queue.write(&forward.above);
    if let Some((first, rest)) = &mut letter {
        queue.write(first);
        let copy = |piece: &[u8]| {
            queue.write(piece);
            true
        };
        pieces(rest, copy).map_err(|error| unread(&error))?;
    }
    queue.sender(&forward.sender);
    recipients.iter().for_each(|recipient| queue.recipient(recipient));
    match queue.commit() {
        Fate::Done(id) => {
            sys::log!("{}: qp {}", sys::logging::name(), id.sentence.trim());
            Ok(())
        }
        Fate::Later(text) => Err(Stop::temporary(text)),
        Fate::Never(text) => Err(Stop::permanent(text)),
    }
}

/// The message's first octets, and what follows them. An empty message is what a program that failed
/// has left in a pipe: it does not go on.
fn open_message(again: bool) -> Result<(Vec<u8>, File), Stop> {
    let mut file = message()?;
    if again {
        let rewound = file.seek(SeekFrom::Start(0));
        rewound.map_err(|error| Stop::temporary(format_args!("can't rewind the message: {error}")))?;
    }
    let mut first = Vec::new();
    let keep = |piece: &[u8]| {
        first.extend_from_slice(piece);
        false
    };
    pieces(&mut file, keep).map_err(|error| unread(&error))?;
    match first.is_empty() {
        true => Err(Stop::temporary("the message is empty: has the program before this one failed?")),
        false => Ok((first, file)),
    }
}

fn unread(error: &io::Error) -> Stop {
    Stop::temporary(format_args!("can't read the message: {error}"))
}
