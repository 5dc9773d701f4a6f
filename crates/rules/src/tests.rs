use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn made(text: &str) -> Records {
    compile(text.as_bytes()).unwrap()
}

fn fault(text: &str) -> Fault {
    compile(text.as_bytes()).expect_err(text)
}

/// As a cdb does: the first record of a key.
fn ask(records: &Records, client: &Client<'_>) -> Option<Found> {
    let mut table = HashMap::new();
    for (key, value) in records {
        table.entry(key.clone()).or_insert_with(|| value.clone());
    }
    find(client, |key| Ok::<_, Infallible>(table.get(key).cloned())).unwrap()
}

fn key_for(text: &str, ip: &str) -> Option<String> {
    let found = ask(&made(text), &Client { ip, ..Client::default() });
    found.map(|found| String::from_utf8(found.key).unwrap())
}

fn denied(text: &str, ip: &str) -> Option<bool> {
    ask(&made(text), &Client { ip, ..Client::default() }).map(|found| found.verdict.deny)
}

#[test]
fn rules_become_the_records_of_ucspi_tcp() {
    let text = "# all\n\n127.:allow,RELAYCLIENT=\"\"\n10.2-3.:deny\nJoe@1.2.3.4:allow,A=/x y/,B=''  \r\n:deny,A=\"1\"\n";
    let expect: [(&str, &str); 5] = [
        ("127.", "+RELAYCLIENT=\0"),
        ("10.2.", "D\0"),
        ("10.3.", "D\0"),
        ("Joe@1.2.3.4", "+A=x y\0+B=\0"),
        ("", "D\0+A=1\0"),
    ];
    let expect: Records =
        expect.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
    assert_eq!(made(text), expect);
}

#[test]
fn a_variable_can_be_unset() {
    assert_eq!(made("1.:allow,!A,B=\"b\",!C"), [(b"1.".to_vec(), b"-A\0+B=b\0-C\0".to_vec())]);
    let changes =
        [Change::Unset(b"A".into()), Change::Set(b"B".into(), b"b".into()), Change::Unset(b"C".into())];
    assert_eq!(Verdict::decode(b"-A\0+B=b\0-C\0").unwrap().changes, changes);
}

