use control::Control;
use sys::Env;

use super::*;

/// 2026-11-21 08:00:00 UTC.
const NOW: u64 = 1_795_248_000;
const DATE: &str = "Date: Sat, 21 Nov 2026 08:00:00 -0000\n";
const ID: &str = "Message-ID: <20261121080000.77.qmail@id.test>\n";
const CC: &str = "Cc: recipient list not shown: ;\n";

const USUAL: &[&str] = &[
    "QMAILDEFAULTHOST=dh",
    "QMAILDEFAULTDOMAIN=dd.test",
    "QMAILPLUSDOMAIN=pd.test",
    "QMAILIDHOST=id.test",
    "USER=bob",
];

fn environment(more: &[&str]) -> Env {
    Env::from_fields(USUAL.iter().chain(more).map(|field| field.as_bytes()))
}

/// What becomes of `fields` (each with its LF): header, sender, recipients joined by blanks.
fn make(
    fields: &[&str],
    env: &[&str],
    args: &[&str],
    lists: &[&str],
) -> Result<(String, String, String), String> {
    let env = environment(env);
    let hosts = Hosts::read(&env, &Control::at("/nonexistent")).unwrap();
    let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    let order = crate::options::read(&args).unwrap();
    let person = Person::of(&env, None, &hosts);
    let lists = lists.iter().map(|list| list.as_bytes().to_vec()).collect();
    let mut letter = Letter::new(&order, &hosts, &person, lists);
    fields.iter().for_each(|field| letter.field(field.as_bytes()));
    let ready = letter.finish(NOW, 77)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok((text(&ready.header), text(&ready.sender), text(&ready.recipients.join(&b' '))))
}

fn header(fields: &[&str], env: &[&str]) -> String {
    make(fields, env, &["-n"], &[]).unwrap().0
}

const FROM: &str = "From: bob@dh.dd.test\n";

#[test]
fn what_is_missing_in_a_header_is_added_above_it() {
    assert_eq!(header(&[], &[]), format!("{DATE}{ID}{FROM}{CC}"));
    assert_eq!(
        header(&["To: a@b.c\n", "Subject: x\n"], &[]),
        format!("{DATE}{ID}{FROM}To: a@b.c\nSubject: x\n")
    );
    assert_eq!(header(&["Bcc: a@b.c\n", "dAtE : x\n"], &[]), format!("{ID}{FROM}{CC}dAtE : x\n"));
    let whole = ["Date: x\n", "Message-Id: y\n", "From: z@z.z\n", "Cc: a@b.c\n"];
    assert_eq!(header(&whole, &[]), whole.concat());
    assert_eq!(header(&["Apparently-To: a@b.c\n"], &[]), format!("{DATE}{ID}{FROM}Apparently-To: a@b.c\n"));
}

#[test]
fn fields_that_are_nobodys_business_are_removed() {
    let gone = [
        "Bcc: a@b.c\n",
        "Return-Path: <x@y.z>\n",
        "Content-Length: 17\n",
        "bcc : d,\n e\n",
        "Resent-Bcc: f@g.h\n",
    ];
    let left = header(&gone, &[]);
    for name in ["bcc", "return-path", "content-length"] {
        assert!(!left.to_lowercase().contains(name), "{left}");
    }
}

#[test]
fn hosts_are_completed_in_every_field_with_addresses() {
    for (written, made) in [
        ("a", "a@dh.dd.test"),
        ("a@h", "a@h.dd.test"),
        ("a@h+", "a@h.pd.test"),
        ("a@h.x+", "a@h.x.pd.test"),
        ("a@h.", "a@h.dd.test"),
        ("a@h.x.", "a@h.x"),
        ("a@h.x", "a@h.x"),
        ("a@[1.2.3.4]", "a@[1.2.3.4]"),
        ("#@[]", "#@[]"),
        ("<@r,@s:a@h>", "<a@h.dd.test>"),
        ("a@b@c.d", "a%b@c.d"),
        ("Al (x) <a>", "Al (x) <a@dh.dd.test>"),
        ("\"a b\"", "\"a b\"@dh.dd.test"),
        ("a b", "a@dh.dd.test, b@dh.dd.test"),
        ("us: a, b;, c", "us: a@dh.dd.test, b@dh.dd.test;, c@dh.dd.test"),
        ("Jörg <jörg@bücher.de>", "Jörg <jörg@bücher.de>"),
        ("jörg", "jörg@dh.dd.test"),
        ("a,\n\tb", "a@dh.dd.test,\n\tb@dh.dd.test"),
    ] {
        for name in [
            "To",
            "Cc",
            "From",
            "sender",
            "Reply-To",
            "Errors-To",
            "Return-Receipt-To",
            "Mail-Followup-To",
            "Resent-To",
            "Resent-From",
        ] {
            let made = format!("{name}: {made}\n");
            assert!(header(&[&format!("{name}: {written}\n")], &[]).ends_with(&made), "{made}");
        }
        let other = format!("X-To: {written}\n");
        assert!(header(&[&other], &[]).ends_with(&other));
    }
}

