//! The real house of an SMTP session: policy by control files and `lookup`, messages to the queue.
//!
//! Each refusal is logged with the line that decided it. What can't be found out is put off: 451.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use message::address::Address;
use policy::Unsure;
use reception::{Facts, Files, Hold, Judge, Lookup, Proof, Refused, Rules, word};
use smtp::{Envelope, Fault, House, MailParameters, Reply, Step};
use submission::Submission;
use sys::Env;
use tls::{Door, Slot};
use wire::{Code, Fate};

use crate::notice;

/// Refused recipients from which on each one has to wait, and how long, at most.
const PATIENT_WITH: u32 = 10;
const DELAY: Duration = Duration::from_millis(25);
const LONGEST_DELAY: Duration = Duration::from_millis(500);

const LATER: Reply = Reply::new(451, Code(4, 3, 0), "Can't find that out now, try again later");
const TOO_MUCH: Reply =
    Reply::new(451, Code(4, 7, 1), "You have sent more than you may in an hour, try again later");
const NO_QUEUE: Reply = Reply::new(451, Code(4, 3, 0), "The queue is out of reach, try again later");

/// What outlives a connection in a worker.
pub(crate) struct Kept {
    pub(crate) files: Files,
    pub(crate) lookup: Lookup,
    pub(crate) queue: Submission,
    pub(crate) tls: Door,
}

/// The house of one connection.
pub(crate) struct Desk {
    kept: Kept,
    rules: Rc<Rules>,
    facts: Facts,
    env: Env,
    token: String,
    sender: Option<Address>,
    /// By what the last recipient was that was not ours.
    granted: Option<String>,
    /// The message may go on by TLS only.
    requiretls: bool,
    /// TLS may begin.
    slot: Option<Slot>,
    /// How somebody tries to log in.
    mechanism: String,
    /// What is known of TLS, for `lookup`.
    tls: String,
    /// What `lookup` said of domains on this connection.
    domains: HashMap<String, bool>,
    bytes: u64,
}

impl Desk {
    pub(crate) fn new(mut kept: Kept, rules: Rc<Rules>, facts: Facts, env: &Env, token: String) -> Desk {
        let domains = HashMap::new();
        kept.queue.serve(env);
        Desk {
            kept,
            rules,
            facts,
            env: env.clone(),
            token,
            sender: None,
            granted: None,
            requiretls: false,
            slot: None,
            mechanism: String::new(),
            tls: String::new(),
            domains,
            bytes: 0,
        }
    }

    /// Reserves TLS at once.
    pub(crate) fn reserved(&mut self) -> std::io::Result<Slot> {
        self.kept.tls.reserve()
    }

    /// TLS has begun.
    pub(crate) fn secured(&mut self, facts: &tls::Facts) {
        self.tls = facts.told();
        self.facts.certificates.clone_from(&facts.clients);
        if !facts.clients.is_empty() {
            sys::log!("smtpd {}: certificate of={}", self.token, facts.clients.join(","));
        }
    }

    /// What was reserved for TLS.
    pub(crate) fn slot(&mut self) -> Option<Slot> {
        self.slot.take()
    }

    /// What is kept for the next connection.
    pub(crate) fn into_kept(self) -> Kept {
        self.kept
    }

    fn judge(&mut self, recipient: &Address) -> Result<Result<String, Reply>, Unsure> {
        let (rules, facts) = (&*self.rules, &self.facts);
        let (lookup, domains) = (&mut self.kept.lookup, &mut self.domains);
        let judged = Judge { rules, facts, lookup, domains }.judge(self.sender.as_ref(), recipient)?;
        if let Ok(taken) = &judged {
            self.granted = Some(&taken.by).filter(|_| taken.relayed).cloned().or(self.granted.take());
        }
        Ok(judged.map(|taken| taken.address).map_err(|refused| self.refuse(refused)))
    }

    fn refuse(&self, refused: Refused) -> Reply {
        let (address, by) = (word(&refused.address), refused.by);
        let reply = match (refused.reply, refused.fate) {
            (Some(code), Fate::Never(text)) => Reply::made(code, text.code, text.sentence.into_owned()),
            (_, fate) => Reply::from(fate),
        };
        let sender = word(&self.sender.as_ref().map(Address::envelope).unwrap_or_default());
        let (token, code, status) = (&self.token, reply.code(), reply.status());
        sys::log!("smtpd {token}: refuse reply={code} {status} from=<{sender}> to=<{address}> by={by}");
        reply
    }

    fn proved(&mut self, proof: Proof) -> Step {
        let token = &self.token;
        match proof {
            Proof::Challenge(words) => Step::Challenge(words),
            Proof::Right(user) => {
                sys::log!("smtpd {token}: login user={} method={}", word(&user), self.mechanism);
                // What programs in the place of the queue know from others' AUTH.
                if self.env.get("RELAYCLIENT").is_none() {
                    self.env.set("RELAYCLIENT", "");
                }
                self.env.set("TCPREMOTEINFO", &user);
                self.kept.queue.serve(&self.env);
                self.facts.login = Some(user);
                Step::Welcome
            }
            Proof::Wrong(text) => {
                sys::log!("smtpd {token}: refuse login method={} {text}", self.mechanism);
                match text.code {
                    Code(5, 5, 2) => Step::Malformed,
                    Code(5, 7, 4) => Step::Unknown,
                    _ => Step::Refused,
                }
            }
            Proof::Later(cause) => {
                self.put_off("login", cause);
                Step::Later
            }
        }
    }

