//! What the domain, the admin and the sender ask of a server: tlspolicy, DANE, MTA-STS, REQUIRETLS, the route.

use std::net::IpAddr;

use dns::{Kind, Record};
use route::{Hop, How};
use secrecy::{Demand, Level, Proof, Tlsa, sts};
use smtp::client::Tls;
use wire::Fate;

use crate::hosts::Place;
use crate::wanted::{Policy, Wanted};
use crate::world::{World, broken};

/// What the domain and the admin ask of its servers, before any is looked at.
pub(crate) struct Ask<'a> {
    pub(crate) domain: &'a str,
    pub(crate) hop: &'a Hop,
    pub(crate) level: Level,
    pub(crate) sts: Option<sts::Policy>,
    /// The sender lets nothing go without (RFC 8689).
    pub(crate) requiretls: bool,
}

impl Ask<'_> {
    /// What is asked of the server at `place`. The error: it is not to be tried, and why.
    pub(crate) fn of(&self, world: &World<'_>, place: &Place) -> Result<Wanted, Fate> {
        let how = match self.hop {
            Hop::Relay(relay) => relay.how,
            Hop::Exchangers(_) => How::Unsaid,
        };
        if how == How::Plain {
            return self.plain();
        }
        let mut wanted = self.by_level(world, place)?;
        if self.requiretls && wanted.demand.proof == Proof::Nothing {
            wanted = Wanted::must(Proof::Names(self.names(place)), Policy::Admin);
        }
        // Who is told our password has to be who we think it is.
        let login = matches!(self.hop, Hop::Relay(relay) if relay.login.is_some());
        let asked = how == How::StartTls || (wanted.tls != Tls::No && (how == How::Smtps || login));
        if asked && !wanted.demand.must {
            let proof = match self.level {
                Level::Auto => Proof::Names(self.names(place)),
                _ => Proof::Nothing,
            };
            wanted = Wanted::must(proof, Policy::Admin);
        }
        if how == How::Smtps {
            wanted.tls = Tls::Begun;
        }
        Ok(wanted)
    }

    fn plain(&self) -> Result<Wanted, Fate> {
        if self.requiretls {
            return Err(Fate::never(7, 30, "this message may go by TLS only, and the route says notls"));
        }
        Ok(Wanted::default())
    }

    fn by_level(&self, world: &World<'_>, place: &Place) -> Result<Wanted, Fate> {
        let never = world.settings.never_tls(&[&place.name]).map_err(broken)?;
        match &self.level {
            Level::None => self.plain(),
            Level::Auto if never => self.plain(),
            Level::Auto => self.by_the_domain(world, place),
            Level::May => Ok(Wanted::opportunistic()),
            Level::Encrypt => Ok(Wanted::must(Proof::Nothing, Policy::Admin)),
            Level::Verify(names) if names.is_empty() => {
                Ok(Wanted::must(Proof::Names(self.names(place)), Policy::Admin))
            }
            Level::Verify(names) => Ok(Wanted::must(Proof::Names(names.clone()), Policy::Admin)),
            Level::Fingerprint(known) => Ok(Wanted::must(Proof::Fingerprints(known.clone()), Policy::Admin)),
            Level::Dane => match self.dane(world, place)? {
                Some(wanted) if wanted.demand.proof != Proof::Nothing => Ok(wanted),
                _ => {
                    let host = place.called();
                    let text = format!(
                        "{host} has no TLSA record that is signed and can be used, as tlspolicy asks for; \
                         a validating name server has to be at a loopback address"
                    );
                    Err(Fate::later(7, 5, text))
                }
            },
        }
    }

    /// DANE first (RFC 8461 §2), else MTA-STS.
    fn by_the_domain(&self, world: &World<'_>, place: &Place) -> Result<Wanted, Fate> {
        if let Some(wanted) = self.dane(world, place)? {
            return Ok(wanted);
        }
        let Some(policy) = &self.sts else { return Ok(Wanted::opportunistic()) };
        let must = policy.mode == sts::Mode::Enforce;
        if !policy.names(&place.name) {
            let named = Policy::Sts(policy.clone());
            self.note(world, place, None, &named, Some("validation-failure"));
            if must {
                let text =
                    format!("{} is none of the servers of {}'s MTA-STS policy", place.called(), self.domain);
                return Err(Fate::later(7, 5, text));
            }
            return Ok(Wanted { policy: Policy::Sts(policy.clone()), ..Wanted::opportunistic() });
        }
        let demand = Demand { must, proof: Proof::Names(vec![place.name.clone()]) };
        let tls = if must { Tls::Must } else { Tls::May };
        Ok(Wanted { tls, demand, policy: Policy::Sts(policy.clone()) })
    }

    /// RFC 7672 §2.2. `None`: the server's DNS does not name its certificate.
    fn dane(&self, world: &World<'_>, place: &Place) -> Result<Option<Wanted>, Fate> {
        if !place.named || !place.addressed || place.name.is_empty() {
            return Ok(None);
        }
        if world.settings.no_dane(&[self.domain, &place.name]).map_err(broken)? {
            return Ok(None);
        }
        let owner = format!("_{}._tcp.{}", place.address.port(), place.name.trim_end_matches('.'));
        let found = match world.resolver.seek(&owner, Kind::Tlsa) {
            Ok(found) if found.secure && !found.records.is_empty() => found.records,
            Ok(_) | Err(dns::Error::NotFound) => return Ok(None),
            // It may be that somebody hides them. RFC 7672 §2.1.2.
            Err(later) => return Err(Fate::later(7, 5, format!("{owner}: {later}"))),
        };
        let tlsa = |record| match record {
            Record::Certificate(usage, selector, matching, data) => {
                Some(Tlsa { usage, selector, matching, data })
            }
            _ => None,
        };
        let usable: Vec<Tlsa> = found.into_iter().filter_map(tlsa).filter(Tlsa::is_usable).collect();
        let policy = Policy::Dane(usable.clone());
        // RFC 7672 §2.2: TLS all the same, with whomever.
        if usable.is_empty() {
            return Ok(Some(Wanted::must(Proof::Nothing, policy)));
        }
        let domain = matches!(self.hop, Hop::Exchangers(_)).then(|| self.domain.to_owned());
        let names = std::iter::once(place.name.clone()).chain(domain).collect();
        Ok(Some(Wanted::must(Proof::Dane(usable, names), policy)))
    }

    /// Notes how it went, for the report to the domain: of its own servers, not of relays that we have chosen.
    pub(crate) fn note(
        &self,
        world: &World<'_>,
        place: &Place,
        own: Option<IpAddr>,
        policy: &Policy,
        failure: Option<&str>,
    ) {
        if matches!(self.hop, Hop::Exchangers(_)) {
            world.notes.note(self.domain, place, own, policy, failure);
        }
    }

    /// For which a certificate has to be. The name of an exchanger counts where the DNS has proved it; a forged
    /// answer would name a host that has a certificate.
    fn names(&self, place: &Place) -> Vec<String> {
        match self.hop {
            Hop::Relay(_) if place.name.is_empty() => vec![place.address.ip().to_string()],
            Hop::Relay(_) => vec![place.name.clone()],
            Hop::Exchangers(domain) => {
                let mut names = vec![domain.clone(), format!(".{domain}")];
                let named = place.named || self.sts.as_ref().is_some_and(|policy| policy.names(&place.name));
                names.extend(Some(place.name.clone()).filter(|_| named));
                names
            }
        }
    }
}
