//! Files of the queue that someone has damaged, as they are and with an end record that fits.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;

use queue::format::End;
use queue::{Stored, Trouble};

thread_local!(static FILE: RefCell<File> = RefCell::new(tempfile::tempfile().unwrap()));

pub(crate) fn run(data: &[u8]) {
    read(data);
    let message = data.windows(3).position(|part| part == b"V1\0").unwrap_or(data.len());
    let (message, envelope) = (message as u64, (data.len() - message) as u64);
    let end = End { message, envelope, message_sum: 0, envelope_sum: 0 };
    read(&[data, &end.to_bytes()].concat());
}

fn read(data: &[u8]) {
    let file = FILE.with_borrow(|file| {
        file.set_len(0).and_then(|()| file.write_all_at(data, 0)).and_then(|()| file.try_clone()).unwrap()
    });
    let Ok(stored) = Stored::of(file) else { return };
    assert!(stored.message_length() <= data.len() as u64);
    assert!(stored.message_start(100).unwrap().len() <= 100);
    let _ = (stored.check(), stored.check_message());
    let Ok(whole) = stored.recipients(0, usize::MAX) else { return };
    assert!(whole.next.is_none() && stored.head().is_ok());
    let (mut from, mut count) = (0, 0);
    while count <= data.len() {
        let window: Result<_, Trouble> = stored.recipients(from, 1);
        let window = window.unwrap();
        count += window.recipients.len();
        let Some(next) = window.next else { break };
        from = next;
    }
    assert_eq!(count, whole.recipients.len(), "one at a time");
}
