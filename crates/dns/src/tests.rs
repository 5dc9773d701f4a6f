//! The resolver against a name server of our own on loopback that lies, stalls and floods.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::name::Name;
use domain::base::rdata::UnknownRecordData;
use domain::base::record::Ttl;
use domain::base::{Message, MessageBuilder, message_builder::AnswerBuilder};
use domain::rdata::{A, Cname, Mx, Ptr, Txt};
use proptest::prelude::*;

use crate::message::{self, Kind, Record, Reply};
use crate::{Config, Error, Exchange, Resolver};

type Query = Message<Vec<u8>>;
type Script = dyn Fn(&Query, bool) -> Vec<Vec<u8>> + Send + Sync;

/// A server that answers each query with what `script` says (query, by TCP?). Counts the queries.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Query>>>,
}

fn server(script: impl Fn(&Query, bool) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Server {
    let script: Arc<Script> = Arc::new(script);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    let (udp_script, udp_asked) = (script.clone(), asked.clone());
    thread::spawn(move || {
        let mut packet = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut packet) {
            let query = Message::from_octets(packet[..length].to_vec()).unwrap();
            udp_asked.lock().unwrap().push(query.clone());
            for answer in udp_script(&query, false) {
                udp.send_to(&answer, from).unwrap();
            }
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut packet = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut packet).unwrap();
            for answer in script(&Message::from_octets(packet).unwrap(), true) {
                stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        }
    });
    Server { address, asked }
}

fn resolver(servers: &[SocketAddr]) -> Resolver {
    Resolver::new(Config {
        servers: servers.to_vec(),
        patience: Duration::from_millis(150),
        deadline: Duration::from_secs(5),
        rounds: 2,
    })
}

fn name(text: &str) -> Name<Vec<u8>> {
    Name::from_str(text).unwrap()
}

fn answer(query: &Query, code: Rcode) -> AnswerBuilder<Vec<u8>> {
    MessageBuilder::from_target(Vec::new()).unwrap().start_answer(query, code).unwrap()
}

fn code(query: &Query, code: Rcode) -> Vec<Vec<u8>> {
    vec![answer(query, code).finish()]
}

fn a(query: &Query, ips: &[[u8; 4]]) -> Vec<u8> {
    let owner = query.first_question().unwrap().into_qname();
    let mut builder = answer(query, Rcode::NOERROR);
    for [a, b, c, d] in ips {
        builder.push((&owner, Class::IN, Ttl::ZERO, A::from_octets(*a, *b, *c, *d))).unwrap();
    }
    builder.finish()
}

fn first(found: Result<message::Answer, Error>) -> Record {
    found.unwrap().records.remove(0)
}

const IP: [u8; 4] = [192, 0, 2, 7];

fn address() -> Record {
    Record::Address(IpAddr::from(IP))
}

#[test]
fn a_name_has_its_addresses() {
    let server = server(|query, _| match query.first_question().unwrap().qtype() {
        Rtype::A => vec![a(query, &[IP])],
        _ => code(query, Rcode::NOERROR),
    });
    let resolver = resolver(&[server.address]);
    assert_eq!(resolver.addresses("mx.example"), Ok(vec![IP.into()]));
    assert_eq!(resolver.confirms("mx.example", "::ffff:192.0.2.7".parse().unwrap()), Ok(true));
    assert_eq!(resolver.confirms("mx.example", [192, 0, 2, 8].into()), Ok(false));
}

#[test]
fn an_address_has_its_first_valid_name() {
    // R10
    let server = server(|query, _| {
        let owner = query.first_question().unwrap().into_qname();
        assert_eq!(owner.to_string(), "7.2.0.192.in-addr.arpa");
        let mut builder = answer(query, Rcode::NOERROR);
        for bad in ["\\013\\010Received.x", "<script>.x", "a\\000.x", "a\\.b.x", "192.0.2.1", ".", "b/c.x"] {
            builder.push((&owner, Class::IN, Ttl::ZERO, Ptr::new(name(bad)))).unwrap();
        }
        builder.push((&owner, Class::IN, Ttl::ZERO, Ptr::new(name("Mail.Example")))).unwrap();
        vec![builder.finish()]
    });
    assert_eq!(resolver(&[server.address]).name_of(IP.into()), Ok("mail.example".into()));
}

