//! What the admin has written: how much at once, for how long, and where mail goes.

use control::{Broken, Control};
use schedule::{Channel, Limits};

use route::{Relays, Routes};

/// Recipients of one message in one remote delivery: so many of the longest addresses fit into an order.
const BATCH: usize = 60;

/// All of it, as it was when it was read.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) lifetime: i64,
    pub(crate) bounce_lifetime: i64,
    /// Seconds between two deliveries to one local recipient.
    pub(crate) pause: i64,
    /// Deliveries at once, by channel.
    pub(crate) concurrency: [u32; 2],
    /// Channels that are not to deliver.
    pub(crate) hold: [bool; 2],
    pub(crate) routes: Routes,
    /// Nothing if they can't be read: then each domain is by itself.
    relays: Option<Relays>,
}

impl Settings {
    pub(crate) fn read(control: &Control) -> Result<Settings, Broken> {
        let deliveries = |name| control.number(name).map(|number| number.min(65_535) as u32);
        let seconds = |name| control.number(name).map(|number| number.min(i64::MAX as u64) as i64);
        Ok(Settings {
            lifetime: seconds("queuelifetime")?,
            bounce_lifetime: seconds("bouncelifetime")?,
            pause: seconds("recipientpause")?,
            concurrency: [deliveries("concurrencylocal")?, deliveries("concurrencyremote")?],
            hold: [control.flag("holdlocal")?, control.flag("holdremote")?],
            routes: Routes::read(control)?,
            relays: relays(control).ok(),
        })
    }

    /// The schedule's settings, with these limits.
    pub(crate) fn schedule(&self, channels: [Limits; 2]) -> schedule::Settings {
        schedule::Settings { lifetime: self.lifetime, bounce_lifetime: self.bounce_lifetime, channels }
    }

    /// The destination of mail for another host's `domain`: the relay that is named for it, else the domain itself. What
    /// can't be told now is sorted out by `remote`, which asks anew.
    pub(crate) fn destination(&self, domain: &[u8]) -> Vec<u8> {
        let name = String::from_utf8_lossy(domain);
        let named = self.relays.as_ref().and_then(|relays| relays.named(&name).ok().flatten());
        named.map_or_else(|| domain.to_vec(), |relay| [b"relay ", relay.as_bytes()].concat())
    }

    /// How long a message from `sender` is tried, in seconds.
    pub(crate) fn lifetime_of(&self, sender: &[u8]) -> i64 {
        if is_bounce(sender) { self.bounce_lifetime } else { self.lifetime }
    }

    /// The schedule's limits for a channel that takes `concurrency` deliveries at once now. Half of
    /// them may go to one destination, so that a slow one leaves room.
    pub(crate) fn limits(&self, channel: Channel, concurrency: u32) -> Limits {
        let half = self.concurrency[channel.index()].div_ceil(2).max(1);
        match channel {
            Channel::Remote => Limits { concurrency, at_once: half, at_first: 1, batch: BATCH, pause: 0 },
            Channel::Local if self.pause > 0 => {
                Limits { concurrency, at_once: 1, at_first: 1, batch: 1, pause: self.pause }
            }
            Channel::Local => Limits { concurrency, at_once: half, at_first: half, batch: 1, pause: 0 },
        }
    }
}

fn relays(control: &Control) -> Result<Relays, Broken> {
    Ok(Relays { smtproutes: control.table("smtproutes")?, senderroutes: control.table("senderroutes")? })
}

/// Nobody is told of its failure but the postmaster.
pub(crate) fn is_bounce(sender: &[u8]) -> bool {
    matches!(sender, b"" | b"#@[]")
}
