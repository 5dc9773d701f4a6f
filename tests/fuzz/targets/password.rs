//! Kept passwords.

use sasl::{LONGEST, Secret};

pub(crate) fn run(data: &[u8]) {
    if let Ok(secret) = Secret::parse(data) {
        let shown = secret.to_string();
        assert!(!shown.contains('\n'), "one line");
        assert_eq!(Secret::parse(shown.as_bytes()).unwrap().to_string(), shown);
        assert!(secret.plain().is_none_or(|plain| plain.len() <= LONGEST));
        assert!(format!("{secret:?}").len() < 40, "no room for a password");
    }
}
