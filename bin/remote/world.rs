//! What all deliveries share.

use control::Broken;
use dns::Resolver;
use wire::Fate;

use crate::lines::Lines;
use crate::notes::Notes;
use crate::settings::Settings;
use crate::sts::Policies;
use crate::tcpto::Memory;

/// What all deliveries share.
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) resolver: &'a Resolver,
    pub(crate) memory: &'a Memory,
    pub(crate) lines: &'a Lines,
    pub(crate) policies: &'a Policies,
    pub(crate) notes: &'a Notes,
    /// The message's id, for the log.
    pub(crate) id: &'a str,
    /// Named by the admin for this message; smtproutes and MX records do not count.
    pub(crate) relay: Option<&'a [u8]>,
}

/// This host's configuration is: the admin is told, and the mail waits.
pub(crate) fn broken(broken: Broken) -> Fate {
    sys::log!("remote: warning: {broken}");
    Fate::later(3, 5, "this host's configuration is out of order")
}
