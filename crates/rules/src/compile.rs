//! From rules to the records of a table.
//!
//! Rules that ucspi-tcp knows too become the records it makes of them, in the same order. An IPv4
//! network becomes the prefixes or addresses it is made of, 256 at most, so ucspi-tcp can use them;
//! where two rules give one key, that of the longer network stands. An IPv6 network is one record
//! of our own, `2001:db8::/32`, and the record `/` lists the lengths there are.

use core::net::Ipv4Addr;
use std::collections::HashMap;

use crate::address::Address;
use crate::{Fault, LENGTHS, rule};

/// Key and value of a record.
type Record = (Vec<u8>, Vec<u8>);

/// Takes rules line by line.
#[derive(Debug, Default)]
pub struct Compiler {
    lines: usize,
    /// Each with the length in bits of the network it is for.
    records: Vec<(Record, u8)>,
    networks: bool,
    lengths: Vec<u8>,
}

/// The length of what is one address, or no network at all.
const EXACT: u8 = 128;

impl Compiler {
    /// Takes the next line.
    pub fn line(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.lines += 1;
        let Some(rule) = rule::line(text, self.lines)? else { return Ok(()) };
        let value = rule.verdict.encode();
        match rule.meant {
            Address::Key(key) => self.records.push(((key, value), EXACT)),
            Address::Keys(keys, bits) => {
                self.records.extend(keys.into_iter().map(|key| ((key, value.clone()), bits)))
            }
            Address::Network4(ip, bits) => {
                self.networks = true;
                self.records.extend(prefixes(ip, bits).map(|key| ((key, value.clone()), bits)));
            }
            Address::Network6(ip, bits) => {
                self.records.push(((format!("{ip}/{bits}").into(), value), EXACT));
                self.lengths.push(bits);
            }
        }
        Ok(())
    }

    /// The records, in the order in which they are to be written.
    pub fn finish(self) -> Vec<Record> {
        let mut lengths = self.lengths;
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let mut records = match self.networks {
            true => longest(self.records),
            false => self.records.into_iter().map(|(record, _)| record).collect(),
        };
        if !lengths.is_empty() {
            records.push((LENGTHS.to_vec(), lengths));
        }
        records
    }
}

/// All rules of `text`, or the first line that is none.
pub fn compile(text: &[u8]) -> Result<Vec<Record>, Fault> {
    let mut compiler = Compiler::default();
    for line in text.split(|byte| *byte == b'\n') {
        compiler.line(line)?;
    }
    Ok(compiler.finish())
}

/// Of records with one key only those of the longest network. What was written as a prefix is
/// never dropped: no network that it is a part of is longer.
fn longest(records: Vec<(Record, u8)>) -> Vec<Record> {
    let mut most: HashMap<Vec<u8>, u8> = HashMap::new();
    for ((key, _), bits) in &records {
        let seen = most.entry(key.clone()).or_insert(*bits);
        *seen = (*seen).max(*bits);
    }
    records
        .into_iter()
        .filter(|((key, _), bits)| most.get(key) == Some(bits))
        .map(|(record, _)| record)
        .collect()
}

/// The prefixes `1.`, `1.2.`, `1.2.3.` or addresses that make up an IPv4 network.
fn prefixes(ip: Ipv4Addr, bits: u8) -> impl Iterator<Item = Vec<u8>> {
    let octets = bits.div_ceil(8).max(1);
    let step = 32 - 8 * u32::from(octets);
    let count = 1u32 << (8 * u32::from(octets) - u32::from(bits));
    (0..count).map(move |number| {
        let address = Ipv4Addr::from_bits(ip.to_bits() | number << step).to_string();
        match octets {
            4 => address.into(),
            _ => address.split_inclusive('.').take(usize::from(octets)).collect::<String>().into(),
        }
    })
}
