//! The index file: messages by ascending UID, however it is damaged.

use mailbox::examine;

pub(crate) fn run(data: &[u8]) {
    let Some((uid_validity, messages)) = examine::index(data) else { return };
    assert!(messages.is_sorted_by(|a, b| a.uid < b.uid));
    assert!(messages.first().is_none_or(|first| first.uid > 0));
    for cut in [data.len() / 2, data.len().saturating_sub(1)] {
        if let Some((same, _)) = examine::index(&data[..cut]) {
            assert_eq!(same, uid_validity);
        }
    }
}