#[test]
fn a_line_that_is_no_rule_is_refused_with_its_number_and_a_cure() {
    // B03
    for (text, problem, cure) in [
        ("10.:", "neither allow nor deny", "address:allow"),
        ("10.", "no colon", "address:allow"),
        ("10.:ALLOW", "neither allow nor deny", "address:allow"),
        ("10.:allowed", "`ed` where a comma", "VAR=\"value\""),
        ("10:deny", "never match", "write 10. with a dot"),
        ("1.2.3:deny", "never match", "1.2.3."),
        ("1.2.3.4.:deny", "too many parts", "four"),
        ("1.2.3.4.5:deny", "too many parts", "four"),
        ("1.2.3.007:deny", "007 would never match", "write 7"),
        ("1.2.3.256:deny", "`256` where a number", "0 to 255"),
        ("1..2.:deny", "where a number", "0 to 255"),
        ("1.2.3.9-5:deny", "ends before it begins", "write 5-9"),
        ("1.2.3.5-:deny", "where a number", "0 to 255"),
        ("1.2.3.5-300:deny", "`300`", "0 to 255"),
        ("1-2.3-4.:deny", "two ranges", "one rule for each"),
        ("10.0.0.0/33:deny", "`33` is no length", "0 to 32"),
        ("10.0.0.0/255.0.0.0:deny", "no length", "0 to 32"),
        ("10.0.0.0/:deny", "no length", "0 to 32"),
        ("10/8:deny", "`10` is no address", "before the slash"),
        ("10.1.2.3/8:deny", "bits beyond", "write 10.0.0.0/8, or 10.1.2.3"),
        ("2001:db8::1/32:deny", "bits beyond", "2001:db8::/32"),
        ("2001:db8::/129:deny", "no length", "0 to 128"),
        ("2001:db8:allow", "no IPv6 address", "2001:db8::/32"),
        ("example.org:deny", "no address", "write =example.org"),
        ("=*.example.org:deny", "`*`", "=.suffix"),
        ("joe@10.:deny", "neither =host nor an address", "info@address"),
        (" 1.2.3.4:deny", "a blank before", "begin the line"),
        ("1.2.3.4 :deny", "` ` in the address", "="),
        ("1.2.3.4: deny", "neither allow nor deny", "without blanks"),
        ("1.:allow,RELAYCLIENT=\u{201d}\u{201d}", "typographic quote \u{201d}", "plain quote"),
        ("1.:allow,RELAYCLIENT=\u{201c}\u{201d},B=\"1\"", "typographic quote \u{201c}", "plain quote"),
        ("\u{201c}1.\u{201d}:allow", "typographic quote", "plain quote"),
        ("1.:allow\u{201d}", "typographic quote", "plain quote"),
        ("1.:allow,A=\u{e9}x\u{e9}", "beyond ASCII", "plain quotes"),
        ("1.:allow,A=", "no value", "VAR=\"\""),
        ("1.:allow,A=\"x", "does not come again", "end the value"),
        ("1.:allow,A=\"x\"y", "`y` where a comma", "VAR=\"value\""),
        ("1.:allow, A=\"x\"", "no name of a variable", "VAR=\"value\""),
        ("1.:allow,=\"x\"", "no name", "VAR=\"value\""),
        ("1.:allow,A", "no `=`", "VAR=\"value\""),
        ("1.:allow,", "no `=`", "VAR=\"value\""),
        ("1.:allow,!", "no name", "!VAR"),
        ("1.:allow,A=\"\0\"", "NUL", "anew"),
    ] {
        let found = fault(&format!("# first\n{text}\n9.:allow"));
        assert_eq!(found.line, 2, "{text}");
        assert!(found.problem.contains(problem), "{text}: {}", found.problem);
        assert!(found.cure.contains(cure), "{text}: {}", found.cure);
        assert!(!found.to_string().contains(['\n', '\0']), "{text}");
    }
}

#[test]
fn the_first_key_found_decides_and_nothing_is_merged() {
    let all =
        ["joe@1.2.3.4", "joe@=a.b.c", "1.2.3.4", "=a.b.c", "1.2.3.", "1.2.", "1.", "=.b.c", "=.c", "=", ""];
    let client = Client { ip: "1.2.3.4", host: Some(b"A.b.C"), info: Some(b"joe") };
    for (number, first) in all.iter().enumerate() {
        let text: String =
            all[number..].iter().rev().map(|key| format!("{key}:allow,K=\"{key}\"\n")).collect();
        let found = ask(&made(&text), &client).unwrap();
        assert_eq!(found.key, first.as_bytes());
        assert_eq!(found.verdict.changes.len(), 1);
    }
    assert_eq!(ask(&Vec::new(), &client), None);
}

#[test]
fn a_host_name_has_no_case_and_a_login_name_has() {
    let client = |host, info| Client { ip: "1.2.3.4", host, info };
    let rules = made("=.Example.ORG:allow\nJoe@=a.B:deny\n=:deny\n");
    let key = |host: &'static str, info: &'static str| {
        ask(&rules, &client(Some(host.as_bytes()), Some(info.as_bytes()))).unwrap().key
    };
    assert_eq!(key("MX.example.Org", ""), b"=.example.org");
    assert_eq!(key("A.b", "Joe"), b"Joe@=a.b");
    assert_eq!(key("A.b", "joe"), b"=");
    let ucspi = vec![(b"=Evil.Example".to_vec(), b"D\0".to_vec())];
    assert!(ask(&ucspi, &client(Some(b"Evil.Example"), None)).unwrap().verdict.deny);
}

#[test]
fn without_a_host_name_no_host_rule_holds() {
    // B03: a rule for a name must not hold for who has none
    let text = "=:allow,RELAYCLIENT=\"\"\n=.dom:allow,RELAYCLIENT=\"\"\n";
    assert_eq!(key_for(text, "1.2.3.4"), None);
    let client = Client { ip: "1.2.3.4", host: Some(b"x.dom.evil"), info: None };
    assert_eq!(ask(&made("=.dom:allow\n"), &client), None);
}