#[test]
fn an_address_with_a_thousand_names_does_not_fill_the_memory() {
    // R08 R10
    let server = server(|query, tcp| {
        let owner = query.first_question().unwrap().into_qname();
        let mut builder = answer(query, Rcode::NOERROR);
        if !tcp {
            builder.header_mut().set_tc(true);
            return vec![builder.finish()];
        }
        for number in 0..1000 {
            builder
                .push((&owner, Class::IN, Ttl::ZERO, Ptr::new(name(&format!("h{number:04}.example")))))
                .unwrap();
        }
        vec![builder.finish()]
    });
    let resolver = resolver(&[server.address]);
    assert_eq!(resolver.name_of(IP.into()), Ok("h0000.example".into()));
    let all = resolver.lookup("7.2.0.192.in-addr.arpa", Kind::Ptr).unwrap();
    assert_eq!(all.records.len(), message::MOST_RECORDS);
}

#[test]
fn a_text_is_one_printable_line() {
    // R10
    let server = server(|query, _| {
        let owner = query.first_question().unwrap().into_qname();
        let mut builder = answer(query, Rcode::NOERROR);
        let text: Txt<Vec<u8>> = Txt::build_from_slice(b"Listed\r\n250 ok\xff").unwrap();
        builder.push((&owner, Class::IN, Ttl::ZERO, text)).unwrap();
        vec![builder.finish()]
    });
    let found = resolver(&[server.address]).lookup("7.2.0.192.list.example", Kind::Txt);
    assert_eq!(first(found), Record::Text("Listed??250 ok?".into()));
}

#[test]
fn exchangers_come_best_first_and_a_null_one_is_kept() {
    let server = server(|query, _| {
        let owner = query.first_question().unwrap().into_qname();
        let mut builder = answer(query, Rcode::NOERROR);
        for (preference, host) in [(20, "b.example"), (0, "."), (10, "A.example"), (5, "a b.example")] {
            builder.push((&owner, Class::IN, Ttl::ZERO, Mx::new(preference, name(host)))).unwrap();
        }
        vec![builder.finish()]
    });
    let found = resolver(&[server.address]).exchanges("example").unwrap();
    let expected = [(0, ""), (10, "a.example"), (20, "b.example")];
    assert_eq!(found.hosts, expected.map(|(preference, host)| Exchange { preference, host: host.into() }));
}

#[test]
fn certificates_are_read_as_they_are_and_their_absence_may_be_proved() {
    let server = server(|query, _| {
        if query.first_question().unwrap().qname().to_string().contains("nobody") {
            let mut packet = answer(query, Rcode::NXDOMAIN).finish();
            packet[3] |= 0x20;
            return vec![packet];
        }
        let mut builder = answer(query, Rcode::NOERROR);
        let owner = name("_25._tcp.x.example");
        for data in [&[3u8, 1, 1, 7, 8][..], &[3, 1], &[255, 255, 255]] {
            let record = UnknownRecordData::from_octets(Rtype::TLSA, data.to_vec()).unwrap();
            builder.push((&owner, Class::IN, Ttl::ZERO, record)).unwrap();
        }
        vec![builder.finish()]
    });
    let resolver = resolver(&[server.address]);
    let found = resolver.lookup("_25._tcp.x.example", Kind::Tlsa).unwrap();
    let expected = [Record::Certificate(3, 1, 1, vec![7, 8]), Record::Certificate(255, 255, 255, vec![])];
    assert_eq!((found.records.as_slice(), found.secure), (&expected[..], false));
    let none = resolver.seek("_25._tcp.nobody.example", Kind::Tlsa).unwrap();
    assert!(none.records.is_empty() && none.secure);
    assert_eq!(resolver.lookup("_25._tcp.nobody.example", Kind::Tlsa), Err(Error::NotFound));
}

#[test]
fn a_cut_answer_is_asked_for_again_by_tcp() {
    // R08
    let server = server(|query, tcp| {
        if tcp {
            return vec![a(query, &[IP])];
        }
        let mut cut = answer(query, Rcode::NOERROR);
        cut.header_mut().set_tc(true);
        vec![cut.finish()]
    });
    assert_eq!(first(resolver(&[server.address]).lookup("x.example", Kind::A)), address());
}

