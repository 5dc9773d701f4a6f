//! Files of the index of words: whatever is in one, it names messages of its own or is broken.

pub(crate) fn run(data: &[u8]) {
    let uids = fulltext::examine(data, " -").unwrap_or_default();
    for needle in ["a", "apple", " pie ", "ell wor", "台"] {
        let found = fulltext::examine(data, needle).unwrap_or_default();
        assert!(found.iter().all(|uid| uids.contains(uid)));
    }
}
