//! Senders that name the recipient: `pre@host-@[]` becomes `pre` recipient`=`host `@host`.

const SIGN: &[u8] = b"-@[]";

/// Does the sender differ from recipient to recipient?
pub(crate) fn is_verp(sender: &[u8]) -> bool {
    sender.strip_suffix(SIGN).is_some_and(|rest| rest.contains(&b'@'))
}

/// The sender as `recipient` sees it.
pub(crate) fn sender_for(sender: &[u8], recipient: &[u8]) -> Vec<u8> {
    let rest = sender.strip_suffix(SIGN);
    let parts = rest.and_then(cut).zip(cut(recipient));
    let Some(((before, host), (local, domain))) = parts else { return sender.to_vec() };
    [before, local, b"=", domain, b"@", host].concat()
}

/// Cuts an address at its last `@`.
fn cut(address: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = address.iter().rposition(|b| *b == b'@')?;
    Some((&address[..at], &address[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verp_sender_names_the_recipient_and_others_stay() {
        // Q11
        let seen = |sender: &str, recipient: &str| {
            String::from_utf8(sender_for(sender.as_bytes(), recipient.as_bytes())).unwrap()
        };
        assert_eq!(seen("list-@l.org-@[]", "a@b.org"), "list-a=b.org@l.org");
        for sender in ["", "#@[]", "a@b", "-@[]", "list-@l.org", "x-@[]"] {
            assert_eq!(seen(sender, "a@b.org"), sender);
            assert!(!is_verp(sender.as_bytes()));
        }
        assert_eq!(seen("list-@l.org-@[]", "nowhere"), "list-@l.org-@[]");
    }
}
