use super::*;

/// `display|route|local|domain` of each.
fn read(value: &str) -> Vec<String> {
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let maybe = |it: &Option<Vec<u8>>| it.as_deref().map_or("-".to_owned(), text);
    let each = |listed: &Listed| match listed {
        Listed::Mailbox { display, route, local, domain } => {
            format!("{}|{}|{}|{}", maybe(display), maybe(route), text(local), text(domain))
        }
        Listed::GroupStart(name) => format!("{}:", text(name)),
        Listed::GroupEnd => ";".to_owned(),
    };
    addresses(value.as_bytes()).iter().map(each).collect()
}

#[test]
fn addresses_of_the_standard_are_read() {
    for (value, expect) in [
        ("john@example.com", &["-|-|john|example.com"][..]),
        ("John Doe <john@example.com>, a@b", &["John Doe|-|john|example.com", "-|-|a|b"]),
        ("\"Doe, \\\"J\\\"\" <john@example.com>", &["Doe, \"J\"|-|john|example.com"]),
        ("john@example.com (John (the) Doe)", &["John (the) Doe|-|john|example.com"]),
        ("<@a,@b:john@example.com>", &["-|@a,@b|john|example.com"]),
        ("A Group:Ed <e@x>,j@y;, z@q", &["A Group:", "Ed|-|e|x", "-|-|j|y", ";", "-|-|z|q"]),
        ("Undisclosed recipients:;", &["Undisclosed recipients:", ";"]),
        ("=?utf-8?q?J=C3=B6?= <j@x>", &["=?utf-8?q?J=C3=B6?=|-|j|x"]),
        ("\"a b\"@[127.0.0.1]", &["-|-|a b|[127.0.0.1]"]),
        ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &["Pete|-|pete|silly.test"]),
        ("john . doe @ example . com", &["-|-|john.doe|example.com"]),
        ("John Q. Public <a@b>", &["John Q. Public|-|a|b"]),
        (",,a@b,,\n c@d,", &["-|-|a|b", "-|-|c|d"]),
    ] {
        assert_eq!(read(value), expect, "{value}");
    }
}

#[test]
fn what_is_no_address_is_made_the_best_of() {
    for (value, expect) in [
        ("", &[][..]),
        ("postmaster", &["-|-|postmaster|"]),
        ("Someone Else", &["Someone Else|-||"]),
        ("<>", &[]),
        ("John <>", &["John|-||"]),
        ("John <john@x, a@b", &["John|-|john|x", "-|-|a|b"]),
        ("a@b@c", &["-|-|a|b@c"]),
        ("John Doe john@x", &["John Doe|-|john|x"]),
        ("x@y <a@b>", &["x@y|-|a|b"]),
        ("group: a@b, c@d", &["group:", "-|-|a|b", "-|-|c|d", ";"]),
        ("((((", &[]),
        ("\"open <a@b>", &["-|-|open <a@b>|"]),
        ("a:b:c@d;", &["a:", "-|-|c|d", ";"]),
        (";;>>", &["-|-|>>|"]),
    ] {
        assert_eq!(read(value), expect, "{value}");
    }
}

#[test]
fn a_hundred_thousand_addresses_and_deep_comments_are_no_work() {
    assert_eq!(addresses("a@b,".repeat(100_001).as_bytes()).len(), MOST);
    let deep = "(".repeat(10_000) + &")".repeat(10_000) + "a@b";
    assert_eq!(read(&deep).len(), 1);
    for piece in ["(", "\"", "<", "@", ":", "a:", "[", "\\", "<@", "a ", "(a)", "a.", ";", "a@b <"] {
        let many = piece.repeat(200_000);
        assert!(addresses(many.as_bytes()).len() <= MOST + 2, "{piece}");
    }
}
