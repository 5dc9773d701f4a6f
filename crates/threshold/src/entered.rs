//! A client who has been let in, however he came: through this very process, or by a program that executed the server.

use std::io::PipeWriter;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use sys::{Env, Stop};

/// The tag and what the client has sent early are at most so long, octets.
const MOST: u64 = 1 << 20;

/// A client who has been let in, and what is his. This process is the mailbox's owner by then.
#[derive(Debug)]
pub struct Entered {
    /// The contract of a server program: USER, HOME, MAILDIR, QUOTA, SERVICE, FULMAR_HOME, INDEX, SHARED.
    pub env: Env,
    /// What is to be served.
    pub maildir: PathBuf,
    /// The tag of the command that proved who the client is; he waits for its answer.
    pub tag: Option<Vec<u8>>,
    /// What he has sent after it.
    pub unread: Vec<u8>,
    /// From the client.
    pub input: OwnedFd,
    /// To the client.
    pub output: OwnedFd,
    /// To be kept until the end: `lookup` takes the session for open until then.
    pub session: Option<PipeWriter>,
}

impl Entered {
    /// A Maildir on the command line: somebody else has let the client in, and read no further. Else `gate`
    /// has executed this program: see its manual.
    pub(crate) fn here(name: &str) -> Result<Entered, Stop> {
        let mut args = std::env::args_os().skip(1);
        let (maildir, (tag, unread)) = match (args.next(), args.next(), std::env::var_os("MAILDIR")) {
            (Some(named), None, _) => (named.into(), (None, Vec::new())),
            (None, None, Some(path)) => (path.into(), handed_over()?),
            _ => {
                return Err(Stop::usage(format_args!("{name} [MAILDIR]   (or MAILDIR in the environment)")));
            }
        };
        let client = |number| sys::adopt(number);
        let (input, output) = client(0)
            .and_then(|input| Ok((input, client(1)?)))
            .map_err(|error| Stop::permanent(format_args!("no client: {error}")))?;
        Ok(Entered { env: Env::here(), maildir, tag, unread, input, output, session: None })
    }
}

/// Descriptor 3 holds `tag NUL unread`. Not there: nothing has been read.
fn handed_over() -> Result<(Option<Vec<u8>>, Vec<u8>), Stop> {
    let Ok(file) = sys::adopt(3) else { return Ok((None, Vec::new())) };
    sys::memory::read_all(file, MOST)
        .map(|bytes| parted(&bytes))
        .map_err(|error| Stop::temporary(format_args!("descriptor 3: {error}")))
}

/// `tag NUL unread`; an empty tag is none.
pub(crate) fn parted(handed: &[u8]) -> (Option<Vec<u8>>, Vec<u8>) {
    let mut halves = handed.splitn(2, |b| *b == 0);
    let tag = halves.next().filter(|tag| !tag.is_empty()).map(<[u8]>::to_vec);
    (tag, halves.next().unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unread_may_hold_anything() {
        assert_eq!(parted(b"a1\0NOOP\0\r\n"), (Some(b"a1".to_vec()), b"NOOP\0\r\n".to_vec()));
        assert_eq!(parted(b"\0x"), (None, b"x".to_vec()));
        assert_eq!(parted(b""), (None, Vec::new()));
    }
}
