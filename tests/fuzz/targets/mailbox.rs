//! Lists of addresses in a header.

use message::mailbox::{Mailbox, mailbox, mailboxes, respell};

pub(crate) fn run(data: &[u8]) {
    if let Ok(one) = mailbox(data) {
        assert!(!one.local.is_empty() && !one.local.iter().any(u8::is_ascii_control));
        assert!(!one.host.unwrap_or_default().contains(&b'@'), "the last @ parts user and host");
    }
    let Ok(list) = mailboxes(data) else { return };
    let mut at = 0;
    for mailbox in &list {
        assert!(at <= mailbox.start && mailbox.start <= mailbox.place.start, "one after the other");
        assert!(mailbox.place.start <= mailbox.place.end && mailbox.place.end <= data.len());
        at = mailbox.place.end;
        assert!(!mailbox.local.iter().any(u8::is_ascii_control), "no address holds a line end");
    }
    if list.iter().all(|mailbox| !mailbox.no_comma) {
        assert_eq!(respell(data, &list, |_| None), data, "what needs no change has none");
    }
    // Spelled anew and read again, they are the same addresses.
    let again = respell(data, &list, spell);
    let read = mailboxes(&again).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&again)));
    assert_eq!(read.iter().map(plain).collect::<Vec<_>>(), list.iter().map(plain).collect::<Vec<_>>());
    assert!(read.iter().all(|mailbox| !mailbox.no_comma && !mailbox.odd));
    assert_eq!(respell(&again, &read, |_| None), again);
}

fn spell(mailbox: &Mailbox) -> Option<Vec<u8>> {
    (!mailbox.local.is_empty()).then(|| message::quoted(&plain(mailbox)))
}

fn plain(mailbox: &Mailbox) -> Vec<u8> {
    let host = mailbox.host.as_deref().unwrap_or(b"host");
    [&mailbox.local[..], b"@", host].concat()
}
