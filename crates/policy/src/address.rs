//! What an address means before it is judged.

use message::address::Address;

use crate::Unsure;

/// `u%h@d` is `u@h` where `d` is listed in percenthack, again and again (qmail-send's rule). Judged
/// unrewritten, such an address would relay for everybody. `listed` says if a domain is listed.
pub fn percenthack(
    mut address: Address,
    mut listed: impl FnMut(&str) -> Result<bool, Unsure>,
) -> Result<Address, Unsure> {
    while let Some((user, host)) = address.local().rsplit_once('%') {
        if !listed(address.domain())? {
            break;
        }
        match Address::from_envelope(&format!("{user}@{host}")) {
            Ok(inner) => address = inner,
            Err(_) => break,
        }
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hack(text: &str) -> String {
        let address = Address::from_envelope(text).unwrap();
        percenthack(address, |domain| Ok(matches!(domain, "d" | "e"))).unwrap().envelope()
    }

    #[test]
    fn an_address_is_what_percenthack_makes_of_it() {
        // S26
        for (before, after) in [
            ("u%remote@d", "u@remote"),
            ("u%remote@x", "u%remote@x"),
            ("u%remote%e@d", "u@remote"),
            ("u%a%b@d", "u%a@b"),
            ("u%@d", "u%@d"),
            ("%h@d", "%h@d"),
            ("u@d", "u@d"),
        ] {
            assert_eq!(hack(before), after);
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_leaves_it_open() {
        let address = Address::from_envelope("u%h@d").unwrap();
        assert!(percenthack(address, |_| Err(Unsure("broken".into()))).is_err());
    }
}
