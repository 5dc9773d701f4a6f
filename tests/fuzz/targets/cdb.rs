//! Tables as files that someone has damaged: errors, and no more work than their size allows.

use cdb::{Cdb, build};

pub(crate) fn run(data: &[u8]) {
    let Ok(table) = Cdb::new(data) else { return };
    for key in [&b""[..], b"one", b"192.0.2.7", b":relay"] {
        assert!(
            table.get_all(key).take(data.len()).filter_map(Result::ok).all(|value| value.len() <= data.len())
        );
        let _ = table.get(key);
    }
    let records: Result<Vec<_>, _> = table.records().take(data.len()).collect();
    if let Ok(records) = records {
        let copy = build(records.iter().map(|record| (&record.key, &record.value))).unwrap();
        let again: Vec<_> = Cdb::new(&copy[..]).unwrap().records().map(Result::unwrap).collect();
        assert_eq!(again, records);
    }
}
