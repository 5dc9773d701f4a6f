//! What the admin and `gate` say about this account: control files, and the environment.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use control::Home;
use mailbox::Settings;
use maildir::Quota;
use sys::Env;

/// Reads them. A control file that can't be read is as if it were not there, but told: no mail hangs on these.
pub(crate) fn read(env: &Env) -> Settings {
    let control = Home::find().control();
    let mut settings = Settings::read(|name| text(&control.join(name)));
    settings.user = env.text("USER").unwrap_or_default().to_owned();
    settings.quota =
        env.text("QUOTA").and_then(|octets| octets.parse().ok()).map_or(Quota::NONE, Quota::octets);
    settings.index = env.get("INDEX").map(path);
    settings.shared = shared(env.get("SHARED").unwrap_or_default());
    settings
}

fn text(file: &Path) -> Option<String> {
    match fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            sys::log!("imapd: {} warning {}: {error}; the default holds", std::process::id(), file.display());
            None
        }
    }
}

/// `name=path:name=path`, as `gate` tells.
fn shared(said: &[u8]) -> Vec<(String, PathBuf)> {
    let one = |said: &[u8]| {
        let equals = said.iter().position(|b| *b == b'=')?;
        let name = str::from_utf8(&said[..equals]).ok().filter(|name| !name.is_empty())?;
        let folder = path(&said[equals + 1..]);
        folder.is_absolute().then(|| (name.to_owned(), folder))
    };
    said.split(|b| *b == b':').filter_map(one).collect()
}

fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_mailboxes_are_those_with_a_name_and_a_whole_path() {
        let found = shared(b"sales=/var/fulmar/mail/shared/sales:x=relative:=/y:z::team=/t");
        let names: Vec<_> =
            found.iter().map(|(name, path)| (name.as_str(), path.to_str().unwrap())).collect();
        assert_eq!(names, [("sales", "/var/fulmar/mail/shared/sales"), ("team", "/t")]);
        assert!(shared(b"").is_empty());
    }
}
