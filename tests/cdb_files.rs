//! Debian's programs read our tables and ours read theirs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tests::{program, tool};

fn piped(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

fn rules(tcprules: &Path, folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let (table, temporary) = (folder.join(name), folder.join("tmp"));
    piped(Command::new(tcprules).arg(&table).arg(&temporary), text.as_bytes());
    table
}

/// What `tcprulescheck` says of `address` by `table`, as words that both versions have in common.
fn verdict(check: &Path, table: &Path, ip: &str, host: &str) -> String {
    let mut command = Command::new(check);
    command.arg(table).env("TCPREMOTEIP", ip).env_remove("TCPREMOTEINFO").env_remove("TCPREMOTEHOST");
    if !host.is_empty() {
        command.env("TCPREMOTEHOST", host);
    }
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

#[test]
fn rule_files_mean_the_same_to_debians_programs_and_to_ours() {
    let (Some(tcprules), Some(check)) = (tool("tcprules"), tool("tcprulescheck")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(7);
    for round in 0..40 {
        let text: String = (0..random.below(30)).map(|_| rule(&mut random)).collect();
        let theirs = rules(&tcprules, folder.path(), "theirs", &text);
        let ours = rules(&program("tcprules"), folder.path(), "ours", &text);
        for _ in 0..10 {
            let (ip, host) = (ip(&mut random), ["", "a.example.org", "b.example.net"][random.below(3)]);
            let wanted = verdict(&check, &theirs, &ip, host);
            for table in [&theirs, &ours] {
                assert_eq!(
                    verdict(&program("tcprulescheck"), table, &ip, host),
                    wanted,
                    "{round}: {ip} {host}:\n{text}"
                );
            }
            assert_eq!(verdict(&check, &ours, &ip, host), wanted, "{round}: {ip} {host}:\n{text}");
        }
    }
}

#[test]
fn debians_cdb_reads_what_tcprules_writes() {
    let Some(cdb) = tool("cdb") else { return };
    let folder = tempfile::tempdir().unwrap();
    let table = rules(&program("tcprules"), folder.path(), "t", "10.1.2.3:allow,A=\"b\"\n10.:deny\n");
    let dump = Command::new(cdb).arg("-d").arg(&table).output().unwrap();
    let text = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(text.contains("+8,5:10.1.2.3->+A=b\0\n") && text.contains("+3,2:10.->D\0\n"), "{text:?}");
    assert!(fs::read_dir(folder.path()).unwrap().count() == 1, "no temporary file is left");
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn ip(random: &mut Random) -> String {
    let part = |random: &mut Random| [1, 2, 3, 10][random.below(4)];
    format!("10.{}.{}.{}", part(random), part(random), part(random))
}

fn rule(random: &mut Random) -> String {
    let ip = ip(random);
    let address = match random.below(7) {
        0 => ip,
        1 => format!("{}.", ip.rsplit_once('.').unwrap().0),
        2 => "10.".to_owned(),
        3 => format!("{}.1-3", ip.rsplit_once('.').unwrap().0),
        4 => "=a.example.org".to_owned(),
        5 => "=.example.net".to_owned(),
        _ => String::new(),
    };
    let action = ["deny", "allow", "allow,RELAYCLIENT=\"\"", "allow,A=/x y/,B=\"@\""][random.below(4)];
    format!("{address}:{action}\n")
}