    fn put_off(&self, what: &str, cause: impl std::fmt::Display) {
        sys::log!("smtpd {}: later {what}: {cause}", self.token);
    }

    /// Is the message of a user who has sent too much to be held? And is the postmaster to be told?
    fn limited(&mut self, recipients: usize) -> Result<Option<Hold>, Reply> {
        let Some(login) = self.facts.login.clone() else { return Ok(None) };
        let limited = self.kept.lookup.sending(&login, recipients);
        let held = limited.map_err(|Unsure(cause)| {
            self.put_off("message", cause);
            LATER
        })?;
        match held {
            // Its program knows no holding.
            Some(_) if self.kept.queue.is_to_program() => Err(TOO_MUCH),
            held => Ok(held),
        }
    }

    fn enqueue(&mut self, envelope: &Envelope) -> Result<String, Reply> {
        let queue = &mut self.kept.queue;
        queue.sender(envelope.sender.as_bytes());
        envelope.recipients.iter().for_each(|recipient| queue.recipient(recipient.as_bytes()));
        match queue.commit() {
            Fate::Done(text) => match text.sentence.split(' ').next() {
                Some(id) if !id.is_empty() => Ok(id.to_owned()),
                _ => Err(NO_QUEUE),
            },
            // As qmail-smtpd answers for its queue program.
            Fate::Never(text) if self.kept.queue.is_to_program() => {
                Err(Reply::made(554, text.code, text.sentence.into_owned()))
            }
            refusal => Err(Reply::from(refusal)),
        }
    }
}

impl House for Desk {
    fn now(&mut self) -> i64 {
        sys::unix_seconds().cast_signed()
    }

    fn sender(&mut self, sender: Option<&Address>, parameters: &MailParameters) -> Result<(), Reply> {
        self.sender = sender.cloned();
        self.requiretls = parameters.requiretls;
        self.granted = None;
        Ok(())
    }

    fn recipient(&mut self, recipient: &Address) -> Result<String, Reply> {
        self.judge(recipient).unwrap_or_else(|Unsure(cause)| {
            self.put_off(&format!("to=<{}>", word(&recipient.envelope())), cause);
            Err(LATER)
        })
    }

    fn reserve_tls(&mut self) -> bool {
        match self.kept.tls.reserve() {
            Ok(slot) => {
                self.slot = Some(slot);
                true
            }
            Err(error) => {
                self.put_off("TLS", error);
                false
            }
        }
    }

    fn authenticate(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Step {
        mechanism.clone_into(&mut self.mechanism);
        let ip = self.facts.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let proof = self.kept.lookup.authenticate(&ip, &self.tls, mechanism, initial);
        self.proved(proof)
    }

    fn answer(&mut self, message: &[u8]) -> Step {
        let proof = self.kept.lookup.answer(message);
        self.proved(proof)
    }

    fn open(&mut self) -> Result<(), Reply> {
        self.bytes = 0;
        self.kept.queue.open(&self.token).map_err(|error| {
            self.put_off("message", format_args!("the queue: {error}"));
            NO_QUEUE
        })?;
        if self.requiretls {
            self.kept.queue.requiretls();
        }
        Ok(())
    }

    fn write(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        self.kept.queue.write(part);
    }

    fn commit(&mut self, envelope: &Envelope) -> Result<String, Reply> {
        let held = self.limited(envelope.recipients.len());
        let done = held.clone().and_then(|held| {
            if held.is_some() {
                self.kept.queue.hold();
            }
            self.enqueue(envelope)
        });
        if done.is_err() {
            self.kept.queue.abort();
        }
        let (token, sender, count, bytes) =
            (&self.token, word(&envelope.sender), envelope.recipients.len(), self.bytes);
        match &done {
            Ok(id) => {
                let by = self.granted.as_ref().map(|by| format!(" relay by={by}")).unwrap_or_default();
                sys::log!("smtpd {token}: accept msg={id} from=<{sender}> rcpts={count} bytes={bytes}{by}");
            }
            Err(reply) => sys::log!(
                "smtpd {token}: refuse reply={} {} from=<{sender}> rcpts={count} by=queue: {}",
                reply.code(),
                reply.status(),
                reply.text()
            ),
        }
        if let (Ok(_), Ok(Some(Hold { first: true })), Some(login)) = (&done, &held, &self.facts.login) {
            let (queue, rules) = (&mut self.kept.queue, &self.rules);
            let now = sys::unix_seconds().cast_signed();
            notice::send(queue, &rules.me, &rules.postmaster, login, &self.token, now);
        }
        done
    }

    fn abort(&mut self) {
        self.kept.queue.abort();
    }

    fn fault(&mut self, fault: Fault, count: u32, reply: &Reply) {
        // The others are logged where they are refused, with what decided.
        if fault != Fault::Recipient || reply.code() == 501 {
            let (code, status, text) = (reply.code(), reply.status(), reply.text());
            sys::log!("smtpd {}: refuse reply={code} {status} {text}", self.token);
        }
        if fault == Fault::Recipient {
            let over = count.saturating_sub(PATIENT_WITH);
            std::thread::sleep((DELAY * over).min(LONGEST_DELAY));
        }
    }
}
