//! One event, one line, one write to stderr; the supervisor adds the time.
//!
//! Octets from outside are escaped, so a line is always one line. A log that is full,
//! blocked or gone never stops the mail: the line is dropped and the loss told later. A program that does
//! everything in one loop may gather what one turn has to say ([`gather`]) and write it at once.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use nix::libc;

use crate::wait::{self, Interest};

static NAME: OnceLock<&'static str> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);
/// How stderr is written to: see [`Way`].
static WAY: AtomicU8 = AtomicU8::new(Way::Unknown as u8);
/// How long a writer waits for a blocked log, in all.
const PATIENCE: Duration = Duration::from_millis(200);
/// Octets after which a line is cut. With the last octet written out as `\xNN`, the mark of the cut and
/// the line end it still fits into one page.
const LONGEST: usize = PAGE - 8;
/// Octets that a pipe takes whole or not at all.
const PAGE: usize = 4096;

thread_local! {
    /// Lines of this thread that wait for [`flush`], and how many; `None`: none is ever kept back.
    static GATHERED: RefCell<Option<(String, u64)>> = const { RefCell::new(None) };
}

/// Ways to write that never wait for a reader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It has not been looked at yet.
    Unknown,
    /// A regular file takes everything at once.
    File,
    /// The kernel can be told not to wait.
    Told,
    /// It has to be asked for room first.
    Asked,
}

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
    let mut line = escape(&text.to_string());
    line.push('\n');
    let gathered = GATHERED.try_with(|gathered| add(&mut gathered.borrow_mut(), &line));
    match gathered {
        Ok(Gathered::Not) | Err(_) => put(&line, 1),
        Ok(Gathered::Kept) => {}
        Ok(Gathered::After(lines, count)) => put(&lines, count),
    }
}

/// What has become of a line.
enum Gathered {
    /// It is to be written at once.
    Not,
    /// It waits.
    Kept,
    /// It waits, and these are to be written, as there is a page of them.
    After(String, u64),
}

fn add(gathered: &mut Option<(String, u64)>, line: &str) -> Gathered {
    match gathered {
        None => Gathered::Not,
        // What is written at once fits into a page, as each line does.
        Some((lines, count)) if lines.len() + line.len() <= PAGE => {
            lines.push_str(line);
            *count += 1;
            Gathered::Kept
        }
        Some(full) => {
            let (lines, count) = std::mem::replace(full, (line.to_owned(), 1));
            Gathered::After(lines, count)
        }
    }
}

/// From now on the lines of this thread are kept until it calls [`flush`], as it has to before it waits for anything
/// and before others are told of what the lines are about; or until there is a page of them.
pub fn gather() {
    GATHERED.with_borrow_mut(|gathered| _ = gathered.get_or_insert_default());
}

/// Writes what this thread has gathered.
pub fn flush() {
    let all = GATHERED.try_with(|gathered| gathered.borrow_mut().as_mut().map(std::mem::take));
    if let Some((lines, count)) = all.ok().flatten().filter(|(_, count)| *count > 0) {
        put(&lines, count);
    }
}

/// Writes so many lines.
fn put(lines: &str, count: u64) {
    let lost = LOST.swap(0, Ordering::Relaxed);
    // Once a line was lost, none is waited for until one has got through again.
    let patience = if lost > 0 { Duration::ZERO } else { PATIENCE };
    if lost > 0 && !write(&format!("{}: warning: {lost} log lines were lost\n", name()), patience) {
        LOST.fetch_add(lost, Ordering::Relaxed);
    }
    if !write(lines, patience) {
        LOST.fetch_add(count, Ordering::Relaxed);
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

fn write(lines: &str, patience: Duration) -> bool {
    let stderr = io::stderr();
    write_to(stderr.as_fd(), lines.as_bytes(), patience, &WAY)
}

fn write_to(fd: BorrowedFd<'_>, lines: &[u8], patience: Duration, known: &AtomicU8) -> bool {
    let way = match known.load(Ordering::Relaxed) {
        way if way == Way::Unknown as u8 => {
            let way = if is_file(fd) { Way::File } else { Way::Told };
            known.store(way as u8, Ordering::Relaxed);
            way as u8
        }
        way => way,
    };
    if way == Way::Told as u8 {
        match write_at_once(fd, lines) {
            Err(libc::EAGAIN) => {}
            // Terminals can't be told, nor can pipes of a kernel before 6.4.
            Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::EPERM) => {
                known.store(Way::Asked as u8, Ordering::Relaxed);
            }
            written => return written == Ok(lines.len()),
        }
    }
    // A pipe that has room for a page takes it all at once.
    let ready = way == Way::File as u8 || wait::until(fd, Interest::Write, Some(patience)).unwrap_or(false);
    ready && matches!(nix::unistd::write(fd, lines), Ok(n) if n == lines.len())
}

fn is_file(fd: BorrowedFd<'_>) -> bool {
    use nix::sys::stat::{SFlag, fstat};
    fstat(fd).is_ok_and(|seen| SFlag::from_bits_truncate(seen.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG)
}

/// A write that fails with EAGAIN where it would have to wait; the error's number.
fn write_at_once(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, i32> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: one part, which lives until the call returns and is only read. An offset of -1: where it stands. By its
    // number: not every C library has a name for it.
    let written = unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            fd.as_raw_fd(),
            &raw const part,
            1,
            -1_i64,
            -1_i64,
            libc::RWF_NOWAIT,
        )
    };
    usize::try_from(written).map_err(|_| nix::errno::Errno::last_raw())
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

    #[test]
    fn what_was_gathered_comes_in_order_and_never_more_than_a_page_at_once() {
        let own = || GATHERED.with_borrow(|gathered| gathered.clone());
        line(format_args!("told at once"));
        assert_eq!(own(), None);
        gather();
        line(format_args!("one"));
        line(format_args!("two\n"));
        assert_eq!(own(), Some(("one\ntwo\\x0a\n".to_owned(), 2)));
        line(format_args!("{}", "x".repeat(4088)));
        assert!(own().is_some_and(|(lines, count)| lines.len() == 4089 && count == 1));
        flush();
        assert_eq!(own(), Some((String::new(), 0)));
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_given_up_and_one_with_room_takes_all() {
        use std::io::Read;
        let (mut read, pipe) = io::pipe().unwrap();
        let known = AtomicU8::new(Way::Unknown as u8);
        let put = || write_to(pipe.as_fd(), &[b'x'; 4096], Duration::from_millis(1), &known);
        let mut taken = 0;
        while put() {
            taken += 1;
        }
        assert!(taken > 0 && !put());
        read.read_exact(&mut [0; 4096]).unwrap();
        assert!(put());
    }

    #[test]
    fn a_file_and_a_socket_take_lines_too() {
        let (one, two) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        for fd in [one.as_fd(), file.as_fd()] {
            let known = AtomicU8::new(Way::Unknown as u8);
            assert!(write_to(fd, b"line\n", Duration::ZERO, &known));
        }
        assert_eq!(two.recv(&mut [0; 9]).unwrap(), 5);
        assert_eq!(file.metadata().unwrap().len(), 5);
    }
}
