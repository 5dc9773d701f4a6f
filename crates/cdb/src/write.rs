//! Writing: the same records in the same order always give the same octets.

use std::io::{BufWriter, Cursor, Seek, SeekFrom, Write};

use crate::{Error, HEAD, LONGEST, hash};

/// Writes a database record by record; memory is needed for 8 octets a record only.
#[derive(Debug)]
pub struct Writer<W: Write + Seek> {
    out: BufWriter<W>,
    position: u32,
    /// Hash and position of each record, by table.
    slots: Vec<Vec<(u32, u32)>>,
}

impl<W: Write + Seek> Writer<W> {
    /// A writer into `out`, which is empty and stands at its start.
    pub fn new(out: W) -> Result<Writer<W>, Error> {
        let mut out = BufWriter::with_capacity(64 << 10, out);
        out.write_all(&[0; HEAD as usize])?;
        Ok(Writer { out, position: HEAD, slots: vec![Vec::new(); 256] })
    }

    /// Adds a record. A key may be added again; readers find the first.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let (key_length, value_length) = (length(key)?, length(value)?);
        let end = u64::from(self.position) + 8 + u64::from(key_length) + u64::from(value_length);
        let end = u32::try_from(end).map_err(|_| Error::TooBig)?;
        self.pair(key_length, value_length)?;
        self.out.write_all(key)?;
        self.out.write_all(value)?;
        let hash = hash(key);
        self.slots[hash as usize % 256].push((hash, self.position));
        self.position = end;
        Ok(())
    }

    /// Writes the tables and gives `out` back. Nothing is synced.
    pub fn finish(mut self) -> Result<W, Error> {
        let mut head = Vec::with_capacity(HEAD as usize);
        for records in std::mem::take(&mut self.slots) {
            let table = spread(&records);
            head.extend_from_slice(&self.position.to_le_bytes());
            head.extend_from_slice(&(table.len() as u32).to_le_bytes());
            let end = u64::from(self.position) + 8 * table.len() as u64;
            self.position = u32::try_from(end).map_err(|_| Error::TooBig)?;
            for (hash, position) in table {
                self.pair(hash, position)?;
            }
        }
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&head)?;
        self.out.into_inner().map_err(|failed| Error::Io(failed.into_error()))
    }

    fn pair(&mut self, first: u32, second: u32) -> Result<(), Error> {
        self.out.write_all(&first.to_le_bytes())?;
        Ok(self.out.write_all(&second.to_le_bytes())?)
    }
}

fn length(part: &[u8]) -> Result<u32, Error> {
    u32::try_from(part.len()).ok().filter(|length| *length <= LONGEST).ok_or(Error::TooBig)
}

/// A table of twice as many slots as records: each stands in the slot of its hash or the next free one.
fn spread(records: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut table = vec![(0, 0); records.len() * 2];
    for record in records {
        let mut slot = (record.0 >> 8) as usize % table.len();
        while table[slot].1 != 0 {
            slot = (slot + 1) % table.len();
        }
        table[slot] = *record;
    }
    table
}

/// A database of `records` in memory.
pub fn build<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    records: impl IntoIterator<Item = (K, V)>,
) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new(Cursor::new(Vec::new()))?;
    for (key, value) in records {
        writer.add(key.as_ref(), value.as_ref())?;
    }
    Ok(writer.finish()?.into_inner())
}