#[test]
fn an_ipv4_client_is_the_same_in_ipv6_clothes() {
    let text = "1.2.3.4:deny\n10.:deny\n::ffff:9.9.9.0/120:deny\n[::ffff:8.8.8.8]:deny\n";
    for ip in ["1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304", "::ffff:10.1.1.1", "9.9.9.7", "::ffff:8.8.8.8"]
    {
        assert_eq!(denied(text, ip), Some(true), "{ip}");
    }
}

#[test]
fn ipv6_addresses_match_in_every_spelling_and_networks_by_length() {
    let text = "2001:DB8:0:0::1:deny\n[2001:db8::2]:deny\n2001:db8::/32:allow,A=\"32\"\n2001:db8:1::/48:deny\n::/0:deny\n";
    assert_eq!(key_for(text, "2001:db8::1").unwrap(), "2001:db8::1");
    assert_eq!(key_for(text, "2001:0db8:0:0:0:0:0:2").unwrap(), "2001:db8::2");
    assert_eq!(key_for(text, "2001:db8:1:ffff::9").unwrap(), "2001:db8:1::/48");
    assert_eq!(key_for(text, "2001:db8:2::9").unwrap(), "2001:db8::/32");
    assert_eq!(key_for(text, "fe80::1").unwrap(), "::/0");
    assert_eq!(key_for(text, "1.2.3.4"), None);
}

#[test]
fn of_two_networks_the_longer_stands_whatever_the_order() {
    for text in [
        "10.0.0.0/20:deny\n10.0.4.0/22:allow\n10.0.5.0/25:deny\n",
        "10.0.5.0/25:deny\n10.0.4.0/22:allow\n10.0.0.0/20:deny\n",
    ] {
        assert_eq!(denied(text, "10.0.1.1"), Some(true));
        assert_eq!(denied(text, "10.0.4.1"), Some(false));
        assert_eq!(denied(text, "10.0.5.200"), Some(false));
        assert_eq!(denied(text, "10.0.5.100"), Some(true));
        assert_eq!(denied(text, "10.0.16.1"), None);
    }
    assert_eq!(denied("10.:allow\n10.0.0.0/8:deny\n", "10.1.1.1"), Some(false), "as long: the first");
    assert_eq!(denied("10.0.0.0/8:deny\n10.:allow\n", "10.1.1.1"), Some(true), "as long: the first");
    assert_eq!(denied("8.0.0.0/6:deny\n10.:allow\n", "10.1.1.1"), Some(false));
}

#[test]
fn no_ipv4_network_takes_more_than_256_records() {
    for bits in 0..=32u8 {
        let count = made(&format!("0.0.0.0/{bits}:deny")).len();
        assert!((1..=256).contains(&count), "/{bits}: {count}");
    }
}

#[test]
fn what_is_no_record_is_an_error_and_never_allows() {
    for record in [
        &b"x\0"[..],
        b"D",
        b"D\0x",
        b"+A\0",
        b"+=x\0",
        b"-\0",
        b"\0",
        b"DD\0",
        b"+A=1\0\0",
        b"-A=\0",
        b"+A=1",
    ] {
        assert_eq!(Verdict::decode(record), None, "{record:?}");
        let found =
            find(&Client::default(), |key| Ok::<_, Infallible>(key.is_empty().then(|| record.to_vec())));
        assert!(matches!(found, Err(Failure::Damaged(_))));
    }
    let lengths = |key: &[u8]| Ok::<_, Infallible>((key == b"/").then(|| vec![200]));
    assert!(matches!(find(&Client { ip: "::1", ..Client::default() }, lengths), Err(Failure::Damaged(_))));
}

#[test]
fn a_table_that_cannot_be_read_is_an_error_and_never_allows() {
    // B01
    let found = find(&Client { ip: "1.2.3.4", ..Client::default() }, |_| Err("cut short"));
    assert!(matches!(found, Err(Failure::Table("cut short"))));
}

