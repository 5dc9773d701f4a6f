use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs(list: &[(&str, &str)]) -> Pairs {
    list.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
}

fn sample() -> Pairs {
    let mut list = pairs(&[("one", "1"), ("", "empty key"), ("empty", ""), ("twice", "a"), ("twice", "b")]);
    list.push((b"nul\0key".to_vec(), b"nul\0value\n".to_vec()));
    list.extend((0..300).map(|n| (format!("key{n}").into_bytes(), format!("value{n}").into_bytes())));
    list
}

fn made(list: &Pairs) -> Vec<u8> {
    build(list.iter().map(|(k, v)| (k, v))).unwrap()
}

fn all(bytes: &[u8]) -> Result<Pairs, Error> {
    Cdb::new(bytes)?.records().map(|record| record.map(|r| (r.key, r.value))).collect()
}

/// Every kind of reading; the value of `one`.
fn read_all_ways(bytes: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let cdb = Cdb::new(bytes)?;
    for key in [&b"one"[..], b"twice", b"key7", b"missing", b""] {
        for value in cdb.get_all(key) {
            value?;
        }
    }
    cdb.get(b"one")
}

#[test]
fn what_is_written_is_read_in_the_same_order() {
    let list = sample();
    let bytes = made(&list);
    assert_eq!(all(&bytes).unwrap(), list);
    let cdb = Cdb::new(&bytes[..]).unwrap();
    for (key, _) in &list {
        let expect: Vec<_> = list.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect();
        let found: Result<Vec<_>, _> = cdb.get_all(key).collect();
        assert_eq!(found.unwrap(), expect);
        assert_eq!(cdb.get(key).unwrap().as_ref(), expect.first());
    }
    assert_eq!(cdb.get(b"missing").unwrap(), None);
}

#[test]
fn an_empty_table_of_2048_octets_is_valid() {
    let bytes = made(&Vec::new());
    assert_eq!(bytes.len(), 2048);
    assert_eq!(Cdb::new(&bytes[..]).unwrap().get(b"x").unwrap(), None);
    assert_eq!(all(&bytes).unwrap(), Pairs::new());
    let zeros = [0; 2048];
    assert_eq!(Cdb::new(&zeros[..]).unwrap().get(b"x").unwrap(), None);
}

#[test]
fn a_file_cut_anywhere_never_turns_a_record_into_not_found() {
    // B01
    let bytes = made(&pairs(&[("one", "1"), ("two", "2"), ("twice", "a"), ("twice", "b")]));
    for length in 0..bytes.len() {
        match read_all_ways(&bytes[..length]) {
            Err(Error::Damaged(_)) | Ok(Some(_)) => {}
            other => panic!("cut to {length}: {other:?}"),
        }
        if length < 2048 {
            assert!(matches!(Cdb::new(&bytes[..length]), Err(Error::Damaged(_))), "cut to {length}");
        }
    }
}

#[test]
fn an_empty_file_is_an_error_not_an_empty_table() {
    // B01
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("empty"), "").unwrap();
    assert!(matches!(Cdb::open(&home.path().join("empty")), Err(Error::Damaged(_))));
    assert!(matches!(Cdb::open(&home.path().join("missing")), Err(Error::Io(_))));
    assert!(matches!(Cdb::open(home.path()), Err(Error::Io(_))));
}

#[test]
fn a_file_of_more_than_4_gib_is_refused() {
    // B01
    let home = tempfile::tempdir().unwrap();
    let file =
        fs::File::options().create_new(true).read(true).write(true).open(home.path().join("big")).unwrap();
    file.set_len(1 << 32).unwrap();
    assert!(matches!(Cdb::new(file), Err(Error::TooBig)));
}

