//! A message on its way to the queue, and its lines in the log, for servers without words of their own.

use submission::Submission;
use wire::Fate;

use crate::word;

/// The queue's end of one connection.
pub struct Deposit {
    /// The queue; what outlives the connection.
    pub queue: Submission,
    /// Marks everything of this connection in the log.
    pub token: String,
    bytes: u64,
}

impl Deposit {
    /// For the connection that `token` marks.
    pub fn new(queue: Submission, token: String) -> Deposit {
        Deposit { queue, token, bytes: 0 }
    }

    /// Begins a message. What hinders is for the log; the client shall come later.
    pub fn open(&mut self) -> Result<(), Fate> {
        self.bytes = 0;
        self.queue.open(&self.token).map_err(|error| {
            self.put_off("message", format_args!("queue: {error}"));
            Fate::later(3, 0, "The queue is out of reach, try again later")
        })
    }

    /// The next piece of the text.
    pub fn write(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.queue.write(piece);
    }

    /// Ends the message; the text of a yes is `ok TIME qp ID`, as qmail says it.
    pub fn commit(&mut self, sender: &str, recipients: &[String]) -> Fate {
        self.queue.sender(sender.as_bytes());
        recipients.iter().for_each(|recipient| self.queue.recipient(recipient.as_bytes()));
        let fate = self.queue.commit();
        let (name, token) = (sys::logging::name(), &self.token);
        let (from, count, bytes) = (word(sender), recipients.len(), self.bytes);
        match fate {
            Fate::Done(text) => {
                let id = text.sentence.split(' ').next().unwrap_or_default();
                sys::log!("{name} {token}: accept msg={id} from=<{from}> rcpts={count} bytes={bytes}");
                Fate::done(format!("ok {} qp {id}", sys::unix_seconds()))
            }
            refusal => {
                let text = refusal.text();
                sys::log!("{name} {token}: refuse from=<{from}> rcpts={count} by=queue: {text}");
                refusal
            }
        }
    }

    /// Gives up the open message.
    pub fn abort(&mut self) {
        self.queue.abort();
    }

    /// Logs what is refused.
    pub fn log_refusal(&self, sender: &str, recipient: &str, fate: &Fate, by: &str) {
        let (name, token, text) = (sys::logging::name(), &self.token, fate.text());
        let (from, to) = (word(sender), word(recipient));
        sys::log!("{name} {token}: refuse {text} from=<{from}> to=<{to}> by={by}");
    }

    /// Logs what could not be done or found out now.
    pub fn put_off(&self, what: &str, cause: impl std::fmt::Display) {
        sys::log!("{} {}: later {what}: {cause}", sys::logging::name(), self.token);
    }
}
