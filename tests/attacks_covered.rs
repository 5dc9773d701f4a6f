//! docs/security.md says of every attack which test shows that it does not succeed. Is that test there?

use std::fs;
use std::path::Path;

/// `file::name`: a test. `file.txt`: a dialog, which `dialog_tests` carry out.
fn exists(root: &Path, named: &str) -> bool {
    let Some((file, name)) = named.split_once("::") else { return root.join(named).is_file() };
    let text = fs::read_to_string(root.join(file)).unwrap_or_default();
    let function = format!("fn {name}(");
    text.split("#[test]")
        .skip(1)
        .any(|test| test.lines().take(6).any(|line| line.trim().starts_with(&function)))
}

#[test]
fn every_attack_has_a_test_that_is_there_or_a_reason_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let table = document.split("| id |").nth(1).expect("the table of attacks");
    let mut last = String::new();
    let mut count = 0;
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let columns: Vec<&str> = row.split(" | ").collect();
        let [id, _, tests] = columns[..] else { panic!("{row}") };
        let id = id.trim_start_matches("| ");
        let (letter, number) = id.split_at(1);
        let next = match last.strip_prefix(letter) {
            Some(before) => before.parse::<u32>().unwrap() + 1,
            None => 1,
        };
        assert_eq!(number, format!("{next:02}"), "the row before {id} is missing");
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty() || tests.trim_end_matches(" |") == "-", "{id} has neither test nor reason");
        let missing: Vec<&&str> = named.iter().filter(|named| !exists(&root, named)).collect();
        assert!(missing.is_empty(), "{id}: {missing:?}");
        last = id.to_owned();
        count += 1;
    }
    assert!(count >= 188, "{count} rows are too few");
}
