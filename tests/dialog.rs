//! Plays a dialog file: what a client sends and what the server has to answer.
//!
//! The stream may be a socket to the real program or a pure session dressed up as one; the files
//! are the same. Their form stands in `dialogs/smtp/README`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Most octets that are read while one line is waited for.
const LINE_MAX: usize = 1_000_000;

/// The dialogs in `folder`, in order of their names.
pub(crate) fn dialogs(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no dialogs in {}", folder.display());
    paths
}

/// The control files (name, content) that the world of a dialog has: its `W:` lines.
pub(crate) fn world(path: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("W: "));
    lines.filter_map(|line| line.split_once(' ')).map(|(name, value)| (name.into(), value.into())).collect()
}

/// Plays the dialog at `path` over `stream`; panics where the server does not answer as it should.
/// Gives the number of messages the server accepted.
pub(crate) fn run_dialog(path: &Path, stream: &mut (impl Read + Write)) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let mut peer = Peer { stream, accepted: 0, last: String::new() };
    for (number, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        match line.split_once(':').map(|(mark, rest)| (mark, rest.strip_prefix(' ').unwrap_or(rest))) {
            Some(("C", rest)) => peer.send(&[&octets(rest)[..], b"\r\n"].concat(), &place),
            Some(("R", rest)) => peer.send(&octets(rest), &place),
            Some(("S", rest)) => peer.expect(rest, &place),
            Some(("E", _)) => peer.expect_end(&place),
            Some(("A", rest)) => assert_eq!(peer.accepted.to_string(), rest, "{place}: messages accepted"),
            Some(("W", _)) => {}
            _ => assert!(line.is_empty() || line.starts_with('#'), "{place}: no line of a dialog: {line}"),
        }
    }
    peer.accepted
}

struct Peer<'a, S> {
    stream: &'a mut S,
    accepted: usize,
    last: String,
}

impl<S: Read + Write> Peer<'_, S> {
    fn send(&mut self, bytes: &[u8], place: &str) {
        // A server that has hung up may break the pipe; what it said before is still to be read.
        if let Err(error) = self.stream.write_all(bytes).and_then(|()| self.stream.flush()) {
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{place}: {error}");
        }
    }

    fn expect(&mut self, wanted: &str, place: &str) {
        let line = self.line(place);
        if line.starts_with("250 2.0.0 ok ") && line.contains(" qp ") {
            self.accepted += 1;
        }
        let good = match wanted.strip_suffix('*') {
            Some(start) => line.starts_with(start),
            None => line == wanted,
        };
        assert!(good, "{place}: wanted {wanted:?}, got {line:?}");
    }

    fn line(&mut self, place: &str) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            match self.stream.read(&mut byte) {
                Ok(0) => panic!("{place}: the server hung up after {:?}", self.last),
                Ok(_) => line.push(byte[0]),
                Err(error) => panic!("{place}: no answer ({error}) after {:?}", self.last),
            }
            assert!(line.len() < LINE_MAX, "{place}: an endless line");
        }
        line.truncate(line.len() - 2);
        self.last = line.escape_ascii().to_string();
        self.last.clone()
    }

    fn expect_end(&mut self, place: &str) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {
                assert!(rest.is_empty(), "{place}: wanted the end, got {:?}", rest.escape_ascii().to_string())
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{place}"),
        }
    }
}

/// `\xNN` is an octet, `{40*text}` is `text` forty times.
fn octets(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some((octet, after)) = escaped(rest) {
            bytes.push(octet);
            rest = after;
        } else if let Some((times, inside, after)) = repeated(rest) {
            bytes.extend(octets(inside).repeat(times));
            rest = after;
        } else {
            let end = rest.char_indices().nth(1).map_or(rest.len(), |(place, _)| place);
            bytes.extend_from_slice(&rest.as_bytes()[..end]);
            rest = &rest[end..];
        }
    }
    bytes
}

fn escaped(text: &str) -> Option<(u8, &str)> {
    let digits = text.strip_prefix("\\x")?;
    Some((u8::from_str_radix(digits.get(..2)?, 16).ok()?, &digits[2..]))
}

fn repeated(text: &str) -> Option<(usize, &str, &str)> {
    let (times, rest) = text.strip_prefix('{')?.split_once('*')?;
    let (inside, after) = rest.split_once('}')?;
    Some((times.parse().ok()?, inside, after))
}
