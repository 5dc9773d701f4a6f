//! How hosts are completed: `bob` → `bob@defaulthost`, `bob@eng` → `bob@eng.defaultdomain`,
//! `bob@eng+` → `bob@eng.plusdomain`. Each has its control file and its variable.

use control::{Broken, Control};
use message::mailbox::Mailbox;
use sys::Env;

/// What is appended to what.
#[derive(Debug)]
pub(crate) struct Hosts {
    default_host: Vec<u8>,
    default_domain: Vec<u8>,
    plus_domain: Vec<u8>,
    /// The right side of message ids.
    pub(crate) id: Vec<u8>,
}

impl Hosts {
    /// The variables' values, else the control files'.
    pub(crate) fn read(env: &Env, control: &Control) -> Result<Hosts, Broken> {
        let value = |variable: &str, file: &str| match env.get(variable) {
            Some(value) => Ok(super::person::clean(value)),
            None => control.text(file).map(String::into_bytes),
        };
        Ok(Hosts {
            default_host: value("QMAILDEFAULTHOST", "defaulthost")?,
            default_domain: value("QMAILDEFAULTDOMAIN", "defaultdomain")?,
            plus_domain: value("QMAILPLUSDOMAIN", "plusdomain")?,
            id: value("QMAILIDHOST", "idhost")?,
        })
    }

    /// The whole name of `host`; of the default host if there is none.
    pub(crate) fn complete(&self, host: Option<&[u8]>) -> Vec<u8> {
        let host = host.unwrap_or(&self.default_host);
        if host.starts_with(b"[") {
            return host.to_vec();
        }
        match host.strip_suffix(b"+") {
            Some(host) => [host, b".", &self.plus_domain].concat(),
            None if host.contains(&b'.') => host.to_vec(),
            None => [host, b".", &self.default_domain].concat(),
        }
    }

    /// The envelope form of an address.
    pub(crate) fn envelope(&self, mailbox: &Mailbox) -> Vec<u8> {
        if mailbox.local.is_empty() {
            return Vec::new();
        }
        [&mailbox.local[..], b"@", &self.complete(mailbox.host.as_deref())].concat()
    }

    /// How an address has to be spelled in a header, if not as it is.
    pub(crate) fn spell(&self, mailbox: &Mailbox) -> Option<Vec<u8>> {
        let host = self.complete(mailbox.host.as_deref());
        let changed = mailbox.odd || mailbox.host.as_ref() != Some(&host);
        (changed && !mailbox.local.is_empty()).then(|| message::quoted(&self.envelope(mailbox)))
    }
}