#[test]
fn octets_that_need_no_change_are_not_touched() {
    let odd = "To:   \"J\u{f6}rg\\\"\" (c (d)) \t <j@x.y>  ,\n\t<k@x.y>(e)\n";
    assert!(header(&[odd], &[]).ends_with(odd));
}

#[test]
fn the_sender_is_who_the_environment_says() {
    for (env, from, envelope) in [
        (&[][..], "bob@dh.dd.test", "bob@dh.dd.test"),
        (&["LOGNAME=log", "USER="], "log@dh.dd.test", "log@dh.dd.test"),
        (&["USER=", "LOGNAME="], "anonymous@dh.dd.test", "anonymous@dh.dd.test"),
        (&["MAILUSER=m", "MAILHOST=mh"], "m@mh.dd.test", "m@mh.dd.test"),
        (&["QMAILUSER=q", "MAILUSER=m", "QMAILHOST=q.h", "MAILHOST=mh"], "q@q.h", "q@q.h"),
        (&["QMAILSUSER=s"], "bob@dh.dd.test", "s@dh.dd.test"),
        (&["QMAILSUSER=s", "QMAILSHOST=s.h"], "bob@dh.dd.test", "s@s.h"),
        (&["NAME=Bob B"], "Bob B <bob@dh.dd.test>", "bob@dh.dd.test"),
        (&["NAME=n", "MAILNAME=Bob B.", "QMAILINJECT=c"], "bob@dh.dd.test (Bob B.)", "bob@dh.dd.test"),
        (
            &["QMAILNAME=B. \"x\" (y)\\", "NAME=n"],
            "\"B. \\\"x\\\" (y)\\\\\" <bob@dh.dd.test>",
            "bob@dh.dd.test",
        ),
        (&["QMAILNAME=(y)", "QMAILINJECT=c"], "bob@dh.dd.test (\\(y\\))", "bob@dh.dd.test"),
        (&["QMAILNAME=x\nBcc: evil@x"], "\"x_Bcc: evil@x\" <bob@dh.dd.test>", "bob@dh.dd.test"),
        (&["USER=bob smith"], "\"bob smith\"@dh.dd.test", "bob smith@dh.dd.test"),
        (&["USER=a\nb"], "a_b@dh.dd.test", "a_b@dh.dd.test"),
        (&["QMAILINJECT=m"], "bob@dh.dd.test", "bob-1795248000.77@dh.dd.test"),
        (&["QMAILINJECT=r"], "bob@dh.dd.test", "bob-@dh.dd.test-@[]"),
        (&["QMAILINJECT=mr"], "bob@dh.dd.test", "bob-1795248000.77-@dh.dd.test-@[]"),
    ] {
        let (header, sender, _) = make(&[], env, &["-n"], &[]).unwrap();
        assert_eq!((header, &sender[..]), (format!("{DATE}{ID}From: {from}\n{CC}"), envelope), "{env:?}");
    }
}

#[test]
fn an_envelope_sender_comes_from_f_then_return_path_then_the_environment() {
    let sender =
        |fields: &[&str], env: &[&str], args: &[&str]| make(fields, env, args, &[]).map(|made| made.1);
    let path = &["Return-Path: (c) <x@y>\n"][..];
    assert_eq!(sender(path, &[], &["-n"]).unwrap(), "x@y.dd.test");
    assert_eq!(sender(path, &["QMAILINJECT=s"], &["-n"]).unwrap(), "bob@dh.dd.test");
    assert_eq!(sender(path, &["QMAILINJECT=r"], &["-nf", "al"]).unwrap(), "al@dh.dd.test");
    assert_eq!(sender(&["Return-Path: <>\n"], &[], &["-n"]).unwrap(), "");
    for (given, made) in [
        ("", ""),
        ("<>", ""),
        ("a@b+", "a@b.pd.test"),
        ("Al <a@b.c>", "a@b.c"),
        ("#@[]", "#@[]"),
        ("l-@h-@[]", "l-@h-@[]"),
    ] {
        assert_eq!(sender(&[], &[], &["-n", "-f", given]).unwrap(), made);
    }
    for wrong in ["a, b", "a@", "<a"] {
        assert!(sender(&[], &[], &["-n", "-f", wrong]).is_err());
    }
}

