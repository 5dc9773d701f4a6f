//! What is to be delivered for whom: from the argument vector, or from `spawn`'s packet.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where a recipient's mail goes when the account says nothing else.
const USUAL: &[u8] = b"./Maildir/";

/// Variables by which `spawn` says more than qmail-local's arguments do: the quota, the message's id,
/// and (if set) that the default delivery is all there is, whatever .qmail files say.
pub const PRIVATE: [&str; 3] = ["DELIVERY_QUOTA", "DELIVERY_ID", "DELIVERY_PLAIN"];

/// One message for one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The mailbox's owner, a name for the log.
    pub user: Vec<u8>,
    /// The owner's home folder, absolute.
    pub home: PathBuf,
    /// The recipient before the `@`.
    pub local: Vec<u8>,
    /// `-`, or empty when the recipient is the account itself.
    pub dash: Vec<u8>,
    /// The part of `local` after the account's name.
    pub ext: Vec<u8>,
    /// The recipient after the `@`.
    pub domain: Vec<u8>,
    /// The envelope sender.
    pub sender: Vec<u8>,
    /// Instructions in .qmail syntax: all there is, or what is done when no .qmail file says otherwise.
    pub default: Vec<u8>,
    /// The home's .qmail files decide, as in qmail.
    pub qmail: bool,
    /// The mailbox's quota in octets; 0 is none.
    pub quota: u64,
    /// Forwards may leave by TLS only (RFC 8689).
    pub requiretls: bool,
    /// The message's id in the queue, for the log; may be empty.
    pub id: Vec<u8>,
    /// Most Delivered-To lines that the message may have; 0: no limit.
    pub most_delivered_to: u64,
    /// It came to a worker, which sees no folder but the home and [`Order::own_maildirs`].
    pub confined: bool,
}

/// A call from the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// `-n`: say what would be done.
    pub only_show: bool,
    /// What is to be done.
    pub order: Order,
}

impl Call {
    /// Reads `[-nN] user home local dash ext domain sender defaultdelivery`.
    pub fn from_args(args: impl Iterator<Item = OsString>) -> Option<Call> {
        let mut args: Vec<Vec<u8>> = args.map(OsString::into_vec).collect();
        let mut only_show = false;
        while let Some(options) = args.first().and_then(|arg| arg.strip_prefix(b"-")) {
            match options {
                b"-" => {
                    args.remove(0);
                    break;
                }
                _ if !options.is_empty() && options.iter().all(|o| b"nN".contains(o)) => {
                    only_show = options.last() == Some(&b'n');
                    args.remove(0);
                }
                _ => return None,
            }
        }
        let [user, home, local, dash, ext, domain, sender, default]: [Vec<u8>; 8] = args.try_into().ok()?;
        let home = absolute(&home)?;
        let order =
            Order { user, home, local, dash, ext, domain, sender, default, qmail: true, ..Order::default() };
        Some(Call { only_show, order })
    }
}

impl Order {
    /// Reads the packet: seven fields, then `do=`, `quota=`, `id=` in any order.
    pub fn from_packet(packet: &[u8]) -> Option<Order> {
        let fields = wire::fields(packet);
        let [user, home, local, dash, ext, domain, sender] = *fields.first_chunk()?;
        let mut order = Order {
            user: user.to_vec(),
            home: absolute(home)?,
            local: local.to_vec(),
            dash: dash.to_vec(),
            ext: ext.to_vec(),
            domain: domain.to_vec(),
            sender: sender.to_vec(),
            confined: true,
            ..Order::default()
        };
        for field in &fields[7..] {
            order.setting(field)?;
        }
        if order.qmail && order.default.is_empty() {
            order.default = USUAL.to_vec();
        }
        (!order.default.is_empty()).then_some(order)
    }

    /// Takes what [`PRIVATE`] variables say.
    pub fn from_environment(&mut self) {
        let [quota, id, plain] = PRIVATE.map(|name| std::env::var(name).ok());
        self.quota = quota.and_then(|quota| quota.parse().ok()).unwrap_or(0);
        self.id = id.unwrap_or_default().into_bytes();
        self.qmail = plain.is_none();
    }

    fn setting(&mut self, field: &[u8]) -> Option<()> {
        let at = field.iter().position(|b| *b == b'=')?;
        let (key, value) = (&field[..at], &field[at + 1..]);
        match key {
            b"do" if value == b".qmail" => self.qmail = true,
            b"do" => {
                self.default.extend_from_slice(value);
                self.default.push(b'\n');
            }
            b"quota" => self.quota = std::str::from_utf8(value).ok()?.parse().ok()?,
            b"delivered-to" => self.most_delivered_to = std::str::from_utf8(value).ok()?.parse().ok()?,
            b"requiretls" => self.requiretls = value == b"1",
            b"id" => self.id = value.to_vec(),
            _ => {}
        }
        Some(())
    }

    /// Maildirs outside the home that the account itself (not a .qmail file) names.
    pub fn own_maildirs(&self) -> impl Iterator<Item = &Path> {
        let lines = self.default.split(|b| *b == b'\n');
        lines.filter(|line| line.starts_with(b"/") && line.ends_with(b"/")).map(path)
    }
}

/// Octets as a path.
pub fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn absolute(home: &[u8]) -> Option<PathBuf> {
    home.starts_with(b"/").then(|| path(home).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(args: &[&str]) -> Option<Call> {
        Call::from_args(args.iter().map(OsString::from))
    }

    #[test]
    fn qmail_locals_eight_arguments_are_understood() {
        let args = ["alice", "/home/alice", "alice-x", "-", "x", "example.test", "bob@x.test", "./Maildir/"];
        let call = call(&args).unwrap();
        assert!(!call.only_show && call.order.qmail);
        assert_eq!((&call.order.local[..], &call.order.ext[..]), (&b"alice-x"[..], &b"x"[..]));
        for (option, shows) in [("-n", true), ("-N", false), ("-nN", false), ("--", false)] {
            let mut with = vec![option];
            with.extend(args);
            assert_eq!(super::tests::call(&with).map(|call| call.only_show), Some(shows));
        }
    }

    #[test]
    fn other_argument_vectors_are_refused() {
        for args in [&[][..], &["-x"], &["-"], &["a"; 7], &["a"; 9], &["a"; 8], &["-n"; 8]] {
            assert_eq!(call(args), None, "{args:?}");
        }
    }

    #[test]
    fn a_packet_is_read_whatever_comes_after_the_fields() {
        let packet = b"alice\0/h\0alice\0\0\0x.test\0\0do=./Maildir/\0do=&bob\0quota=5\0id=7\0new=1";
        let order = Order::from_packet(packet).unwrap();
        assert_eq!((&order.default[..], order.quota, order.qmail), (&b"./Maildir/\n&bob\n"[..], 5, false));
        let order = Order::from_packet(b"alice\0/h\0alice\0-\0x\0x.test\0\0do=.qmail").unwrap();
        assert_eq!((&order.default[..], order.qmail), (USUAL, true));
    }

    #[test]
    fn a_mangled_packet_is_no_order() {
        for packet in [
            &b""[..],
            b"a\0/h\0l\0\0\0d\0s",
            b"a\0h\0l\0\0\0d\0s\0do=./Maildir/",
            b"a\0/h\0l\0\0\0d\0s\0do=./Maildir/\0quota=-1",
            b"a\0/h\0l\0\0\0d\0s\0do=./Maildir/\0junk",
        ] {
            assert_eq!(Order::from_packet(packet), None, "{packet:?}");
        }
    }
}
