//! The client's connection, with what has been read from it before this program began.

use std::io::{self, Read, Write};

use sys::Timed;

/// Reads first what was read already.
pub(crate) struct Conn {
    unread: Vec<u8>,
    client: Timed,
}

impl Conn {
    pub(crate) fn new(unread: Vec<u8>, client: Timed) -> Conn {
        Conn { unread, client }
    }

    /// A last word. Whether it arrives makes no difference.
    pub(crate) fn say(&mut self, line: &[u8]) {
        let _ = self.client.write_all(line);
    }
}

impl Read for Conn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            return self.client.read(buffer);
        }
        let count = self.unread.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.unread[..count]);
        self.unread.drain(..count);
        Ok(count)
    }
}

impl Write for Conn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.flush()
    }
}
