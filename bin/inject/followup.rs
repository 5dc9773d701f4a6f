//! QMAILMFTFILE: the mailing lists of the sender.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sys::{Env, Stop};

/// The addresses of QMAILMFTFILE, in lower case: lists, mail to which asks for answers to the list.
pub(crate) fn lists(env: &Env) -> Result<Vec<Vec<u8>>, Stop> {
    let Some(path) = env.get("QMAILMFTFILE").filter(|path| !path.is_empty()) else { return Ok(Vec::new()) };
    let path = Path::new(OsStr::from_bytes(path));
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Stop::temporary(format_args!("QMAILMFTFILE {}: {error}", path.display()))),
    };
    let lines = text.split(|b| *b == b'\n').map(|line| line.trim_ascii().to_ascii_lowercase());
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).collect())
}