#[test]
fn the_letters_of_qmailinject_drop_what_came_with_the_message() {
    let fields = &["From: evil@x.y\n", "Message-ID: <1@x>\n", "To: a@b.c\n"][..];
    let made = header(fields, &["QMAILINJECT=fi"]);
    assert_eq!(made, format!("{DATE}{ID}{FROM}To: a@b.c\n"));
}

#[test]
fn recipients_come_from_where_the_options_say() {
    let header = &["To: a@x.y, Al <b@x>\n", "Cc: c@x.y\n", "Bcc: d,\n e@x.y\n", "Reply-To: no@x.y\n"][..];
    let all = "a@x.y b@x.dd.test c@x.y d@dh.dd.test e@x.y";
    for (args, expect) in [
        (&["r@x.y"][..], "r@x.y".to_owned()),
        (&[], all.to_owned()),
        (&["-a", "r"], "r@dh.dd.test".to_owned()),
        (&["-h", "r@x.y"], all.to_owned()),
        (&["-H", "r@x.y"], format!("r@x.y {all}")),
        (&["-H", "a@x.y"], format!("a@x.y {}", &all[6..])),
        (&["Al <r@x.y>", "s@h+", "t u@x.y"], "r@x.y s@h.pd.test t u@x.y".to_owned()),
    ] {
        assert_eq!(make(header, &[], args, &[]).unwrap().2, expect, "{args:?}");
    }
    assert!(make(header, &[], &["-a"], &[]).is_err(), "no recipients");
    assert!(make(&["Subject: x\n"], &[], &[], &[]).is_err());
    assert!(make(&["To: us:;\n"], &[], &["-h"], &[]).is_err());
}

#[test]
fn a_resent_message_has_a_set_of_its_own() {
    let (made, _, recipients) =
        make(&["Resent-To: a@x.y\n", "To: old@x.y\n", "From: o@x.y\n", "Bcc: b@x.y\n"], &[], &[], &[])
            .unwrap();
    assert_eq!(recipients, "a@x.y");
    assert_eq!(
        made,
        format!("Resent-{DATE}Resent-{ID}Resent-{FROM}Resent-To: a@x.y\nTo: old@x.y\nFrom: o@x.y\n")
    );
    let made = header(&["Resent-Bcc: a@x.y\n", "Resent-From: b@x.y\n"], &[]);
    assert_eq!(made, format!("Resent-{DATE}Resent-{ID}Resent-{CC}Resent-From: b@x.y\n"));
}

#[test]
fn an_address_that_cannot_be_read_is_refused_by_name() {
    for field in [
        "To: a@b, \"c\n",
        "Cc: a@b, <d\n",
        "Bcc: x@\n",
        "From: (a\n",
        "To: a@b:;\n",
        "To: <>\n",
        "Return-Path: a, b\n",
    ] {
        let fault = make(&["To: good@x.y\n", field], &[], &["-n"], &[]).unwrap_err();
        assert!(fault.contains(field.split(':').next().unwrap()), "{fault}");
    }
    for argument in ["a@", "", "<>", "\"a", "a>", "a@b:c", "a@x.y,b@x.y", "a b"] {
        assert!(make(&[], &[], &["-a", argument], &[]).is_err(), "{argument:?}");
    }
}

#[test]
fn mail_to_a_list_asks_for_answers_to_all_who_see_it() {
    let lists = &["list@x.y"][..];
    let fields = &["To: List@X.y\n", "Cc: \"a b\"@x.y\n", "Bcc: c@x.y\n"][..];
    let made = make(fields, &[], &["-n"], lists).unwrap().0;
    assert!(made.contains("\nMail-Followup-To: List@X.y,\n  \"a b\"@x.y\n"), "{made}");
    assert!(!make(&["To: other@x.y\n"], &[], &["-n"], lists).unwrap().0.contains("Followup"));
    let own = &["To: list@x.y\n", "Mail-Followup-To: me\n"][..];
    assert_eq!(make(own, &[], &["-n"], lists).unwrap().0.matches("Followup").count(), 1);
}

#[test]
fn ten_thousand_lines_and_a_hundred_thousand_addresses_are_no_trouble() {
    let many = (0..100_000).map(|n| format!("user{n}")).collect::<Vec<_>>().join(",\n ");
    let mut fields: Vec<String> = (0..10_000).map(|n| format!("X-{n}: x\n")).collect();
    fields.push(format!("To: {many}\n"));
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let (_, _, recipients) = make(&fields, &[], &[], &[]).unwrap();
    assert_eq!(recipients.split(' ').count(), 100_000);
    assert!(recipients.ends_with("user99999@dh.dd.test"));
}
