//! Workers: kept, replaced, killed.

use std::collections::HashSet;
use std::net::TcpStream;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::{Client, OURS, Rules, Server, command, greeter, until};

fn server(options: &[&str]) -> Server {
    let greeter = greeter();
    Server::ours(&[&["-vRHl0"][..], options, &["127.0.0.1", "0", &greeter]].concat())
}

/// The worker that serves a connection now.
fn one(server: &mut Server, order: &str) -> i32 {
    let mut client = server.connect();
    let pid = client.greeting();
    client.say(order);
    client.rest();
    server.log(" end ");
    server.log("status: 0/");
    pid
}

#[test]
fn a_worker_serves_one_connection_after_the_other() {
    let mut server = server(&["-w", "2"]);
    let pids: HashSet<i32> = (0..20).map(|_| one(&mut server, "")).collect();
    assert_eq!(pids.len(), 1, "the warm one is used again");
    assert!(server.children().len() <= 4, "their stem, two idle ones, and one while it was busy");
}

#[test]
fn a_worker_is_replaced_after_its_number_of_jobs() {
    let mut server = server(&["-w1", "-W3"]);
    let pids: Vec<i32> = (0..9).map(|_| one(&mut server, "")).collect();
    assert_eq!(pids.iter().collect::<HashSet<_>>().len(), 3, "{pids:?}");
    assert_eq!(pids[0], pids[2]);
}

#[test]
fn a_worker_that_asks_for_it_is_replaced() {
    let mut server = server(&["-w1"]);
    assert_ne!(one(&mut server, "replace"), one(&mut server, ""));
}

#[test]
fn the_environment_is_the_same_for_a_worker_and_a_process_of_its_own() {
    let rules = Rules::new("127.:allow,RELAYCLIENT=\"\",X=\"y\"\n");
    let (text, greeter) = (rules.text(), greeter());
    let env = |workers: &[&str]| {
        let mut call = command(OURS, &["-1RHl0", "-x", &text]);
        call.args(workers).args(["127.0.0.1", "0", &greeter]);
        let server =
            Server::start(call.env("TCPREMOTEHOST", "old").env("FULMAR_WORKER", "1").env("DATABYTES", "7"));
        let mut env = server.connect().env();
        env.retain(|line| !line.contains("PORT="));
        env
    };
    let (alone, worker) = (env(&[]), env(&["-w1"]));
    assert_eq!(alone, worker);
    for line in ["RELAYCLIENT=", "X=y", "DATABYTES=7", "TCPLOCALHOST=0"] {
        assert!(worker.contains(&line.to_owned()), "{line}");
    }
    assert!(
        !worker.iter().any(|line| line.starts_with("TCPREMOTEHOST") || line.starts_with("FULMAR_WORKER"))
    );
}

#[test]
fn a_rule_with_a_qmailqueue_gets_a_process_of_its_own() {
    let rules = Rules::new("127.0.0.2:allow,QMAILQUEUE=\"/bin/filter\"\n:allow\n");
    let server = server(&["-w1", "-x", &rules.text()]);
    let own = server.connect().greeting();
    let mut client = server.connect_from([127, 0, 0, 2]);
    let filtered = client.greeting();
    assert!(own != filtered && server.children().contains(&filtered));
    client.say("env");
    assert!(client.rest().contains("QMAILQUEUE=/bin/filter\n"));
    until("the process ends with its connection", || !server.children().contains(&filtered));
}

#[test]
fn an_environment_too_large_for_a_packet_gets_a_process_of_its_own() {
    let greeter = greeter();
    let mut call = command(OURS, &["-1RHl0", "-w1", "127.0.0.1", "0", &greeter]);
    let server = Server::start(call.env("BIG", "x".repeat(100_000)));
    assert!(server.connect().env().iter().any(|line| line.len() > 100_000));
}

#[test]
fn a_worker_that_dies_takes_only_its_own_connection_with_it() {
    let mut server = server(&["-w2"]);
    let mut other = server.connect();
    other.greeting();
    let mut client = server.connect();
    let pid = client.greeting();
    client.say("die");
    assert_eq!(client.rest(), "");
    assert_eq!(server.log(&format!("end {pid} ")), format!("tcpserver: end {pid} status 1792"));
    other.say("env");
    assert!(other.rest().contains("TCPREMOTEIP"));
    server.connect().greeting();
}

#[test]
fn killing_workers_all_the_time_ends_no_connection_but_theirs() {
    let server = server(&["-w4", "-c20"]);
    let mut lost = 0;
    for round in 0..200 {
        let mut client = server.connect();
        if round % 2 == 0 {
            let pid = client.greeting();
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            assert_eq!(client.rest(), "");
        } else {
            // An idle one may be hit between taking the connection and reading it.
            let pids = server.children();
            let _ = pids.get(round % 4).map(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL));
            lost += usize::from(!client.line().starts_with("220 "));
        }
    }
    assert!(lost < 60, "{lost} lost");
    let mut client = server.connect();
    client.greeting();
}

