//! The rules: looked at for each connection, so that an edit is live at the next one; read again only if they are
//! not those that have been read.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use cdb::{Cdb, Held};
use rules::{Change, Client, Verdict};
use sys::{Env, Seen};

use crate::connection::Connection;
use crate::options::Options;

/// The variable of a rule by which a peer is known to send a PROXY header.
const PROXY: &str = "PROXY";
/// A table of no more octets than this is kept in memory.
const SMALL: u64 = 64 * 1024;
/// The table of rules, as it was read last, and how its file was then if that tells it from every other.
#[derive(Default)]
pub(crate) struct Access(Option<(Option<Seen>, Cdb<Held>)>);

impl Access {
    /// What the rules say of `connection`, by all that is known of it so far; the cause if they can't be
    /// read, and then nobody knows who this is and it has to be dropped.
    pub(crate) fn verdict(&mut self, options: &Options, connection: &Connection) -> Result<Verdict, String> {
        let Some(path) = &options.rules else { return Ok(Verdict::default()) };
        let unreadable =
            |cause: &dyn std::fmt::Display| format!("unable to read {}: {cause}", path.display());
        let table = match self.table(path) {
            Err(cdb::Error::Io(error)) if error.kind() == ErrorKind::NotFound && options.rules_optional => {
                return Ok(Verdict::default());
            }
            other => other.map_err(|error| unreadable(&error))?,
        };
        let remote = connection.ends.remote();
        let client = Client {
            ip: &remote,
            host: connection.remote_host.as_ref().map(String::as_bytes),
            info: connection.remote_info.as_ref().map(String::as_bytes),
        };
        let found = rules::find(&client, |key| table.get(key)).map_err(|error| unreadable(&error))?;
        Ok(found.map(|found| found.verdict).unwrap_or_default())
    }

    /// The table at `path`.
    fn table(&mut self, path: &Path) -> Result<&Cdb<Held>, cdb::Error> {
        let is_kept = match &self.0 {
            Some((seen @ Some(_), _)) => Seen::at(path) == *seen,
            _ => false,
        };
        if !is_kept {
            self.0 = None;
            let file = open(path)?;
            let seen = Seen::of(&file.metadata()?);
            let table = Cdb::new(Held::of(file, SMALL)?)?;
            let is_small = matches!(table.source(), Held::Memory(_));
            self.0 = Some((Some(seen).filter(|seen| is_small && seen.is_settled()), table));
        }
        self.0.as_ref().map(|(_, table)| table).ok_or(cdb::Error::Io(ErrorKind::NotFound.into()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, value: &str) {
        let mut made = cdb::Writer::new(std::io::Cursor::new(Vec::new())).unwrap();
        made.add(b"k", value.as_bytes()).unwrap();
        std::fs::write(path, made.finish().unwrap().into_inner()).unwrap();
    }

    #[test]
    fn a_table_that_is_kept_is_read_again_after_each_change_and_a_young_one_always() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("cdb");
        let mut access = Access::default();
        let value = |access: &mut Access| access.table(&path).unwrap().get(b"k").unwrap().unwrap();
        // As long as the other, in the same file, within the same tick of the clock.
        for text in ["one", "two", "six"] {
            write(&path, text);
            assert_eq!(value(&mut access), text.as_bytes());
        }
        assert!(access.0.as_ref().is_some_and(|(seen, _)| seen.is_none()), "it may change again unseen");
        std::fs::remove_file(&path).unwrap();
        assert!(access.table(&path).is_err());
    }
}
