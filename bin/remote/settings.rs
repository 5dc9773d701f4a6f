//! What the admin has written, read anew for each delivery: an edit is live at once.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use control::{Broken, Control, Table};

use crate::hosts::Ourselves;

/// All of it.
pub(crate) struct Settings {
    pub(crate) helo: String,
    pub(crate) smtproutes: Table,
    /// Hosts and domains with which TLS is never tried.
    pub(crate) without_tls: Table,
    pub(crate) connect: Duration,
    pub(crate) idle: Duration,
    pub(crate) ourselves: Ourselves,
}

impl Settings {
    pub(crate) fn read(control: &Control) -> Result<Settings, Broken> {
        let (me, helo) = (control.me()?, control.text("helohost")?);
        let seconds = |name| control.number(name).map(Duration::from_secs);
        let listed = |name: &str| -> Result<HashSet<IpAddr>, Broken> {
            let lines = control.list(name)?.unwrap_or_default();
            Ok(lines
                .iter()
                .filter_map(|line| line.parse::<IpAddr>().ok())
                .map(|ip| ip.to_canonical())
                .collect())
        };
        let mut addresses: HashSet<IpAddr> = sys::own_addresses().into_iter().collect();
        addresses.extend(listed("moreipme")?);
        Ok(Settings {
            ourselves: Ourselves { names: vec![me, helo.clone()], addresses, others: listed("notipme")? },
            helo,
            smtproutes: control.table("smtproutes")?,
            without_tls: control.table("notlshosts")?,
            connect: seconds("timeoutconnect")?,
            idle: seconds("timeoutremote")?,
        })
    }
}
