//! Names from the DNS and from ident servers, beside Debian's tcpserver where ports 53 and 113 can be had.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::name::Name;
use domain::base::record::Ttl;
use domain::base::{Message, MessageBuilder};
use domain::rdata::{A, Ptr};

use crate::server::{DEBIANS, OURS, Rules, Server, command, greeter};

/// Name servers that know: 127.0.9.1 is true.example, 127.0.9.2 claims to be, 127.0.9.3 fails, others
/// have no name. Gives its address; `port` 0: any.
fn name_server(ip: [u8; 4], port: u16) -> Option<String> {
    let socket = UdpSocket::bind((Ipv4Addr::from(ip), port)).ok()?;
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut packet = [0; 2000];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let Ok(query) = Message::from_octets(packet[..length].to_vec()) else { continue };
            socket.send_to(&answer(&query), from).unwrap();
        }
    });
    Some(address.to_string())
}

fn answer(query: &Message<Vec<u8>>) -> Vec<u8> {
    let question = query.first_question().unwrap();
    let name = question.qname().to_string();
    let builder = || MessageBuilder::new_vec();
    let code = match (&*name, question.qtype()) {
        ("3.9.0.127.in-addr.arpa", _) => Rcode::SERVFAIL,
        ("1.9.0.127.in-addr.arpa" | "2.9.0.127.in-addr.arpa" | "1.0.0.127.in-addr.arpa", Rtype::PTR) => {
            Rcode::NOERROR
        }
        ("true.example", Rtype::A) => Rcode::NOERROR,
        _ => Rcode::NXDOMAIN,
    };
    let mut answer = builder().start_answer(query, code).unwrap();
    let owner = question.into_qname();
    match (&*name, code) {
        ("true.example", Rcode::NOERROR) => {
            answer.push((&owner, Class::IN, Ttl::ZERO, A::from_octets(127, 0, 9, 1))).unwrap();
        }
        (_, Rcode::NOERROR) => {
            let target: Name<Vec<u8>> =
                if name.starts_with("1.0.") { "localhost" } else { "true.example" }.parse().unwrap();
            answer.push((&owner, Class::IN, Ttl::ZERO, Ptr::new(target))).unwrap();
        }
        _ => {}
    }
    answer.finish()
}

fn names(program: &str, servers: &str, options: &[&str], ip: [u8; 4]) -> Vec<String> {
    let mut env = all_names(program, servers, options, ip);
    env.retain(|line| line.starts_with("TCP") && !line.contains("PORT="));
    env
}

fn all_names(program: &str, servers: &str, options: &[&str], ip: [u8; 4]) -> Vec<String> {
    let mut call = command(program, &["-1R"]);
    call.args(options).args(["127.0.0.1", "0", &greeter()]).env("DNSCACHEIP", servers);
    let server = Server::start(&mut call);
    server.connect_from(ip).env()
}

#[test]
fn host_names_are_found_and_doubted_as_in_ucspi_tcp() {
    // R10
    let Some(servers) = name_server([127, 0, 53, 53], 53) else {
        eprintln!("SKIPPED: needs port 53");
        return;
    };
    let servers = servers.strip_suffix(":53").unwrap();
    for options in [&["-l0"][..], &["-pl0"], &["-Hl0"], &["-H"], &["-p"]] {
        for ip in [[127, 0, 9, 1], [127, 0, 9, 2], [127, 0, 9, 4]] {
            let [debians, ours] = [DEBIANS, OURS].map(|program| names(program, servers, options, ip));
            assert_eq!(ours, debians, "{options:?} {ip:?}");
        }
    }
}

#[test]
fn a_name_that_does_not_lead_back_is_left_out_by_the_paranoid() {
    // R10
    let servers = name_server([127, 0, 0, 1], 0).unwrap();
    let host = "TCPREMOTEHOST=true.example".to_owned();
    for workers in [&["-l0"][..], &["-l0", "-w1"]] {
        let paranoid = [&["-p"], workers].concat();
        assert!(names(OURS, &servers, workers, [127, 0, 9, 2]).contains(&host));
        assert!(names(OURS, &servers, &paranoid, [127, 0, 9, 1]).contains(&host));
        let checked = |options: &[&str], ip| {
            all_names(OURS, &servers, options, ip).contains(&"REMOTEHOSTCHECKED=yes".to_owned())
        };
        assert!(checked(&paranoid, [127, 0, 9, 1]) && !checked(workers, [127, 0, 9, 1]));
        assert!(!checked(&paranoid, [127, 0, 9, 2]));
        assert!(!names(OURS, &servers, &paranoid, [127, 0, 9, 2]).contains(&host));
        // R09: no answer is no name, and no refusal
        assert!(!names(OURS, &servers, workers, [127, 0, 9, 3]).contains(&host));
    }
}