#[test]
fn a_worker_may_become_another_program_and_ends_its_connection_with_it() {
    // as gate does
    let mut server = server(&["-w1"]);
    let mut client = server.connect();
    let pid = client.greeting();
    client.say("exec");
    server.connect().greeting(); // another one has taken its place
    assert_eq!(client.rest(), "exec\n");
    assert_eq!(server.log(&format!("end {pid}")), format!("tcpserver: end {pid} status 1280"));
}

#[test]
fn more_workers_come_under_load_and_go_when_they_are_idle() {
    // S47
    let server = server(&["-w2", "-c50"]);
    let mut clients: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    let pids: HashSet<i32> = clients.iter_mut().map(Client::greeting).collect();
    assert_eq!(pids.len(), 50);
    let late = server.connect();
    assert!(late.is_waiting());
    drop(clients);
    drop(late);
    until("only the idle ones are kept, and their stem", || server.children().len() == 3);
}

#[test]
fn hangup_replaces_the_workers_and_busy_ones_after_their_job() {
    let mut server = server(&["-w2"]);
    let mut busy = server.connect();
    let old = busy.greeting();
    let before = server.children();
    server.signal(Signal::SIGHUP);
    until("new workers", || {
        let now = server.children();
        now.contains(&old) && now.iter().filter(|pid| !before.contains(pid)).count() == 3
    });
    busy.say("env");
    assert!(busy.rest().contains("TCPREMOTEIP"));
    server.log(&format!("end {old} status 0"));
    until("the old one goes", || !server.children().contains(&old));
    assert_ne!(server.connect().greeting(), old);
}

#[test]
fn a_stem_that_is_killed_takes_no_worker_with_it_and_the_next_client_gets_another() {
    let mut server = server(&["-w1", "-W1"]);
    let mut busy = server.connect();
    let old = busy.greeting();
    until("a worker in reserve", || server.children().len() == 3);
    let stem = *server.children().iter().min().unwrap();
    kill(Pid::from_raw(stem), Signal::SIGKILL).unwrap();
    until("gone", || !server.children().contains(&stem));
    // One was in reserve; the third needs a new stem.
    let others: HashSet<i32> = (0..3).map(|_| server.connect().greeting()).collect();
    assert!(others.len() == 3 && !others.contains(&old) && !others.contains(&stem));
    busy.say("env");
    assert!(busy.rest().contains("TCPREMOTEIP"));
    server.log(&format!("end {old} status 0"));
}

#[test]
fn a_server_that_is_told_to_stop_leaves_busy_workers_alone() {
    // S59
    let mut server = server(&["-w1"]);
    let mut client = server.connect();
    let pid = client.greeting();
    server.signal(Signal::SIGTERM);
    until("refused", || TcpStream::connect(server.address()).is_err());
    client.say("env");
    assert!(client.rest().contains("TCPREMOTEIP"));
    until("the worker ends too", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    server.log(" ok ");
}

#[test]
fn workers_that_die_at_once_are_no_busy_loop_and_no_hang() {
    // X01
    let greeter = greeter();
    let mut server = Server::ours(&["-vRHl0", "-w8", "127.0.0.1", "0", &greeter, "stillborn"]);
    server.log("ended before its first connection");
    assert_eq!(server.fetch(), "");
    server.log(" end ");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let failures = server.stop().iter().filter(|line| line.contains("ended before")).count();
    assert!(failures <= 30, "{failures} workers in 1.5 seconds");
}

#[test]
fn a_program_that_is_not_there_is_told_and_the_connection_dropped() {
    for workers in [&["-vRHl0"][..], &["-vRHl0", "-w2"]] {
        let mut server = Server::ours(&[workers, &["127.0.0.1", "0", "/no/such/program"]].concat());
        assert_eq!(server.fetch(), "");
        server.log("dropping connection, unable to run /no/such/program");
        server.log("status 28416");
        server.log("status: 0/40");
    }
}

#[test]
fn a_thousand_connections_share_few_workers() {
    let server = server(&["-w4", "-c40", "-W50"]);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let address = server.address();
            std::thread::spawn(move || {
                for _ in 0..125 {
                    let mut client = Client::new(TcpStream::connect(address).unwrap());
                    client.greeting();
                    client.say("");
                    client.rest();
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let log = server.stop();
    assert_eq!(log.iter().filter(|line| line.contains(" ok ")).count(), 1000);
}
