//! PROXY headers: never read further than their end, whatever the pieces they come in.

use std::io::Read;

use super::proxy_header::read;

struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.0.len()).min(self.1);
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

pub(crate) fn run(data: &[u8]) {
    let claim = |size| {
        let mut pieces = Pieces(data, size);
        let found = read(&mut pieces).map_err(|error| error.kind());
        (found, pieces.0.len())
    };
    let (found, left) = claim(usize::MAX);
    assert_eq!(claim(1), (found, left));
    assert!(data.len() - left <= 16 + 4096);
    if let Ok(Some((client, own))) = found {
        assert_eq!(client.is_ipv4(), own.is_ipv4());
    }
}
