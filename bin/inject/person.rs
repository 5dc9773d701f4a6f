//! Who sends: the user, host and name that the environment gives, and the habits in QMAILINJECT.

use sys::Env;

use crate::hosts::Hosts;

/// The sender.
#[derive(Debug)]
pub(crate) struct Person {
    /// `user@host`, for the From line.
    address: Vec<u8>,
    name: Vec<u8>,
    /// Local part and host of the default envelope sender.
    envelope: (Vec<u8>, Vec<u8>),
    habits: Vec<u8>,
}

impl Person {
    /// The one `env` describes, under `name` if one is given.
    pub(crate) fn of(env: &Env, name: Option<&[u8]>, hosts: &Hosts) -> Person {
        let user = first(env, &["QMAILUSER", "MAILUSER", "USER", "LOGNAME"])
            .unwrap_or_else(|| b"anonymous".to_vec());
        let host = hosts.complete(first(env, &["QMAILHOST", "MAILHOST"]).as_deref());
        let named = ["QMAILNAME", "MAILNAME", "NAME"].iter().find_map(|variable| env.get(variable));
        let return_user = first(env, &["QMAILSUSER"]).unwrap_or_else(|| user.clone());
        let return_host =
            first(env, &["QMAILSHOST"]).map_or_else(|| host.clone(), |host| hosts.complete(Some(&host)));
        Person {
            address: [&user[..], b"@", &host].concat(),
            name: clean(name.or(named).unwrap_or_default()),
            envelope: (return_user, return_host),
            habits: env.get("QMAILINJECT").unwrap_or_default().to_vec(),
        }
    }

    /// Is `letter` in QMAILINJECT?
    pub(crate) fn habit(&self, letter: u8) -> bool {
        self.habits.contains(&letter)
    }

    /// The body of a From line, `Full Name <user@host>` or with `c` `user@host (Full Name)`.
    pub(crate) fn from(&self) -> Vec<u8> {
        let address = message::quoted(&self.address);
        match (self.name.is_empty(), self.habit(b'c')) {
            (true, _) => address,
            (false, true) => [&address[..], b" (", &escaped(&self.name, b"()\\"), b")"].concat(),
            (false, false) => [&phrase(&self.name)[..], b" <", &address, b">"].concat(),
        }
    }

    /// The envelope sender. `m` puts the time and our number into it, `r` has every recipient see
    /// another one.
    pub(crate) fn envelope(&self, now: u64, pid: u32) -> Vec<u8> {
        let (mut local, mut host) = self.envelope.clone();
        if self.habit(b'm') {
            local.extend(format!("-{now}.{pid}").bytes());
        }
        if self.habit(b'r') {
            local.push(b'-');
            host.extend(b"-@[]");
        }
        [&local[..], b"@", &host].concat()
    }
}

/// The value of the first of `variables` that is set and not empty.
fn first(env: &Env, variables: &[&str]) -> Option<Vec<u8>> {
    variables.iter().find_map(|name| env.get(name).filter(|value| !value.is_empty())).map(clean)
}

/// Control characters could begin a header line.
pub(crate) fn clean(value: &[u8]) -> Vec<u8> {
    value.iter().map(|b| if b.is_ascii_control() { b'_' } else { *b }).collect()
}

/// A name as words or, where it holds what words may not, as a quoted string. RFC 5322 §3.2.5.
fn phrase(name: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || *b >= 0x80 || b" !#$%&'*+-/=?^_`{|}~".contains(b);
    if name.iter().all(plain) && name.trim_ascii().len() == name.len() {
        return name.to_vec();
    }
    [b"\"", &escaped(name, b"\"\\")[..], b"\""].concat()
}

fn escaped(text: &[u8], special: &[u8]) -> Vec<u8> {
    let escape = |b: &u8| if special.contains(b) { vec![b'\\', *b] } else { vec![*b] };
    text.iter().flat_map(escape).collect()
}
