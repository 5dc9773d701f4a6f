//! How long a decision takes: a million entries of relayclients and relaymailfrom, a hundred thousand users in files
//! and in SQLite. For scripts/bench-logins; prints one line for each.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;

use control::Home;
use database::Database;
use message::address::Address;
use policy::{Client, Question, Tables, Unsure, Verdict};
use reception::{Files, Rules};
use users::{Places, Resolution, Sql, Store, resolve};

const ENTRIES: u32 = 1_000_000;
const USERS: u32 = 100_000;
const ASKED: u32 = 200_000;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = Home::at(folder.path());
    for name in ["control", "users/files.test"] {
        fs::create_dir_all(house.join(name)).expect("a folder");
    }
    decisions(&house);
    users_of(&house);
}

/// Tables that know no users.
struct View<'a>(&'a Rules);

impl Tables for View<'_> {
    fn address(&mut self, name: &'static str, address: &str) -> Result<Option<String>, Unsure> {
        self.0.address(name, address)
    }
    fn domain(&mut self, name: &'static str, domain: &str) -> Result<Option<String>, Unsure> {
        self.0.domain(name, domain)
    }
    fn network(&mut self, name: &'static str, ip: IpAddr) -> Result<Option<(String, String)>, Unsure> {
        self.0.network(name, ip)
    }
    fn host(&mut self, name: &'static str, host: &str) -> Result<Option<(String, String)>, Unsure> {
        self.0.host(name, host)
    }
    fn may_send(&mut self, _: &str, _: &str) -> Result<bool, Unsure> {
        Ok(true)
    }
    fn relay(&mut self, _: IpAddr, _: &str) -> Result<Option<String>, Unsure> {
        Ok(None)
    }
    fn ours(&mut self, _: &str) -> Result<bool, Unsure> {
        Ok(false)
    }
}

fn ip(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n))
}

fn decisions(house: &Home) {
    let (mut clients, mut senders) = (String::new(), String::new());
    for n in 0..ENTRIES {
        let _ = writeln!(clients, "{}:", ip(n));
        let _ = writeln!(senders, "user{n}@sender{}.test", n % 1000);
    }
    fs::write(house.join("control/me"), "mail.example.test\n").expect("me");
    fs::write(house.join("control/relayclients"), clients).expect("relayclients");
    fs::write(house.join("control/relaymailfrom"), senders).expect("relaymailfrom");
    for name in ["relayclients", "relaymailfrom"] {
        control::compile(house, name).expect("a compiled table");
    }
    let rules = Files::of(house).rules().expect("rules");
    let recipient = Address::from_envelope("dan@example.net").expect("an address");
    let ask = |what: &str, wanted: bool, client: &dyn Fn(u32) -> IpAddr, sender: &dyn Fn(u32) -> String| {
        let start = Instant::now();
        for n in 0..ASKED {
            let n = n.wrapping_mul(2_654_435_761) % ENTRIES;
            let sender = Address::from_envelope(&sender(n)).ok();
            let client = Client { ip: Some(client(n)), ..Client::default() };
            let question = Question { client, sender: sender.as_ref(), recipient: &recipient };
            let decision = policy::decide(&question, &mut View(&rules)).expect("a decision");
            assert_eq!(matches!(decision.verdict, Verdict::Relay { .. }), wanted, "{what} {n}");
        }
        told(&format!("decision, {ENTRIES} entries, {what}"), start);
    };
    let stranger = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0000 + n));
    ask("client listed", true, &ip, &|n| format!("x{n}@nowhere.test"));
    ask("sender listed", true, &stranger, &|n| format!("user{n}@sender{}.test", n % 1000));
    ask("nobody listed", false, &stranger, &|n| format!("x{n}@nowhere.test"));
}

fn users_of(house: &Home) {
    let accounts: String = (0..USERS).map(|n| format!("user{n}:\n")).collect();
    fs::write(house.join("users/files.test/domain"), "").expect("domain");
    fs::write(house.join("users/files.test/accounts"), accounts).expect("accounts");
    users::compile(&house.users(), "files.test").expect("a compiled domain");
    let database = Database::new("sqlite:mail.db", &house.users()).expect("a database");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/sql/sqlite/1.sql");
    database.run(&fs::read_to_string(schema).expect("the schema")).expect("tables");
    let rows: Vec<String> = (0..USERS).map(|n| format!("('sql.test', 'user{n}')")).collect();
    let statement = "BEGIN; INSERT INTO mail_domains (name) VALUES ('sql.test'); \
                     INSERT INTO mail_accounts (domain, name) VALUES ";
    database.run(&format!("{statement}{}; COMMIT;", rows.join(","))).expect("rows");
    let places = Places::new(Store::new(house.users()), vec![Sql::new(database)]);
    for (place, domain) in [("cdb", "files.test"), ("SQLite", "sql.test")] {
        let start = Instant::now();
        for n in 0..ASKED {
            let n = n.wrapping_mul(2_654_435_761) % USERS;
            let found = resolve(&places, &format!("user{n}@{domain}"));
            assert!(matches!(found, Resolution::Account(_)), "{found:?}");
        }
        told(&format!("RCPT check inside lookup, {USERS} users in {place}"), start);
    }
}

fn told(what: &str, start: Instant) {
    let each = start.elapsed().as_nanos() / u128::from(ASKED);
    println!("{what}: {}.{:03} µs", each / 1000, each % 1000);
}
