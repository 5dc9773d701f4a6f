//! Users in databases: SQLite, PostgreSQL and MariaDB, with rows put there by strangers' clients.

use std::process::Command;

use nix::sys::signal::Signal;
use tests::databases::Server;
use tests::{House, PASSWORD, Pop3, Smtp, message, tool};

/// What every database is given: a domain with ann, an alias, and one who may only send, whose password is `password`.
const ROWS: &str = "
    INSERT INTO mail_domains (name) VALUES ('sql.test');
    INSERT INTO mail_accounts (domain, name, password) VALUES ('sql.test', 'ann', '{PLAIN}open sesame');
    INSERT INTO mail_accounts (domain, name, active) VALUES ('sql.test', 'off', false);
    INSERT INTO mail_aliases (domain, name, target) VALUES ('sql.test', 'sales', 'ann');
    INSERT INTO eng_smtp_auth_users__raw_db_access (username, crypt_password, crypt_salt) VALUES
        ('Shop@elsewhere.test', 'd878e396b94b44c85f258f0c744b829bb4e4ac617714cdb510bb4ee7c0238267', 'salty');
";

/// A house whose users are in the database `url`, too.
fn house(url: &str) -> House {
    let mut house = House::start();
    house.services().stop("lookup", Signal::SIGTERM);
    house.write("control/users", &format!("cdb\n{url}\n"));
    house.write("control/opt.smtp_auth_user_database", "1\n");
    house.write("etc/tcp.smtp", ":allow,CHECKRELAY=\"\"\n");
    house.well(&["cdb"]);
    house.run();
    let told = house.well(&["database", "migrate"]);
    assert!(told.contains("from version 0 to 1") || told.contains("1 already"), "{told}");
    assert!(house.well(&["database", "migrate"]).contains("1 already"), "a second time changes nothing");
    house
}

fn rcpt(house: &House, to: &str) -> String {
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<x@example.org>");
    smtp.command(&format!("RCPT TO:<{to}>"))
}

fn log_in(house: &House, user: &str, password: &str) -> String {
    let mut smtp = Smtp::connect(house.submission());
    let claim = data_encoding::BASE64.encode(format!("\0{user}\0{password}").as_bytes());
    let reply = smtp.command(&format!("AUTH PLAIN {claim}"));
    if !reply.starts_with("235") {
        return reply;
    }
    smtp.command("MAIL FROM:<anybody@anywhere.test>");
    smtp.command("RCPT TO:<dan@example.net>")
}

/// Everything that users of a database do.
fn everything_works(house: &House, sql: &dyn Fn(&str) -> String) {
    for (to, code) in [
        ("ann@sql.test", "250"),
        ("SALES@sql.test", "250"),
        ("alice@example.test", "250"),
        ("nobody@sql.test", "550"),
        ("off@sql.test", "550"),
        ("ann'--@sql.test", "550"),
        ("%@sql.test", "550"),
        ("x@example.net", "553"),
    ] {
        let reply = rcpt(house, to);
        assert!(reply.starts_with(code), "{to}: {reply}");
    }
    house.send("x@example.org", "sales@sql.test", &message("by sql"));
    house.await_empty_queue();
    let mut pop3 = Pop3::login(house.pop3(), "ann@sql.test", PASSWORD);
    let told = pop3.command("STAT");
    assert!(told.starts_with("+OK 1 "), "{told}");
    pop3.command("QUIT");
    assert!(
        house.well(&["domain", "list"]).contains("sql.test")
            && house.well(&["user", "list", "sql.test"]).contains("ann@sql.test")
    );
    let shown = house.well(&["user", "show", "ann@sql.test"]);
    assert!(shown.contains("kept in") && !shown.contains("open@") && !shown.contains(PASSWORD), "{shown}");
    assert!(house.well(&["alias", "list", "sql.test"]).contains("sales@sql.test"));
    assert_eq!(house.fulmar(&["user", "show", "nobody@sql.test"]).status.code(), Some(100));
    senders_only_send(house, sql);
    the_relay_table_is_in_the_database(house, sql);
    sql("DELETE FROM mail_accounts WHERE name = 'ann'");
    assert!(rcpt(house, "ann@sql.test").starts_with("550"), "a change holds at once");
}

/// Features 29 to 33.
fn senders_only_send(house: &House, sql: &dyn Fn(&str) -> String) {
    assert!(log_in(house, "shop@ELSEWHERE.test", "password").starts_with("250"), "any sender, any recipient");
    assert!(log_in(house, "Shop@elsewhere.test", "Password").starts_with("535"));
    let mut pop3 = Pop3::connect(house.pop3());
    pop3.command("USER shop@elsewhere.test");
    assert!(pop3.command("PASS password").starts_with("-ERR"), "who only sends has no mailbox");
    sql("UPDATE eng_smtp_auth_users__raw_db_access SET active = false");
    assert!(log_in(house, "shop@elsewhere.test", "password").starts_with("535"));
    sql("UPDATE eng_smtp_auth_users__raw_db_access SET active = true");
    house.write("control/authsender", "elsewhere.test:own\n");
    assert!(log_in(house, "shop@elsewhere.test", "password").starts_with("553"));
    std::fs::remove_file(house.path("control/authsender")).unwrap();
    house.write("control/opt.smtp_auth_user_database", "0\n");
    assert!(log_in(house, "shop@elsewhere.test", "password").starts_with("535"), "switched off");
    house.write("control/opt.smtp_auth_user_database", "1\n");
}

