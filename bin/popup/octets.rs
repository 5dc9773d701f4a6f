//! A connection of which only so much is read as the session eats: one octet a time.

use std::io::{self, Read, Write};

use sys::Timed;

pub(crate) struct Octets<'a>(pub(crate) &'a mut Timed);

impl Read for Octets<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

impl Write for Octets<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
