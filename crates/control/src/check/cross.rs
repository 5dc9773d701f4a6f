//! What only shows when files are seen together, and settings that open the house.

use super::{Problem, Severity};
use crate::{Broken, Control, grammar};

/// Dangers and contradictions. Files that cannot be read have been told of already.
pub(super) fn check(control: &Control) -> Vec<Problem> {
    let parts = [wide(control), forged(control), unreceived(control), both(control), prepends(control)];
    parts.into_iter().filter_map(Result::ok).flatten().collect()
}

/// The entries of a list, or keys of a map, whose text is there.
fn names(control: &Control, file: &str) -> Result<Vec<String>, Broken> {
    let lines = control.list(file)?.unwrap_or_default();
    Ok(lines.iter().map(|line| line.split(':').next().unwrap_or_default().to_ascii_lowercase()).collect())
}

/// The keys of a map of networks whose text is there.
fn keys(control: &Control, file: &str) -> Result<Vec<String>, Broken> {
    let lines = control.list(file)?.unwrap_or_default();
    let key = |line: &String| Some(String::from_utf8_lossy(grammar::pair(line.as_bytes())?.0).into_owned());
    Ok(lines.iter().filter_map(key).collect())
}

/// Whole top-level domains among those that are received.
fn wide(control: &Control) -> Result<Vec<Problem>, Broken> {
    let mut problems = Vec::new();
    for file in ["rcpthosts", "morercpthosts"] {
        for name in names(control, file)? {
            if name.strip_prefix('.').is_some_and(|rest| !rest.contains('.')) {
                let problem =
                    format!("`{name}` takes mail for every domain below it from everybody: an open relay");
                problems.push(Problem::new(
                    Severity::Error,
                    &format!("control/{file}"),
                    problem,
                    "list your own domains",
                ));
            }
        }
    }
    if control.list("rcpthosts")?.is_none() && !control.table("morercpthosts")?.exists() {
        let problem = "missing: only domains that have accounts here are received";
        let cure = "list the domains that are received from everybody, if there are others";
        problems.push(Problem::new(Severity::Note, "control/rcpthosts", problem, cure));
    }
    Ok(problems)
}

/// Permissions that rest on what a client says of itself.
fn forged(control: &Control) -> Result<Vec<Problem>, Broken> {
    let dangers = [
        ("relaymailfrom", "whoever writes such a sender may relay; senders are easily forged"),
        ("relaydomains", "names of clients are chosen by whoever owns their addresses"),
    ];
    let mut problems = Vec::new();
    let everybody = ["0.0.0.0/0", "[::/0]"];
    for name in keys(control, "relayclients")?.into_iter().filter(|name| everybody.contains(&name.as_str())) {
        let problem = format!("`{name}` lets everybody relay: an open relay");
        let cure = "list your own networks";
        problems.push(Problem::new(Severity::Error, "control/relayclients", problem, cure));
    }
    for (file, problem) in dangers {
        if !names(control, file)?.is_empty() {
            let cure = "use relayclients, or let users log in";
            problems.push(Problem::new(Severity::Warning, &format!("control/{file}"), problem, cure));
        }
    }
    Ok(problems)
}

/// Domains that are delivered here and not received.
fn unreceived(control: &Control) -> Result<Vec<Problem>, Broken> {
    if control.list("rcpthosts")?.is_none() {
        return Ok(Vec::new());
    }
    let locals = names(control, "locals")?.into_iter().map(|name| ("locals", name));
    let virtuals = names(control, "virtualdomains")?.into_iter().map(|name| ("virtualdomains", name));
    let mut problems = Vec::new();
    for (file, name) in locals.chain(virtuals) {
        let domain = name.rsplit_once('@').map_or(&name[..], |(_, domain)| domain);
        if domain.is_empty()
            || domain.starts_with(['.', '['])
            || file == "locals" && !control.table("locals")?.exists()
        {
            continue;
        }
        if !control.receives(domain)? {
            let problem =
                format!("{domain} is not in rcpthosts: unless it has accounts, its mail is refused");
            let cure = format!("add {domain} to control/rcpthosts");
            problems.push(Problem::new(Severity::Warning, &format!("control/{file}"), problem, cure));
        }
    }
    Ok(problems)
}

/// Domains that are local and virtual.
fn both(control: &Control) -> Result<Vec<Problem>, Broken> {
    let locals = control.table("locals")?;
    let mut problems = Vec::new();
    for name in names(control, "virtualdomains")? {
        if !name.is_empty() && locals.has(&name)? {
            let problem = format!("{name} is in locals too, which wins");
            problems.push(Problem::new(
                Severity::Warning,
                "control/virtualdomains",
                problem,
                "remove it from one",
            ));
        }
    }
    Ok(problems)
}

/// What follows the colon in virtualdomains is a local user, not an address.
fn prepends(control: &Control) -> Result<Vec<Problem>, Broken> {
    let lines = control.list("virtualdomains")?.unwrap_or_default();
    let values = lines.iter().filter_map(|line| line.split_once(':'));
    let odd = values.filter(|(_, value)| value.contains(['@', ' ', '\t', ':', '/']));
    let problem = |(key, value): (&str, &str)| {
        let problem = format!("{key}: `{value}` is not the name of a local user");
        Problem::new(Severity::Error, "control/virtualdomains", problem, "write domain:user")
    };
    Ok(odd.map(problem).collect())
}
