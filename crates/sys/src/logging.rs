//! One event, one line, one write to stderr; the supervisor adds the time.
//!
//! Octets from outside are escaped, so a line is always one line. A log that is full,
//! blocked or gone never stops the mail: the line is dropped and the loss told later.

use std::fmt::{self, Write};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::wait::{self, Interest};

static NAME: OnceLock<&'static str> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);
/// How long a writer waits for a blocked log, in all.
const PATIENCE: Duration = Duration::from_millis(200);
/// Octets after which a line is cut. With the last octet written out as `\xNN`, the mark of the cut and
/// the line end it still fits into one page.
const LONGEST: usize = 4096 - 8;

/// Writes one line to the log: `sys::log!("smtpd: {id} accept")`. Arguments as in `format!`.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::logging::line(format_args!($($arg)*)) };
}

/// The name that [`crate::main`] was given; `fulmar` before that.
pub fn name() -> &'static str {
    NAME.get().copied().unwrap_or("fulmar")
}

pub(crate) fn set_name(name: &'static str) {
    let _ = NAME.set(name);
}

/// Writes one line to the log. Use [`crate::log!`].
pub fn line(text: fmt::Arguments<'_>) {
    let lost = LOST.swap(0, Ordering::Relaxed);
    // Once a line was lost, none is waited for until one has got through again.
    let patience = if lost > 0 { Duration::ZERO } else { PATIENCE };
    if lost > 0 && !write_line(&format!("{}: warning: {lost} log lines were lost\n", name()), patience) {
        LOST.fetch_add(lost, Ordering::Relaxed);
    }
    let mut line = escape(&text.to_string());
    line.push('\n');
    if !write_line(&line, patience) {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// `text` on one line, with control characters and what is not ASCII written as `\xNN` per octet;
/// at most 4095 octets.
pub fn escape(text: &str) -> String {
    escape_bytes(text.as_bytes())
}

/// As [`escape`], for octets of any kind.
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut line = String::with_capacity(bytes.len() + 1);
    for byte in bytes.iter().copied() {
        if line.len() >= LONGEST {
            line.push_str("...");
            break;
        }
        match byte {
            b' '..=b'~' => line.push(byte as char),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
    line
}

fn write_line(line: &str, patience: Duration) -> bool {
    let stderr = io::stderr();
    let fd: BorrowedFd<'_> = stderr.as_fd();
    // A pipe that has room for a page takes the whole line at once.
    let ready = wait::until(fd, Interest::Write, Some(patience)).unwrap_or(false);
    ready && matches!(nix::unistd::write(fd, line.as_bytes()), Ok(n) if n == line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_whatever_is_in_it() {
        assert_eq!(escape("a\r\nb\0\u{e9}"), "a\\x0d\\x0ab\\x00\\xc3\\xa9");
    }

    #[test]
    fn a_line_has_an_end() {
        // With its line end it is one page: a pipe with room for that takes it without waiting.
        for length in 4000..4200 {
            for text in ["x".repeat(length), "x".repeat(length) + &"\0".repeat(9)] {
                assert!(escape(&text).len() < 4096, "{length}");
            }
        }
    }
}
