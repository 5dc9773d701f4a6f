//! What the admin has written: how much at once, for how long, and where mail goes.

use control::{Broken, Control};
use schedule::{Channel, Limits};

use route::Routes;

/// Recipients of one message in one remote delivery.
const BATCH: usize = 32;

/// All of it, as it was when it was read.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) lifetime: i64,
    /// Deliveries at once, by channel.
    pub(crate) concurrency: [u32; 2],
    /// Channels that are not to deliver.
    pub(crate) hold: [bool; 2],
    pub(crate) routes: Routes,
}

impl Settings {
    pub(crate) fn read(control: &Control) -> Result<Settings, Broken> {
        let deliveries = |name| control.number(name).map(|number| number.min(65_535) as u32);
        Ok(Settings {
            lifetime: control.number("queuelifetime")?.min(i64::MAX as u64) as i64,
            concurrency: [deliveries("concurrencylocal")?, deliveries("concurrencyremote")?],
            hold: [control.flag("holdlocal")?, control.flag("holdremote")?],
            routes: Routes::read(control)?,
        })
    }

    /// The schedule's limits for a channel that takes `concurrency` deliveries at once now. Half of
    /// them may go to one destination, so that a slow one leaves room.
    pub(crate) fn limits(&self, channel: Channel, concurrency: u32) -> Limits {
        let at_once = self.concurrency[channel.index()].div_ceil(2).max(1);
        let batch = if channel == Channel::Remote { BATCH } else { 1 };
        Limits { concurrency, at_once, batch }
    }
}
