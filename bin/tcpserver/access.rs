//! The rules: opened anew for each connection, so that an edit is live at the next one.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use cdb::Cdb;
use rules::{Change, Client, Verdict};
use sys::Env;

use crate::connection::Connection;
use crate::options::Options;

/// The variable of a rule by which a peer is known to send a PROXY header.
const PROXY: &str = "PROXY";

/// What the rules say of `connection`, by all that is known of it so far; the cause if they can't be
/// read, and then nobody knows who this is and it has to be dropped.
pub(crate) fn verdict(options: &Options, connection: &Connection) -> Result<Verdict, String> {
    let Some(path) = &options.rules else { return Ok(Verdict::default()) };
    let unreadable = |cause: &dyn std::fmt::Display| format!("unable to read {}: {cause}", path.display());
    let table = match open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && options.rules_optional => {
            return Ok(Verdict::default());
        }
        other => other.map_err(|error| unreadable(&error))?,
    };
    let table = Cdb::new(table).map_err(|error| unreadable(&error))?;
    let remote = connection.ends.remote();
    let client = Client {
        ip: &remote,
        host: connection.remote_host.as_ref().map(String::as_bytes),
        info: connection.remote_info.as_ref().map(String::as_bytes),
    };
    let found = rules::find(&client, |key| table.get(key)).map_err(|error| unreadable(&error))?;
    Ok(found.map(|found| found.verdict).unwrap_or_default())
}

fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // A FIFO in the place of the table is an error later, not a wait for ever.
    File::options().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)
}

/// Whether this peer's rule says that it sends a PROXY header.
pub(crate) fn is_proxy(verdict: &Verdict) -> bool {
    verdict.changes.iter().any(|change| matches!(change, Change::Set(name, _) if name == PROXY.as_bytes()))
}

/// Carries out the changes of `verdict` on `env`.
pub(crate) fn change(env: &mut Env, verdict: &Verdict) {
    for change in &verdict.changes {
        match change {
            Change::Set(name, value) => env.set(&String::from_utf8_lossy(name), value),
            Change::Unset(name) => env.remove(&String::from_utf8_lossy(name)),
        }
    }
    env.remove(PROXY);
}
