//! What an authority is asked to certify: for each line of control/acme a key of ours, and a request that `acme` takes
//! to the authority. The key never leaves.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use control::{Control, Home};
use rcgen::{CertificateParams, KeyPair};

/// Where keys and requests are.
#[derive(Debug)]
pub(crate) struct Requests {
    control: Control,
    keys: PathBuf,
    requests: PathBuf,
    /// What was asked for when it was looked at last, and when that was.
    seen: Mutex<(Vec<String>, Option<Duration>)>,
}

/// How often what can't be done is tried again, and told.
const AGAIN: Duration = Duration::from_secs(600);

/// The names of a line of control/acme. `None`: they can't be certified.
pub(crate) fn names(line: &str) -> Option<Vec<String>> {
    let names: Vec<String> = line.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let good = |name: &String| name.len() <= 253 && name.contains('.') && name.split('.').all(label);
    (!names.is_empty() && names.iter().all(good)).then_some(names)
}

impl Requests {
    pub(crate) fn of(home: &Home) -> Requests {
        Requests {
            control: Control::open(home),
            keys: home.control().join("tls"),
            requests: home.join("acme/requests"),
            seen: Mutex::default(),
        }
    }

    /// Makes what is missing. Called now and then.
    pub(crate) fn look(&self) {
        let lines = match self.control.list("acme") {
            Ok(lines) => lines.unwrap_or_default(),
            // As a line that no host bears: it is told now and then.
            Err(broken) => vec![format!("({broken})")],
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = sys::monotonic();
        if seen.0 == lines && seen.1.is_some_and(|when| now.saturating_sub(when) < AGAIN) {
            return;
        }
        *seen = (lines.clone(), Some(now));
        for line in lines {
            match names(&line) {
                Some(names) => self.keep(&names),
                None => sys::log!(
                    "tlsd: warning: control/acme: `{line}` are no names of hosts that can be certified"
                ),
            }
        }
    }

    fn keep(&self, names: &[String]) {
        let path = self.requests.join(format!("{}.csr", names[0]));
        let head = format!("# {}\n", names.join(" "));
        if std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with(&head)) {
            return;
        }
        match self.make(names) {
            Ok(request) => {
                let written = sys::durable::replace(&path, format!("{head}{request}").as_bytes(), 0o644);
                match written {
                    Ok(()) => sys::log!("tlsd: made {}, for acme", path.display()),
                    Err(error) => sys::log!(
                        "tlsd: warning: {}: {error}; fulmar init makes the folders that are missing",
                        path.display()
                    ),
                }
            }
            Err(cause) => sys::log!("tlsd: warning: no request for {}: {cause}", names[0]),
        }
    }

    fn make(&self, names: &[String]) -> Result<String, String> {
        let text = |error: &dyn Display| error.to_string();
        let key = self.key(&self.keys.join(format!("{}.key", names[0])))?;
        let mut params = CertificateParams::new(names).map_err(|error| text(&error))?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(|error| text(&error))?;
        request.pem().map_err(|error| text(&error))
    }

    fn key(&self, path: &Path) -> Result<KeyPair, String> {
        let failed = |error: &dyn Display| format!("{}: {error}", path.display());
        if path.exists() {
            let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
            return KeyPair::from_pem(&text).map_err(|error| failed(&error));
        }
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        sys::durable::replace(path, key.serialize_pem().as_bytes(), 0o600).map_err(|error| failed(&error))?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_gets_a_key_and_a_request_and_keeps_them_until_its_names_change() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        for name in ["control/tls", "acme/requests"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let lines = |text: &str| std::fs::write(folder.path().join("control/acme"), text).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let requests = Requests::of(&home);
        requests.look();
        lines("Mail.x.test imap.x.test\n../../etc/x\n*.y.test\nnodots\n");
        requests.look();
        let (key, first) = (read("control/tls/mail.x.test.key"), read("acme/requests/mail.x.test.csr"));
        assert!(first.starts_with("# mail.x.test imap.x.test\n-----BEGIN CERTIFICATE REQUEST-----"));
        assert_eq!(std::fs::read_dir(folder.path().join("acme/requests")).unwrap().count(), 1);
        requests.look();
        assert_eq!(read("acme/requests/mail.x.test.csr"), first);
        lines("mail.x.test\n");
        requests.look();
        assert_ne!(read("acme/requests/mail.x.test.csr"), first);
        assert_eq!(read("control/tls/mail.x.test.key"), key, "the key stays");
    }
}
