//! Which requests have no certificate, or one that will soon run out.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use control::Control;
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

/// One request of `tlsd`.
#[derive(Debug)]
pub(crate) struct Request {
    /// The names that it is for.
    pub(crate) names: Vec<String>,
    /// As it goes to the authority.
    pub(crate) der: Vec<u8>,
    /// Where the certificate goes.
    pub(crate) certificate: PathBuf,
}

/// All that are due, of those that control/acme still names; `force`: all of these.
pub(crate) fn all(folder: &Path, control: &Control, force: bool) -> io::Result<Vec<Request>> {
    let lines = control.list("acme").map_err(|broken| io::Error::other(broken.to_string()))?;
    let now = sys::unix_seconds().cast_signed();
    let mut due = Vec::new();
    for line in lines.unwrap_or_default() {
        let names: Vec<String> = line.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
        let Some(name) = names.first().filter(|name| !name.contains('/')) else { continue };
        let found = read(folder, name).unwrap_or_else(|error| {
            sys::log!("acme: warning: the request for {name}: {error}");
            None
        });
        match found {
            Some(request) if request.names == names => {
                due.extend(Some(request).filter(|request| force || request.is_due(now)));
            }
            _ => sys::log!("acme: {name}: tlsd has not made the request yet; it looks every few seconds"),
        }
    }
    Ok(due)
}

fn read(folder: &Path, name: &str) -> io::Result<Option<Request>> {
    let text = match std::fs::read_to_string(folder.join("requests").join(format!("{name}.csr"))) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let head = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let names = head.unwrap_or_default().split(' ').map(str::to_owned).collect();
    let der = parse_x509_pem(text.as_bytes()).ok().map(|(_, pem)| pem.contents);
    let certificate = folder.join("certificates").join(format!("{name}.crt"));
    Ok(der.map(|der| Request { names, der, certificate }))
}

impl Request {
    /// A third of its time before the certificate runs out, or if it is of another key or for other names.
    fn is_due(&self, now: i64) -> bool {
        let Ok(text) = std::fs::read(&self.certificate) else { return true };
        let Ok((_, pem)) = parse_x509_pem(&text) else { return true };
        let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return true };
        let validity = certificate.validity();
        let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        now > to - (to - from) / 3 || !self.is_of(&certificate)
    }

    fn is_of(&self, certificate: &X509Certificate<'_>) -> bool {
        let Ok((_, request)) = X509CertificationRequest::from_der(&self.der) else { return false };
        let key = &request.certification_request_info.subject_pki;
        let named = certificate.subject_alternative_name().ok().flatten().map(|names| {
            let has = |name: &String| {
                names.value.general_names.iter().any(|one| {
                    matches!(one, x509_parser::extensions::GeneralName::DNSName(found)
                        if found.eq_ignore_ascii_case(name))
                })
            };
            self.names.iter().all(has)
        });
        key.raw == certificate.public_key().raw && named.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    #[test]
    fn a_certificate_is_due_when_it_is_missing_old_foreign_or_for_other_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["control", "requests", "certificates"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let control = Control::at(folder.path().join("control"));
        let due = |force| all(folder.path(), &control, force).unwrap().len();
        assert_eq!(due(true), 0);
        write("control/acme", "a.x.test b.x.test\n../x\n");
        assert_eq!(due(true), 0, "no request yet");
        let key = KeyPair::generate().unwrap();
        let names = vec!["a.x.test".to_owned(), "b.x.test".to_owned()];
        let params = CertificateParams::new(names.clone()).unwrap();
        let request = params.serialize_request(&key).unwrap().pem().unwrap();
        write("requests/a.x.test.csr", &format!("# a.x.test b.x.test\n{request}"));
        assert_eq!(due(false), 1);
        let certificate = |names: &[String], key: &KeyPair, days: u32| {
            let (now, day) = (std::time::SystemTime::now(), std::time::Duration::from_secs(86_400));
            let mut params = CertificateParams::new(names).unwrap();
            params.not_before = (now - day * 60).into();
            params.not_after = (now + day * days).into();
            params.self_signed(key).unwrap().pem()
        };
        for (text, expect) in [
            (certificate(&names, &key, 60), 0),
            (certificate(&names, &key, 10), 1),
            (certificate(&names, &KeyPair::generate().unwrap(), 60), 1),
            (certificate(&names[..1], &key, 60), 1),
            ("garbage".to_owned(), 1),
        ] {
            write("certificates/a.x.test.crt", &text);
            assert_eq!(due(false), expect);
            assert_eq!(due(true), 1);
        }
        std::fs::create_dir(folder.path().join("requests/dir.x.test.csr")).unwrap();
        write("control/acme", "dir.x.test\na.x.test b.x.test\n");
        assert_eq!(due(true), 1, "what can't be read keeps no other");
        write("control/acme", "a.x.test\n");
        assert_eq!(due(true), 0, "tlsd has to make another request");
    }
}
