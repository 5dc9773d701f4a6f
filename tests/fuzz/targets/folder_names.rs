//! Names of mailboxes and of their folders: none leads out of the Maildir, and what is allowed comes back.

use mailbox::Names;

pub(crate) fn run(data: &[u8]) {
    for separator in ['.', '/'] {
        let names = Names { separator };
        let shown = names.name(data);
        assert_eq!(names.spelled(&names.spelled(&shown)), names.spelled(&shown));
        let Ok(name) = std::str::from_utf8(data) else { continue };
        let disk = names.disk(name);
        assert!(disk.is_ascii() && !disk.bytes().any(|octet| octet == b'/' || octet.is_ascii_control()));
        if names.check(name).is_ok() && !names.is_inbox(name) {
            assert!(disk.len() <= 255 && disk.len() > 1 && disk != "..");
            assert_eq!(names.name(disk.as_bytes()), names.spelled(name));
            assert_eq!(names.from_line(&names.line(name)), names.spelled(name));
        }
    }
}
