//! The files of a qmail queue: no record is made up, none holds a NUL.

use super::import_records::{failures, records};

pub(crate) fn run(data: &[u8]) {
    let all = records(data);
    assert!(all.iter().all(|record| !record.is_empty() && !record.contains(&0)));
    assert_eq!(all.iter().map(Vec::len).sum::<usize>(), data.iter().filter(|octet| **octet != 0).count());
    for (_, why) in failures(data) {
        assert!(!why.contains('\n'), "{why}");
    }
}
