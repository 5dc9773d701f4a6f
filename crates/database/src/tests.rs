use super::*;

fn database() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::new("sqlite:x.db", folder.path()).unwrap();
    database
        .run("CREATE TABLE t (name TEXT, number BIGINT); INSERT INTO t VALUES ('a', 1), (NULL, 2);")
        .unwrap();
    (folder, database)
}

#[test]
fn columns_are_texts_and_what_is_null_is_none() {
    let (_folder, database) = database();
    let rows = database.query("SELECT name, number FROM t ORDER BY number", &[]).unwrap();
    assert_eq!(rows, [[Some("a".into()), Some("1".into())], [None, Some("2".into())]]);
    assert!(database.query("SELECT name FROM t WHERE number > ?", &[Value::Number(5)]).unwrap().is_empty());
}

#[test]
fn a_value_is_never_a_part_of_the_statement() {
    // A04
    let (_folder, database) = database();
    let long = "x".repeat(10_000);
    for evil in ["'; DROP TABLE t; --", "\\", "%", "_", "a' OR '1'='1", "\0", "\u{fffd}", &long] {
        let rows = database.query("SELECT number FROM t WHERE name = ?", &[evil.into()]).unwrap();
        assert!(rows.is_empty(), "{evil}");
    }
    assert_eq!(database.query("SELECT number FROM t WHERE name = ?", &["a".into()]).unwrap().len(), 1);
}

#[test]
fn trouble_is_trouble_and_not_an_empty_answer() {
    let (folder, database) = database();
    assert!(database.query("SELECT x FROM nowhere", &[]).is_err());
    std::fs::write(
        folder.path().join("garbage.db"),
        "no database at all, but long enough to be looked at".repeat(100),
    )
    .unwrap();
    let garbage = Database::new("sqlite:garbage.db", folder.path()).unwrap();
    assert!(garbage.query("SELECT 1", &[]).is_ok() || garbage.query("SELECT name FROM t", &[]).is_err());
    assert!(garbage.query("SELECT name FROM t", &[]).is_err());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    for url in [format!("postgres://u:p@127.0.0.1:{port}/d"), format!("mysql://u:secret@127.0.0.1:{port}/d")]
    {
        let nobody = Database::new(&url, folder.path()).unwrap();
        let trouble = nobody.query("SELECT 1", &[]).unwrap_err();
        assert!(!trouble.cause.is_empty() && !trouble.cause.contains("secret"), "{trouble}");
    }
}