#[test]
fn a_hostile_length_does_not_take_memory() {
    // B01
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("hostile");
    let mut bytes = made(&pairs(&[("one", "1")]));
    bytes[2048..2052].copy_from_slice(&3u32.to_le_bytes());
    bytes[2052..2056].copy_from_slice(&(u32::MAX - 4096).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Cdb::open(&path).unwrap().get(b"one"), Err(Error::Damaged(_))));
    // Now the file is long enough, all holes.
    fs::File::options().write(true).open(&path).unwrap().set_len(u64::from(u32::MAX)).unwrap();
    let cdb = Cdb::open(&path).unwrap();
    assert!(matches!(cdb.get(b"one"), Err(Error::TooBig)));
    assert!(matches!(cdb.records().next(), Some(Err(_))));
}

#[test]
fn a_table_without_an_empty_slot_ends_after_one_round() {
    // B01: every slot of the table points to a record of another key with the same hash
    let mut bytes = made(&pairs(&[("one", "1"), ("one", "1")]));
    let cdb = Cdb::new(&bytes[..]).unwrap();
    assert_eq!(cdb.get_all(b"one").count(), 2);
    let table = bytes.len() - 32;
    let slot = (hash(b"one").to_le_bytes(), 2048u32.to_le_bytes());
    for number in 0..4 {
        bytes[table + 8 * number..][..4].copy_from_slice(&slot.0);
        bytes[table + 8 * number + 4..][..4].copy_from_slice(&slot.1);
    }
    bytes[2056..2059].copy_from_slice(b"two");
    let cdb = Cdb::new(&bytes[..]).unwrap();
    assert_eq!(cdb.get(b"one").unwrap(), None);
    assert_eq!(cdb.get_all(b"one").count(), 0);
}

#[test]
fn pointers_past_the_end_or_into_the_head_are_errors() {
    // B01
    let good = made(&pairs(&[("one", "1")]));
    let table = good.len() - 16;
    let entry = 8 * (hash(b"one") as usize % 256);
    for hostile in [1, 2047, good.len() as u32 - 7, good.len() as u32, u32::MAX - 7, u32::MAX] {
        let mut bytes = good.clone();
        for slot in [table + 4, table + 12] {
            bytes[slot..slot + 4].copy_from_slice(&hostile.to_le_bytes());
            bytes[slot - 4..slot].copy_from_slice(&hash(b"one").to_le_bytes());
        }
        assert!(Cdb::new(&bytes[..]).unwrap().get(b"one").is_err(), "record at {hostile}");
        let mut bytes = good.clone();
        bytes[entry..entry + 4].copy_from_slice(&(hostile.max(good.len() as u32 - 7)).to_le_bytes());
        assert!(Cdb::new(&bytes[..]).unwrap().get(b"one").is_err(), "table at {hostile}");
        let mut bytes = good.clone();
        bytes[entry + 4..entry + 8].copy_from_slice(&hostile.max(4096).to_le_bytes());
        assert!(Cdb::new(&bytes[..]).unwrap().get(b"one").is_err(), "table of {hostile} slots");
    }
}

#[test]
fn a_database_that_would_pass_4_gib_is_refused() {
    // A writer that counts and forgets.
    struct Void;
    impl io::Write for Void {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            Ok(part.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl io::Seek for Void {
        fn seek(&mut self, _: io::SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }
    let mut writer = Writer::new(Void).unwrap();
    let value = vec![0; LONGEST as usize];
    assert!(matches!(writer.add(b"k", &vec![0; LONGEST as usize + 1]), Err(Error::TooBig)));
    for _ in 0..63 {
        writer.add(b"k", &value).unwrap();
    }
    assert!(matches!(writer.add(b"k", &value), Err(Error::TooBig)));
    writer.add(b"k", &value[..value.len() - 2048 - 64 * 9 - 100]).unwrap();
    assert!(matches!(writer.finish(), Err(Error::TooBig)), "the tables have no room");
}

#[test]
fn a_full_disk_is_an_error_of_the_writer() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else { return };
    let mut writer = Writer::new(full).unwrap();
    let added = (0..100_000u32).try_for_each(|n| writer.add(&n.to_le_bytes(), b"value"));
    assert!(added.is_err() || writer.finish().is_err());
}

/// The program's path, or a loud line.
fn oracle(program: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/bin").join(program);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {program} is not installed (apt install freecdb tinycdb)");
    None
}

fn run(program: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join().unwrap();
    output.stdout
}

fn dump(list: &Pairs) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in list {
        text.extend_from_slice(format!("+{},{}:", key.len(), value.len()).as_bytes());
        text.extend_from_slice(&[key, &b"->"[..], value, b"\n"].concat());
    }
    text.push(b'\n');
    text
}