#[test]
fn rules_may_go_by_host_name() {
    let servers = name_server([127, 0, 0, 1], 0).unwrap();
    let rules = Rules::new("=true.example:allow,FRIEND=\"\"\n:deny\n");
    let mut call = command(OURS, &["-1pRvl0", "-x", &rules.text(), "127.0.0.1", "0", &greeter()]);
    let mut server = Server::start(call.env("DNSCACHEIP", servers));
    assert!(server.connect_from([127, 0, 9, 1]).env().contains(&"FRIEND=".into()));
    assert!(server.log(" ok ").contains(" true.example:127.0.9.1:"));
    assert_eq!(server.connect_from([127, 0, 9, 2]).rest(), "");
    server.log(" deny ");
}

#[test]
fn a_silent_name_server_holds_up_nobody_else() {
    // S46
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let rules = Rules::new(":allow\n");
    let servers = silent.local_addr().unwrap().to_string();
    let mut call = command(OURS, &["-1Rvw1", "-l0", "-x", &rules.text(), "127.0.0.1", "0", &greeter()]);
    let server = Server::start(call.env("DNSCACHEIP", servers));
    let slow: Vec<_> = (0..20).map(|_| server.connect_from([127, 0, 9, 1])).collect();
    assert!(slow.iter().all(|client| client.is_waiting()));
    server.connect().greeting(); // 127.0.0.1 has its name in /etc/hosts
}

/// An ident server on `ip`; says `answer` to whatever is asked.
fn ident_server(ip: [u8; 4], answer: &'static [u8]) -> bool {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::from(ip), 113)) else {
        eprintln!("SKIPPED: needs port 113");
        return false;
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = [0; 100];
            let length = stream.read(&mut question).unwrap();
            assert!(question[..length].ends_with(b"\r\n"));
            let _ = stream.write_all(answer);
        }
    });
    true
}

#[test]
fn who_the_client_is_by_its_own_hosts_word_is_as_in_ucspi_tcp() {
    for (last, answer) in [
        (1, &b"1 , 2 : USERID : UNIX : st johns\r\n"[..]),
        (2, b"1 , 2 : ERROR : NO-USER\r\n"),
        (3, b""),
        (4, b"rubbish"),
    ] {
        let ip = [127, 0, 13, last];
        if !ident_server(ip, answer) {
            return;
        }
        let [debians, ours] = [DEBIANS, OURS].map(|program| {
            let greeter = greeter();
            let mut server = Server::start(&mut command(program, &["-1vHl0", "127.0.0.1", "0", &greeter]));
            let mut env = server.connect_from(ip).env();
            env.retain(|line| line.starts_with("TCPREMOTEINFO"));
            let line = server.log(" ok ");
            (env, line.split(':').nth(5).unwrap().to_owned())
        });
        assert_eq!(ours, debians, "{}", answer.escape_ascii());
    }
}

#[test]
fn an_ident_server_that_says_nothing_is_given_up_in_time() {
    // S46
    let Ok(_silent) = TcpListener::bind("127.0.14.1:113") else {
        eprintln!("SKIPPED: needs port 113");
        return;
    };
    let server = Server::ours(&["-Hl0", "-t1", "127.0.0.1", "0", &greeter()]);
    let mut client = server.connect_from([127, 0, 14, 1]);
    server.connect().greeting();
    assert!(!client.env().iter().any(|line| line.starts_with("TCPREMOTEINFO")));
}

#[test]
fn control_characters_in_an_ident_answer_never_reach_anyone() {
    // R10
    if !ident_server([127, 0, 15, 1], b"1,2:USERID:UNIX:a\x1b[2Jb\x00\x80:c\r\n") {
        return;
    }
    let mut server = Server::ours(&["-vHl0", "127.0.0.1", "0", &greeter()]);
    let env = server.connect_from([127, 0, 15, 1]).env();
    assert!(env.contains(&"TCPREMOTEINFO=a?[2Jb??:c".into()), "{env:?}");
    assert!(server.log(" ok ").contains(":a?[2Jb???c:"));
}