#[test]
fn a_very_long_rule_file_is_compiled() {
    // B03
    let mut compiler = Compiler::default();
    for number in 0..200_000u32 {
        compiler.line(format!("{}:deny", Ipv4Addr::from_bits(number)).as_bytes()).unwrap();
    }
    assert_eq!(compiler.finish().len(), 200_000);
}

#[test]
fn dangerous_rules_can_be_told() {
    let rule = |text: &str| line(text.as_bytes(), 1).unwrap().unwrap();
    assert!(
        rule(":allow,RELAYCLIENT=\"\"").is_for_all() && rule(":allow,RELAYCLIENT=\"\"").sets("RELAYCLIENT")
    );
    assert!(rule("=.dom:allow,RELAYCLIENT=\"\"").is_by_name());
    assert!(
        !rule("10.:allow,RELAYCLIENT=\"\"").is_for_all()
            && !rule("10.:allow,!RELAYCLIENT").sets("RELAYCLIENT")
    );
}

/// The rule for `ip` by counting bits: the longest network, the first of equals.
fn model(networks: &[(IpAddr, u8, bool)], ip: IpAddr) -> Option<bool> {
    let within = |network: IpAddr, bits: u8| match (network, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => bits == 0 || (a.to_bits() ^ b.to_bits()) >> (32 - bits) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => bits == 0 || (a.to_bits() ^ b.to_bits()) >> (128 - bits) == 0,
        _ => false,
    };
    let mut found: Option<(u8, bool)> = None;
    for (network, bits, deny) in networks {
        if within(*network, *bits) && found.is_none_or(|(most, _)| *bits > most) {
            found = Some((*bits, *deny));
        }
    }
    found.map(|(_, deny)| deny)
}

fn any_network() -> impl Strategy<Value = (IpAddr, u8, bool)> {
    let v4 =
        (any::<u32>(), 0..=32u8).prop_map(|(ip, bits)| (Ipv4Addr::from_bits(ip & 0x0303_03ff).into(), bits));
    let v6 = (any::<u128>(), 0..=128u8)
        .prop_map(|(ip, bits)| (Ipv6Addr::from_bits(ip & 0x3_0003_0000_ffff).into(), bits));
    (prop_oneof![v4, v6], any::<bool>())
        .prop_map(|((ip, bits), deny)| (address::first_address(ip, bits), bits, deny))
}

proptest! {
    #[test]
    fn networks_hold_for_exactly_the_addresses_in_them(
        networks in prop::collection::vec(any_network(), 1..8),
        (ip, _, _) in any_network(),
    ) {
        let text: String = networks
            .iter()
            .map(|(ip, bits, deny)| format!("{ip}/{bits}:{}\n", if *deny { "deny" } else { "allow" }))
            .collect();
        prop_assert_eq!(denied(&text, &ip.to_string()), model(&networks, ip), "{}", text);
    }

    #[test]
    fn a_verdict_comes_back_from_its_record(
        deny in any::<bool>(),
        changes in prop::collection::vec(("[A-Z]{1,5}", prop::option::of("[^\0]{0,9}")), 0..5),
    ) {
        let change = |(name, value): (String, Option<String>)| match value {
            Some(value) => Change::Set(name.into(), value.into()),
            None => Change::Unset(name.into()),
        };
        let verdict = Verdict { deny, changes: changes.into_iter().map(change).collect() };
        prop_assert_eq!(Verdict::decode(&verdict.encode()), Some(verdict));
    }

    #[test]
    fn any_octets_are_a_rule_or_a_fault_and_any_record_a_verdict_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = line(&bytes, 1);
        let _ = line(&[b"1.:allow,", &bytes[..]].concat(), 1);
        let _ = line(&[&bytes[..], b":deny"].concat(), 1);
        if let Some(verdict) = Verdict::decode(&bytes) {
            prop_assert_eq!(Verdict::decode(&verdict.encode()), Some(verdict));
        }
    }
}
