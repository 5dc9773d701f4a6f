//! What is wrong with the house itself: folders, programs, services.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use control::{Home, Problem, Severity, Uids};
use sys::Packets;

use crate::init::{FOLDERS, PROGRAMS};
use crate::run_lines::{self, Kind};

/// The sockets over which the programs talk.
const SOCKETS: &[(&str, &str)] = &[
    ("queue", "queued"),
    ("lookup", "lookup"),
    ("lookup-root", "lookup"),
    ("admin", "lookup"),
    ("spawn", "spawn"),
    ("remote", "remote"),
    ("tls", "tlsd"),
];

/// How long a service may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn check(home: &Home) -> Vec<Problem> {
    let mut problems = folders(home);
    problems.extend(PROGRAMS.iter().filter_map(|name| program(home, name)));
    problems.extend(SOCKETS.iter().filter_map(|(socket, service)| silent(home, socket, service)));
    problems.extend(ports(home));
    problems.extend(watchers(home));
    problems.extend(sys::durable::free_space(&home.queue()).ok().and_then(|(octets, _)| full(octets)));
    problems
}

fn problem(severity: Severity, file: &str, problem: impl Into<String>, cure: impl Into<String>) -> Problem {
    Problem { severity, file: file.to_owned(), line: None, problem: problem.into(), cure: cure.into() }
}

fn folders(home: &Home) -> Vec<Problem> {
    // That control/uids is broken has been told already.
    let uids = Uids::read(home).ok();
    let mut problems = Vec::new();
    for (name, role, mode) in FOLDERS {
        let again = "fulmar init makes it right";
        let Ok(seen) = fs::metadata(home.join(name)) else {
            problems.push(problem(Severity::Error, name, "missing, or hidden from you", again));
            continue;
        };
        let open = seen.permissions().mode() & 0o777 & !mode;
        if open & 0o077 != 0 {
            let said =
                format!("others may do more with it than they should (mode {:o})", seen.mode() & 0o7777);
            problems.push(problem(Severity::Error, name, said, format!("chmod {mode:o} {name}")));
        }
        let owner = match role {
            Some(role) => uids.as_ref().and_then(|uids| Some(uids.identity(*role).ok()??.uid)),
            None => sys::is_root().then_some(0),
        };
        if let Some(owner) = owner.filter(|owner| *owner != seen.uid()) {
            let said = format!("belongs to uid {}, not to {owner}", seen.uid());
            problems.push(problem(Severity::Error, name, said, again));
        }
    }
    problems
}

/// What `queued` looks at before it takes mail.
fn full(octets: u64) -> Option<Problem> {
    let mib = |octets: u64| octets >> 20;
    let said = format!("{} MiB are left on its disk, so no mail is taken (451 4.3.1)", mib(octets));
    let cure = format!("make room: {} MiB must stay free", mib(queue::FLOOR));
    (octets < queue::FLOOR).then(|| problem(Severity::Error, "queue", said, cure))
}

/// As many IMAP clients of one uid as can wait for mail have to be more than these.
const WATCHERS: u64 = 1024;
const INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";

/// Is IMAP served where the kernel lets few wait for mail? All virtual accounts are one uid.
fn watchers(home: &Home) -> Option<Problem> {
    let instances = fs::read_to_string(INSTANCES).ok()?.trim().parse().ok()?;
    let imap = run_lines::served(home).into_iter().find(|served| served.kind == Kind::Imap)?;
    few_watchers(&imap.name, instances)
}

fn few_watchers(service: &str, instances: u64) -> Option<Problem> {
    let said = format!(
        "only {instances} IMAP clients can wait for mail at one time (fs.inotify.max_user_instances)"
    );
    let cure = "cp etc/sysctl /etc/sysctl.d/fulmar.conf; sysctl -p /etc/sysctl.d/fulmar.conf";
    let file = format!("etc/run/{service}/run");
    (instances < WATCHERS).then(|| problem(Severity::Warning, &file, said, cure))
}

