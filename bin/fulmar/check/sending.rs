//! Where mail leaves by: relays, their logins, levels of secrecy, our addresses.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

use control::{Control, Home, Problem, Role, Severity, Uids};
use secrecy::Level;

/// What is wrong with the values of the tables that `remote` reads; their keys are `control`'s to check.
pub(super) fn check(home: &Home) -> Vec<Problem> {
    let control = Control::open(home);
    let logins: Vec<String> = pairs(&control, "smtplogins").into_iter().map(|(key, _)| key).collect();
    let relay = |value: &str| relay(value, &logins);
    let files: [(&str, Check<'_>); 5] = [
        ("smtproutes", &relay),
        ("senderroutes", &relay),
        ("tlspolicy", &level),
        ("bindroutes", &addresses),
        ("domainbindings", &addresses),
    ];
    let mut problems: Vec<Problem> = unreadable(home).into_iter().collect();
    for (name, wrong) in files {
        let found = pairs(&control, name).into_iter();
        problems.extend(found.filter_map(|(key, value)| Some(told(&control, name, &key, wrong(&value)?))));
    }
    problems
}

/// The logins are for `remote` alone, which is not root.
fn unreadable(home: &Home) -> Option<Problem> {
    let path = home.control().join("smtplogins");
    let seen = path.metadata().ok()?;
    let remote = Uids::read(home).and_then(|uids| uids.identity(Role::Remote)).ok().flatten()?;
    let owned = seen.uid() == remote.uid && seen.mode() & 0o400 != 0;
    let shared = seen.gid() == remote.gid && seen.mode() & 0o040 != 0;
    let (uid, shown) = (remote.uid, path.display());
    let cure = format!("chown {uid} {shown} && chmod 400 {shown}");
    (!owned && !shared && seen.mode() & 0o004 == 0).then(|| Problem {
        severity: Severity::Error,
        file: "control/smtplogins".to_owned(),
        line: None,
        problem: "remote may not read it: mail for relays that ask for a login waits".to_owned(),
        cure,
    })
}

fn level(value: &str) -> Wrong {
    let cure = "write auto, none, may, encrypt, verify [NAME...], dane or fingerprint SHA256...";
    Level::parse(value)
        .is_none()
        .then(|| (format!("`{value}` is no level: mail for it waits"), cure.to_owned()))
}

/// Problem and cure.
type Wrong = Option<(String, String)>;
type Check<'a> = &'a dyn Fn(&str) -> Wrong;

fn relay(value: &str, logins: &[String]) -> Wrong {
    if value.trim().is_empty() {
        return None;
    }
    let Some(relay) = route::relay(value) else {
        let cure = "write host or host:port, and behind a blank smtps, starttls or notls, login=NAME";
        return Some((format!("`{value}` is no relay: mail for it waits"), cure.into()));
    };
    let login = relay.login?;
    let known = logins.iter().any(|known| known.eq_ignore_ascii_case(&login));
    (!known).then(|| {
        (
            format!("there is no login {login}: mail for it waits"),
            format!("write {login}:user:password into control/smtplogins"),
        )
    })
}

fn addresses(value: &str) -> Wrong {
    let ours = sys::own_addresses();
    let wrong =
        |problem: String| Some((problem, "write an IP address of this host behind the colon".to_owned()));
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    if words.is_empty() {
        return wrong("no address".into());
    }
    words.iter().find_map(|word| match word.parse::<IpAddr>() {
        Err(_) => wrong(format!("`{word}` is no address")),
        Ok(ip) if !ip.is_loopback() && !ours.contains(&ip) => {
            wrong(format!("{ip} is no address of this host"))
        }
        Ok(_) => None,
    })
}

fn told(control: &Control, name: &str, key: &str, (problem, cure): (String, String)) -> Problem {
    let line = control.line_of(name, key.to_ascii_lowercase().as_bytes());
    Problem { severity: Severity::Error, file: format!("control/{name}"), line, problem, cure }
}

/// The lines that hold a colon. A file that can't be read is told elsewhere.
fn pairs(control: &Control, name: &str) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let cut = |line: &String| control::pair(line.as_bytes()).map(|(key, value)| (text(key), text(value)));
    control.list(name).ok().flatten().unwrap_or_default().iter().filter_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slip_is_told_with_its_line_and_cure() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("control")).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join("control").join(name), text).unwrap();
        write(
            "smtproutes",
            "# x\na.test:b.test:25\nc.test:d.test tls\n:e.test:587 starttls login=gone\nf.test:\n",
        );
        write("senderroutes", "@x.test:y.test login=Mine\n");
        write("smtplogins", "mine:user:password\n");
        write("tlspolicy", "a.test:verify .b.test\nb.test:secure\n");
        write("bindroutes", "192.0.2.:127.0.0.1\n192.0.3.:here\n");
        write("domainbindings", "x.test:127.0.0.1 ::1\ny.test:192.0.2.77\n");
        let found = check(&Home::at(folder.path()));
        let found: Vec<(&str, usize)> =
            found.iter().map(|problem| (problem.file.as_str(), problem.line.unwrap_or(0))).collect();
        let expect = [
            ("control/smtproutes", 3),
            ("control/smtproutes", 4),
            ("control/tlspolicy", 2),
            ("control/bindroutes", 2),
            ("control/domainbindings", 2),
        ];
        assert_eq!(found, expect);
    }
}
