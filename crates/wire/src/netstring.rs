//! Netstrings: `5:hello,`. A stream of them is cut as it comes, in no memory; one may hold others.
//!
//! Strict: no blanks, no signs, no leading zeros; a length above the limit is an error before the
//! first octet of what it promises.

use std::io::{self, Write};

/// What comes next in a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A netstring of so many octets begins.
    Begin(u64),
    /// The next octets of it.
    Octets(&'a [u8]),
    /// It is over.
    End,
    /// The netstring that was entered is over.
    Left,
}

/// The stream is not one of netstrings, or one is too long: nobody knows where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbled;

/// A stream of netstrings, cut anywhere.
#[derive(Debug)]
pub struct Netstrings {
    limit: u64,
    at: At,
    /// Octets left of the netstring that was entered, without its comma.
    outer: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the digits; `None`: before the first.
    Length(Option<u64>),
    Octets(u64),
    Comma,
    OuterComma,
}

impl Netstrings {
    /// `limit`: octets of the longest one.
    pub fn new(limit: u64) -> Netstrings {
        Netstrings { limit, at: At::Length(None), outer: None }
    }

    /// The netstring that has just begun holds netstrings.
    pub fn enter(&mut self) {
        if let (At::Octets(left), None) = (self.at, self.outer) {
            self.outer = Some(left);
            self.at = if left == 0 { At::OuterComma } else { At::Length(None) };
        }
    }

    /// Stands between two netstrings, outside of all.
    pub fn is_between(&self) -> bool {
        self.at == At::Length(None) && self.outer.is_none()
    }

    /// Eats from `input` up to the next event. `Ok(None)`: all eaten.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Garbled> {
        loop {
            match self.at {
                At::Octets(0) => self.at = At::Comma,
                At::Octets(left) => {
                    let count = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let (piece, rest) = input.split_at(count);
                    *input = rest;
                    self.at = At::Octets(left - count as u64);
                    self.spend(count as u64)?;
                    return Ok((count > 0).then_some(Event::Octets(piece)));
                }
                At::Length(so_far) => {
                    let Some(byte) = self.take(input)? else { return Ok(None) };
                    if let Some(event) = self.length(so_far, byte)? {
                        return Ok(Some(event));
                    }
                }
                At::Comma | At::OuterComma => return self.comma(input),
            }
        }
    }

    fn length(&mut self, so_far: Option<u64>, byte: u8) -> Result<Option<Event<'static>>, Garbled> {
        match (so_far, byte) {
            (Some(length), b':') => {
                // Its comma has to fit as well.
                if length > self.limit || self.outer.is_some_and(|outer| outer <= length) {
                    return Err(Garbled);
                }
                self.at = At::Octets(length);
                Ok(Some(Event::Begin(length)))
            }
            (Some(0), _) => Err(Garbled),
            (_, b'0'..=b'9') => {
                let length = so_far.unwrap_or(0).checked_mul(10).ok_or(Garbled)?;
                let length = length.checked_add(u64::from(byte - b'0')).ok_or(Garbled)?;
                self.at = At::Length(Some(length));
                if length > self.limit { Err(Garbled) } else { Ok(None) }
            }
            _ => Err(Garbled),
        }
    }

    fn comma<'a>(&mut self, input: &mut &[u8]) -> Result<Option<Event<'a>>, Garbled> {
        let inner = self.at == At::Comma;
        let byte = if inner { self.take(input)? } else { first(input) };
        match byte {
            None => Ok(None),
            Some(b',') if inner => {
                self.at = if self.outer == Some(0) { At::OuterComma } else { At::Length(None) };
                Ok(Some(Event::End))
            }
            Some(b',') => {
                (self.at, self.outer) = (At::Length(None), None);
                Ok(Some(Event::Left))
            }
            Some(_) => Err(Garbled),
        }
    }

    fn take(&mut self, input: &mut &[u8]) -> Result<Option<u8>, Garbled> {
        match first(input) {
            Some(byte) => self.spend(1).map(|()| Some(byte)),
            None => Ok(None),
        }
    }

    fn spend(&mut self, count: u64) -> Result<(), Garbled> {
        if let Some(outer) = &mut self.outer {
            *outer = outer.checked_sub(count).ok_or(Garbled)?;
        }
        Ok(())
    }
}

fn first(input: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = input.split_first()?;
    *input = rest;
    Some(*byte)
}

/// Writes `bytes` as one netstring.
pub fn write(out: &mut (impl Write + ?Sized), bytes: &[u8]) -> io::Result<()> {
    write!(out, "{}:", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All netstrings of `pieces`; the end of one that was entered is a bracket.
    fn read(pieces: &[&[u8]], enter: bool) -> Result<String, String> {
        let (mut stream, mut seen) = (Netstrings::new(1000), String::new());
        for piece in pieces {
            let mut input = *piece;
            loop {
                match stream.next(&mut input) {
                    Err(Garbled) => return Err(seen),
                    Ok(None) => break,
                    Ok(Some(Event::Begin(length))) => {
                        seen += &format!("({length}");
                        if enter {
                            stream.enter();
                        }
                    }
                    Ok(Some(Event::Octets(octets))) => seen += &String::from_utf8_lossy(octets),
                    Ok(Some(Event::End)) => seen += ")",
                    Ok(Some(Event::Left)) => seen += "]",
                }
            }
        }
        Ok(seen + if stream.is_between() { "" } else { "..." })
    }

    #[test]
    fn netstrings_are_cut_and_nested_ones_counted() {
        assert_eq!(read(&[b"2:hi,0:,"], false).unwrap(), "(2hi)(0)");
        assert_eq!(read(&[b"8:2:hi,0:,,"], true).unwrap(), "(8(2hi)(0)]");
        assert_eq!(read(&[b"0:,3:0:,"], true).unwrap(), "(0](3(0)...");
        assert_eq!(read(&[b"3:a"], false).unwrap(), "(3a...");
    }

    #[test]
    fn what_is_garbled_or_too_long_is_never_read_on() {
        for bad in ["x", ":", "01:a,", "1:ab", "1 :a,", "-1:", "1001:", "99999999999999999999999:", "1:a;"] {
            assert!(read(&[bad.as_bytes()], false).is_err(), "{bad}");
        }
        // What is inside must end where the outer one ends.
        for bad in ["3:2:hi,,", "4:2:hi,,", "5:1:a,x,", "5:1:a,1,"] {
            assert!(read(&[bad.as_bytes()], true).is_err(), "{bad}");
        }
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        for input in [&b"2:hi,0:,"[..], b"8:2:hi,0:,,3:0:,,", b"5:1:a,1,", b"11:3:abc,3:def"] {
            for enter in [false, true] {
                let whole = read(&[input], enter);
                for cut in 0..=input.len() {
                    assert_eq!(read(&[&input[..cut], &input[cut..]], enter), whole);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"hello").unwrap();
        assert_eq!(bytes, b"5:hello,");
    }
}
