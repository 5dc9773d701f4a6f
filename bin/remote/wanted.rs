//! What TLS is wanted of one server, and whose word that is.

use secrecy::{Demand, Proof, Tlsa, sts};
use smtp::client::Tls;

/// What is asked of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) tls: Tls,
    pub(crate) demand: Demand,
    /// Whose word it is, for reports to the domain.
    pub(crate) policy: Policy,
}

/// Whose word it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Nobody's: the domain has said nothing.
    #[default]
    Nobody,
    /// The domain's, by DANE.
    Dane(Vec<Tlsa>),
    /// The domain's, by MTA-STS.
    Sts(sts::Policy),
    /// The admin's.
    Admin,
}

impl Wanted {
    /// For the log: what the certificate has proved.
    pub(crate) fn proof(&self, failure: Option<&str>) -> &'static str {
        match (&self.demand.proof, failure) {
            (Proof::Nothing, _) | (_, Some(_)) => "none",
            (Proof::Names(_), None) => "name",
            (Proof::Dane(..), None) => "dane",
            (Proof::Fingerprints(_), None) => "fingerprint",
        }
    }

    /// TLS if it is offered, with whomever.
    pub(crate) fn opportunistic() -> Wanted {
        Wanted { tls: Tls::May, ..Wanted::default() }
    }

    /// TLS, and this proof.
    pub(crate) fn must(proof: Proof, policy: Policy) -> Wanted {
        Wanted { tls: Tls::Must, demand: Demand { must: true, proof }, policy }
    }
}
