use super::*;
use crate::{Places, Resolution, Store, resolve};

const SCHEMA: &str = include_str!("../../../../etc/sql/sqlite/1.sql");

fn sql(rows: &str) -> (tempfile::TempDir, Sql) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::new("sqlite:mail.db", folder.path()).unwrap();
    database.run(SCHEMA).unwrap();
    database.run(rows).unwrap();
    (folder, Sql::new(database))
}

const ROWS: &str = "
    INSERT INTO mail_domains (name, settings) VALUES ('example.test', 'quota 1G\n# mine\npostmaster ann'), ('b.test', 'x y'), ('root.test', 'owner 0:0');
    INSERT INTO mail_accounts (domain, name, password, quota, wildcard) VALUES ('example.test', 'ann', '{PLAIN}secret', 5000, 1);
    INSERT INTO mail_accounts (domain, name, active) VALUES ('example.test', 'off', 0);
    INSERT INTO mail_accounts (domain, name, delivery, forward) VALUES ('example.test', 'fred', 'both', 'x@y.test, ann');
    INSERT INTO mail_accounts (domain, name, delivery) VALUES ('example.test', 'wrong', 'forward');
    INSERT INTO mail_aliases VALUES ('example.test', 'sales', 'ann'), ('example.test', 'sales', 'z@y.test');
    INSERT INTO mail_routes VALUES ('example.test', 'lists', 'ann/.Lists', 1), ('example.test', 'up', 'ann/../x', 1);
    INSERT INTO eng_smtp_auth_users__raw_db_access (username, crypt_password, crypt_salt) VALUES ('App One', 'abc', 's');
    INSERT INTO eng_smtp_auth_users__raw_db_access (username, crypt_password, crypt_salt, active) VALUES ('gone', 'abc', 's', 0);
";

#[test]
fn rows_are_accounts_aliases_and_routes_as_lines_are() {
    let (_folder, sql) = sql(ROWS);
    assert_eq!(sql.settings("example.test").unwrap().unwrap().quota, Some(1 << 30));
    assert!(sql.settings("example.org").unwrap().is_none() && sql.settings("b.test").is_err());
    assert!(sql.settings("root.test").is_err(), "mail is never root's");
    let ann = sql.account("example.test", "ann").unwrap().unwrap();
    assert!(ann.wildcard && ann.quota == Some(5000) && ann.disabled.is_none());
    assert_eq!(sql.password("example.test", "ann").unwrap().as_deref(), Some(&b"{PLAIN}secret"[..]));
    assert_eq!(sql.password("example.test", "off").unwrap(), None);
    assert!(sql.account("example.test", "off").unwrap().unwrap().disabled.is_some());
    let fred = sql.account("example.test", "fred").unwrap().unwrap();
    assert_eq!(fred.instructions(""), ["./Maildir/", "&x@y.test", "&ann@example.test"]);
    let alias = Entry::Alias(vec!["ann@example.test".into(), "z@y.test".into()]);
    assert_eq!(sql.entry("example.test", "sales").unwrap(), Some(alias));
    assert!(
        matches!(sql.entry("example.test", "lists").unwrap(), Some(Entry::Route(route)) if route.folder == ".Lists")
    );
    for wrong in ["wrong", "up"] {
        let told = sql.entry("example.test", wrong).unwrap_err().to_string();
        assert!(told.contains(&format!("{wrong}@example.test")) && told.contains("mend the row"), "{told}");
    }
}

#[test]
fn no_name_is_more_than_a_name() {
    // A04
    let (_folder, sql) = sql(ROWS);
    let long = "x".repeat(10_000);
    for evil in ["'", "\\", "; DROP TABLE mail_accounts; --", "%", "_", "a\0b", "ann' --", &long] {
        assert_eq!(sql.entry("example.test", evil).unwrap(), None, "{evil}");
        assert!(sql.sender(evil).unwrap().is_none());
        assert!(sql.settings(evil).unwrap().is_none());
    }
    assert!(sql.account("example.test", "ann").unwrap().is_some());
}

#[test]
fn senders_are_found_in_any_case_while_they_are_active() {
    let (_folder, sql) = sql(ROWS);
    let found = sql.sender("APP one").unwrap().unwrap();
    assert_eq!((&*found.name, &*found.digest, &*found.salt), ("app one", "abc", "s"));
    assert!(sql.sender("gone").unwrap().is_none() && sql.sender("app").unwrap().is_none());
}

#[test]
fn places_are_asked_in_order_and_a_silent_one_is_not_passed_over() {
    let (folder, two) = sql(ROWS);
    let files = folder.path().join("users");
    std::fs::create_dir_all(files.join("example.test")).unwrap();
    std::fs::write(files.join("example.test/domain"), "").unwrap();
    std::fs::write(files.join("example.test/accounts"), "ann: quota=7\nonly:\n").unwrap();
    let places = Places::new(Store::new(&files), vec![two]);
    assert_eq!(places.account("example.test", "ann").unwrap().unwrap().quota, Some(7));
    assert_eq!(places.password("example.test", "ann").unwrap(), None, "another ann's");
    assert!(matches!(resolve(&places, "fred@example.test"), Resolution::Account(_)));
    assert!(matches!(resolve(&places, "only@example.test"), Resolution::Account(_)));
    assert!(matches!(
        resolve(&places, "nobody@example.test"),
        Resolution::NoSuchUser | Resolution::Account(_)
    ));
    let silent = Sql::new(Database::new("sqlite:nowhere/mail.db", folder.path()).unwrap());
    let places = Places::new(Store::new(&files), vec![silent]);
    assert!(matches!(resolve(&places, "only@example.test"), Resolution::Account(_)), "the files know him");
    assert!(matches!(resolve(&places, "fred@example.test"), Resolution::Later(_)));
    assert!(matches!(resolve(&places, "a@example.org"), Resolution::Later(_)));
}
