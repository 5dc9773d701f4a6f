//! What the admin says of a domain, in control/tlspolicy.

/// How secret mail for a domain, or to a relay, has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// `auto`, or no line: what the domain itself asks for, by DANE or else by MTA-STS; else as `May`.
    Auto,
    /// `none`: never TLS.
    None,
    /// `may`: TLS if it is offered, whatever the domain asks for.
    May,
    /// `encrypt`: TLS, with whomever.
    Encrypt,
    /// `verify [NAME...]`: TLS with a certificate for one of these names, by an authority that is known here.
    Verify(Vec<String>),
    /// `dane`: TLS with the certificate that the domain's signed DNS names; nothing without such.
    Dane,
    /// `fingerprint HEX...`: TLS with one of these certificates or public keys (SHA-256).
    Fingerprint(Vec<[u8; 32]>),
}

impl Level {
    /// Reads what follows the colon. `None`: it is no level.
    pub fn parse(value: &str) -> Option<Level> {
        let mut words = value.split_ascii_whitespace();
        let level = words.next()?;
        let rest: Vec<&str> = words.collect();
        match (level, rest.is_empty()) {
            ("auto", true) => Some(Level::Auto),
            ("none", true) => Some(Level::None),
            ("may", true) => Some(Level::May),
            ("encrypt", true) => Some(Level::Encrypt),
            ("dane", true) => Some(Level::Dane),
            ("verify", _) => {
                let good =
                    |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*:".contains(&b));
                rest.iter().all(good).then(|| Level::Verify(rest.iter().map(|name| (*name).into()).collect()))
            }
            ("fingerprint", false) => {
                rest.iter().map(|hex| digest(hex)).collect::<Option<_>>().map(Level::Fingerprint)
            }
            _ => None,
        }
    }
}

/// 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints them or without colons.
fn digest(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    hex::decode(digits).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_nothing_else_is_taken_for_one() {
        let digest = "AB:".repeat(31) + "AB";
        assert_eq!(
            Level::parse(&format!("fingerprint {digest} {}", "00".repeat(32))),
            Some(Level::Fingerprint(vec![[0xab; 32], [0; 32]]))
        );
        assert_eq!(Level::parse("verify"), Some(Level::Verify(vec![])));
        let names = ["mx.x.test", ".y.test"].map(String::from).to_vec();
        assert_eq!(Level::parse("verify mx.x.test  .y.test"), Some(Level::Verify(names)));
        for (text, level) in [
            ("auto", Level::Auto),
            ("none", Level::None),
            ("may", Level::May),
            (" encrypt ", Level::Encrypt),
            ("dane", Level::Dane),
        ] {
            assert_eq!(Level::parse(text), Some(level));
        }
        for bad in
            ["", "may not", "Verify", "fingerprint", "fingerprint abc", "verify \u{201c}x\u{201d}", "secure"]
        {
            assert_eq!(Level::parse(bad), None, "{bad}");
        }
    }
}
