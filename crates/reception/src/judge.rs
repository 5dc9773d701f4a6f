//! May this client send to this recipient, and is there such a user? Crate `policy` decides by the
//! control files; in domains that `lookup` has users in, the user has to exist.

use std::collections::HashMap;

use message::address::Address;
use policy::{Question, Tables, Unsure, Verdict};
use wire::{Fate, Text};

use crate::tables::View;
use crate::{Facts, Lookup, Rules};

/// A recipient that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What to tell the client.
    pub fate: Fate,
    /// The SMTP reply code, where policy has one of its own.
    pub reply: Option<u16>,
    /// The address that was meant.
    pub address: String,
    /// What decided, for the log.
    pub by: String,
}

/// A recipient that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The address as the envelope shall have it.
    pub address: String,
    /// What decided.
    pub by: String,
    /// It is somebody else's, and relayed by permission.
    pub relayed: bool,
}

/// All that a judgement needs.
pub struct Judge<'a> {
    /// The control files.
    pub rules: &'a Rules,
    /// Who asks.
    pub facts: &'a Facts,
    /// Who knows the users.
    pub lookup: &'a mut Lookup,
    /// What `lookup` has said of domains on this connection.
    pub domains: &'a mut HashMap<String, bool>,
}

impl Judge<'_> {
    /// The recipient as the envelope shall have it, or why not.
    pub fn judge(
        &mut self,
        sender: Option<&Address>,
        recipient: &Address,
    ) -> Result<Result<Taken, Refused>, Unsure> {
        self.judge_aloud(sender, recipient, &mut |_, _| {})
    }

    /// The same; `hear` is told what each row of the policy says, in their order, until one decides.
    pub fn judge_aloud(
        &mut self,
        sender: Option<&Address>,
        recipient: &Address,
        hear: &mut dyn FnMut(&str, Option<&str>),
    ) -> Result<Result<Taken, Refused>, Unsure> {
        let recipient = self.meant(recipient)?;
        let recipient = self.or_postmaster(recipient)?;
        let facts = self.facts;
        let client = policy::Client {
            ip: facts.ip,
            host: facts.host.as_deref().filter(|_| facts.host_checked),
            relayclient: facts.relayclient.as_deref(),
            login: facts.login.as_deref(),
            certificates: &facts.certificates,
            checkrelay: facts.checkrelay,
        };
        let question = Question { client, sender, recipient: &recipient };
        let decision = policy::decide_aloud(&question, &mut self.view(), hear)?;
        match decision.verdict {
            Verdict::Refuse(refusal) => Ok(Err(Refused {
                fate: Fate::Never(Text::new(refusal.code, refusal.sentence)),
                reply: Some(refusal.reply),
                address: recipient.envelope(),
                by: decision.by,
            })),
            Verdict::Accept => self.check_user(recipient.envelope(), decision.by, false),
            Verdict::Relay { append } => self.check_user(recipient.envelope() + &append, decision.by, true),
        }
    }

    fn view(&mut self) -> View<'_> {
        View {
            rules: self.rules,
            lookup: self.lookup,
            minutes: self.facts.relay_minutes,
            domains: self.domains,
        }
    }

    /// The address after localiphost and percenthack.
    fn meant(&self, recipient: &Address) -> Result<Address, Unsure> {
        let own = recipient.literal().is_some_and(|ip| Some(ip.to_canonical()) == self.facts.local);
        let named = if own { recipient.at(&self.rules.localiphost) } else { recipient.clone() };
        policy::percenthack(named, |domain| self.rules.has("percenthack", domain))
    }

    /// RFC 5321 §4.5.1: every host has a postmaster. This host's own name need not be a domain with
    /// users; its postmaster, and its mailer-daemon, to whom people answer, is then who gets double bounces.
    fn or_postmaster(&mut self, recipient: Address) -> Result<Address, Unsure> {
        let known = ["postmaster", "mailer-daemon"];
        let asked = known.iter().any(|name| recipient.local().eq_ignore_ascii_case(name));
        let here = [&self.rules.me, &self.rules.envnoathost];
        if !asked || !here.iter().any(|host| recipient.domain().eq_ignore_ascii_case(host)) {
            return Ok(recipient);
        }
        if self.view().ours(recipient.domain())? {
            return Ok(recipient);
        }
        Ok(Address::from_envelope(&self.rules.postmaster).unwrap_or(recipient))
    }

    /// In a domain that `lookup` has users in, the user has to exist.
    fn check_user(
        &mut self,
        address: String,
        by: String,
        relayed: bool,
    ) -> Result<Result<Taken, Refused>, Unsure> {
        let full = Address::from_envelope(&address).map_err(|fault| Unsure(format!("{address} {fault}")))?;
        if !self.view().ours(full.domain())? {
            return Ok(Ok(Taken { address, by, relayed }));
        }
        match self.lookup.recipient(&full.envelope())? {
            Fate::Done(_) => Ok(Ok(Taken { address, by, relayed: false })),
            fate => Ok(Err(Refused { fate, reply: None, address, by: "lookup".to_owned() })),
        }
    }
}