#[test]
fn a_tcp_server_that_stops_midway_does_not_hold_us_up() {
    let server = server(|query, _| {
        let mut cut = answer(query, Rcode::NOERROR);
        cut.header_mut().set_tc(true); // by TCP too: never whole
        vec![cut.finish()]
    });
    let found = resolver(&[server.address]).lookup("x.example", Kind::A);
    assert!(matches!(found, Err(Error::Later(_))), "{found:?}");
}

#[test]
fn a_forged_answer_is_never_taken() {
    // R08: wrong id, wrong question, no answer flag; then the true one
    let server = server(|query, _| {
        let (mut wrong_id, mut no_answer) = (a(query, &[[10, 6, 6, 6]]), a(query, &[[10, 6, 6, 6]]));
        wrong_id[0] ^= 1;
        no_answer[2] &= 0x7f;
        let other = message::question(query.header().id(), &name("y.example"), Kind::A, true);
        let other = a(&other, &[[10, 6, 6, 6]]);
        vec![wrong_id, no_answer, other, b"x".to_vec(), Vec::new(), a(query, &[IP])]
    });
    assert_eq!(first(resolver(&[server.address]).lookup("x.example", Kind::A)), address());
}

#[test]
fn a_flood_of_forged_answers_is_given_up() {
    let server = server(|query, _| {
        let mut wrong = a(query, &[IP]);
        wrong[0] ^= 1;
        vec![wrong; 100]
    });
    let found = resolver(&[server.address]).lookup("x.example", Kind::A);
    assert!(matches!(found, Err(Error::Later(_))), "{found:?}");
}

#[test]
fn records_of_other_names_are_never_taken() {
    let server = server(|query, _| {
        let mut builder = answer(query, Rcode::NOERROR);
        builder.push((name("bank.example"), Class::IN, Ttl::ZERO, A::from_octets(10, 6, 6, 6))).unwrap();
        vec![builder.finish()]
    });
    assert_eq!(resolver(&[server.address]).lookup("x.example", Kind::A), Err(Error::NotFound));
}

#[test]
fn a_compression_loop_is_no_endless_loop() {
    // R08
    let server = server(|query, _| {
        let mut packet = a(query, &[]);
        packet[7] = 1; // one answer, whose name points at itself
        let here = packet.len() as u16 | 0xc000;
        packet.extend(here.to_be_bytes());
        packet.extend([0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]);
        vec![packet]
    });
    let found = resolver(&[server.address]).lookup("x.example", Kind::A);
    assert_eq!(found, Err(Error::Later("the answer is garbled")));
}

fn alias(query: &Query, steps: &[(&str, &str)], ip: Option<&str>) -> Vec<Vec<u8>> {
    let mut builder = answer(query, Rcode::NOERROR);
    for (from, to) in steps {
        builder.push((name(from), Class::IN, Ttl::ZERO, Cname::new(name(to)))).unwrap();
    }
    if let Some(owner) = ip {
        builder
            .push((name(owner), Class::IN, Ttl::ZERO, A::from_octets(IP[0], IP[1], IP[2], IP[3])))
            .unwrap();
    }
    vec![builder.finish()]
}

#[test]
fn aliases_are_followed_within_an_answer_and_beyond() {
    let server = server(|query, _| match query.first_question().unwrap().into_qname().to_string().as_str() {
        "x.example" => alias(query, &[("y.example", "z.example"), ("x.example", "y.example")], None),
        _ => alias(query, &[("z.example", "w.example")], Some("w.example")),
    });
    assert_eq!(first(resolver(&[server.address]).lookup("x.example", Kind::A)), address());
}

#[test]
fn aliases_in_circles_come_to_an_end() {
    // R08: within one answer, and over many
    let server = server(|query, _| match query.first_question().unwrap().into_qname().to_string().as_str() {
        "x.example" => alias(query, &[("y.example", "x.example"), ("x.example", "y.example")], None),
        one => alias(query, &[(one, &format!("a{one}"))], None),
    });
    for start in ["x.example", "b.example"] {
        let found = resolver(&[server.address]).lookup(start, Kind::A);
        assert_eq!(found, Err(Error::Later("aliases go round in circles")), "{start}");
    }
    assert!(server.asked.lock().unwrap().len() < 20);
}

