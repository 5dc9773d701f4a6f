//! What a table holds for an address: deny or not, and what changes in the environment.
//!
//! `D` denies, `+VAR=value` sets, `-VAR` unsets; each ends with NUL.

/// One change of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The variable gets this value.
    Set(Vec<u8>, Vec<u8>),
    /// The variable is removed.
    Unset(Vec<u8>),
}

/// What a rule says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Drop the connection.
    pub deny: bool,
    /// What changes in the environment, in this order.
    pub changes: Vec<Change>,
}

impl Verdict {
    /// The value of a record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = if self.deny { b"D\0".to_vec() } else { Vec::new() };
        for change in &self.changes {
            match change {
                Change::Set(name, value) => bytes.extend([b"+", &name[..], b"=", value].concat()),
                Change::Unset(name) => bytes.extend([b"-", &name[..]].concat()),
            }
            bytes.push(0);
        }
        bytes
    }

    /// Reads the value of a record. `None`: it is none, and whoever asked must be denied.
    pub fn decode(bytes: &[u8]) -> Option<Verdict> {
        let mut verdict = Verdict::default();
        let Some(fields) = bytes.strip_suffix(b"\0") else {
            return bytes.is_empty().then_some(verdict);
        };
        for field in fields.split(|byte| *byte == 0) {
            match field.split_first()? {
                (b'D', []) => verdict.deny = true,
                (b'+', set) => {
                    let equals = set.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
                    verdict.changes.push(Change::Set(set[..equals].to_vec(), set[equals + 1..].to_vec()));
                }
                (b'-', name) if !name.is_empty() && !name.contains(&b'=') => {
                    verdict.changes.push(Change::Unset(name.to_vec()));
                }
                _ => return None,
            }
        }
        Some(verdict)
    }
}
