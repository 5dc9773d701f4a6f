//! Where the message goes: to the queue, or with `-n` to standard output.

use std::io::{self, Write};
use std::path::PathBuf;

use submission::Submission;
use sys::Stop;
use wire::Fate;

use crate::letter::{Letter, Ready};

/// The message on its way.
pub(crate) struct Outbox {
    /// `None`: it is printed.
    queue: Option<Submission>,
    /// The envelope, once the header is out.
    ready: Option<Ready>,
}

impl Outbox {
    pub(crate) fn print() -> Outbox {
        Outbox { queue: None, ready: None }
    }

    /// To the socket at `path`, or to the program that QMAILQUEUE names.
    pub(crate) fn queue(path: PathBuf) -> Outbox {
        Outbox { queue: Some(Submission::usual(path)), ready: None }
    }

    /// The header is over: writes it, unless that has been done.
    pub(crate) fn head(&mut self, letter: &mut Letter<'_>) -> Result<(), Stop> {
        if self.ready.is_some() {
            return Ok(());
        }
        let mut ready = letter.finish(sys::unix_seconds(), std::process::id()).map_err(Stop::permanent)?;
        let header = std::mem::take(&mut ready.header);
        self.ready = Some(ready);
        if let Some(queue) = &mut self.queue {
            let token = format!("inject-{}", std::process::id());
            queue
                .open(&token)
                .map_err(|error| Stop::temporary(format_args!("can't reach the queue: {error}")))?;
        }
        self.body(&header)?;
        self.body(b"\n")
    }

    /// Writes a piece.
    pub(crate) fn body(&mut self, piece: &[u8]) -> Result<(), Stop> {
        match &mut self.queue {
            Some(queue) => queue.write(piece),
            None => io::stdout().lock().write_all(piece).map_err(|error| unprinted(&error))?,
        }
        Ok(())
    }

    /// All is there. With 0 as exit code the message is durable.
    pub(crate) fn send(self) -> Result<(), Stop> {
        let Some(mut queue) = self.queue else {
            return io::stdout().flush().map_err(|error| unprinted(&error));
        };
        let ready = self.ready.unwrap_or_default();
        queue.sender(&ready.sender);
        ready.recipients.iter().for_each(|recipient| queue.recipient(recipient));
        match queue.commit() {
            Fate::Done(_) => Ok(()),
            Fate::Later(text) => Err(Stop::temporary(text)),
            Fate::Never(text) => Err(Stop::permanent(text)),
        }
    }
}

fn unprinted(error: &io::Error) -> Stop {
    Stop::temporary(format_args!("can't write: {error}"))
}
