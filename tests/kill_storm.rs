//! Processes are killed at random while mail comes in. Every 250 is a promise.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{House, Smtp};

const MESSAGES: usize = 1000;
const CLIENTS: usize = 4;

/// What the clients have done so far.
#[derive(Default)]
struct Score {
    next: AtomicUsize,
    accepted: Mutex<Vec<usize>>,
    over: AtomicBool,
}

/// Sends messages until all are accepted; one that was not gets another try, as a real client does.
fn client(address: SocketAddr, score: &Score) {
    while let number @ ..MESSAGES = score.next.fetch_add(1, Ordering::SeqCst) {
        while !sent(address, number) {
            assert!(!score.over.load(Ordering::SeqCst), "gave up on message {number}");
        }
        score.accepted.lock().unwrap().push(number);
    }
}

fn sent(address: SocketAddr, number: usize) -> bool {
    let text = format!("Subject: storm\nX-Number: {number}\n\n{}\n", "x".repeat(number % 5000));
    let reply = Smtp::try_connect(address)
        .and_then(|mut smtp| smtp.try_send("bob@example.test", &["alice@example.test"], text.as_bytes()));
    match reply {
        Ok(reply) => reply.starts_with("250 "),
        // Refused or cut off: the supervisor needs a moment, as it does for a real client.
        Err(_) => {
            std::thread::yield_now();
            false
        }
    }
}

#[test]
fn nothing_accepted_is_lost_when_processes_are_killed_at_random() {
    // Q01
    let mut house = House::start();
    let (score, address) = (Arc::new(Score::default()), house.smtp());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let score = Arc::clone(&score);
            std::thread::spawn(move || client(address, &score))
        })
        .collect();
    let mut killed: BTreeMap<String, usize> = BTreeMap::new();
    let mut seed = 1_u64;
    while clients.iter().any(|client| !client.is_finished()) {
        house.services().await_news(Duration::from_millis(10));
        kill_one(&mut house, &mut seed, &mut killed);
        house.services().start_all();
    }
    score.over.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    house.run();
    house.flush();
    count(&house, &score.accepted.lock().unwrap(), &killed);
}

fn kill_one(house: &mut House, seed: &mut u64, killed: &mut BTreeMap<String, usize>) {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let all = house.processes();
    let Some((pid, name)) = all.get((*seed >> 33) as usize % all.len().max(1)) else { return };
    if kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok() {
        *killed.entry(name.clone()).or_default() += 1;
    }
}

fn count(house: &House, accepted: &[usize], killed: &BTreeMap<String, usize>) {
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for mail in house.mail("alice") {
        let text = String::from_utf8_lossy(&mail);
        let number = text.lines().find_map(|line| line.strip_prefix("X-Number: ")).expect("a whole message");
        let number: usize = number.parse().unwrap();
        assert!(
            text.ends_with(&format!("\n\n{}\n", "x".repeat(number % 5000))),
            "message {number} is not whole"
        );
        *found.entry(number).or_default() += 1;
    }
    let lost: Vec<_> = accepted.iter().filter(|number| !found.contains_key(number)).collect();
    let twice = found.values().filter(|count| **count > 1).count();
    println!("{} accepted, {} lost, {twice} came twice; killed: {killed:?}", accepted.len(), lost.len());
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(accepted.len(), MESSAGES);
}
