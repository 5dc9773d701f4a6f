use super::*;

const MESSAGE: &str = "Date: Fri, 20 Nov 2026 23:30:00 -0800\nFrom: =?utf-8?q?J=C3=96?= <Joe@Example.com>\n\
    To: A@b, x\nTo: c@d\nCc: G:q@r;\nSubject: [List] Re: =?utf-8?q?H=C3=89?=\n\tllo\nMessage-ID: <\"a\"@b>\n\
    In-Reply-To: <y@z> <no@no>\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nGood  day\n--a--\n";

#[test]
fn all_of_a_message_is_in_its_record() {
    let record = digest(MESSAGE.as_bytes(), MESSAGE.len() as u64);
    let digest = Digest::read(&record).unwrap();
    assert_eq!(digest.size(), MESSAGE.replace('\n', "\r\n").len() as u64);
    assert_eq!((digest.sent(), digest.sent_day()), (Some(1_795_246_200), Some(20_777)));
    assert_eq!((digest.from(), digest.to(), digest.cc()), ("jö <joe@example.com>", "a@b, x\nc@d", "g:q@r;"));
    assert_eq!((digest.subject(), digest.base_subject()), ("[list] re: hé\tllo", "hé llo"));
    assert!(digest.is_reply());
    assert_eq!((digest.sort_from(), digest.sort_to(), digest.sort_cc()), ("joe", "a", "q"));
    assert_eq!((digest.display_from(), digest.display_to()), ("jö", "a@b"));
    assert_eq!(digest.message_id(), Some("a@b"));
    assert_eq!(digest.references().collect::<Vec<_>>(), ["y@z"]);
    assert_eq!((digest.preview(), digest.bcc()), ("Good day", ""));
    assert!(digest.envelope().starts_with(b"(\"Fri, 20 Nov"));
    assert!(digest.structure().ends_with(b"\"mixed\" (\"boundary\" \"a\") NIL NIL NIL)"));
    assert!(digest.body().ends_with(b"0) \"mixed\")"), "{}", digest.body().escape_ascii());
}

#[test]
fn of_a_header_alone_all_is_known_that_stands_there() {
    let end = MESSAGE.find("\n\n").unwrap() + 2;
    let of_header = digest_of_header(&MESSAGE.as_bytes()[..end]);
    let whole = digest(MESSAGE.as_bytes(), MESSAGE.len() as u64);
    let (half, whole) = (Digest::read(&of_header).unwrap(), Digest::read(&whole).unwrap());
    assert!(!half.is_whole() && whole.is_whole());
    assert_eq!((half.envelope(), half.sent(), half.is_reply()), (whole.envelope(), whole.sent(), true));
    let body = [Text::Structure as usize, Text::Preview as usize];
    for text in (0..TEXTS).filter(|text| !body.contains(text)) {
        assert_eq!(half.texts[text], whole.texts[text]);
    }
    assert!(half.structure().is_empty() && half.preview().is_empty());
}

#[test]
fn an_empty_message_has_a_record() {
    let record = digest(b"", 0);
    let digest = Digest::read(&record).unwrap();
    assert_eq!(
        (digest.size(), digest.sent(), digest.message_id(), digest.is_reply()),
        (0, None, None, false)
    );
    assert_eq!(digest.references().count(), 0);
}

#[test]
fn of_a_message_that_is_too_long_the_rest_is_counted() {
    let record = digest(b"a: b\n\nc\n", 1000);
    assert_eq!(Digest::read(&record).map(|it| it.size()), Some(1003));
}

#[test]
fn a_record_that_is_torn_or_of_another_version_is_none() {
    let record = digest(MESSAGE.as_bytes(), 0);
    for cut in 0..record.len() {
        assert!(Digest::read(&record[..cut]).is_none(), "{cut}");
    }
    let longer = [&record[..], b"x"].concat();
    assert!(Digest::read(&longer).is_none());
    let other = [&[VERSION + 1], &record[1..]].concat();
    assert!(Digest::read(&other).is_none());
    assert!(Digest::read(&[VERSION, 0xff, 0xff]).is_none());
}

#[test]
fn signed_numbers_come_back() {
    for number in [0, 1, -1, i64::MAX, i64::MIN, 1_795_246_200] {
        let mut out = Vec::new();
        put_signed(number, &mut out);
        assert_eq!(signed(&mut &out[..]), Some(number));
    }
}

#[test]
fn references_count_before_in_reply_to_and_the_last_are_kept() {
    let many: String = (0..2000).map(|at| format!("\n <{at}@x>")).collect();
    let record = digest(format!("References:{many}\nIn-Reply-To: <a@b>\n\n").as_bytes(), 0);
    let digest = Digest::read(&record).unwrap();
    assert_eq!(digest.references().count(), MOST_REFERENCES);
    assert_eq!(digest.references().last(), Some("1999@x"));
}

#[test]
fn a_hundred_thousand_addresses_are_no_work() {
    let many = format!("To: {}\nSubject: x\n\n", "a@b, ".repeat(100_000));
    let record = digest(many.as_bytes(), 0);
    assert_eq!(Digest::read(&record).map(|it| it.sort_to()), Some("a"));
}
