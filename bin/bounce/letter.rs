//! The letter: who writes it to whom by the control files, and how it streams into the queue.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use control::{Broken, Control};
use data_encoding::BASE32_NOPAD;
use queue::{Head, Queue, Stored, Trouble};
use submission::Submission;

use crate::dsn::{Failures, Notice, Original};

const PIECE: usize = 64 * 1024;
/// Failed recipients that are told one by one: a letter about a million would be larger than any limit.
const TOLD: usize = 10_000;
/// What is said where the admin has written nothing.
const WORDS: &str = "I'm afraid I wasn't able to deliver your message to the following addresses.\n\
    This is a permanent error; I've given up. Sorry it didn't work out.\n";
const DOUBLE_WORDS: &str = "I tried to deliver a bounce message to this address, but the bounce bounced!\n";

/// A letter to be written.
pub(crate) struct Letter {
    me: String,
    from: String,
    to: Vec<u8>,
    subject: String,
    /// Octets of an original that is given back whole; 0: any.
    most: u64,
    words: String,
}

impl Letter {
    /// To the sender `to` of a message that failed.
    pub(crate) fn to_sender(control: &Control, to: Vec<u8>) -> Result<Letter, Broken> {
        let subject = control.text("bouncesubject")?;
        let words = control.whole("bouncemessage")?.unwrap_or_else(|| WORDS.to_owned());
        Letter::of(control, to, subject, words)
    }

    /// To the postmaster, about a bounce that failed.
    pub(crate) fn to_postmaster(control: &Control) -> Result<Letter, Broken> {
        let mut to = control.text("doublebounceto")?;
        if !to.contains('@') {
            to = format!("{to}@{}", control.text("doublebouncehost")?);
        }
        let subject = control.text("doublebouncesubject")?;
        let words = control.whole("doublebouncemessage")?.unwrap_or_else(|| DOUBLE_WORDS.to_owned());
        Letter::of(control, to.into_bytes(), subject, words)
    }

    fn of(control: &Control, to: Vec<u8>, subject: String, words: String) -> Result<Letter, Broken> {
        let from = format!("{}@{}", control.text("bouncefrom")?, control.text("bouncehost")?);
        Ok(Letter { me: control.me()?, from, to, subject, most: control.number("bouncemaxbytes")?, words })
    }

    /// The envelope recipient.
    pub(crate) fn to(&self) -> &[u8] {
        &self.to
    }

    /// Writes the notification about message `id` into `submission`.
    pub(crate) fn write(
        &self,
        id: u64,
        head: &Head,
        failures: &Failures,
        message: &Stored,
        submission: &mut Submission,
    ) -> Result<(), Trouble> {
        let notice = Notice {
            me: self.me.clone(),
            from: self.from.clone(),
            to: String::from_utf8_lossy(&self.to).into_owned(),
            subject: self.subject.clone(),
            now: sys::unix_seconds() as i64,
            arrival: (head.arrival / 1_000_000) as i64,
            id,
            words: self.words.clone(),
            boundary: BASE32_NOPAD.encode(&sys::random::<16>()?),
        };
        let size = message.message_length();
        let whole = self.most == 0 || size <= self.most;
        let original = if whole { Original::Whole } else { Original::Header(size) };
        let mut out = io::BufWriter::with_capacity(PIECE, Into(submission));
        notice.start(failures, original, &mut out)?;
        match original {
            Original::Whole => copy(message.file(), size, &mut out)?,
            Original::Header(_) => {
                out.write_all(header(&message.message_start(self.most.min(1 << 20) as usize)?))?
            }
        }
        notice.end(&mut out)?;
        Ok(out.flush()?)
    }
}

/// The failures that are noted for message `id`. One that was noted twice, as a crash may cause,
/// counts once, in its last form (of those that are not told that is not known).
pub(crate) fn failures(queue: &Queue, id: u64) -> io::Result<Failures> {
    let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut failures = Failures::default();
    for failure in queue.notes(id)?.ok_or(ErrorKind::NotFound)? {
        let failure = failure?;
        match places.get(&failure.address) {
            Some(place) => failures.told[*place] = failure,
            None if failures.told.len() == TOLD => failures.more += 1,
            None => {
                places.insert(failure.address.clone(), failures.told.len());
                failures.told.push(failure);
            }
        }
    }
    Ok(failures)
}

/// The header lines that are complete in `start`.
fn header(start: &[u8]) -> &[u8] {
    if start.starts_with(b"\n") {
        return b"";
    }
    match start.windows(2).position(|two| two == b"\n\n") {
        Some(end) => &start[..end + 1],
        None => &start[..start.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1)],
    }
}

fn copy(file: &File, size: u64, out: &mut impl Write) -> io::Result<()> {
    let (mut piece, mut offset) = (vec![0; PIECE], 0);
    while offset < size {
        let want = piece.len().min((size - offset) as usize);
        match file.read_at(&mut piece[..want], offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                out.write_all(&piece[..count])?;
                offset += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A submission as something to write to; trouble shows at its commit.
struct Into<'a>(&'a mut Submission);

impl Write for Into<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_the_header_go_back() {
        assert_eq!(header(b"A: 1\nB: 2\n\nbody\n\nmore"), b"A: 1\nB: 2\n");
        assert_eq!(header(b"A: 1\nB: cut"), b"A: 1\n");
        assert_eq!(header(b"\nbody\n\n"), b"");
        assert_eq!(header(b"cut"), b"");
    }
}
