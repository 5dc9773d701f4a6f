//! Where mail goes that has been taken: the routing of `send`, the owner by `lookup`, his instructions.

use std::collections::BTreeSet;
use std::process::Command;

use control::{Control, Home};
use owner::Owner;
use route::{Hop, Host, Relays, Route, Routes};
use secrecy::Level;
use sys::{Packets, Stop, process};
use wire::Fate;

use super::Story;

/// Addresses that are followed.
const MOST: usize = 100;

/// Follows `address` to the end.
pub(super) fn tell(home: &Home, sender: &str, address: &str, story: &mut Story) -> Result<(), Stop> {
    let control = Control::open(home);
    let routes = Routes::read(&control).map_err(Stop::temporary)?;
    let (mut waiting, mut met) = (vec![address.to_owned()], BTreeSet::new());
    while let Some(address) = waiting.pop() {
        if !met.insert(address.to_ascii_lowercase()) {
            story.tell("delivery", format!("{address}: again, which would loop"));
            continue;
        }
        if met.len() > MOST {
            story.tell("delivery", "and so on");
            break;
        }
        match routes.of(address.as_bytes()).map_err(Stop::temporary)? {
            Route::Local(local) => {
                let local = String::from_utf8_lossy(&local).into_owned();
                story.tell(
                    "route",
                    format!("{address}: local, as {local}, by control/locals or virtualdomains"),
                );
                waiting.extend(follow(home, sender, &local, story)?);
            }
            Route::Remote(_) => remote(&control, sender, &address, story),
            Route::Ask(asked) => {
                let asked = String::from_utf8_lossy(&asked).into_owned();
                let domain = asked.rsplit('@').next().unwrap_or_default();
                match reception::Lookup::at(home.run("admin")).domain(domain) {
                    Ok(true) => {
                        story.tell("route", format!("{asked}: local, as lookup has users in {domain}"));
                        waiting.extend(follow(home, sender, &asked, story)?);
                    }
                    Ok(false) => remote(&control, sender, &asked, story),
                    Err(policy::Unsure(cause)) => {
                        story.tell("route", format!("{asked}: it would wait: {cause}"))
                    }
                }
            }
        }
    }
    Ok(())
}

fn remote(control: &Control, sender: &str, address: &str, story: &mut Story) {
    let domain = address.rsplit('@').next().unwrap_or_default();
    let line = |name: &str, key: Option<control::Hit>| {
        let line = key.and_then(|hit| control.line_of(name, &hit.key))?;
        Some(format!(", by control/{name} line {line}"))
    };
    let routed = (|| {
        let relays =
            Relays { smtproutes: control.table("smtproutes")?, senderroutes: control.table("senderroutes")? };
        let by = match (relays.smtproutes.domain(domain)?, relays.senderroutes.address(sender)?) {
            (None, Some(hit)) => line("senderroutes", Some(hit)),
            (None, None) => line("smtproutes", relays.smtproutes.get(b"")?),
            (hit, _) => line("smtproutes", hit),
        };
        Ok::<_, control::Broken>((relays.hop(sender, domain)?, by.unwrap_or_default()))
    })();
    let relay = match &routed {
        Ok((Hop::Relay(relay), _)) => match &relay.host {
            Host::Name(name) => Some(name.to_lowercase()),
            Host::Address(ip) => Some(ip.to_string()),
        },
        _ => None,
    };
    let says = match routed {
        Ok((Hop::Exchangers(domain), _)) => format!("{address}: to the mail exchangers of {domain}"),
        Ok((Hop::Relay(relay), by)) => {
            let host = match relay.host {
                Host::Name(name) => name,
                Host::Address(ip) => format!("[{ip}]"),
            };
            let login =
                relay.login.map(|login| format!(" as {login} of control/smtplogins")).unwrap_or_default();
            format!("{address}: to {host} port {}{login}{by}", relay.port)
        }
        Err(broken) => format!("{address}: it would wait: {broken}"),
    };
    story.tell("route", says);
    story.tell("secrecy", secrecy(control, domain, relay.as_deref()));
}

