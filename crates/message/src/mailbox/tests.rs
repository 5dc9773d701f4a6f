use super::*;

/// `local@host` of each, a missing host as `-`.
fn read(text: &str) -> Result<Vec<String>, Unreadable> {
    let shown = |mailbox: &Mailbox| {
        let host = mailbox.host.as_deref().unwrap_or(b"-");
        format!("{}@{}", String::from_utf8_lossy(&mailbox.local), String::from_utf8_lossy(host))
    };
    Ok(mailboxes(text.as_bytes())?.iter().map(shown).collect())
}

#[test]
fn every_way_of_writing_an_address_is_understood() {
    for (text, expect) in [
        ("", &[][..]),
        ("a@b", &["a@b"]),
        ("a@b, c@d", &["a@b", "c@d"]),
        ("a", &["a@-"]),
        ("Bob <b@x>", &["b@x"]),
        ("\"Bob, Jr.\" <b@x>, Dr. Al E. Smith <al@y>", &["b@x", "al@y"]),
        ("b@x (Bob (the \\) one))", &["b@x"]),
        ("(lead) b (in) @ (the) x . (middle) y (end)", &["b@x.y"]),
        ("<b@x>", &["b@x"]),
        ("b@x <c@y>", &["c@y"]),
        ("<>", &["@-"]),
        ("MAILER-DAEMON <>", &["@-"]),
        ("friends: a@b, Carl <c@d>;, e@f", &["a@b", "c@d", "e@f"]),
        ("undisclosed-recipients:;", &[]),
        ("recipient list not shown: ;", &[]),
        ("\"my list\": a", &["a@-"]),
        ("<@r1,@r2:u@h>", &["u@h"]),
        ("\"a b\"@c", &["a b@c"]),
        ("\"a\\\"\\\\b\"@c", &["a\"\\b@c"]),
        ("a\\ b@c", &["a b@c"]),
        ("\"u@r\"@c", &["u@r@c"]),
        ("a@b@c", &["a%b@c"]),
        ("u@h.", &["u@h"]),
        ("u@h+", &["u@h+"]),
        ("u@[127.0.0.1]", &["u@[127.0.0.1]"]),
        ("u@[IPv6:::1]", &["u@[IPv6:::1]"]),
        ("#@[]", &["#@[]"]),
        ("list-@host-@[]", &["list-@host-@[]"]),
        ("a..b@x, c.@y", &["a..b@x", "c.@y"]),
        ("a b c@d", &["a@-", "b@-", "c@d"]),
        ("a@b c@d", &["a@b", "c@d"]),
        ("<a@b> <c@d>", &["a@b", "c@d"]),
        ("a@b; c@d;", &["a@b", "c@d"]),
        (",, a ,,b,", &["a@-", "b@-"]),
        ("a@b,\n c@d\n\t,e@f", &["a@b", "c@d", "e@f"]),
        ("\"folded\n name\"@x", &["folded name@x"]),
        ("jörg@bücher.de", &["jörg@bücher.de"]),
        ("Jörg <j@x>", &["j@x"]),
        ("=?UTF-8?Q?J=C3=B6rg?= <j@x>", &["j@x"]),
        (
            "+sally@x, -f@x, |prog@x, $(id)@x, /etc/x@y, a'b@x",
            &["+sally@x", "-f@x", "|prog@x", "$@x", "/etc/x@y", "a'b@x"],
        ),
    ] {
        let expect: Vec<String> = expect.iter().map(|text| (*text).to_owned()).collect();
        // A comment is never part of an address, so `$(id)@x` is `$@x`.
        assert_eq!(read(text).as_ref(), Ok(&expect), "{text:?}");
    }
}

