//! What a thread is known by: RFC 8474 §5.2, THREADID.

use crate::digest::Digest;

/// The thread of a message: made from the ID of the message that began it, the first of References, so that all its
/// replies have the same. `None`: nothing tells.
pub(crate) fn thread_id(digest: &Digest<'_>) -> Option<String> {
    let root = digest.references().next().or_else(|| digest.message_id())?;
    Some(format!("T{:016x}", hash(root.as_bytes())))
}

/// FNV-1a, 64 bits: stays the same for all time, as an ID has to. Who makes two threads collide has forged References.
fn hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
