//! Rows and keys of the relay table, which a text editor may have had in hand.

use relay::{Key, Row};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines() {
        if let Some(row) = Row::parse(line) {
            let shown = row.to_string();
            assert!(!shown.contains(char::is_control) && shown.len() <= 20 + 1 + 255, "{shown:?}");
            assert_eq!(Row::parse(&shown), Some(row));
        }
        if let Some(key) = Key::parse(line) {
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
    }
    let row = Row::new(data.len() as u64, &text);
    assert_eq!(Row::parse(&row.to_string()), Some(row));
}
