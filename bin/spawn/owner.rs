//! Who a recipient's mail belongs to, in `lookup`'s words.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use sys::{Identity, Packets};
use wire::Fate;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The owner of a mailbox and what is to be done with the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// What deliveries run as; never uid 0.
    pub identity: Identity,
    /// The home folder, absolute.
    pub home: PathBuf,
    /// `user local dash ext domain`, as `local-deliver` wants them.
    pub names: [Vec<u8>; 5],
    /// `do=` lines.
    pub instructions: Vec<Vec<u8>>,
    /// The quota in octets, in digits; may be empty.
    pub quota: Vec<u8>,
}

/// A connection to `lookup`, made when first needed and anew when it breaks.
#[derive(Debug)]
pub(crate) struct Lookup {
    path: PathBuf,
    connection: Option<Packets>,
}

impl Lookup {
    pub(crate) fn new(path: PathBuf) -> Lookup {
        Lookup { path, connection: None }
    }

    /// Who owns `address`? Everything but a clear "no such" is "later".
    pub(crate) fn owner(&mut self, address: &[u8]) -> Result<Owner, Fate> {
        let question = wire::packet(&[b"owner", address]);
        let answer = self.ask(&question).map_err(|error| {
            sys::log!("spawn: warning: no answer from lookup: {error}");
            Fate::later(3, 0, "the directory of users does not answer")
        })?;
        read(&answer)
    }

    /// A connection that was left idle may have gone stale: one more try on a new one.
    fn ask(&mut self, question: &[u8]) -> io::Result<Vec<u8>> {
        if let Some(connection) = self.connection.take()
            && let Ok(packet) = connection.ask(question)
        {
            self.connection = Some(connection);
            return Ok(packet.bytes);
        }
        let connection = Packets::connect(&self.path)?;
        connection.set_timeout(PATIENCE)?;
        let packet = connection.ask(question)?;
        self.connection = Some(connection);
        Ok(packet.bytes)
    }
}

fn read(answer: &[u8]) -> Result<Owner, Fate> {
    let fields = wire::fields(answer);
    match Fate::parse(fields[0]) {
        Some(Fate::Done(_)) => owner(&fields[1..]),
        Some(Fate::Never(text)) if text.code == wire::Code::NONE && text.sentence.is_empty() => {
            Err(Fate::never(1, 1, "no mailbox here by that name"))
        }
        Some(Fate::Never(text)) if text.code == wire::Code::NONE => Err(Fate::never(1, 1, text.sentence)),
        Some(fate) => Err(fate),
        None => Err(mangled("it is no answer")),
    }
}

fn owner(fields: &[&[u8]]) -> Result<Owner, Fate> {
    let value = |key: &str| {
        let of = |field: &&[u8]| Some(field.strip_prefix(key.as_bytes())?.strip_prefix(b"=")?.to_vec());
        fields.iter().find_map(of)
    };
    let needed = |key: &'static str| value(key).ok_or_else(|| mangled(key));
    let identity = Identity {
        uid: number(&needed("uid")?).ok_or_else(|| mangled("uid"))?,
        gid: number(&needed("gid")?).ok_or_else(|| mangled("gid"))?,
        groups: groups(&value("groups").unwrap_or_default()).ok_or_else(|| mangled("groups"))?,
    };
    if identity.uid == 0 {
        return Err(Fate::later(
            3,
            5,
            "the mailbox belongs to uid 0: root's mail needs an alias to a person",
        ));
    }
    let home = Path::new(OsStr::from_bytes(&needed("home")?)).to_owned();
    let instructions: Vec<Vec<u8>> =
        fields.iter().filter(|field| field.starts_with(b"do=")).map(|field| field.to_vec()).collect();
    if !home.is_absolute() || instructions.is_empty() {
        return Err(mangled("home or do"));
    }
    let name = |key| value(key).unwrap_or_default();
    let names = [name("user"), needed("local")?, name("dash"), name("ext"), needed("domain")?];
    Ok(Owner { identity, home, names, instructions, quota: name("quota") })
}

fn mangled(what: &str) -> Fate {
    sys::log!("spawn: warning: lookup's answer is mangled: {what}");
    Fate::later(3, 0, "the directory of users gives no clear answer")
}

/// An id in digits. The highest number means "none" to the kernel.
fn number(digits: &[u8]) -> Option<u32> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !plain {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|id| *id != u32::MAX)
}

fn groups(list: &[u8]) -> Option<Vec<u32>> {
    list.split(|b| *b == b',').filter(|id| !id.is_empty()).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] =
        b"K\0uid=501\0gid=502\0groups=7,8\0home=/mail/x.test/alice\0maildir=./Maildir/\0quota=0\0\
        user=alice@x.test\0local=alice\0domain=x.test\0dash=\0ext=\0do=./Maildir/\0do=&bob@x.test\0new=field";

    #[test]
    fn an_owner_is_read_field_by_field() {
        let owner = read(GOOD).unwrap();
        assert_eq!(owner.identity, Identity { uid: 501, gid: 502, groups: vec![7, 8] });
        assert_eq!(owner.names[1..], [&b"alice"[..], b"", b"", b"x.test"].map(<[u8]>::to_vec));
        assert_eq!(owner.instructions, [&b"do=./Maildir/"[..], b"do=&bob@x.test"]);
    }

    #[test]
    fn nothing_but_a_clear_no_is_never() {
        assert_eq!(read(b"D").unwrap_err().to_bytes(), b"D5.1.1 no mailbox here by that name");
        assert_eq!(read(b"Dno such user").unwrap_err().to_bytes(), b"D5.1.1 no such user");
        assert_eq!(read(b"D5.2.1 disabled\0x").unwrap_err().to_bytes(), b"D5.2.1 disabled");
        for answer in [&b""[..], b"X", b"Z4.3.0 slow", b"\0", b"K", b"K\0uid=5"] {
            assert_eq!(read(answer).unwrap_err().letter(), b'Z', "{answer:?}");
        }
    }

    #[test]
    fn mail_is_never_delivered_as_root_or_as_nobody_known() {
        for uid in ["0", "00", "", "-1", "+5", "4294967295", "4294967296", "0x1f", "root"] {
            let text = String::from_utf8(GOOD.to_vec()).unwrap().replace("uid=501", &format!("uid={uid}"));
            assert_eq!(read(text.as_bytes()).unwrap_err().letter(), b'Z', "{uid}");
        }
        let text = String::from_utf8(GOOD.to_vec()).unwrap().replace("groups=7,8", "groups=7,x");
        assert!(read(text.as_bytes()).is_err());
        let text = String::from_utf8(GOOD.to_vec()).unwrap().replace("home=/", "home=");
        assert!(read(text.as_bytes()).is_err());
    }
}
