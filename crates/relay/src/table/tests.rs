use super::*;

fn table() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::new(folder.path());
    (folder, table)
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn shown(table: &Table) -> Vec<String> {
    table.all().unwrap().iter().map(|(key, row)| format!("{key} {row}")).collect()
}

#[test]
fn a_login_is_one_row_of_its_address_and_a_later_one_replaces_it() {
    let (_folder, table) = table();
    table.add(key("192.0.2.1"), Row::new(100, "Ann@x")).unwrap();
    table.add(key("192.0.2.1"), Row::new(200, "bob@x")).unwrap();
    table.add(key("::ffff:192.0.2.1"), Row::new(300, "ann@x")).unwrap();
    table.add(key("192.0.2.1"), Row::new(250, "ann@x")).unwrap();
    table.add(key("2001:db8::5"), Row::new(1, "ann@x")).unwrap();
    assert_eq!(shown(&table), ["192.0.2.1 200 bob@x", "192.0.2.1 300 ann@x", "2001:db8::/64 1 ann@x"]);
    assert_eq!(table.rows(key("2001:db8::6")).unwrap().len(), 1);
    assert!(table.rows(key("192.0.2.2")).unwrap().is_empty());
}

#[test]
fn what_is_old_goes_and_what_is_to_come_stays() {
    // T02
    let (_folder, table) = table();
    for (ip, time) in [("192.0.2.1", 100), ("192.0.2.2", 101), ("192.0.2.3", 9_999_999_999)] {
        table.add(key(ip), Row::new(time, "ann@x")).unwrap();
    }
    table.add(key("192.0.2.2"), Row::new(50, "bob@x")).unwrap();
    assert_eq!(table.expire(100).unwrap(), 2);
    assert_eq!(shown(&table), ["192.0.2.2 101 ann@x", "192.0.2.3 9999999999 ann@x"]);
    assert!(table.delete(key("192.0.2.3")).unwrap() && !table.delete(key("192.0.2.3")).unwrap());
    assert_eq!(table.expire(u64::MAX).unwrap(), 1);
    assert!(shown(&table).is_empty());
}

#[test]
fn what_somebody_else_has_put_there_is_no_row() {
    let (folder, table) = table();
    for (name, text) in
        [("192.0.2.1", "garbage\n5 a\n\u{0}"), (".new", "9 x"), ("README", "9 x"), ("192.0.2.300", "9 x")]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::create_dir(folder.path().join("192.0.2.2")).unwrap();
    assert_eq!(table.rows(key("192.0.2.1")).unwrap(), [Row::new(5, "a")]);
    let told = table.rows(key("192.0.2.2")).unwrap_err().to_string();
    assert!(told.contains("192.0.2.2 is no file") && told.contains("remove it"), "{told}");
    table.add(key("192.0.2.9"), Row::new(1, "old")).unwrap();
    assert!(table.expire(4).is_err() && table.rows(key("192.0.2.9")).unwrap().is_empty(), "others still go");
    fs::remove_dir(folder.path().join("192.0.2.2")).unwrap();
    assert_eq!(shown(&table), ["192.0.2.1 5 a"]);
}

#[test]
fn a_table_that_is_not_there_is_no_empty_one() {
    let table = Table::new("/nonexistent/relay");
    assert!(table.rows(key("192.0.2.1")).is_err() && table.all().is_err());
    assert!(table.add(key("192.0.2.1"), Row::new(1, "a")).is_err() && table.expire(0).is_err());
}

#[test]
fn the_table_does_not_grow_without_end() {
    // T04
    let (_folder, mut table) = table();
    table.most = 10;
    let add = |n: u8| table.add(key(&format!("192.0.2.{n}")), Row::new(1, "a"));
    assert_eq!((0..20).filter(|n| add(*n).is_ok()).count(), 10);
    table.delete(key("192.0.2.3")).unwrap();
    assert!(add(100).is_ok() && add(101).is_err());
    for n in 0..2000 {
        table.add(key("192.0.2.1"), Row::new(n, &format!("u{n}"))).unwrap();
    }
    assert_eq!(table.rows(key("192.0.2.1")).unwrap().len(), NAMES);
}

#[test]
fn many_writers_and_cleaners_at_once_lose_no_row() {
    // T02
    let (_folder, table) = table();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let table = &table;
            scope.spawn(move || {
                for n in 0..200 {
                    table
                        .add(key(&format!("192.0.2.{}", n % 50)), Row::new(1000, &format!("u{writer}")))
                        .unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| (0..20).for_each(|_| assert_eq!(table.expire(999).unwrap(), 0)));
        }
    });
    assert_eq!(shown(&table).len(), 200);
}

#[test]
fn a_disk_that_takes_nothing_leaves_the_table_whole() {
    // T03
    let (folder, table) = table();
    for (login, time) in [("ann", 5), ("bob", 500)] {
        table.add(key("192.0.2.1"), Row::new(time, login)).unwrap();
    }
    // Nothing can be written under this name.
    fs::create_dir(folder.path().join(NEW)).unwrap();
    assert!(table.expire(100).is_err() && table.add(key("192.0.2.2"), Row::new(1, "a")).is_err());
    assert_eq!(shown(&table), ["192.0.2.1 5 ann", "192.0.2.1 500 bob"]);
    fs::remove_dir(folder.path().join(NEW)).unwrap();
    assert_eq!(table.expire(100).unwrap(), 1);
}
