//! The first control files and tables. What is there already is never touched.

use control::{Home, Role};
use sys::Stop;

use super::folders::failed;

/// Loopback may relay; everybody else may only reach our own domains.
const TCP_SMTP: &str = include_str!("../../../etc/tcp.smtp");

pub(super) fn write(home: &Home, me: &str, domain: Option<&str>, uids: Option<u32>) -> Result<(), Stop> {
    keep_or_write(home, "control/me", &commented("me", &format!("{me}\n")))?;
    // No domain is local just for being our name: `lookup` knows all that have users.
    keep_or_write(home, "control/locals", &commented("locals", ""))?;
    keep_or_write(home, "control/rcpthosts", &commented("rcpthosts", ""))?;
    if let Some(domain) = domain {
        keep_or_write(
            home,
            "control/doublebouncehost",
            &commented("doublebouncehost", &format!("{domain}\n")),
        )?;
    }
    if let Some(first) = uids {
        keep_or_write(home, "control/uids", &commented("uids", &numbers(first)))?;
    }
    super::folders::make(home, "etc", 0o755)?;
    keep_or_write(home, "etc/tcp.smtp", TCP_SMTP)
}

/// `text` under what the table of control files says about `name`.
fn commented(name: &str, text: &str) -> String {
    let about = control::file(name).map_or(String::new(), |file| format!("# {}\n", file.sentence));
    about + text
}

fn numbers(first: u32) -> String {
    let line = |(role, place): (&Role, u32)| format!("{0}:{1}:{1}\n", role.name(), first + place);
    Role::ALL.iter().zip(0..).map(line).collect()
}

fn keep_or_write(home: &Home, name: &str, text: &str) -> Result<(), Stop> {
    let path = home.join(name);
    if path.exists() {
        return Ok(());
    }
    sys::durable::replace(&path, text.as_bytes(), 0o644).map_err(|error| failed(&path, &error))
}
