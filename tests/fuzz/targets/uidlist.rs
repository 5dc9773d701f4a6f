//! Lists of UIDs: ours, and those of other servers.

use mailbox::List;

pub(crate) fn run(data: &[u8]) {
    for list in [List::read(data), List::read_foreign(data)].into_iter().flatten() {
        assert!(list.uid_validity > 0 && list.lines.is_sorted_by(|a, b| a.uid < b.uid));
        assert!(list.lines.iter().all(|line| line.uid > 0 && line.uid < list.next || line.uid == u32::MAX));
        let written = List::read(&list.write()).unwrap_or_default();
        assert_eq!((written.uid_validity, written.next, written.id), (list.uid_validity, list.next, list.id));
        let lines = list.lines.iter().filter(|line| !line.base.contains(&b'\n')).count();
        assert_eq!((written.lines.len(), written.damaged), (lines, 0));
    }
}
