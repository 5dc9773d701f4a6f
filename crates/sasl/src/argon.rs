//! argon2id in the PHC string form: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. RFC 9106.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use subtle::ConstantTimeEq;

use crate::Unusable;

/// What one computation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes; computed one after the other.
    pub lanes: u32,
}

impl Cost {
    /// What new passwords cost: about 15 ms and 19 MiB (OWASP's first choice).
    pub const USUAL: Cost = Cost { memory: 19 * 1024, passes: 2, lanes: 1 };
    /// Most memory that a stored password may ask for, in KiB: 256 MiB.
    const MEMORY_MAX: u32 = 256 << 10;
    /// Most work that it may ask for, in KiB times passes: about two seconds.
    const WORK_MAX: u64 = 4 << 20;

    pub(crate) fn work(self) -> u64 {
        u64::from(self.memory) * u64::from(self.passes)
    }

    /// A cost that would hold up everybody else is no cost, it is damage.
    fn bearable(self) -> bool {
        self.memory <= Cost::MEMORY_MAX && self.work() <= Cost::WORK_MAX && self.lanes <= 16
    }
}

/// Memory that hashes are computed in, kept from one to the next: to get it anew takes a third of the time.
#[derive(Default)]
pub struct Room(Vec<Block>);

impl core::fmt::Debug for Room {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Room({})", self.0.len())
    }
}

impl Room {
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::default());
        }
        &mut self.0[..count]
    }

    /// What an unusually costly hash has taken is not kept.
    fn shrink(&mut self) {
        if self.0.len() > Cost::USUAL.memory as usize {
            *self = Room::default();
        }
    }
}

#[cfg(test)]
thread_local! {
    /// All work that this thread has done.
    pub(crate) static WORK: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// A stored hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argon {
    pub(crate) cost: Cost,
    version: Version,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Argon {
    /// Computes the hash of `password`.
    pub(crate) fn new(password: &[u8], salt: &[u8], cost: Cost) -> Result<Argon, Unusable> {
        let mut new = Argon { cost, version: Version::V0x13, salt: salt.to_vec(), hash: vec![0; 32] };
        new.hash = new.compute(password, &mut Room::default())?;
        Ok(new)
    }

    /// Reads the PHC string form.
    pub(crate) fn parse(text: &[u8]) -> Result<Argon, Unusable> {
        let parts: Vec<&str> = str::from_utf8(text).map_err(|_| Unusable::Malformed)?.split('$').collect();
        let (version, costs, salt, hash) = match parts[..] {
            ["", "argon2id", version, costs, salt, hash] => (version_of(version)?, costs, salt, hash),
            ["", "argon2id", costs, salt, hash] => (Version::V0x10, costs, salt, hash),
            _ => return Err(Unusable::Malformed),
        };
        let cost = cost_of(costs).ok_or(Unusable::Malformed)?;
        let octets = |text: &str| BASE64_NOPAD.decode(text.as_bytes()).map_err(|_| Unusable::Malformed);
        let (salt, hash) = (octets(salt)?, octets(hash)?);
        // An empty or tiny hash would match too easily.
        if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&hash.len()) {
            return Err(Unusable::Malformed);
        }
        if !cost.bearable() {
            return Err(Unusable::TooCostly);
        }
        Ok(Argon { cost, version, salt, hash })
    }

    /// Is it the hash of `password`?
    pub(crate) fn matches(&self, password: &[u8], room: &mut Room) -> bool {
        self.compute(password, room).is_ok_and(|hash| hash.ct_eq(&self.hash).into())
    }

    fn compute(&self, password: &[u8], room: &mut Room) -> Result<Vec<u8>, Unusable> {
        #[cfg(test)]
        WORK.with(|work| work.set(work.get() + self.cost.work()));
        let Cost { memory, passes, lanes } = self.cost;
        let mut hash = vec![0; self.hash.len()];
        let params = Params::new(memory, passes, lanes, Some(hash.len())).map_err(|_| Unusable::Malformed)?;
        let blocks = room.blocks(params.block_count());
        let argon = Argon2::new(Algorithm::Argon2id, self.version, params);
        let done = argon.hash_password_into_with_memory(password, &self.salt, &mut hash, blocks);
        room.shrink();
        done.map(|()| hash).map_err(|_| Unusable::Malformed)
    }
}

impl core::fmt::Display for Argon {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Cost { memory, passes, lanes } = self.cost;
        let (salt, hash) = (BASE64_NOPAD.encode(&self.salt), BASE64_NOPAD.encode(&self.hash));
        write!(f, "$argon2id$v={}$m={memory},t={passes},p={lanes}${salt}${hash}", self.version as u32)
    }
}

fn version_of(text: &str) -> Result<Version, Unusable> {
    match text {
        "v=19" => Ok(Version::V0x13),
        "v=16" => Ok(Version::V0x10),
        _ => Err(Unusable::Malformed),
    }
}

/// `m=..,t=..,p=..`, each in plain digits, in this order.
fn cost_of(text: &str) -> Option<Cost> {
    let mut parts = text.split(',');
    let mut number = |name: &str| {
        let digits = parts.next()?.strip_prefix(name)?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // What does not fit into 32 bits is too costly in any case.
        plain.then(|| digits.parse::<u32>().unwrap_or(u32::MAX))
    };
    let cost = Cost { memory: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
    parts.next().is_none().then_some(cost)
}
