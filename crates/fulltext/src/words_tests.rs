use super::*;
use proptest::prelude::*;

fn terms(text: &str) -> Terms {
    let mut terms = Terms::new();
    terms.take(text);
    terms
}

fn filled(path: &Path, texts: &[(u32, &str)]) -> Words {
    let mut words = Words::open(path, 7).unwrap();
    texts.iter().for_each(|(uid, text)| assert!(words.add(*uid, &terms(text))));
    let live: Vec<u32> = texts.iter().map(|(uid, _)| *uid).collect();
    words.keep(&live);
    words
}

fn files(path: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "words")).collect()
}

#[test]
fn another_session_finds_what_one_has_put_in() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("w");
    filled(&path, &[(1, "hello world"), (2, "other")]);
    let mut words = Words::open(&path, 7).unwrap();
    assert_eq!(words.missing(&[1, 2, 3]), [3]);
    assert_eq!(words.candidates("lo wor"), Some(vec![1]));
    assert_eq!(words.candidates("--"), None);
}

#[test]
fn an_index_of_another_uid_validity_is_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("w");
    filled(&path, &[(1, "hello")]);
    assert_eq!(Words::open(&path, 8).unwrap().missing(&[1]), [1]);
    assert!(files(&path).is_empty());
}

#[test]
fn messages_of_a_broken_file_are_unknown_or_may_hold_anything() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("w");
    filled(&path, &[(1, "hello"), (2, "world")]);
    let file = files(&path).remove(0);
    let octets = std::fs::read(&file).unwrap();
    for at in 0..octets.len() {
        let mut broken = octets.clone();
        broken[at] ^= 0x55;
        std::fs::write(&file, broken).unwrap();
        let mut words = Words::open(&path, 7).unwrap();
        let mut may = words.missing(&[1, 2]);
        may.extend(words.candidates("hello").unwrap());
        assert!(may.contains(&1), "{at}");
    }
    for length in 0..octets.len() {
        std::fs::write(&file, &octets[..length]).unwrap();
        let mut words = Words::open(&path, 7).unwrap();
        let mut may = words.missing(&[1, 2]);
        may.extend(words.candidates("hello").unwrap());
        assert!(may.contains(&1), "{length}");
    }
}

#[test]
fn only_one_session_writes_and_others_go_on_without() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("w");
    let mut one = Words::open(&path, 7).unwrap();
    assert!(one.add(1, &terms("hello")));
    let mut other = Words::open(&path, 7).unwrap();
    assert!(!other.add(1, &terms("hello")));
    assert_eq!(other.candidates("hello"), Some(vec![]));
    one.keep(&[1]);
    std::fs::write(path.join("x.words.tmp"), "cut").unwrap();
    assert!(other.add(2, &terms("x")));
    assert!(!path.join("x.words.tmp").exists());
}

#[test]
fn small_files_are_joined_and_what_is_gone_is_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("w");
    let live: Vec<u32> = (1..=300).collect();
    for uid in &live {
        let mut words = Words::open(&path, 7).unwrap();
        words.add(*uid, &terms(&format!("common n{uid}")));
        words.keep(&live);
    }
    assert!(files(&path).len() < 30);
    let mut words = Words::open(&path, 7).unwrap();
    assert!(words.missing(&live).is_empty());
    assert_eq!(words.candidates("common").unwrap(), live);
    assert_eq!(words.candidates("n299").unwrap(), [299]);
    words.add(301, &terms("last"));
    words.keep(&[301]);
    assert_eq!(words.missing(&[1, 150, 301]), [1, 150]);
    assert_eq!(files(&path).len(), 1);
}

#[test]
fn a_folder_that_cant_be_made_means_no_index() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    assert!(Words::open(&home.path().join("file"), 1).is_none());
    assert!(Words::open(&home.path().join("file/x"), 1).is_none());
}

proptest! {
    #[test]
    fn a_message_that_holds_the_needle_is_always_a_candidate(
        texts in proptest::collection::vec("[ab ü台。-]{0,12}|[abx]{60,140}|.{0,30}", 1..20),
        (which, from, length) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..80usize),
    ) {
        let home = tempfile::tempdir().unwrap();
        let texts: Vec<(u32, &str)> = texts.iter().enumerate().map(|(n, text)| (n as u32 + 1, text.as_str())).collect();
        let mut words = filled(&home.path().join("w"), &texts);
        let chars: Vec<char> = texts[which.index(texts.len())].1.chars().collect();
        prop_assume!(!chars.is_empty());
        let needle: String = chars[from.index(chars.len())..].iter().take(length).collect();
        if let Some(found) = words.candidates(&needle) {
            for (uid, text) in &texts {
                prop_assert!(!text.contains(&needle) || found.contains(uid), "{needle:?} in {text:?}");
            }
        }
    }
}
