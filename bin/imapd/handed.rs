//! What this program is started with: arguments, environment, descriptor 3.

use std::path::PathBuf;

use sys::Stop;

/// The tag and what the client has sent early are at most so long, octets.
const MOST: u64 = 1 << 20;

/// What this program begins with.
pub(crate) struct Handed {
    pub(crate) maildir: PathBuf,
    /// The tag of the command that proved who the client is; he waits for its answer.
    pub(crate) tag: Option<Vec<u8>>,
    /// What he has sent after it.
    pub(crate) unread: Vec<u8>,
}

impl Handed {
    /// A Maildir on the command line: somebody else has let the client in, and he is greeted with PREAUTH. Else `gate`
    /// has: see its manual.
    pub(crate) fn take() -> Result<Handed, Stop> {
        let mut args = std::env::args_os().skip(1);
        match (args.next(), args.next(), std::env::var_os("MAILDIR")) {
            (Some(named), None, _) => Ok(Handed { maildir: named.into(), tag: None, unread: Vec::new() }),
            (None, None, Some(path)) => {
                let (tag, unread) = handed_over()?;
                Ok(Handed { maildir: path.into(), tag, unread })
            }
            _ => Err(Stop::usage("imapd [MAILDIR]   (or MAILDIR in the environment)")),
        }
    }
}

/// Descriptor 3 holds `tag NUL unread`. Not there: nothing has been read.
fn handed_over() -> Result<(Option<Vec<u8>>, Vec<u8>), Stop> {
    let Ok(file) = sys::adopt(3) else { return Ok((None, Vec::new())) };
    let bytes = sys::memory::read_all(file, MOST);
    let bytes = bytes.map_err(|error| Stop::temporary(format_args!("descriptor 3: {error}")))?;
    let mut halves = bytes.splitn(2, |b| *b == 0);
    let tag = halves.next().filter(|tag| !tag.is_empty()).map(<[u8]>::to_vec);
    Ok((tag, halves.next().unwrap_or_default().to_vec()))
}
