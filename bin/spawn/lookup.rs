//! Who a recipient's mail belongs to: questions to `lookup`.

use std::path::PathBuf;
use std::time::Duration;

use owner::Owner;
use sys::Kept;
use wire::Fate;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to `lookup`, made when first needed and anew when it breaks.
#[derive(Debug)]
pub(crate) struct Lookup(Kept);

impl Lookup {
    pub(crate) fn new(path: PathBuf) -> Lookup {
        Lookup(Kept::new(path, PATIENCE))
    }

    /// Who owns `address`? Everything but a clear "no such" is "later".
    pub(crate) fn owner(&mut self, address: &[u8]) -> Result<Owner, Fate> {
        let question = wire::packet(&[b"owner", address]);
        let answer = self.0.ask(&question).map_err(|error| {
            sys::log!("spawn: warning: no answer from lookup: {error}");
            Fate::later(3, 0, "the directory of users does not answer")
        })?;
        read(&answer)
    }
}

fn read(answer: &[u8]) -> Result<Owner, Fate> {
    let owner = Owner::from_packet(answer).map_err(with_code)?;
    if owner.identity.refuse_root().is_err() {
        return Err(Fate::later(3, 5, "refusing to act for root"));
    }
    if owner.instructions.is_empty() {
        return Err(Fate::later(3, 0, "the directory of users says nothing of what is to be done"));
    }
    Ok(owner)
}

/// "Never" without a code is "no such".
fn with_code(fate: Fate) -> Fate {
    match fate {
        Fate::Never(text) if text.code == wire::Code::NONE && text.sentence.is_empty() => {
            Fate::never(1, 1, "no mailbox here by that name")
        }
        Fate::Never(text) if text.code == wire::Code::NONE => Fate::never(1, 1, text.sentence),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "K|uid=501|gid=502|groups=7,8|home=/mail/x.test/alice|maildir=/mail/x.test/alice/Maildir|\
        quota=0|user=alice@x.test|local=alice|domain=x.test|dash=|ext=|do=./Maildir/|do=&bob@x.test|new=field";

    fn letter(answer: &str) -> u8 {
        read(answer.replace('|', "\0").as_bytes()).map_or_else(|fate| fate.letter(), |_| b'K')
    }

    #[test]
    fn nothing_but_a_clear_no_is_never() {
        assert_eq!(letter(GOOD), b'K');
        assert_eq!(read(b"D").unwrap_err().to_bytes(), b"D5.1.1 no mailbox here by that name");
        assert_eq!(read(b"Dno such user").unwrap_err().to_bytes(), b"D5.1.1 no such user");
        assert_eq!(read(b"D5.2.1 disabled\0x").unwrap_err().to_bytes(), b"D5.2.1 disabled");
        for answer in ["", "X", "Z4.3.0 slow", "|", "K", "K|uid=5"] {
            assert_eq!(letter(answer), b'Z', "{answer:?}");
        }
        assert_eq!(letter(&GOOD.replace("do=", "to=")), b'Z');
    }

    #[test]
    fn mail_is_never_delivered_as_root_or_as_nobody_known() {
        for uid in ["0", "00", "", "-1", "4294967295", "4294967296", "0x1f", "root"] {
            assert_eq!(letter(&GOOD.replace("uid=501", &format!("uid={uid}"))), b'Z', "{uid}");
        }
        for (field, bad) in [("gid=502", "gid=4294967295"), ("groups=7,8", "groups=7,x"), ("home=/", "home=")]
        {
            assert_eq!(letter(&GOOD.replace(field, bad)), b'Z', "{bad}");
        }
    }
}
