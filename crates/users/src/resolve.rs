//! Where mail for an address goes, and who may log in: questions to a [`Source`], nothing else.
//!
//! The order for a name: a route, account or alias of exactly this name; for `user+ext` the longest
//! `user` before a plus; an account with `wildcard` before a hyphen; `postmaster` as the domain says;
//! the catch-all `default`. A name that exists but is disabled or broken is never passed on.

use std::collections::BTreeSet;

use control::Broken;

use crate::account::{Account, Route, Settings};
use crate::name::Address;
use crate::record::Entry;
use crate::store::Source;

/// Deepest chain of aliases, and of domain aliases.
const DEPTH_MAX: usize = 20;
/// Most addresses that one alias leads to in the end; beyond, each alias in it is left to its own delivery.
const SPREAD_MAX: usize = 1000;
/// Most octets of them: an answer is one packet.
const SPREAD_OCTETS: usize = 40_000;

/// Where mail for an address goes.
#[derive(Debug)]
pub enum Resolution {
    /// To an account of ours.
    Account(Box<Hit>),
    /// To other addresses; no mailbox of its own.
    Forward {
        /// The address that was asked for, in its domain's real name.
        asked: Address,
        /// The addresses.
        targets: Vec<String>,
    },
    /// Not one of our domains.
    NotOurs,
    /// Our domain, but nobody.
    NoSuchUser,
    /// Somebody, but switched off; why.
    Disabled(String),
    /// It cannot be told now.
    Later(Broken),
}

/// An account that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its address.
    pub address: Address,
    /// The account.
    pub account: Account,
    /// `-` if there is an extension, else nothing.
    pub dash: &'static str,
    /// What stood behind the plus or hyphen; for `default` the whole name.
    pub ext: String,
    /// The folder that a route names, or nothing.
    pub folder: String,
}

/// What was found for a name.
struct Found {
    entry: Entry,
    /// The name of the entry.
    name: String,
    dash: &'static str,
    ext: String,
}

/// Where mail for `text` goes: an address in envelope form, in any case.
pub fn resolve(source: &impl Source, text: &str) -> Resolution {
    let address = match Address::parse(text) {
        Ok(address) => address,
        // Its domain may be ours all the same: then it is nobody there.
        Err(_) => return nobody(source, text),
    };
    let mut search = Search { source, met: BTreeSet::new() };
    search.address(&address, true).unwrap_or_else(Resolution::Later)
}

fn nobody(source: &impl Source, text: &str) -> Resolution {
    let domain = text.rsplit_once('@').and_then(|(_, domain)| crate::name::domain(domain).ok());
    match domain.map(|domain| source.settings(&domain)) {
        None | Some(Ok(None)) => Resolution::NotOurs,
        Some(Ok(Some(_))) => Resolution::NoSuchUser,
        Some(Err(broken)) => Resolution::Later(broken),
    }
}

/// The domain whose users a domain has: its own name, or that of the one it is an alias of.
pub fn real_domain(
    source: &impl Source,
    domain: &str,
) -> Result<Option<(String, std::sync::Arc<Settings>)>, Broken> {
    let mut name = domain.to_owned();
    for _ in 0..DEPTH_MAX {
        let Some(settings) = source.settings(&name)? else {
            return if name == domain { Ok(None) } else { Err(dangling(domain, &name)) };
        };
        match &settings.alias_of {
            None => return Ok(Some((name, settings))),
            Some(next) => name = next.clone(),
        }
    }
    Err(Broken::new(
        format!("users/{domain}/domain"),
        "domain aliases that lead in a circle",
        "let alias-of name a real domain",
    ))
}

fn dangling(domain: &str, name: &str) -> Broken {
    let cure = format!("add the domain {name}, or remove the line");
    Broken::new(format!("users/{domain}/domain"), format!("alias-of {name}, which is not here"), cure)
}

struct Search<'a, S> {
    source: &'a S,
    /// Aliases on the way, against circles.
    met: BTreeSet<Address>,
}

/// What an alias leads to.
#[derive(Default)]
struct Spread {
    targets: Vec<String>,
    seen: BTreeSet<String>,
    octets: usize,
    hit: Option<Box<Hit>>,
    disabled: Option<String>,
    circle: bool,
}

impl Spread {
    fn add(&mut self, target: String, hit: Option<Box<Hit>>) {
        if self.seen.insert(target.to_ascii_lowercase()) {
            self.octets += target.len();
            self.targets.push(target);
            self.hit = hit;
        }
    }
}

