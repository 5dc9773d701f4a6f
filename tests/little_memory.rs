//! Every program does its work in 64 MiB of address space.

use tests::{House, PASSWORD, Pop3, message};

#[test]
fn mail_comes_and_goes_in_64_mib() {
    // X03
    let mut house = House::start();
    house.services().kill_all();
    house.services().before_each("ulimit -v 65536");
    house.run();
    let large = format!("{}{}", message("large"), "A line that comes again and again.\n".repeat(300_000));
    house.send("bob@example.test", "alice@example.test", &message("small"));
    house.send("bob@example.test", "alice@example.test", &large);
    house.await_mail("alice", 2);
    let mut pop3 = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    let fetched: usize = (1..=2).map(|number| pop3.fetch(number).len()).sum();
    assert!(fetched > large.len());
}
