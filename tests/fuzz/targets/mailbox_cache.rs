//! The records that are kept of messages, in their file.

use mailbox::examine;

pub(crate) fn run(data: &[u8]) {
    let records = examine::cache(data);
    let octets: usize = records.iter().map(|(_, record)| record.len()).sum();
    assert!(octets <= data.len());
    // What is cut off at the end takes only records from the end.
    let cut = examine::cache(&data[..data.len() / 2]);
    assert!(records.starts_with(&cut));
}
