//! MTA-STS policies: asked for, fetched, kept as long as they are good. RFC 8461.
//!
//! A policy that was once seen counts until it runs out, whatever an attacker hides meanwhile; it lies in `run/sts/`,
//! a file a domain, and outlives the program.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use dns::{Kind, Record, Resolver};
use https::Https;
use secrecy::sts::{LONGEST, Mode, Policy, id};

use crate::authorities;

/// How long a domain is not asked again, in seconds.
const ASKED: u64 = 300;
/// Most domains that are remembered at one time.
const MOST: usize = 10_000;

/// What is known of all domains.
pub(crate) struct Policies {
    folder: Option<PathBuf>,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Default)]
struct Known {
    /// When its DNS was asked last, in seconds since 1970.
    asked: u64,
    kept: Option<Kept>,
}

/// A policy with its id, good until then.
#[derive(Clone)]
struct Kept {
    id: String,
    until: u64,
    policy: Policy,
}

impl Policies {
    /// Kept in `folder` too, if there is one. Those that have run out are cleared away.
    pub(crate) fn at(folder: Option<PathBuf>) -> Policies {
        let policies = Policies { folder, known: Mutex::default() };
        let entries = policies.folder.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        for entry in entries.flatten() {
            let kept = entry.file_name().to_str().and_then(|domain| policies.read(domain));
            if kept.is_none_or(|kept| kept.until < sys::unix_seconds()) {
                // One that stays is of no use, and no harm.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        policies
    }

    /// The policy of `domain`, if it has one that asks for something.
    pub(crate) fn of(&self, domain: &str, resolver: &Resolver) -> Option<Policy> {
        if !dns::is_host(domain) || !domain.contains('.') {
            return None;
        }
        let now = sys::unix_seconds();
        let mut known = self.recall(domain);
        if now.abs_diff(known.asked) >= ASKED {
            self.ask(domain, resolver, &mut known, now);
            known.asked = now;
            self.remember(domain, known.clone());
        }
        let kept = known.kept.filter(|kept| now < kept.until)?;
        Some(kept.policy).filter(|policy| policy.mode != Mode::None)
    }

    /// RFC 8461 §3.3, §5.1: what can't be learned now leaves the old policy in force.
    fn ask(&self, domain: &str, resolver: &Resolver, known: &mut Known, now: u64) {
        let Ok(answer) = resolver.lookup(&format!("_mta-sts.{domain}"), Kind::Txt) else { return };
        let text = |record| match record {
            Record::Text(text) => Some(text),
            _ => None,
        };
        let Some(id) = id(&answer.records.into_iter().filter_map(text).collect::<Vec<_>>()) else { return };
        if known.kept.as_ref().is_some_and(|kept| kept.id == id && now < kept.until) {
            return;
        }
        match fetch(domain, resolver) {
            Ok((text, policy)) => {
                self.write(domain, &format!("{id} {}\n{text}", now + policy.max_age));
                known.kept = Some(Kept { id, until: now + policy.max_age, policy });
            }
            Err(cause) => {
                sys::log!("remote: warning: the MTA-STS policy of {domain} can't be had: {cause}");
            }
        }
    }

    fn recall(&self, domain: &str) -> Known {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(domain).cloned();
        known.unwrap_or_else(|| Known { asked: 0, kept: self.read(domain) })
    }

    fn remember(&self, domain: &str, known: Known) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(domain) {
            all.clear(); // what counts lies in the folder
        }
        all.insert(domain.to_owned(), known);
    }

    fn read(&self, domain: &str) -> Option<Kept> {
        let text = std::fs::read_to_string(self.folder.as_ref()?.join(domain)).ok()?;
        let (head, text) = text.split_once('\n')?;
        let (id, until) = head.split_once(' ')?;
        let policy = Policy::parse(text).ok()?;
        Some(Kept { id: id.to_owned(), until: until.parse().ok()?, policy })
    }

    fn write(&self, domain: &str, text: &str) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = sys::durable::replace(&folder.join(domain), text.as_bytes(), 0o644) {
            sys::log!("remote: warning: {}: {error}; the policy is kept in memory only", folder.display());
        }
    }
}

fn fetch(domain: &str, resolver: &Resolver) -> Result<(String, Policy), String> {
    let url = format!("https://mta-sts.{domain}/.well-known/mta-sts.txt");
    let https = Https::new(resolver.clone(), authorities::all());
    let text = https.get(&url, LONGEST)?;
    let policy = Policy::parse(&text)?;
    Ok((text, policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back_and_garbage_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let policies = Policies::at(Some(folder.path().to_owned()));
        policies.write("x.test", "id1 99\nversion: STSv1\nmode: enforce\nmx: a.x.test\nmax_age: 5\n");
        let kept = policies.read("x.test").unwrap();
        assert_eq!((kept.id.as_str(), kept.until, kept.policy.mode), ("id1", 99, Mode::Enforce));
        Policies::at(Some(folder.path().to_owned()));
        assert!(policies.read("x.test").is_none(), "it had run out");
        for garbage in ["", "id1", "id1 99", "id1 x\nversion: STSv1\nmode: none\nmax_age: 5\n", "\0\n\0"] {
            std::fs::write(folder.path().join("y.test"), garbage).unwrap();
            assert!(policies.read("y.test").is_none(), "{garbage:?}");
        }
        let nobody =
            Resolver::new(dns::Config { deadline: std::time::Duration::ZERO, ..dns::Config::default() });
        assert!(policies.of("../x", &nobody).is_none() && policies.of("x", &nobody).is_none());
    }

    #[test]
    fn a_policy_counts_until_it_runs_out_though_its_dns_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let nobody = || {
            Resolver::new(dns::Config {
                servers: Vec::new(),
                deadline: std::time::Duration::from_millis(1),
                ..dns::Config::default()
            })
        };
        let text = "version: STSv1\nmode: enforce\nmx: a.x.test\nmax_age: 5\n";
        for (until, expect) in [(sys::unix_seconds() + 100, true), (sys::unix_seconds() - 1, false)] {
            let policies = Policies::at(Some(folder.path().to_owned()));
            policies.write("x.test", &format!("id1 {until}\n{text}"));
            assert_eq!(policies.of("x.test", &nobody()).is_some(), expect);
        }
    }
}
