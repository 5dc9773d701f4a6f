//! What the admin has written, read anew for each delivery: an edit is live at once.

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use control::{Broken, Control, Table};
use route::Relays;
use secrecy::Level;
use smtp::client::Login;

use crate::hosts::Ourselves;

/// All of it.
pub(crate) struct Settings {
    control: Control,
    helo: String,
    helo_by_address: Table,
    pub(crate) relays: Relays,
    policies: Table,
    /// Hosts and domains with which TLS is never tried, and those for which DANE is not asked.
    without_tls: Table,
    without_dane: Table,
    bindings: Bindings,
    pub(crate) connect: Duration,
    pub(crate) idle: Duration,
    pub(crate) ourselves: Ourselves,
}

/// From which own address a connection goes out.
struct Bindings {
    by_host: Table,
    by_sender: Table,
    always: Vec<IpAddr>,
}

impl Settings {
    pub(crate) fn read(control: &Control) -> Result<Settings, Broken> {
        let (me, helo) = (control.me()?, control.text("helohost")?);
        let seconds = |name| control.number(name).map(Duration::from_secs);
        let listed = |name: &str| -> Result<Vec<IpAddr>, Broken> {
            let lines = control.list(name)?.unwrap_or_default();
            Ok(lines.iter().filter_map(|line| line.parse::<IpAddr>().ok()).collect())
        };
        let canonical = |ips: Vec<IpAddr>| ips.into_iter().map(|ip| ip.to_canonical());
        let mut addresses: HashSet<IpAddr> = sys::own_addresses().into_iter().collect();
        addresses.extend(canonical(listed("moreipme")?));
        let others = canonical(listed("notipme")?).collect();
        Ok(Settings {
            ourselves: Ourselves { names: vec![me, helo.clone()], addresses, others },
            helo,
            helo_by_address: control.table("helohostbyip")?,
            relays: Relays {
                smtproutes: control.table("smtproutes")?,
                senderroutes: control.table("senderroutes")?,
            },
            policies: control.table("tlspolicy")?,
            without_tls: control.table("notlshosts")?,
            without_dane: control.table("tlsa.white")?,
            bindings: Bindings {
                by_host: control.table("bindroutes")?,
                by_sender: control.table("domainbindings")?,
                always: listed("outgoingip")?,
            },
            connect: seconds("timeoutconnect")?,
            idle: seconds("timeoutremote")?,
            control: control.clone(),
        })
    }

    /// How secret mail for `domain` has to be: by the domain's line, else the line of the relay it goes to, else the
    /// line for all.
    pub(crate) fn level(&self, domain: &str, relay: Option<&str>) -> Result<Level, Broken> {
        let mut hit = self.policies.domain(domain)?;
        if let (None, Some(relay)) = (&hit, relay) {
            hit = self.policies.domain(relay)?;
        }
        let hit = hit.map_or_else(|| self.policies.get(b""), |hit| Ok(Some(hit)))?;
        let Some(hit) = hit else { return Ok(Level::Auto) };
        Level::parse(&hit.value()).ok_or_else(|| {
            let cure = "write auto, none, may, encrypt, verify [NAME...], dane or fingerprint SHA256... behind the colon";
            Broken::new("control/tlspolicy", format!("`{}` is no level, for {domain}", hit.value()), cure)
        })
    }

    /// Is TLS never tried with one of these: a recipient's domain, a host?
    pub(crate) fn never_tls(&self, names: &[&str]) -> Result<bool, Broken> {
        names_one(&self.without_tls, names)
    }

    /// Is DANE not asked for one of these?
    pub(crate) fn no_dane(&self, names: &[&str]) -> Result<bool, Broken> {
        names_one(&self.without_dane, names)
    }

    /// The login of this name. A file that everybody can read has told it already.
    pub(crate) fn login(&self, name: &str) -> Result<Login, Broken> {
        let path = self.control.path("smtplogins");
        if path.metadata().is_ok_and(|seen| seen.permissions().mode() & 0o007 != 0) {
            let cure = "chmod o= it, and change the passwords if others have been here";
            return Err(Broken::new("control/smtplogins", "everybody on this host can read it", cure));
        }
        if let Err(error) = std::fs::File::open(&path)
            && error.kind() == std::io::ErrorKind::PermissionDenied
        {
            let cure = format!("chown it to fulmar-remote (uid {}), with mode 400", sys::uid());
            return Err(Broken::new("control/smtplogins", "remote may not read it", cure));
        }
        let hit = self.control.table("smtplogins")?.get(name)?;
        let value = hit.map(|hit| hit.value()).unwrap_or_default();
        match value.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Ok(Login { user: user.to_owned(), password: password.to_owned() })
            }
            _ => {
                let problem = format!("there is no login {name}, as the route asks for");
                Err(Broken::new("control/smtplogins", problem, "write a line NAME:user:password"))
            }
        }
    }

    /// The own address that mail from `sender` goes out from to `host`; `None`: the system decides.
    pub(crate) fn source(&self, sender: &str, host: IpAddr) -> Result<Option<IpAddr>, Broken> {
        let bindings = &self.bindings;
        let fits = |ip: &IpAddr| ip.is_ipv4() == host.is_ipv4();
        for (file, hit) in [
            ("bindroutes", bindings.by_host.network(host)?),
            ("domainbindings", bindings.by_sender.route(sender)?),
        ] {
            let Some(hit) = hit else { continue };
            let ips: Option<Vec<IpAddr>> =
                hit.value().split_ascii_whitespace().map(|word| word.parse().ok()).collect();
            let ips = ips.filter(|ips| !ips.is_empty()).ok_or_else(|| {
                let problem = format!("`{}` is no address of this host", hit.value());
                Broken::new(format!("control/{file}"), problem, "write an IP address behind the colon")
            })?;
            if let Some(ip) = ips.into_iter().find(fits) {
                return Ok(Some(ip));
            }
        }
        Ok(bindings.always.iter().copied().find(fits))
    }

    /// Our name on a connection that goes out from `own`.
    pub(crate) fn helo(&self, own: IpAddr) -> Result<String, Broken> {
        let name = self.helo_by_address.network(own.to_canonical())?.map(|hit| hit.value());
        let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Ok(name.unwrap_or_else(|| self.helo.clone()))
    }
}

fn names_one(table: &Table, names: &[&str]) -> Result<bool, Broken> {
    for name in names.iter().filter(|name| !name.is_empty()) {
        if table.domain(name.trim_end_matches('.'))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
