//! The real house of a QMQP session: every recipient is taken, messages go to the queue.

use std::rc::Rc;

use message::address::Address;
use qmtp::House;
use reception::{Deposit, Facts, Files, Rules};
use submission::Submission;
use wire::Fate;

/// What outlives a connection in a worker.
pub(crate) struct Kept {
    pub(crate) files: Files,
    pub(crate) queue: Submission,
}

/// The house of one connection.
pub(crate) struct Desk {
    files: Files,
    deposit: Deposit,
    rules: Rc<Rules>,
    facts: Facts,
}

impl Desk {
    pub(crate) fn new(kept: Kept, rules: Rc<Rules>, facts: Facts, token: String) -> Desk {
        let Kept { files, queue } = kept;
        Desk { files, deposit: Deposit::new(queue, token), rules, facts }
    }

    /// What is kept for the next connection.
    pub(crate) fn into_kept(self) -> Kept {
        Kept { files: self.files, queue: self.deposit.queue }
    }

    fn trace(&self) -> String {
        let facts = &self.facts;
        let client = smtp::Client { ip: facts.ip, host: facts.host.clone(), info: facts.info.clone() };
        let name = facts.host.as_deref().unwrap_or_default();
        let now = sys::unix_seconds().cast_signed();
        smtp::received(&client, name, &self.rules.me, "QMQP", &self.deposit.token, now)
    }
}

impl House for Desk {
    fn open(&mut self) -> Result<(), Fate> {
        self.deposit.open()?;
        let trace = self.trace();
        self.deposit.write(trace.as_bytes());
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) {
        self.deposit.write(piece);
    }

    fn recipient(&mut self, _: Option<&Address>, recipient: &Address) -> Result<String, Fate> {
        Ok(recipient.envelope())
    }

    fn commit(&mut self, sender: &str, recipients: &[String]) -> Fate {
        self.deposit.commit(sender, recipients)
    }

    fn abort(&mut self) {
        self.deposit.abort();
    }
}