fn the_relay_table_is_in_the_database(house: &House, sql: &dyn Fn(&str) -> String) {
    house.write("control/relaytable", "database\nsender\n");
    assert!(rcpt(house, "dan@example.net").starts_with("553"));
    Pop3::login(house.pop3(), "ann@sql.test", PASSWORD).command("QUIT");
    assert!(sql("SELECT email, ipaddr FROM relay").contains("ann@sql.test"));
    let relays = |from: &str| {
        let mut smtp = Smtp::connect(house.smtp());
        smtp.command(&format!("MAIL FROM:<{from}>"));
        smtp.command("RCPT TO:<dan@example.net>")
    };
    assert!(relays("ann@sql.test").starts_with("250") && relays("alice@example.test").starts_with("553"));
    sql("UPDATE relay SET timestamp = 1");
    assert!(relays("ann@sql.test").starts_with("553"));
    assert_eq!(house.well(&["relay", "list"]), "127.0.0.1 1 ann@sql.test\n");
    house.well(&["relay", "expire"]);
    assert_eq!(house.well(&["relay", "dump"]), "");
    std::fs::remove_file(house.path("control/relaytable")).unwrap();
}

#[test]
fn users_of_sqlite_are_users() {
    let house = house("sqlite:mail.db");
    let file = house.path("users/mail.db");
    let sql = |statements: &str| {
        let Some(python) = tool("python3") else { panic!("python3 is needed") };
        let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=10)\n\
                      print('\\n'.join('|'.join(map(str, r)) for s in sys.argv[2].split(';') if s.strip() for r in c.execute(s)))\n\
                      c.commit()";
        let output = Command::new(python).args(["-c", script]).arg(&file).arg(statements).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    sql(ROWS);
    everything_works(&house, &sql);
}

#[test]
fn users_of_postgresql_are_users_and_none_is_refused_while_it_is_down() {
    let spare = House::empty().spare_port();
    let Some(server) = Server::postgres(spare) else { return };
    let house = house(&server.url());
    server.sql(ROWS);
    everything_works(&house, &|statements| server.sql(statements));
    nobody_is_refused_while_it_is_down(&house, server);
}

#[test]
fn users_of_mariadb_are_users_and_none_is_refused_while_it_is_down() {
    let spare = House::empty().spare_port();
    let Some(server) = Server::mariadb(spare) else { return };
    let house = house(&server.url());
    server.sql(ROWS);
    everything_works(&house, &|statements| server.sql(statements));
    nobody_is_refused_while_it_is_down(&house, server);
}

/// A04
fn nobody_is_refused_while_it_is_down(house: &House, mut server: Server) {
    server.sql(
        &ROWS
            .replace("INSERT INTO mail_domains (name) VALUES ('sql.test');", "")
            .split("INSERT INTO eng_")
            .next()
            .unwrap()
            .replace(
                "INSERT INTO mail_accounts (domain, name, active) VALUES ('sql.test', 'off', false);",
                "",
            )
            .replace(
                "INSERT INTO mail_aliases (domain, name, target) VALUES ('sql.test', 'sales', 'ann');",
                "",
            ),
    );
    let is_later = |why: &str| {
        for to in ["ann@sql.test", "nobody@sql.test", "x@example.net"] {
            let reply = rcpt(house, to);
            assert!(reply.starts_with("451"), "{why}: {to}: {reply}");
        }
        assert!(rcpt(house, "alice@example.test").starts_with("250"), "{why}: the files know her");
        let reply = log_in(house, "ann@sql.test", PASSWORD);
        assert!(reply.starts_with("454"), "{why}: {reply}");
        let mut pop3 = Pop3::connect(house.pop3());
        pop3.command("USER ann@sql.test");
        let reply = pop3.command(&format!("PASS {PASSWORD}"));
        assert!(reply.starts_with("-ERR [SYS/TEMP]"), "{why}: {reply}");
    };
    server.signal(Signal::SIGSTOP);
    is_later("it is silent");
    server.signal(Signal::SIGCONT);
    house.until("the server's answer", || rcpt(house, "ann@sql.test").starts_with("250").then_some(()));
    server.sql("ALTER TABLE mail_accounts RENAME TO mail_gone");
    assert!(rcpt(house, "ann@sql.test").starts_with("451"), "a table is gone");
    server.sql("ALTER TABLE mail_gone RENAME TO mail_accounts");
    assert!(rcpt(house, "ann@sql.test").starts_with("250"));
    server.kill();
    is_later("it is dead");
}