#[test]
fn what_cannot_be_read_is_a_fault_and_no_recipient_is_passed_over() {
    use Unreadable::*;
    for (text, fault) in [
        ("\"a@b", NoEnd('"')),
        ("(a@b", NoEnd('(')),
        ("(a(b)", NoEnd('(')),
        ("u@[1.2.3.4", NoEnd('[')),
        ("<a@b", NoEnd('<')),
        ("a@b>", Stray('>')),
        ("a)b@c", Stray(')')),
        ("a]b@c", Stray(']')),
        ("a@", HalfAddress),
        ("@a", HalfAddress),
        ("@", HalfAddress),
        (".", HalfAddress),
        ("a@.", HalfAddress),
        ("a@.x", HalfAddress),
        ("a@@b", HalfAddress),
        ("<@r:>", Crowded),
        ("<@r>", HalfAddress),
        ("<a@b, c@d>", Crowded),
        ("<a b@c>", Crowded),
        ("<a<b>", Crowded),
        ("<a:b@c>", Crowded),
        ("\"a\"b@c", Glued),
        ("a@\"b\"", Stray('"')),
        ("a@[b c]", Stray(' ')),
        ("a@[b@c]", Stray('@')),
        ("a@b\\@c", Stray('@')),
        ("a@b\\:", Stray(':')),
        ("a@b: c@d", Group),
        ("x: y: z@a;", Group),
        (": a@b", Group),
        ("a\u{1}b@c", Stray(' ')),
        ("a\\\nb@c", Stray(' ')),
        ("a\0@b", Stray(' ')),
        ("a@b\u{7f}", Stray(' ')),
        ("\\", HalfAddress),
        ("\"\"@x", HalfAddress),
    ] {
        assert_eq!(read(text), Err(fault), "{text:?}");
    }
}

#[test]
fn only_what_changes_is_spelled_anew() {
    let complete = |mailbox: &Mailbox| {
        let local = String::from_utf8_lossy(&mailbox.local).into_owned();
        (mailbox.host.is_none() && !local.is_empty()).then(|| format!("{local}@h").into_bytes())
    };
    for (text, expect) in [
        ("a@b,  \"Al\"\n <c>  (c), d (D) e, <>", "a@b,  \"Al\"\n <c@h>  (c), d@h (D), e@h, <>"),
        ("x: a, Jörg <b>; c", "x: a@h, Jörg <b@h>; c@h"),
        ("<a><b>", "<a@h>, <b@h>"),
        ("a\n b", "a@h,\n b@h"),
        ("a@b", "a@b"),
    ] {
        let list = mailboxes(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(respell(text.as_bytes(), &list, complete)).unwrap(), expect);
    }
}

#[test]
fn a_line_that_grows_too_long_is_folded() {
    let text = vec!["user"; 500].join(",");
    let list = mailboxes(text.as_bytes()).unwrap();
    let new = respell(text.as_bytes(), &list, |_| Some(b"user@a.host.example.test".to_vec()));
    assert!(new.split(|b| *b == b'\n').all(|line| line.len() < 990), "RFC 5322 §2.1.1");
    assert_eq!(mailboxes(&new).unwrap().len(), 500);
}

#[test]
fn a_hostile_list_takes_no_more_than_its_own_length() {
    let deep = [vec![b'('; 1_000_000], vec![b')'; 1_000_000], b"a@b".to_vec()].concat();
    assert_eq!(mailboxes(&deep).unwrap().len(), 1);
    let many = "Some Body <user@example.test>,\n ".repeat(100_000);
    assert_eq!(mailboxes(many.as_bytes()).unwrap().len(), 100_000);
    let words = "a ".repeat(300_000);
    assert_eq!(mailboxes(words.as_bytes()).unwrap().len(), 300_000);
    assert_eq!(mailboxes(&[b'<'; 1_000_000]), Err(Unreadable::NoEnd('<')));
    assert_eq!(mailboxes("@a,".repeat(100_000).as_bytes()), Err(Unreadable::HalfAddress));
}

#[test]
fn a_word_of_a_command_line_is_never_more_than_one_address() {
    let one = |text: &str| -> Result<String, Unreadable> {
        let mailbox = mailbox(text.as_bytes())?;
        let host = mailbox.host.unwrap_or_else(|| b"-".to_vec());
        Ok(String::from_utf8([&mailbox.local[..], b"@", &host].concat()).unwrap())
    };
    for (text, expect) in [
        ("a", "a@-"),
        ("a@b", "a@b"),
        ("Al Smith <a@b>", "a@b"),
        ("<a@b>", "a@b"),
        ("\"a b\"@c", "a b@c"),
        ("a b@c", "a b@c"),
        ("a,b@c", "a,b@c"),
        ("a;touch evil@c", "a;touch evil@c"),
        ("us:a,b@c", "us:a,b@c"),
        ("(a@c", "(a@c"),
    ] {
        assert_eq!(one(text), Ok(expect.to_owned()), "{text:?}");
    }
    for text in [
        "",
        "<>",
        "a b",
        "a@b,c@d",
        "a@b c@d",
        "v@x,w@y@evil",
        "v@x;@evil",
        "a@",
        "@b",
        "a@b c",
        "\"a@b",
        "a\n b@c",
        "a@b,",
    ] {
        let read = one(text);
        assert!(read.is_err() || text == "a@b,", "{text:?}: {read:?}");
    }
}