/// How secret mail for a domain, or to its relay, has to be.
fn secrecy(control: &Control, domain: &str, relay: Option<&str>) -> String {
    let found = control.table("tlspolicy").and_then(|policies| {
        for name in std::iter::once(domain).chain(relay) {
            if let Some(hit) = policies.domain(name)? {
                return Ok(Some(hit));
            }
        }
        policies.get(b"")
    });
    match found {
        Err(broken) => format!("it would wait: {broken}"),
        Ok(None) => "as the domain asks by DANE or MTA-STS, else by TLS where it is offered".to_owned(),
        Ok(Some(hit)) => {
            let line = control.line_of("tlspolicy", &hit.key);
            let line = line.map(|line| format!(", by control/tlspolicy line {line}")).unwrap_or_default();
            let broken = if Level::parse(&hit.value()).is_none() { ": no level, it would wait" } else { "" };
            format!("{}{broken}{line}", hit.value().trim())
        }
    }
}

/// What the owner's instructions say; gives the addresses that it is forwarded to.
fn follow(home: &Home, sender: &str, address: &str, story: &mut Story) -> Result<Vec<String>, Stop> {
    let owner = match asked(home, address)? {
        Ok(owner) => owner,
        Err(fate) => {
            let end = if matches!(fate, Fate::Never(_)) { "it would come back" } else { "it would wait" };
            story.tell("owner", format!("{address}: {end}: {}", fate.text()));
            return Ok(Vec::new());
        }
    };
    let quota = if owner.quota > 0 { format!(", quota {} octets", owner.quota) } else { String::new() };
    story.tell(
        "owner",
        format!("{} (uid {}, {}{quota})", owner.user, owner.identity.uid, owner.home.display()),
    );
    let mut forwards = Vec::new();
    for line in &owner.instructions {
        if line == ".qmail" {
            own_files(&owner, sender, story, &mut forwards);
            break;
        }
        match line.strip_prefix('&') {
            Some(target) => {
                story.tell("delivery", format!("forward to {target}"));
                forwards.push(target.to_owned());
            }
            None if line.ends_with('/') => {
                let folder = owner.home.join(line.trim_start_matches("./"));
                story.tell("delivery", format!("Maildir {}", folder.display()));
            }
            None => story.tell("delivery", line.clone()),
        }
    }
    Ok(forwards)
}

fn asked(home: &Home, address: &str) -> Result<Result<Owner, Fate>, Stop> {
    let failed = |error: std::io::Error| Stop::temporary(format_args!("no answer from lookup: {error}"));
    let lookup = Packets::connect(&home.run("admin")).map_err(failed)?;
    lookup.set_timeout(std::time::Duration::from_secs(30)).map_err(failed)?;
    let answer = lookup.ask(&wire::packet(&[b"admin", b"owner", address.as_bytes()])).map_err(failed)?;
    Ok(Owner::from_packet(&answer.bytes))
}

/// `dot-qmail -n`, which only looks.
fn own_files(owner: &Owner, sender: &str, story: &mut Story, forwards: &mut Vec<String>) {
    let default = owner.instructions.get(1).map_or("./Maildir/", String::as_str);
    let output = Command::new(process::sibling("dot-qmail"))
        .arg("-n")
        .args([&owner.user])
        .arg(&owner.home)
        .args([&owner.local, &owner.dash, &owner.ext, &owner.domain, sender, default])
        .output();
    match output {
        Err(error) => story.tell("delivery", format!("dot-qmail does not run: {error}")),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            for line in String::from_utf8_lossy(&said).lines() {
                story.tell("delivery", format!(".qmail: {line}"));
                forwards.extend(line.strip_prefix("forward ").map(|to| to.trim().to_owned()));
            }
        }
    }
}
