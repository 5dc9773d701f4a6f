//! A mailbox that another host serves: where that is, and the pass that opens it.

use wire::Fate;

use crate::Owner;

/// What a ticket opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A mailbox here.
    Here(Owner),
    /// One that another host serves.
    There(Elsewhere),
}

/// As a packet: `K`, then fields `at= user= pass=`, and `tls=` if it is spoken to by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// `HOST:PORT` of the service there.
    pub at: String,
    /// The name that its certificate has to be for; `None`: it is spoken to in plain text.
    pub tls: Option<String>,
    /// The account's address.
    pub user: String,
    /// What is said there in the place of a password.
    pub pass: String,
}

impl Elsewhere {
    /// The packet.
    pub fn to_packet(&self) -> Vec<u8> {
        let fields = [("at=", &self.at), ("user=", &self.user), ("pass=", &self.pass)].into_iter();
        let fields = fields.chain(self.tls.iter().map(|name| ("tls=", name)));
        let fields: Vec<Vec<u8>> = fields.map(|(key, value)| [key, value].concat().into_bytes()).collect();
        let all: Vec<&[u8]> = std::iter::once(&b"K"[..]).chain(fields.iter().map(Vec::as_slice)).collect();
        wire::packet(&all)
    }

    fn read(fields: &[&[u8]]) -> Option<Elsewhere> {
        let one = |key: &str| {
            let value = fields.iter().find_map(|field| str::from_utf8(field).ok()?.strip_prefix(key))?;
            (!value.is_empty() && !value.contains(char::is_control)).then(|| value.to_owned())
        };
        // A name that is not whole must not become no name, and that plain text.
        let tls = match fields.iter().any(|field| field.starts_with(b"tls=")) {
            true => Some(one("tls=")?),
            false => None,
        };
        Some(Elsewhere { at: one("at=")?, tls, user: one("user=")?, pass: one("pass=")? })
    }
}

impl Opened {
    /// Reads the packet that answers `login TICKET`; errors as of [`Owner::from_packet`].
    pub fn from_packet(packet: &[u8]) -> Result<Opened, Fate> {
        let fields = wire::fields(packet);
        let good =
            fields.first().and_then(|head| Fate::parse(head)).is_some_and(|fate| fate.letter() == b'K');
        match fields.iter().any(|field| field.starts_with(b"at=")) && good {
            false => Owner::from_packet(packet).map(Opened::Here),
            true => Elsewhere::read(&fields)
                .map(Opened::There)
                .ok_or_else(|| Fate::later(3, 5, "lookup gave a strange answer")),
        }
    }

    /// Whose it is.
    pub fn user(&self) -> &str {
        match self {
            Opened::Here(owner) => &owner.user,
            Opened::There(elsewhere) => &elsewhere.user,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_elsewhere_is_read_as_it_was_told_and_half_of_it_is_worth_a_retry() {
        let (at, user, pass) = ("b.test:993".to_owned(), "a@x.test".to_owned(), "p".to_owned());
        let there = Elsewhere { at, tls: Some("b".into()), user, pass };
        let packet = there.to_packet();
        assert_eq!(Opened::from_packet(&packet), Ok(Opened::There(there.clone())));
        let plain = Elsewhere { tls: None, ..there };
        assert_eq!(Opened::from_packet(&plain.to_packet()), Ok(Opened::There(plain.clone())));
        for cut in 0..plain.to_packet().len() {
            assert!(Opened::from_packet(&packet[..cut]).is_err(), "cut at {cut}");
        }
        for odd in [
            &b"K\0at=x:1\0user=a\0pass=p\0tls="[..],
            b"K\0at=x:1\0user=a\nb\0pass=p",
            b"K\0at=\0user=a\0pass=p",
        ] {
            assert!(Opened::from_packet(odd).is_err());
        }
        assert_eq!(Opened::from_packet(b"D5.7.8 no\0at=x:1\0user=a\0pass=p").unwrap_err().letter(), b'D');
    }
}
