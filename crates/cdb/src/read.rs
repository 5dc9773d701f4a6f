//! Reading: one key's records, or all records in the order in which they were written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::{Error, HEAD, LONGEST, hash, pair};

/// Where the octets of a database come from: a file, or memory in tests.
pub trait Source {
    /// Octets there are.
    fn size(&self) -> io::Result<u64>;
    /// Fills `part` from `offset`; `UnexpectedEof` when there is less.
    fn read_at(&self, part: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        let seen = self.metadata()?;
        if seen.is_file() { Ok(seen.len()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    fn read_at(&self, part: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(part, offset)
    }
}

impl Source for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, part: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = self.get(from..).and_then(|rest| rest.get(..part.len()));
        part.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The octets of a file: in memory if there are few, and then as they were when it was opened; else in the file.
#[derive(Debug)]
pub enum Held {
    /// A copy.
    Memory(Vec<u8>),
    /// The file.
    File(File),
}

impl Held {
    /// Those of `file`; in memory if there are no more than `most`.
    pub fn of(file: File, most: u64) -> io::Result<Held> {
        let size = file.size()?;
        if size > most {
            return Ok(Held::File(file));
        }
        let mut octets = vec![0; size as usize];
        file.read_exact_at(&mut octets, 0)?;
        Ok(Held::Memory(octets))
    }
}

impl Source for Held {
    fn size(&self) -> io::Result<u64> {
        match self {
            Held::Memory(octets) => Ok(octets.len() as u64),
            Held::File(file) => file.size(),
        }
    }

    fn read_at(&self, part: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Held::Memory(octets) => octets.as_slice().read_at(part, offset),
            Held::File(file) => Source::read_at(file, part, offset),
        }
    }
}

/// An open database.
#[derive(Debug)]
pub struct Cdb<S = File> {
    source: S,
    size: u32,
    head: Box<[u8; HEAD as usize]>,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

impl Cdb<File> {
    /// Opens the regular file `path`. The caller sees to it that it is no FIFO.
    pub fn open(path: &Path) -> Result<Cdb, Error> {
        Cdb::new(File::open(path)?)
    }
}

impl<S: Source> Cdb<S> {
    /// A database in `source`. A file shorter than the 2048 octets of an empty one is damaged.
    pub fn new(source: S) -> Result<Cdb<S>, Error> {
        let size = u32::try_from(source.size()?).map_err(|_| Error::TooBig)?;
        if size < HEAD {
            return Err(Error::Damaged("cut short"));
        }
        let mut head = Box::new([0; HEAD as usize]);
        source.read_at(&mut head[..], 0)?;
        Ok(Cdb { source, size, head })
    }

    /// The file or octets behind it.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The value of the first record of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.get_all(key).next().transpose()
    }

    /// The values of all records of `key`, in the order in which they were written.
    pub fn get_all<'a>(&'a self, key: &'a [u8]) -> Matches<'a, S> {
        let hash = hash(key);
        let (table, slots) = self.table(hash as usize % 256);
        let start = if slots == 0 { 0 } else { (hash >> 8) % slots };
        Matches { cdb: self, key, hash, table, slots, start, tried: 0 }
    }

    /// All records, in the order in which they were written. Ends after the first error.
    pub fn records(&self) -> Records<'_, S> {
        let tables = (0..256).map(|number| self.table(number)).filter(|(_, slots)| *slots > 0);
        let end = tables.map(|(position, _)| position).min().unwrap_or(HEAD);
        Records { cdb: self, position: HEAD, end }
    }

    /// Position and number of slots of one of the 256 tables.
    fn table(&self, number: usize) -> (u32, u32) {
        let mut entry = [0; 8];
        entry.copy_from_slice(&self.head[number * 8..number * 8 + 8]);
        pair(entry)
    }

    fn pair_at(&self, position: u32) -> Result<(u32, u32), Error> {
        let mut bytes = [0; 8];
        self.source.read_at(&mut bytes, u64::from(position))?;
        Ok(pair(bytes))
    }

    /// Key and value lengths of the record at `position`, which is found to lie inside the file.
    fn lengths(&self, position: u32) -> Result<(u32, u32), Error> {
        if position < HEAD {
            return Err(Error::Damaged("a record inside the head"));
        }
        let (key, value) = self.pair_at(position)?;
        if u64::from(position) + 8 + u64::from(key) + u64::from(value) > u64::from(self.size) {
            return Err(Error::Damaged("a record passes the end"));
        }
        if key.max(value) > LONGEST {
            return Err(Error::TooBig);
        }
        Ok((key, value))
    }

    /// `length` octets that [`Cdb::lengths`] has found to be inside the file.
    fn bytes(&self, position: u64, length: u32) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length as usize];
        self.source.read_at(&mut bytes, position)?;
        Ok(bytes)
    }

    /// The value at `position` if its record is one of `key`.
    fn value_of(&self, key: &[u8], position: u32) -> Result<Option<Vec<u8>>, Error> {
        let (key_length, value_length) = self.lengths(position)?;
        let start = u64::from(position) + 8;
        if key_length as usize != key.len() || self.bytes(start, key_length)? != key {
            return Ok(None);
        }
        self.bytes(start + u64::from(key_length), value_length).map(Some)
    }
}

/// The values of one key: see [`Cdb::get_all`].
#[derive(Debug)]
pub struct Matches<'a, S = File> {
    cdb: &'a Cdb<S>,
    key: &'a [u8],
    hash: u32,
    table: u32,
    slots: u32,
    start: u32,
    tried: u32,
}

impl<S: Source> Matches<'_, S> {
    /// The next slot of the table; `None` when all have been seen or an empty one is met.
    fn slot(&mut self) -> Result<Option<(u32, u32)>, Error> {
        if self.tried == self.slots {
            return Ok(None);
        }
        if u64::from(self.table) + 8 * u64::from(self.slots) > u64::from(self.cdb.size) {
            return Err(Error::Damaged("a table passes the end"));
        }
        let number = (u64::from(self.start) + u64::from(self.tried)) % u64::from(self.slots);
        self.tried += 1;
        let (hash, position) = self.cdb.pair_at(self.table + 8 * number as u32)?;
        Ok((position != 0).then_some((hash, position)))
    }

    fn find(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while let Some((hash, position)) = self.slot()? {
            if hash == self.hash
                && let Some(value) = self.cdb.value_of(self.key, position)?
            {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

impl<S: Source> Iterator for Matches<'_, S> {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.find();
        if !matches!(found, Ok(Some(_))) {
            self.slots = 0;
            self.tried = 0;
        }
        found.transpose()
    }
}

/// All records: see [`Cdb::records`].
#[derive(Debug)]
pub struct Records<'a, S = File> {
    cdb: &'a Cdb<S>,
    position: u32,
    end: u32,
}

impl<S: Source> Records<'_, S> {
    fn read(&mut self) -> Result<Record, Error> {
        let (key_length, value_length) = self.cdb.lengths(self.position)?;
        let start = u64::from(self.position) + 8;
        let next = start + u64::from(key_length) + u64::from(value_length);
        if next > u64::from(self.end) {
            return Err(Error::Damaged("a record passes the first table"));
        }
        let key = self.cdb.bytes(start, key_length)?;
        let value = self.cdb.bytes(start + u64::from(key_length), value_length)?;
        self.position = next as u32;
        Ok(Record { key, value })
    }
}

impl<S: Source> Iterator for Records<'_, S> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.end {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.position = self.end;
        }
        Some(record)
    }
}
