//! Rule files, their records, and who meets them.

use std::collections::HashMap;
use std::convert::Infallible;

use rules::{Client, Verdict, compile, find};

pub(crate) fn run(data: &[u8]) {
    if let Some(verdict) = Verdict::decode(data) {
        assert_eq!(Verdict::decode(&verdict.encode()), Some(verdict));
    }
    let Ok(records) = compile(data) else { return };
    let mut table: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    for record in records {
        table.entry(record.0).or_insert(record.1);
    }
    for (ip, host) in [("192.0.2.7", None), ("2001:db8::1", Some(&b"mx.example.org"[..])), ("x", None)] {
        let client = Client { ip, host, info: Some(b"me") };
        // What was compiled is never damaged.
        find::<Infallible>(&client, |key| Ok(table.get(key).cloned())).unwrap();
    }
}
