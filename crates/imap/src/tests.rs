//! Sessions on an account in memory: the dialogs of `tests/dialogs/imap`, and what two sessions see of each other.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::memory::Memory;
use crate::{Flow, Options, Session};

#[path = "../../../tests/dialog.rs"]
#[allow(dead_code, unreachable_pub)]
mod dialog;

mod model;
mod notified;
mod resync;
mod sound;
mod together;

/// What a client is connected to: the login in one line, then a session.
pub(crate) struct Server {
    session: Session<Memory>,
    /// What has come of the line that logs in.
    login: Option<Vec<u8>>,
    out: Vec<u8>,
    closed: bool,
}

impl Server {
    fn new(store: Memory) -> Server {
        let options = Options {
            user: "alice@example.test".to_owned(),
            version: String::new(),
            compress: true,
            pace: None,
        };
        let out = b"* OK Fulmar is ready.\r\n".to_vec();
        Server { session: Session::new(store, options), login: Some(Vec::new()), out, closed: false }
    }

    /// After the login.
    pub(crate) fn logged_in(store: Memory) -> Server {
        let mut server = Server::new(store);
        server.say("x LOGIN alice@example.test wonderland");
        server
    }

    fn feed(&mut self, mut input: &[u8]) {
        if let Some(login) = &mut self.login {
            login.extend_from_slice(input);
            let Some(end) = login.windows(2).position(|end| end == b"\r\n") else { return };
            let (line, rest) = (login[..end].to_vec(), login[end + 2..].to_vec());
            let tag = line.split(|octet| *octet == b' ').next();
            self.session.greet(tag, &mut self.out).unwrap();
            self.login = None;
            self.feed(&rest);
            return;
        }
        while !self.closed {
            match self.session.feed(input, &mut self.out).unwrap() {
                Flow::Close => self.closed = true,
                // The compression itself is the shell's.
                Flow::Compress(left) => input = &input[input.len() - left..],
                Flow::More => return,
            }
        }
    }

    /// Says a line; gives all that is answered.
    pub(crate) fn say(&mut self, line: &str) -> String {
        self.out.clear();
        self.feed(format!("{line}\r\n").as_bytes());
        String::from_utf8_lossy(&std::mem::take(&mut self.out)).into_owned()
    }

    /// Something has happened, or time has passed.
    pub(crate) fn news(&mut self) -> String {
        self.out.clear();
        self.closed |= self.session.news(&mut self.out).unwrap() == Flow::Close;
        String::from_utf8_lossy(&std::mem::take(&mut self.out)).into_owned()
    }
}

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.out.len());
        if count == 0 && !self.closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(&self.out[..count]);
        self.out.drain(..count);
        Ok(count)
    }
}

impl Write for Server {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.feed(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_dialog_goes_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/imap");
    let dialogs = dialog::dialogs(&folder);
    assert!(dialogs.len() >= 25);
    for path in dialogs {
        let mut server = Server::new(Memory::new('.'));
        dialog::run_dialog(&path, &mut server);
        let rest = String::from_utf8_lossy(&server.out).into_owned();
        assert_eq!(rest, "", "{}: more was said", path.display());
    }
}
