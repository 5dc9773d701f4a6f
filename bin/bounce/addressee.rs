//! Who is told of a failure, and under which sender. The bounce of a bounce goes to the postmaster,
//! the bounce of that to nobody, so that no two machines ever bounce at each other.

/// Where a bounce goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Addressee {
    /// The sender, from the empty reverse-path. RFC 5321 §4.5.5.
    Sender(Vec<u8>),
    /// The postmaster, from `#@[]`, since the failed message was a bounce itself.
    Postmaster,
    /// Nobody: a double bounce has failed.
    Nobody,
}

/// The sender of double bounces: no address at all, so that its own bounce is recognised.
pub(crate) const DOUBLE: &str = "#@[]";

/// Who is to be told about a message from `sender`.
pub(crate) fn addressee(sender: &[u8]) -> Addressee {
    if sender.is_empty() {
        return Addressee::Postmaster;
    }
    if sender == DOUBLE.as_bytes() {
        return Addressee::Nobody;
    }
    // VERP: `list-owner-@host-@[]` stands for a sender per recipient; all their bounces go here.
    let sender = sender.strip_suffix(b"-@[]").unwrap_or(sender);
    Addressee::Sender(sender.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_is_never_bounced_to_its_sender() {
        // Q11
        assert_eq!(addressee(b""), Addressee::Postmaster);
        assert_eq!(addressee(b"#@[]"), Addressee::Nobody);
        assert_eq!(addressee(b"a@b"), Addressee::Sender(b"a@b".into()));
        assert_eq!(addressee(b"list-owner-@host-@[]"), Addressee::Sender(b"list-owner-@host".into()));
    }
}