impl<S: Source> Search<'_, S> {
    fn address(&mut self, asked: &Address, catch_all: bool) -> Result<Resolution, Broken> {
        let Some((domain, settings)) = real_domain(self.source, &asked.domain)? else {
            return Ok(Resolution::NotOurs);
        };
        match self.find(&asked.local, &domain, &settings, catch_all)? {
            Some(found) => self.judge(found, asked, domain),
            None => match self.source.entry(&domain, "")? {
                // A line that is so broken that it might have been about this name says so itself.
                Some(_) => Err(crate::record::garbled(&domain)),
                None => Ok(Resolution::NoSuchUser),
            },
        }
    }

    fn find(
        &self,
        local: &str,
        domain: &str,
        settings: &Settings,
        catch_all: bool,
    ) -> Result<Option<Found>, Broken> {
        let found = |entry, name: &str, ext: &str| {
            let dash = if ext.is_empty() { "" } else { "-" };
            Ok(Some(Found { entry, name: name.to_owned(), dash, ext: ext.to_owned() }))
        };
        if let Some(entry) = self.source.entry(domain, local)? {
            return found(entry, local, "");
        }
        if !settings.no_plus {
            for (at, _) in local.rmatch_indices('+').filter(|(at, _)| *at > 0) {
                if let Some(entry) = self.source.entry(domain, &local[..at])? {
                    return found(entry, &local[..at], &local[at + 1..]);
                }
            }
        }
        for (at, _) in local.rmatch_indices('-').filter(|(at, _)| *at > 0) {
            if let Some(entry) = self.wildcard(domain, &local[..at])? {
                return found(entry, &local[..at], &local[at + 1..]);
            }
        }
        if local == "postmaster"
            && let Some(target) = &settings.postmaster
        {
            return found(Entry::Alias(vec![target.clone()]), local, "");
        }
        if !catch_all {
            return Ok(None);
        }
        match self.source.entry(domain, "default")? {
            Some(Entry::Account(account)) if !account.wildcard => Ok(None),
            Some(entry) => found(entry, "default", local),
            None => Ok(None),
        }
    }

    fn wildcard(&self, domain: &str, name: &str) -> Result<Option<Entry>, Broken> {
        // `default-*` would be everybody's name with `default-` in front; it isn't meant.
        if name == "default" {
            return Ok(None);
        }
        let entry = self.source.entry(domain, name)?;
        Ok(match self.source.account(domain, name)? {
            Some(account) if account.wildcard => entry,
            _ => None,
        })
    }

    fn judge(&mut self, found: Found, asked: &Address, domain: String) -> Result<Resolution, Broken> {
        match found.entry {
            Entry::Account(account) => {
                let address = Address { local: found.name, domain };
                Ok(enabled(Hit { address, account, dash: found.dash, ext: found.ext, folder: String::new() }))
            }
            Entry::Route(route) => self.route(route, &found.name, domain),
            Entry::Alias(list) => {
                self.met.insert(Address { local: found.name, domain: domain.clone() });
                let asked = Address { local: asked.local.clone(), domain };
                self.alias(list, asked)
            }
        }
    }

    fn route(&self, route: Route, name: &str, domain: String) -> Result<Resolution, Broken> {
        if route.disabled {
            return Ok(Resolution::Disabled("the route is switched off".into()));
        }
        let Some(account) = self.source.account(&domain, &route.account)? else {
            let problem = format!("the route of {name} leads to {}, who has no account", route.account);
            return Err(Broken::new(
                format!("users/{domain}/routes"),
                problem,
                "add the account, or correct the route",
            ));
        };
        let address = Address { local: route.account, domain };
        Ok(enabled(Hit { address, account, dash: "", ext: String::new(), folder: route.folder }))
    }

    fn alias(&mut self, list: Vec<String>, asked: Address) -> Result<Resolution, Broken> {
        let mut spread = Spread::default();
        self.spread(&list, &mut spread, 0)?;
        if spread.targets.len() > SPREAD_MAX || spread.octets > SPREAD_OCTETS {
            // Each alias among them is delivered by itself then.
            return Ok(Resolution::Forward { asked, targets: list });
        }
        match (spread.targets.len(), spread.hit, spread.disabled) {
            (1, Some(hit), _) => Ok(Resolution::Account(hit)),
            (1.., ..) => Ok(Resolution::Forward { asked, targets: spread.targets }),
            (0, _, Some(reason)) => Ok(Resolution::Disabled(reason)),
            (0, _, None) if spread.circle => Err(circle(&asked)),
            (0, ..) => Ok(Resolution::NoSuchUser),
        }
    }

    /// Follows a list to its ends. Feature 48: members without an account are passed over.
    fn spread(&mut self, list: &[String], out: &mut Spread, depth: usize) -> Result<(), Broken> {
        for target in list {
            if depth > DEPTH_MAX || out.targets.len() > SPREAD_MAX || out.octets > SPREAD_OCTETS {
                out.circle |= depth > DEPTH_MAX;
                return Ok(());
            }
            let Ok(address) = Address::parse(target) else { continue };
            let Some((domain, settings)) = real_domain(self.source, &address.domain)? else {
                out.add(target.clone(), None);
                continue;
            };
            let Some(found) = self.find(&address.local, &domain, &settings, false)? else { continue };
            let Entry::Alias(list) = &found.entry else {
                self.member(found, &address, domain, out)?;
                continue;
            };
            if self.met.insert(Address { local: found.name.clone(), domain }) {
                self.spread(list, out, depth + 1)?;
            } else {
                out.circle = true;
            }
        }
        Ok(())
    }

    /// A member that is an account, or a folder of one.
    fn member(
        &mut self,
        found: Found,
        address: &Address,
        domain: String,
        out: &mut Spread,
    ) -> Result<(), Broken> {
        let exact = found.ext.is_empty() && matches!(found.entry, Entry::Account(_));
        match self.judge(found, address, domain)? {
            Resolution::Account(hit) => {
                let target = if exact { hit.address.to_string() } else { address.to_string() };
                out.add(target, Some(hit));
            }
            Resolution::Disabled(reason) => out.disabled = Some(reason),
            _ => {}
        }
        Ok(())
    }
}

fn enabled(hit: Hit) -> Resolution {
    match hit.account.disabled {
        Some(reason) => Resolution::Disabled(reason),
        None => Resolution::Account(Box::new(hit)),
    }
}

fn circle(asked: &Address) -> Broken {
    let file = format!("users/{}/aliases", asked.domain);
    let problem = format!("the alias {} leads in a circle", asked.local);
    Broken::new(file, problem, "let it lead to an account or a foreign address")
}
