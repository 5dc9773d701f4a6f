//! How fast questions are answered. Not run with the other tests:
//! `cargo test --release -p lookup -- --ignored --nocapture speed`.

use std::fs;
use std::time::Instant;

use crate::house::{House, ask};

const USERS: usize = 100_000;

#[test]
#[ignore = "a measurement"]
fn speed_of_recipient_questions_among_a_hundred_thousand_users() {
    let house = House::new().with_users();
    let names: String = (0..USERS).map(|n| format!("user{n}: quota=100M\n")).collect();
    fs::write(house.path("users/example.test/accounts"), names).unwrap();
    let start = Instant::now();
    assert_eq!(house.admin(&["compile"]), "Kcompiled");
    println!("compile {USERS} users: {:?}", start.elapsed());
    for clients in [1, 2, 8] {
        let each = 200_000 / clients;
        let connections: Vec<_> = (0..clients).map(|_| house.connect("lookup")).collect();
        let start = Instant::now();
        std::thread::scope(|scope| {
            for (first, connection) in connections.into_iter().enumerate() {
                scope.spawn(move || {
                    for n in 0..each {
                        let known = format!("user{}@example.test", (n * 7919 + first) % USERS);
                        assert_eq!(ask(&connection, &["recipient", &known]), "K");
                    }
                });
            }
        });
        let rate = 200_000.0 / start.elapsed().as_secs_f64();
        println!("recipient, {clients} clients: {rate:.0} a second");
    }
}
