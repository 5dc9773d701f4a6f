//! The program against Debian's, against bad rules, full disks and being killed.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

const OURS: &str = env!("CARGO_BIN_EXE_tcprules");
const DEBIANS: &str = "/usr/bin/tcprules";

struct House(TempDir);

impl House {
    fn new() -> House {
        House(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn compile(&self, program: &str, rules: &[u8]) -> Output {
        let mut command = Command::new(program);
        command.args([self.path("rules.cdb"), self.path("rules.tmp")]);
        feed(&mut command, rules)
    }

    fn table(&self) -> Vec<u8> {
        fs::read(self.path("rules.cdb")).unwrap_or_default()
    }

    /// What the table says for a key.
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        cdb::Cdb::open(&self.path("rules.cdb")).unwrap().get(key.as_bytes()).unwrap()
    }
}

fn feed(command: &mut Command, rules: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who stops early does not read to the end.
    let _ = child.stdin.take().unwrap().write_all(rules);
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn rules_are_compiled_and_the_temporary_file_is_gone() {
    let house = House::new();
    fs::write(house.path("rules.tmp"), "left over").unwrap();
    let output = house.compile(OURS, b"127.:allow,RELAYCLIENT=\"\"\n:deny\n");
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    assert_eq!(house.get("127.").unwrap(), b"+RELAYCLIENT=\0");
    assert_eq!(house.get("").unwrap(), b"D\0");
    assert!(!house.path("rules.tmp").exists());
}

#[test]
fn no_rules_give_an_empty_table() {
    let house = House::new();
    assert_eq!(house.compile(OURS, b"# none\n").status.code(), Some(0));
    assert_eq!(house.table().len(), 2048);
}

#[test]
fn a_bad_line_does_not_touch_the_old_table() {
    // B03
    let house = House::new();
    assert!(house.compile(OURS, b"1.:deny\n").status.success());
    let old = house.table();
    for bad in ["10.:", "10.0.0.0/33:deny", "1.:allow,A=\u{201c}\u{201d}", "10:deny", "nothing"] {
        let output = house.compile(OURS, format!("2.:allow\n\n{bad}\n3.:deny\n").as_bytes());
        assert_eq!(output.status.code(), Some(100), "{bad}");
        let said = said(&output);
        assert!(said.starts_with("tcprules: fatal: line 3: ") && said.contains("; write "), "{said}");
        assert_eq!(house.table(), old);
        assert!(!house.path("rules.tmp").exists());
    }
}

#[test]
fn what_cannot_be_written_is_temporary_and_does_not_touch_the_old_table() {
    // B04
    let house = House::new();
    assert!(house.compile(OURS, b"1.:deny\n").status.success());
    fs::create_dir(house.path("rules.tmp")).unwrap();
    let output = house.compile(OURS, b"2.:deny\n");
    assert_eq!(output.status.code(), Some(111));
    assert!(said(&output).starts_with("tcprules: fatal: unable to create "), "{}", said(&output));
    assert_eq!(house.get("1.").unwrap(), b"D\0");
    let mut command = Command::new(OURS);
    let output = feed(command.args([house.path("rules.cdb"), house.path("rules.cdb")]), b"2.:deny\n");
    assert_eq!(output.status.code(), Some(100), "one file in both roles");
    assert_eq!(house.get("1.").unwrap(), b"D\0");
    let output = feed(command.arg("third"), b"2.:deny\n");
    assert_eq!((output.status.code(), &said(&output)[..16]), (Some(100), "tcprules: usage:"));
}

#[test]
fn a_second_compiler_on_the_same_temporary_file_waits_for_another_time() {
    // B04
    let house = House::new();
    let other = fs::File::create(house.path("rules.tmp")).unwrap();
    other.lock().unwrap();
    let output = house.compile(OURS, b"1.:deny\n");
    assert_eq!(output.status.code(), Some(111));
    assert!(said(&output).contains("another tcprules"), "{}", said(&output));
    assert!(house.path("rules.tmp").exists());
}

fn many(count: u32, word: &str) -> Vec<u8> {
    let line = |n| format!("{}:{word}\n", std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
    (0..count).map(line).collect::<String>().into_bytes()
}

#[test]
fn being_killed_in_the_middle_of_writing_does_not_touch_the_old_table() {
    // B04: the limit of a file's size ends the program by a signal at the first write beyond it
    let house = House::new();
    assert!(house.compile(OURS, b"1.:deny\n").status.success());
    let old = house.table();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "ulimit -f 64; exec \"$0\" \"$@\"", OURS]);
    let output = feed(shell.args([house.path("rules.cdb"), house.path("rules.tmp")]), &many(20_000, "allow"));
    assert_ne!(output.status.code(), Some(0));
    assert_eq!(house.table(), old);
    assert!(
        house.path("rules.tmp").metadata().unwrap().len() > 0,
        "it was killed too early to show anything"
    );
    assert!(house.compile(OURS, b"2.:deny\n").status.success(), "what it left is in the way");
    assert_eq!(house.get("2.").unwrap(), b"D\0");
}

#[test]
fn a_full_disk_does_not_touch_the_old_table() {
    // B04
    let house = House::new();
    let script = "mount -t tmpfs -o size=64k none \"$2\" && echo 1.:deny | \"$1\" \"$2/a\" \"$2/b\" || exit 77
        \"$1\" \"$2/a\" \"$2/b\"; echo \"code $?\"; ls \"$2\"; cat \"$2/a\" | cksum; echo 1.:deny | \"$1\" \"$2/c\" \"$2/b\"; cat \"$2/c\" | cksum";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", OURS]).arg(house.0.path());
    let output = feed(&mut command, &many(20_000, "allow"));
    if output.status.code() != Some(0) {
        eprintln!("SKIPPED: no small file system could be mounted: {}", said(&output));
        return;
    }
    assert!(said(&output).contains("unable to write to"), "{}", said(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[..2], ["code 111", "a"]);
    assert_eq!(lines[2], lines[3], "the old table is not what it was");
}

#[test]
fn whenever_it_is_killed_the_table_is_all_old_or_all_new() {
    // B04
    let house = House::new();
    let (allow, deny) = (many(3000, "allow"), many(3000, "deny"));
    assert!(house.compile(OURS, &deny).status.success());
    let mut whole = vec![house.table()];
    assert!(house.compile(OURS, &allow).status.success());
    whole.push(house.table());
    for round in 0..40 {
        let mut command = Command::new(OURS);
        command.args([house.path("rules.cdb"), house.path("rules.tmp")]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let rules = if round % 2 == 0 { &deny } else { &allow };
        child.stdin.take().unwrap().write_all(rules).unwrap();
        let end = Instant::now() + Duration::from_micros(400 * round);
        while Instant::now() < end {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(whole.contains(&house.table()), "round {round}");
    }
    assert!(house.compile(OURS, b"1.:deny\n").status.success());
}

/// A rule that both programs know, as anyone may write it.
fn any_rule() -> impl Strategy<Value = String> {
    let octet = || prop_oneof![0..4u8, any::<u8>()];
    let ip = (octet(), octet(), octet(), octet()).prop_map(|(a, b, c, d)| format!("{a}.{b}.{c}.{d}"));
    let range = (octet(), octet()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    let host = "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}";
    let address = prop_oneof![
        ip.clone(),
        octet().prop_map(|a| format!("{a}.")),
        (octet(), octet()).prop_map(|(a, b)| format!("{a}.{b}.")),
        (octet(), octet(), octet()).prop_map(|(a, b, c)| format!("{a}.{b}.{c}.")),
        (octet(), range.clone()).prop_map(|(a, b)| format!("{a}.{b}.")),
        range.clone().prop_map(|a| format!("{a}.")),
        (octet(), octet(), octet(), range).prop_map(|(a, b, c, d)| format!("{a}.{b}.{c}.{d}")),
        host.prop_map(|host| format!("={host}")),
        host.prop_map(|host| format!("=.{host}")),
        ("[a-zA-Z]{1,3}", ip).prop_map(|(info, ip)| format!("{info}@{ip}")),
        ("[a-z]{1,3}", host).prop_map(|(info, host)| format!("{info}@={host}")),
        Just("=".to_owned()),
        Just(String::new()),
    ];
    let variable = ("[A-Z]{1,3}", prop_oneof![Just('"'), Just('\''), Just('/')], "[a-z:,=.#@ ]{0,6}")
        .prop_map(|(name, quote, value)| format!(",{name}={quote}{value}{quote}"));
    let end = prop_oneof![4 => Just("\n"), 1 => Just(" \t\n"), 1 => Just("\n# x:y\n\n")];
    (address, any::<bool>(), prop::collection::vec(variable, 0..3), end).prop_map(
        |(address, deny, variables, end)| {
            format!("{address}:{}{}{end}", if deny { "deny" } else { "allow" }, variables.concat())
        },
    )
}

/// FULMAR_CASES asks for more: `scripts/test --heavy` does.
fn cases(usual: u32) -> u32 {
    std::env::var("FULMAR_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(150), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_rule_files_give_the_same_octets_as_debians_tcprules(rules in prop::collection::vec(any_rule(), 0..30)) {
        if !Path::new(DEBIANS).exists() {
            eprintln!("SKIPPED: {DEBIANS} is not installed (apt install ucspi-tcp)");
            return Ok(());
        }
        let (ours, debians) = (House::new(), House::new());
        let output = ours.compile(OURS, rules.concat().as_bytes());
        prop_assert!(output.status.success(), "{}", said(&output));
        prop_assert!(debians.compile(DEBIANS, rules.concat().as_bytes()).status.success());
        prop_assert!(ours.table() == debians.table());
    }
}