fn agrees_with_the_programs(list: &Pairs) {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).into_os_string().into_string().unwrap();
    let ours = made(list);
    fs::write(path("ours"), &ours).unwrap();
    if let Some(cdbmake) = oracle("cdbmake") {
        run(&cdbmake, &[&path("theirs"), &path("tmp")], &dump(list));
        assert!(fs::read(path("theirs")).unwrap() == ours, "cdbmake writes other octets");
    }
    if let Some(cdbdump) = oracle("cdbdump") {
        assert!(run(&cdbdump, &[], &ours) == dump(list), "cdbdump reads something else");
    }
    if let Some(cdb) = oracle("cdb") {
        run(&cdb, &["-c", "-t", &path("tmp"), &path("tiny")], &dump(list));
        assert_eq!(all(&fs::read(path("tiny")).unwrap()).unwrap(), *list);
        assert!(run(&cdb, &["-d", &path("ours")], b"") == dump(list), "cdb -d reads something else");
    }
}

#[test]
fn debians_programs_read_what_we_write_and_we_read_theirs() {
    agrees_with_the_programs(&sample());
    agrees_with_the_programs(&Pairs::new());
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ours");
    fs::write(&path, made(&sample())).unwrap();
    if let Some(cdbget) = oracle("cdbget") {
        let output =
            Command::new(cdbget).arg("twice").stdin(fs::File::open(&path).unwrap()).output().unwrap();
        assert_eq!(output.stdout, b"a");
    }
}

#[test]
fn the_published_crate_reads_what_we_write_and_we_read_its() {
    let home = tempfile::tempdir().unwrap();
    let (ours, theirs) = (home.path().join("ours"), home.path().join("theirs"));
    fs::write(&ours, made(&sample())).unwrap();
    let reader = cdb_published::CDB::open(&ours).unwrap();
    let mut writer = cdb_published::CDBWriter::create(theirs.display().to_string()).unwrap();
    for (key, value) in sample() {
        let found: Vec<Vec<u8>> = reader.find(&key).map(Result::unwrap).collect();
        assert!(found.contains(&value));
        writer.add(&key, &value).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(all(&fs::read(&theirs).unwrap()).unwrap(), sample());
    let theirs = Cdb::open(&theirs).unwrap();
    assert_eq!(theirs.get(b"key299").unwrap().unwrap(), b"value299");
}

proptest! {
    #[test]
    fn every_set_of_records_comes_back(
        list in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..6), prop::collection::vec(any::<u8>(), 0..40)), 0..60),
    ) {
        let bytes = made(&list);
        prop_assert_eq!(&all(&bytes).unwrap(), &list);
        let cdb = Cdb::new(&bytes[..]).unwrap();
        let mut first = BTreeMap::new();
        for (key, value) in &list {
            first.entry(key).or_insert(value);
        }
        for (key, value) in first {
            prop_assert_eq!(&cdb.get(key).unwrap().unwrap(), value);
        }
    }

    #[test]
    fn a_damaged_file_gives_an_answer_or_an_error_and_ends(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        // B01
        let mut bytes = made(&pairs(&[("one", "1"), ("two", "2"), ("twice", "a"), ("twice", "b"), ("key7", "v")]));
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = all(&bytes);
        let _ = read_all_ways(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = all(&bytes);
        let _ = read_all_ways(&bytes);
    }
}
