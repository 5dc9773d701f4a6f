//! A letter being made ready: its header completed, its recipients and sender found. No I/O; time,
//! process id and environment are handed in.

use std::collections::HashSet;

use message::mailbox::{Mailbox, Unreadable, mailbox, mailboxes, respell};

use crate::fields::{self, Role, Set};
use crate::hosts::Hosts;
use crate::options::{Order, Whom};
use crate::person::Person;

/// The header as it leaves, and the envelope.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub(crate) header: Vec<u8>,
    pub(crate) sender: Vec<u8>,
    pub(crate) recipients: Vec<Vec<u8>>,
}

/// A letter whose fields are coming in.
#[derive(Debug)]
pub(crate) struct Letter<'a> {
    order: &'a Order,
    hosts: &'a Hosts,
    person: &'a Person,
    /// Lists that want answers, in lower case.
    lists: Vec<Vec<u8>>,
    kept: Vec<u8>,
    /// By set.
    recipients: [Vec<Vec<u8>>; 2],
    /// Recipients whom all see.
    shown: Vec<Vec<u8>>,
    seen: Vec<(Set, Role)>,
    return_path: Option<Vec<u8>>,
    /// The first thing that is wrong.
    fault: Option<String>,
}

impl<'a> Letter<'a> {
    pub(crate) fn new(
        order: &'a Order,
        hosts: &'a Hosts,
        person: &'a Person,
        lists: Vec<Vec<u8>>,
    ) -> Letter<'a> {
        Letter {
            order,
            hosts,
            person,
            lists,
            kept: Vec::new(),
            recipients: Default::default(),
            shown: Vec::new(),
            seen: Vec::new(),
            return_path: None,
            fault: None,
        }
    }

    /// The next field, with its line end.
    pub(crate) fn field(&mut self, raw: &[u8]) {
        let colon = raw.iter().position(|b| *b == b':').unwrap_or(raw.len() - 1);
        let name = raw[..colon].trim_ascii_end();
        let (set, role) = fields::role(name);
        let dropped = match role {
            Role::Length => true,
            Role::From => set == Set::Own && self.person.habit(b'f'),
            Role::MessageId => set == Set::Own && self.person.habit(b'i'),
            Role::ReturnPath => self.person.habit(b's'),
            _ => false,
        };
        if dropped {
            return;
        }
        if role != Role::Other && !self.seen.contains(&(set, role)) {
            self.seen.push((set, role));
        }
        match role {
            Role::Date | Role::MessageId | Role::Other | Role::Length => self.kept.extend_from_slice(raw),
            _ => self.addresses(set, role, name, &raw[colon + 1..], raw),
        }
    }

    fn addresses(&mut self, set: Set, role: Role, name: &[u8], body: &[u8], raw: &[u8]) {
        let list = match mailboxes(body) {
            Ok(list) => list,
            Err(why) => return self.wrong(format!("can't read the addresses in {}: {why}", lossy(name))),
        };
        match role {
            Role::ReturnPath => return self.return_path(&list),
            Role::Recipients | Role::Hidden => self.whom(set, role, name, &list),
            _ => {}
        }
        if role != Role::Hidden {
            self.kept.extend_from_slice(&raw[..raw.len() - body.len()]);
            self.kept.extend(respell(body, &list, |mailbox| self.hosts.spell(mailbox)));
        }
    }

    fn whom(&mut self, set: Set, role: Role, name: &[u8], list: &[Mailbox]) {
        if list.iter().any(|mailbox| mailbox.local.is_empty()) {
            return self.wrong(format!("an empty address in {}", lossy(name)));
        }
        let addresses = list.iter().map(|mailbox| self.hosts.envelope(mailbox));
        self.recipients[set as usize].extend(addresses.clone());
        if set == Set::Own && role == Role::Recipients && !self.lists.is_empty() {
            self.shown.extend(addresses);
        }
    }

    fn return_path(&mut self, list: &[Mailbox]) {
        match list {
            [one] => self.return_path = Some(self.hosts.envelope(one)),
            _ => self.wrong("Return-Path is not one address".to_owned()),
        }
    }

    fn wrong(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// The header is over. `now`: seconds since 1970.
    pub(crate) fn finish(&mut self, now: u64, pid: u32) -> Result<Ready, String> {
        let recipients = self.all_recipients();
        let sender = self.sender(now, pid);
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let recipients = recipients?;
        if recipients.is_empty() && !self.order.print {
            return Err("no recipients: neither the arguments nor the header name any".to_owned());
        }
        let header = [self.added(now, pid), std::mem::take(&mut self.kept)].concat();
        Ok(Ready { header, sender: sender?, recipients })
    }

    fn resent(&self) -> bool {
        self.seen.iter().any(|(set, _)| *set == Set::Resent)
    }

    /// Nobody twice.
    fn all_recipients(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let arguments = !self.order.recipients.is_empty();
        let (from_arguments, from_header) = match self.order.whom {
            Whom::Arguments => (true, false),
            Whom::Header => (false, true),
            Whom::Either => (arguments, !arguments),
            Whom::Both => (true, true),
        };
        let mut all = Vec::new();
        for argument in self.order.recipients.iter().filter(|_| from_arguments) {
            all.push(self.argument(argument)?);
        }
        if from_header {
            let set = if self.resent() { Set::Resent } else { Set::Own };
            all.append(&mut self.recipients[set as usize]);
        }
        let mut known = HashSet::new();
        all.retain(|address| known.insert(address.clone()));
        Ok(all)
    }

    fn argument(&self, argument: &[u8]) -> Result<Vec<u8>, String> {
        let wrong = |why: Unreadable| format!("can't read the recipient {}: {why}", lossy(argument));
        mailbox(argument).map(|one| self.hosts.envelope(&one)).map_err(wrong)
    }

    fn sender(&mut self, now: u64, pid: u32) -> Result<Vec<u8>, String> {
        match self.order.sender.as_deref().map(<[u8]>::trim_ascii) {
            None => Ok(self.return_path.take().unwrap_or_else(|| self.person.envelope(now, pid))),
            Some(b"" | b"<>") => Ok(Vec::new()),
            Some(given) => {
                let wrong = |why: Unreadable| format!("can't read the sender {}: {why}", lossy(given));
                mailbox(given).map(|one| self.hosts.envelope(&one)).map_err(wrong)
            }
        }
    }

    /// The fields that are missing. RFC 5322 §3.6 wants them.
    fn added(&self, now: u64, pid: u32) -> Vec<u8> {
        let set = if self.resent() { Set::Resent } else { Set::Own };
        let missing = |role| !self.seen.contains(&(set, role));
        let mut new = Vec::new();
        let mut add = |name: &str, body: &[u8]| {
            let resent = if set == Set::Resent { "Resent-" } else { "" };
            new.extend([resent.as_bytes(), name.as_bytes(), b": ", body, b"\n"].concat());
        };
        if missing(Role::Date) {
            add("Date", message::date(now as i64).as_bytes());
        }
        if missing(Role::MessageId) {
            let left = format!("<{}.{pid}.qmail@", message::stamp(now as i64));
            add("Message-ID", &[left.as_bytes(), &self.hosts.id, b">"].concat());
        }
        if missing(Role::From) {
            add("From", &self.person.from());
        }
        if missing(Role::Recipients) {
            add("Cc", b"recipient list not shown: ;");
        }
        if set == Set::Own && missing(Role::Followup) && self.is_for_list() {
            let shown: Vec<Vec<u8>> = self.shown.iter().map(|address| message::quoted(address)).collect();
            add("Mail-Followup-To", &shown.join(&b",\n  "[..]));
        }
        new
    }

    fn is_for_list(&self) -> bool {
        self.shown.iter().any(|address| self.lists.contains(&address.to_ascii_lowercase()))
    }
}

fn lossy(text: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(text)
}

#[cfg(test)]
mod tests;