#[test]
fn a_failing_server_is_later_and_a_missing_name_is_not_found() {
    // R09
    for (rcode, never) in [
        (Rcode::NXDOMAIN, true),
        (Rcode::NOERROR, true),
        (Rcode::SERVFAIL, false),
        (Rcode::REFUSED, false),
        (Rcode::FORMERR, false),
        (Rcode::YXDOMAIN, false),
    ] {
        let server = server(move |query, _| code(query, rcode));
        let found = resolver(&[server.address]).lookup("x.example", Kind::A);
        assert_eq!(found == Err(Error::NotFound), never, "{rcode} {found:?}");
    }
}

#[test]
fn silence_is_later_and_has_an_end() {
    // R09
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let found = resolver(&[silent.local_addr().unwrap()]).lookup("x.example", Kind::A);
    assert_eq!(found, Err(Error::Later("no answer in time")));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn the_next_server_is_asked_when_one_is_silent_failing_or_gone() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failing = server(|query, _| code(query, Rcode::SERVFAIL));
    let good = server(|query, _| vec![a(query, &[IP])]);
    for first_one in [silent.local_addr().unwrap(), gone, failing.address] {
        let found = resolver(&[first_one, good.address]).lookup("x.example", Kind::A);
        assert_eq!(first(found), address());
    }
}

#[test]
fn an_old_server_is_asked_without_extensions() {
    let server = server(|query, _| match query.opt() {
        Some(_) => code(query, Rcode::FORMERR),
        None => vec![a(query, &[IP])],
    });
    assert_eq!(first(resolver(&[server.address]).lookup("x.example", Kind::A)), address());
}

#[test]
fn ids_differ_and_recursion_is_wanted() {
    let server = server(|query, _| code(query, Rcode::NXDOMAIN));
    let resolver = resolver(&[server.address]);
    for _ in 0..8 {
        let _ = resolver.lookup("x.example", Kind::A);
    }
    let asked = server.asked.lock().unwrap();
    let mut ids: Vec<u16> = asked.iter().map(|query| query.header().id()).collect();
    ids.dedup();
    assert!(ids.len() > 4 && asked.iter().all(|query| query.header().rd() && query.header().ad()));
}

#[test]
fn validation_is_believed_from_loopback_only_when_the_server_says_so() {
    let server = server(|query, _| {
        let mut packet = a(query, &[IP]);
        if query.first_question().unwrap().qname().to_string().starts_with("good") {
            packet[3] |= 0x20;
        }
        vec![packet]
    });
    let resolver = resolver(&[server.address]);
    assert!(resolver.lookup("good.example", Kind::A).unwrap().secure);
    assert!(!resolver.lookup("plain.example", Kind::A).unwrap().secure);
}

#[test]
fn what_can_be_no_name_is_never_asked_for() {
    let server = server(|query, _| code(query, Rcode::NOERROR));
    let resolver = resolver(&[server.address]);
    for bad in ["a..b", "a\\013b", &"a.".repeat(200), &"a".repeat(64)] {
        assert_eq!(resolver.lookup(bad, Kind::A), Err(Error::NotFound), "{bad}");
    }
    assert_eq!(resolver.addresses("localhost").unwrap().len(), 2);
    assert!(server.asked.lock().unwrap().is_empty());
}

proptest! {
    #[test]
    fn any_octets_as_an_answer_do_no_harm(tail in proptest::collection::vec(any::<u8>(), 0..600), flags: u16) {
        let question = message::question(7, &name("x.example"), Kind::Mx, true);
        let mut packet = question.as_slice()[..12].to_vec();
        packet[2..4].copy_from_slice(&(flags | 0x8000).to_be_bytes());
        packet[7] = 2;
        packet.extend_from_slice(&question.as_slice()[12..]);
        packet.extend(tail);
        if let Reply::Answer(answer) = message::reply(&packet, &question, Kind::Mx) {
            prop_assert!((1..=message::MOST_RECORDS).contains(&answer.records.len()));
        }
    }
}
