//! Who a recipient's mail belongs to: questions to `lookup`.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use owner::Owner;
use sys::Kept;
use wire::Fate;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// While `lookup` is away, as when its supervisor starts it anew, it is tried so often for one order,
/// always after a pause: five seconds in all. A deferred message waits for minutes.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// A connection to `lookup`, made when first needed and anew when it breaks.
#[derive(Debug)]
pub(crate) struct Lookup {
    kept: Kept,
    tries: u32,
}

impl Lookup {
    pub(crate) fn new(path: PathBuf) -> Lookup {
        Lookup { kept: Kept::new(path, PATIENCE), tries: TRIES }
    }

    /// What was waited for `lookup` during other orders counts no longer.
    pub(crate) fn next_order(&mut self) {
        self.tries = TRIES;
    }

    /// Who owns `address`? Everything but a clear "no such" is "later". Nobody waits for a `lookup`
    /// that is away once it is `ending`.
    pub(crate) fn owner(&mut self, address: &[u8], ending: &AtomicBool) -> Result<Owner, Fate> {
        read(&self.ask(&wire::packet(&[b"owner", address]), ending)?)
    }

    fn ask(&mut self, question: &[u8], ending: &AtomicBool) -> Result<Vec<u8>, Fate> {
        loop {
            let error = match self.kept.ask(question) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::TimedOut || self.tries == 0 || ending.load(Ordering::Relaxed) {
                sys::log!("spawn: warning: no answer from lookup: {error}");
                return Err(Fate::later(3, 0, "the directory of users does not answer"));
            }
            if self.tries == TRIES {
                sys::log!("spawn: warning: lookup is away, trying again: {error}");
            }
            self.tries -= 1;
            thread::sleep(PAUSE);
        }
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
