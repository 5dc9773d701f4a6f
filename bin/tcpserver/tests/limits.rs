//! How many at a time, in all and from one address.

use nix::sys::signal::Signal;

use crate::server::{Client, Rules, Server, greeter, until};

fn server(options: &[&str]) -> Server {
    let greeter = greeter();
    Server::ours(&[&["-vRHl0"][..], options, &["127.0.0.1", "0", &greeter]].concat())
}

#[test]
fn beyond_the_limit_a_client_waits_until_another_is_done() {
    // S47
    for workers in [&["-c2"][..], &["-c2", "-w1"]] {
        let server = server(workers);
        let mut two: Vec<Client> = (0..2).map(|_| server.connect()).collect();
        two.iter_mut().for_each(|client| _ = client.greeting());
        let mut third = server.connect();
        assert!(third.is_waiting());
        two.pop();
        third.greeting();
    }
}

#[test]
fn one_address_never_takes_all_places() {
    // S47
    for workers in [&["-C2"][..], &["-C2", "-w1"]] {
        let mut server = server(workers);
        let mut two: Vec<Client> = (0..2).map(|_| server.connect_from([127, 0, 0, 5])).collect();
        two.iter_mut().for_each(|client| _ = client.greeting());
        assert_eq!(server.connect_from([127, 0, 0, 5]).rest(), "");
        server.log("too many connections from 127.0.0.5");
        server.log(" deny ");
        server.connect_from([127, 0, 0, 6]).greeting();
        two.pop();
        server.log(" end "); // the refused one
        server.log(" end ");
        server.log(" end ");
        server.connect_from([127, 0, 0, 5]).greeting();
    }
}

#[test]
fn a_thousand_connections_at_once_are_served() {
    let server = server(&["-w4", "-c1000", "-C1000"]);
    let mut clients: Vec<Client> = (0..1000).map(|_| server.connect()).collect();
    for client in clients.iter_mut().rev() {
        client.greeting();
    }
    for mut client in clients {
        client.say("");
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn a_silent_client_holds_up_nobody() {
    // S46
    let rules = Rules::new(":allow\n");
    let server = server(&["-w1", "-x", &rules.text()]);
    let mut silent: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    silent.iter_mut().for_each(|client| _ = client.greeting());
    let mut client = server.connect();
    client.greeting();
    client.say("");
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_that_resets_at_once_is_no_error() {
    // S48
    let server = server(&["-w1"]);
    for _ in 0..100 {
        let client = server.connect();
        nix::sys::socket::setsockopt(
            &client.0,
            nix::sys::socket::sockopt::Linger,
            &nix::libc::linger { l_onoff: 1, l_linger: 0 },
        )
        .unwrap();
    }
    server.connect().greeting();
}

#[test]
fn a_place_that_is_free_again_is_given_before_it_was_heard_of() {
    let server = server(&["-C1", "-w1"]);
    let mut first = server.connect_from([127, 0, 0, 5]);
    let worker = first.greeting();
    let descriptors = || std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap().count();
    let sleeps = || std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap().contains(") S ");
    let busy = descriptors();
    server.signal(Signal::SIGSTOP);
    // The new client knocks first; then the old one leaves, and its worker says so.
    let mut second = server.connect_from([127, 0, 0, 5]);
    drop(first);
    until("the worker is idle", || descriptors() < busy && sleeps());
    server.signal(Signal::SIGCONT);
    second.greeting();
}
