//! The PROXY protocol: believed from listed peers, and from nobody else.

use std::io::Write;

use crate::server::{Client, Rules, Server, greeter};

const RULES: &str = "127.0.0.7:allow,PROXY=\"\",RELAYCLIENT=\"\"\n192.0.2.66:deny\n\
                     192.0.2.:allow,NEIGHBOUR=\"\"\n:allow\n";

fn server(rules: &Rules, options: &[&str]) -> Server {
    let greeter = greeter();
    let text = rules.text();
    Server::ours(&[&["-vRHl0", "-x", &text], options, &["127.0.0.1", "0", &greeter]].concat())
}

fn say(server: &Server, header: &[u8]) -> Client {
    let mut client = server.connect_from([127, 0, 0, 7]);
    let _ = client.0.write_all(header);
    client
}

fn binary(command: u8, family: u8, data: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend((data.len() as u16).to_be_bytes());
    header.extend(data);
    header
}

const V4: &[u8] = &[192, 0, 2, 5, 198, 51, 100, 1, 0x11, 0x5c, 0, 25];

#[test]
fn a_listed_peer_speaks_for_its_client() {
    let rules = Rules::new(RULES);
    for workers in ["-D", "-w1"] {
        let server = server(&rules, &[workers]);
        let with_more = [V4, &[3, 0, 1, 9]].concat();
        for header in [
            b"PROXY TCP4 192.0.2.5 198.51.100.1 4444 25\r\n".to_vec(),
            binary(0x21, 0x11, V4),
            binary(0x21, 0x11, &with_more),
        ] {
            let env = say(&server, &header).env();
            for line in [
                "TCPREMOTEIP=192.0.2.5",
                "TCPREMOTEPORT=4444",
                "TCPLOCALIP=198.51.100.1",
                "TCPLOCALPORT=25",
                "NEIGHBOUR=",
            ] {
                assert!(env.contains(&line.to_owned()), "{line} is not in {env:?}");
            }
            assert!(
                !env.iter().any(|line| line.starts_with("RELAYCLIENT") || line.starts_with("PROXY")),
                "{env:?}"
            );
        }
    }
}

#[test]
fn an_ipv6_client_behind_a_listed_peer_is_one() {
    let rules = Rules::new(RULES);
    let server = server(&rules, &[]);
    let mut data = [0; 36];
    data[..2].copy_from_slice(&[0x20, 0x01]);
    data[15] = 1;
    for header in [b"PROXY TCP6 2001::1 ::1 4444 25\r\n".to_vec(), binary(0x21, 0x21, &data)] {
        let env = say(&server, &header).env();
        assert!(env.contains(&"TCPREMOTEIP=2001::1".into()) && env.contains(&"PROTO=TCP6".into()), "{env:?}");
    }
}

#[test]
fn the_rules_of_the_client_count_and_not_those_of_the_balancer() {
    // X02
    let rules = Rules::new(RULES);
    let mut server = server(&rules, &["-C1"]);
    assert_eq!(say(&server, b"PROXY TCP4 192.0.2.66 198.51.100.1 4444 25\r\n").rest(), "");
    server.log(" deny ");
    let mut one = say(&server, b"PROXY TCP4 192.0.2.5 198.51.100.1 4444 25\r\n");
    one.greeting();
    // One balancer, many clients; one client, one place.
    say(&server, b"PROXY TCP4 192.0.2.6 198.51.100.1 4444 25\r\n").greeting();
    assert_eq!(say(&server, b"PROXY TCP4 192.0.2.5 198.51.100.1 4445 25\r\n").rest(), "");
    server.log("too many connections from 192.0.2.5");
}

#[test]
fn a_peer_that_speaks_for_itself_is_itself() {
    let rules = Rules::new(RULES);
    let server = server(&rules, &[]);
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), binary(0x20, 0, b""), binary(0x21, 0, b"")] {
        let env = say(&server, &header).env();
        assert!(
            env.contains(&"TCPREMOTEIP=127.0.0.7".into()) && env.contains(&"RELAYCLIENT=".into()),
            "{env:?}"
        );
    }
}

#[test]
fn a_header_from_an_unlisted_peer_is_never_believed() {
    // X02
    let rules = Rules::new(RULES);
    let server = server(&rules, &[]);
    let mut client = server.connect_from([127, 0, 0, 8]);
    client.say("PROXY TCP4 192.0.2.5 198.51.100.1 4444 25\r");
    client.greeting();
    assert_eq!(client.rest(), ""); // just a line that the program does not know
    let mut client = server.connect_from([127, 0, 0, 8]);
    assert!(client.env().contains(&"TCPREMOTEIP=127.0.0.8".into()));
}

#[test]
fn a_malformed_header_is_the_end() {
    // X02
    let rules = Rules::new(RULES);
    let mut server = server(&rules, &["-w1"]);
    let long = [&b"PROXY TCP4 "[..], &[b'1'; 1_000_000]].concat();
    let mut wrong_signature = binary(0x21, 0x11, V4);
    wrong_signature[11] = b'\r';
    for header in [
        b"PROXY TCP4 192.0.2.5 198.51.100.1 4444 25\n____________".to_vec(),
        b"PROXY TCP4 192.0.2.5 198.51.100.1 4444\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.5 198.51.100.1 4444 25 x\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.256 198.51.100.1 4444 25\r\n".to_vec(),
        b"PROXY TCP4 ::1 ::1 4444 25\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.5 198.51.100.1 4444 25\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.5 198.51.100.1 -1 25\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.5 198.51.100.1 +1 25\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.5 198.51.100.1 65536 25\r\n".to_vec(),
        b"PROXY  TCP4 192.0.2.5 198.51.100.1 4444 25\r\n".to_vec(),
        b"proxy tcp4 192.0.2.5 198.51.100.1 4444 25\r\n".to_vec(),
        b"EHLO not.a.balancer\r\n".to_vec(),
        long,
        wrong_signature,
        binary(0x31, 0x11, V4),
        binary(0x22, 0x11, V4),
        binary(0x21, 0x13, V4),
        binary(0x21, 0x11, &V4[..11]),
        binary(0x21, 0x21, V4),
        binary(0x21, 0x11, &[0; 60_000]),
    ] {
        let shown = header[..header.len().min(80)].escape_ascii().to_string();
        assert_eq!(say(&server, &header).rest(), "", "{shown}");
        server.log("malformed PROXY header");
    }
    let cut = say(&server, b"PROXY TC");
    cut.0.shutdown(std::net::Shutdown::Write).unwrap();
    server.log("malformed PROXY header");
}

#[test]
fn a_balancer_that_says_nothing_holds_up_nobody() {
    // X02
    let rules = Rules::new(RULES);
    let server = server(&rules, &["-w1"]);
    let _silent: Vec<Client> = (0..10).map(|_| server.connect_from([127, 0, 0, 7])).collect();
    server.connect().greeting();
}

#[test]
fn what_follows_the_header_is_left_to_the_program() {
    let rules = Rules::new(RULES);
    let server = server(&rules, &["-w1"]);
    let mut client = say(&server, b"PROXY TCP4 192.0.2.5 198.51.100.1 4444 25\r\nenv\n");
    client.greeting();
    assert!(client.rest().contains("TCPREMOTEIP=192.0.2.5\n"));
}
