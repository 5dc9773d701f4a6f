//! The real house of a QMTP session: recipients are judged as by `smtpd`, messages go to the queue.

use std::collections::HashMap;
use std::rc::Rc;

use message::address::Address;
use policy::Unsure;
use qmtp::House;
use reception::{Deposit, Facts, Files, Judge, Lookup, Rules, word};
use submission::Submission;
use wire::Fate;

/// What outlives a connection in a worker.
pub(crate) struct Kept {
    pub(crate) files: Files,
    pub(crate) lookup: Lookup,
    pub(crate) queue: Submission,
}

/// The house of one connection.
pub(crate) struct Desk {
    files: Files,
    lookup: Lookup,
    deposit: Deposit,
    rules: Rc<Rules>,
    facts: Facts,
    /// What `lookup` said of domains on this connection.
    domains: HashMap<String, bool>,
}

impl Desk {
    pub(crate) fn new(kept: Kept, rules: Rc<Rules>, facts: Facts, token: String) -> Desk {
        let Kept { files, lookup, queue } = kept;
        Desk { files, lookup, deposit: Deposit::new(queue, token), rules, facts, domains: HashMap::new() }
    }

    /// What is kept for the next connection.
    pub(crate) fn into_kept(self) -> Kept {
        Kept { files: self.files, lookup: self.lookup, queue: self.deposit.queue }
    }

    fn trace(&self) -> String {
        let facts = &self.facts;
        let client = smtp::Client { ip: facts.ip, host: facts.host.clone(), info: facts.info.clone() };
        let name = facts.host.as_deref().unwrap_or_default();
        let now = sys::unix_seconds().cast_signed();
        smtp::received(&client, name, &self.rules.me, "QMTP", &self.deposit.token, now)
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

    fn recipient(&mut self, sender: Option<&Address>, recipient: &Address) -> Result<String, Fate> {
        let (rules, facts) = (&*self.rules, &self.facts);
        let (lookup, domains) = (&mut self.lookup, &mut self.domains);
        match (Judge { rules, facts, lookup, domains }.judge(sender, recipient)) {
            Ok(Ok(taken)) => Ok(taken.address),
            Ok(Err(refused)) => {
                let from = sender.map(Address::envelope).unwrap_or_default();
                self.deposit.log_refusal(&from, &refused.address, &refused.fate, &refused.by);
                Err(refused.fate)
            }
            Err(Unsure(cause)) => {
                self.deposit.put_off(&format!("to=<{}>", word(&recipient.envelope())), cause);
                Err(Fate::later(3, 0, "Can't find that out now, try again later"))
            }
        }
    }

    fn commit(&mut self, sender: &str, recipients: &[String]) -> Fate {
        self.deposit.commit(sender, recipients)
    }

    fn abort(&mut self) {
        self.deposit.abort();
    }
}
