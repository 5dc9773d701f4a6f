//! What is left of the memory that logins have taken.

use std::time::{Duration, Instant};

use crate::house::{House, ask};

#[test]
fn the_memory_that_hashing_passwords_took_is_given_back() {
    let house = House::new().with_users();
    // A thread each, and each has hashed.
    let connections: Vec<_> = (0..8).map(|_| house.connect("lookup")).collect();
    for round in 0..3 {
        for (number, connection) in connections.iter().enumerate() {
            let ip = format!("192.0.2.{}", round * 10 + number);
            let question = ["auth", "pop3", &ip, "", "PASS", "bob@example.test", "hidden"];
            assert!(ask(connection, &question).starts_with('K'));
        }
    }
    // It is kept for a few seconds, for those who log in next.
    let end = Instant::now() + Duration::from_secs(60);
    while resident(house.pid()) >= 19 * 1024 {
        assert!(Instant::now() < end, "{} KiB, more than one hash takes", resident(house.pid()));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The resident set in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
