//! The program against Debian's: the same tables, the same clients, the same answers.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;

const OURS: &str = env!("CARGO_BIN_EXE_tcprulescheck");
const DEBIANS: &str = "/usr/bin/tcprulescheck";

fn table(folder: &Path, rules: &str) -> PathBuf {
    let path = folder.join("rules.cdb");
    fs::write(&path, cdb::build(rules::compile(rules.as_bytes()).unwrap()).unwrap()).unwrap();
    path
}

fn ask(program: &str, table: &Path, client: &[(&str, &str)]) -> Output {
    Command::new(program).arg(table).env_clear().envs(client.iter().copied()).output().unwrap()
}

fn answer(rules: &str, client: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = ask(OURS, &table(home.path(), rules), client);
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_answer_names_the_rule_and_what_it_does() {
    let rules = "10.:allow,RELAYCLIENT=\"\",!DATABYTES\n2001:db8::/32:deny\n";
    assert_eq!(
        answer(rules, &[("TCPREMOTEIP", "10.1.2.3")]),
        "rule 10.:\nset environment variable RELAYCLIENT=\nunset environment variable DATABYTES\nallow connection\n"
    );
    assert_eq!(answer(rules, &[("TCPREMOTEIP", "2001:db8::9")]), "rule 2001:db8::/32:\ndeny connection\n");
    assert_eq!(answer(rules, &[]), "default:\nallow connection\n");
}

#[test]
fn the_address_may_stand_on_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let table = table(home.path(), "10.:deny\n");
    let output =
        Command::new(OURS).arg(&table).arg("10.1.1.1").env("TCPREMOTEIP", "9.9.9.9").output().unwrap();
    assert_eq!(output.stdout, b"rule 10.:\ndeny connection\n");
    let output = Command::new(OURS).output().unwrap();
    assert_eq!(output.status.code(), Some(100));
}

#[test]
fn a_damaged_or_missing_table_is_never_said_to_allow() {
    // B01, B02
    let home = tempfile::tempdir().unwrap();
    let path = table(home.path(), "10.1.1.1:deny\n");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).filter(|length| *length < 8 || *length > 2030) {
        fs::write(&path, &whole[..length]).unwrap();
        let output = ask(OURS, &path, &[("TCPREMOTEIP", "10.1.1.1")]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains("allow"), "cut to {length}");
        assert!(output.status.code() == Some(111) || said.contains("deny"), "cut to {length}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(ask(OURS, &path, &[]).status.code(), Some(111));
}

fn any_rule() -> impl Strategy<Value = String> {
    let octet = || 0..4u8;
    let host = "[a-c]{1,2}(\\.[a-c]){0,2}";
    let address = prop_oneof![
        (octet(), octet(), octet(), octet()).prop_map(|(a, b, c, d)| format!("{a}.{b}.{c}.{d}")),
        octet().prop_map(|a| format!("{a}.")),
        (octet(), octet()).prop_map(|(a, b)| format!("{a}.{b}.")),
        (octet(), octet()).prop_map(|(a, b)| format!("{a}.{b}.1-3.")),
        (octet(), octet(), octet()).prop_map(|(a, b, c)| format!("{a}.{b}.{c}.0-2")),
        (octet(), octet(), 16..24u8).prop_map(|(a, b, bits)| format!("{a}.{b}.0.0/{bits}")),
        (octet(), octet(), octet(), 24..30u8).prop_map(|(a, b, c, bits)| format!("{a}.{b}.{c}.0/{bits}")),
        (1..8u8).prop_map(|bits| format!("0.0.0.0/{bits}")),
        host.prop_map(|host| format!("={host}")),
        host.prop_map(|host| format!("=.{host}")),
        (octet(), octet()).prop_map(|(a, b)| format!("joe@{a}.{b}.1.1")),
        host.prop_map(|host| format!("joe@={host}")),
        Just("=".to_owned()),
        Just(String::new()),
    ];
    let variable = ("[A-Z]{1,3}", "[a-z:,=. ]{0,6}").prop_map(|(name, value)| format!(",{name}=\"{value}\""));
    (address, any::<bool>(), prop::collection::vec(variable, 0..3)).prop_map(|(address, deny, variables)| {
        format!("{address}:{}{}\n", if deny { "deny" } else { "allow" }, variables.concat())
    })
}

fn any_client() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let octet = || 0..4u8;
    let ip = (octet(), octet(), octet(), octet())
        .prop_map(|(a, b, c, d)| ("TCPREMOTEIP", format!("{a}.{b}.{c}.{d}")));
    let host = prop::option::of("([a-c]{1,2}(\\.[a-c]){0,3})?".prop_map(|host| ("TCPREMOTEHOST", host)));
    let info = prop::option::of("(joe)?".prop_map(|info| ("TCPREMOTEINFO", info)));
    (prop::option::of(ip), host, info)
        .prop_map(|(ip, host, info)| [ip, host, info].into_iter().flatten().collect())
}

/// FULMAR_CASES asks for more: `scripts/test --heavy` does.
fn cases(usual: u32) -> u32 {
    std::env::var("FULMAR_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(60), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_clients_get_the_answers_of_debians_tcprulescheck(
        rules in prop::collection::vec(any_rule(), 1..25),
        clients in prop::collection::vec(any_client(), 1..8),
    ) {
        if !Path::new(DEBIANS).exists() {
            eprintln!("SKIPPED: {DEBIANS} is not installed (apt install ucspi-tcp)");
            return Ok(());
        }
        let home = tempfile::tempdir().unwrap();
        let table = table(home.path(), &rules.concat());
        for client in clients {
            let client: Vec<(&str, &str)> = client.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (ours, debians) = (ask(OURS, &table, &client), ask(DEBIANS, &table, &client));
            prop_assert_eq!(String::from_utf8(ours.stdout), String::from_utf8(debians.stdout), "{:?}", client);
        }
    }
}
