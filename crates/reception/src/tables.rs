//! The tables that policy asks: control files by name, domains of ours by `lookup`.
//!
//! What `lookup` has said of a domain holds for the rest of the connection.

use std::collections::HashMap;
use std::net::IpAddr;

use policy::{Tables, Unsure};

use crate::lookup::Lookup;
use crate::rules::Rules;

/// The tables as policy asks them.
pub(crate) struct View<'a> {
    /// The control files.
    pub(crate) rules: &'a Rules,
    /// Who knows the users.
    pub(crate) lookup: &'a mut Lookup,
    /// How old a login may be that lets its address relay; `None`: as control/relayminutes says.
    pub(crate) minutes: Option<u32>,
    /// What it has said of domains.
    pub(crate) domains: &'a mut HashMap<String, bool>,
}

impl Tables for View<'_> {
    fn address(&mut self, name: &'static str, address: &str) -> Result<Option<String>, Unsure> {
        self.rules.address(name, address)
    }

    fn domain(&mut self, name: &'static str, domain: &str) -> Result<Option<String>, Unsure> {
        self.rules.domain(name, domain)
    }

    fn network(&mut self, name: &'static str, ip: IpAddr) -> Result<Option<(String, String)>, Unsure> {
        self.rules.network(name, ip)
    }

    fn host(&mut self, name: &'static str, host: &str) -> Result<Option<(String, String)>, Unsure> {
        self.rules.host(name, host)
    }

    fn may_send(&mut self, login: &str, sender: &str) -> Result<bool, Unsure> {
        self.lookup.may_send(login, sender)
    }

    fn relay(&mut self, ip: IpAddr, sender: &str) -> Result<Option<String>, Unsure> {
        self.lookup.relay(ip, sender, self.minutes)
    }

    fn ours(&mut self, domain: &str) -> Result<bool, Unsure> {
        if let Some(ours) = self.domains.get(domain) {
            return Ok(*ours);
        }
        let ours = self.lookup.domain(domain)?;
        self.domains.insert(domain.to_owned(), ours);
        Ok(ours)
    }
}