fn program(home: &Home, name: &str) -> Option<Problem> {
    let seen = fs::metadata(home.program(name));
    let good = seen.is_ok_and(|seen| seen.is_file() && seen.permissions().mode() & 0o111 != 0);
    let cure = "fulmar init --programs DIR puts it there";
    (!good).then(|| problem(Severity::Error, &format!("bin/{name}"), "missing or not executable", cure))
}

fn silent(home: &Home, socket: &str, service: &str) -> Option<Problem> {
    let error = Packets::connect(&home.run(socket)).err()?;
    let cure = format!("start {service}: etc/run/{service}/run, by your supervisor");
    Some(problem(Severity::Warning, &format!("run/{socket}"), format!("nobody answers: {error}"), cure))
}

/// Services that nobody answers for, and such that want one port.
fn ports(home: &Home) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken: BTreeMap<SocketAddr, String> = BTreeMap::new();
    for (name, address) in listeners(home) {
        let file = format!("etc/run/{name}/run");
        if let Some(other) = taken.insert(address, name.clone()) {
            let said = format!("listens at {address}, and so does {other}");
            problems.push(problem(Severity::Error, &file, said, "give one of them another port"));
        }
        if let Err(error) = TcpStream::connect_timeout(&address, PATIENCE) {
            let said = format!("nobody answers at {address}: {error}");
            problems.push(problem(
                Severity::Warning,
                &file,
                said,
                format!("start {name}, by your supervisor"),
            ));
        }
    }
    problems
}

/// The run scripts with a tcpserver in them, and where that listens.
fn listeners(home: &Home) -> Vec<(String, SocketAddr)> {
    let Ok(entries) = fs::read_dir(home.join("etc/run")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    let script = |name: String| {
        Some((address(&fs::read_to_string(home.join("etc/run").join(&name).join("run")).ok()?)?, name))
    };
    names.into_iter().filter_map(script).map(|(address, name)| (name, address)).collect()
}

/// The address and port in a run line like ours: `tcpserver ... -w 8 0 25 smtpd`.
fn address(script: &str) -> Option<SocketAddr> {
    let mut words = script
        .split_whitespace()
        .skip_while(|word| *word != "tcpserver")
        .skip_while(|word| *word != "-w")
        .skip(2);
    let (host, port) = (words.next()?, words.next()?.parse().ok()?);
    let ip = if host == "0" { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { host.parse().ok()? };
    Some((ip, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_on_which_queued_takes_no_mail_is_told() {
        assert!(full(queue::FLOOR).is_none());
        let told = full(queue::FLOOR - 1).unwrap();
        assert_eq!((told.severity, &told.file[..]), (Severity::Error, "queue"));
        assert!(told.problem.contains("15 MiB") && told.cure.contains("16 MiB"), "{told:?}");
    }

    #[test]
    fn a_kernel_that_lets_few_clients_wait_for_mail_is_told() {
        assert!(few_watchers("imap", WATCHERS).is_none());
        let told = few_watchers("imap", 128).unwrap();
        assert_eq!((told.severity, &told.file[..]), (Severity::Warning, "etc/run/imap/run"));
        assert!(told.problem.contains("128 IMAP clients") && told.cure.contains("sysctl"), "{told:?}");
    }

    #[test]
    fn the_address_is_found_in_our_run_lines_and_guessed_in_no_other() {
        let ours = "#!/bin/sh\nexec env - tcpserver -HR -c 200 -w 8 127.0.0.1 20025 smtpd 2>&1\n";
        assert_eq!(address(ours), Some("127.0.0.1:20025".parse().unwrap()));
        assert_eq!(address("tcpserver -w 8 0 25 smtpd"), Some("127.0.0.1:25".parse().unwrap()));
        for other in ["exec queued 2>&1", "tcpserver -w 8", "tcpserver 0 smtp smtpd", ""] {
            assert_eq!(address(other), None, "{other}");
        }
    }
}
