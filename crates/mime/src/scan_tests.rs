use super::*;

/// The tree in short: `multipart/mixed(text/plain[body] ...)`.
fn tree(message: &[u8]) -> String {
    shape(message, &scan(message))
}

fn shape(message: &[u8], part: &Part) -> String {
    let inside = match &part.children {
        Children::None => format!("[{}]", message[part.body.clone()].escape_ascii()),
        Children::Message(inner) => format!("<{}>", shape(message, inner)),
        Children::Multipart(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| shape(message, part)).collect();
            format!("({})", parts.join(" "))
        }
    };
    format!("{}/{}{inside}", part.kind, part.subtype)
}

fn each(part: &Part, look: &mut impl FnMut(&Part)) {
    look(part);
    match &part.children {
        Children::None => {}
        Children::Message(inner) => each(inner, look),
        Children::Multipart(parts) => parts.iter().for_each(|part| each(part, look)),
    }
}

#[test]
fn a_plain_message_is_one_part() {
    let message = b"Subject: x\nContent-Type: text/html\n\na\nb\n";
    let part = scan(message);
    assert_eq!((part.header.clone(), part.body.clone()), (0..36, 36..40));
    assert_eq!((part.octets, part.lines), (6, 2));
    assert_eq!(tree(message), "text/html[a\\nb\\n]");
    assert_eq!(tree(b""), "text/plain[]");
    assert_eq!(tree(b"Subject: x"), "text/plain[]");
    assert_eq!(tree(b"a: b\r\n\r\nc\r\n"), "text/plain[c\\r\\n]");
}

#[test]
fn parts_lie_between_boundaries_and_their_last_line_end_is_the_boundarys() {
    let message = b"Content-Type: multipart/mixed; boundary=\"x y\"\n\npreamble\n--x y\n\none\n\n--x y  \n\
        Content-Type: text/html\n\n--x y\n--x y--\t\nepilogue\n--x y\n\nno part\n";
    assert_eq!(tree(message), "multipart/mixed(text/plain[one\\n] text/html[] text/plain[])");
    let crlf = String::from_utf8_lossy(message).replace('\n', "\r\n");
    assert_eq!(tree(crlf.as_bytes()), "multipart/mixed(text/plain[one\\r\\n] text/html[] text/plain[])");
}

#[test]
fn an_inner_part_that_is_never_closed_ends_with_the_outer_one() {
    let message =
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n\
        --b\n\none\n--a\n\ntwo\n--b\n\nstill two\n--a--\n";
    assert_eq!(
        tree(message),
        "multipart/mixed(multipart/mixed(text/plain[one]) text/plain[two\\n--b\\n\\nstill two])"
    );
}

#[test]
fn a_message_in_a_part_ends_with_it_and_its_boundaries_count_first() {
    let message = b"Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\nContent-Type: multipart/mixed; \
        boundary=b\n\n--b\n\none\n--a\nContent-Type: text/plain\n\ntwo\n--a\nContent-Type: broken\n\nthree\n--a--\n";
    assert_eq!(
        tree(message),
        "multipart/digest(message/rfc822<multipart/mixed(text/plain[one])> text/plain[two] text/plain[three])"
    );
    assert_eq!(tree(b"Content-Type: message/global\n\na: b\n\nc"), "message/global<text/plain[c]>");
}

#[test]
fn the_innermost_of_equal_boundaries_counts() {
    let message =
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=a\n\n\
        --a\n\none\n--a--\n--a\n\ntwo\n--a--\n";
    assert_eq!(tree(message), "multipart/mixed(multipart/mixed(text/plain[one]) text/plain[two])");
}

#[test]
fn a_boundary_that_begins_like_another_is_another() {
    let message =
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=ab\n\n\
        --ab\n\none\n--ab\n\ntwo\n--ab--\n--abc\n--a\n\nthree --a\n --a\n--a--\n";
    assert_eq!(
        tree(message),
        "multipart/mixed(multipart/mixed(text/plain[one] text/plain[two]) text/plain[three --a\\n --a])"
    );
}

#[test]
fn a_multipart_without_boundary_is_text_and_one_without_parts_is_empty() {
    assert_eq!(tree(b"Content-Type: multipart/mixed\n\nx"), "text/plain[x]");
    assert_eq!(tree(b"Content-Type: multipart/mixed; boundary=\"\"\n\n--\nx"), "text/plain[--\\nx]");
    assert_eq!(tree(b"Content-Type: multipart/mixed; boundary=a\n\nx"), "multipart/mixed()");
}

#[test]
fn a_header_that_a_boundary_cuts_off_is_whole() {
    let message = b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html\n--a\n\
        Content-Type: message/rfc822\n--a\nContent-Type: multipart/mixed; boundary=b\n--a--\n";
    assert_eq!(tree(message), "multipart/mixed(text/html[] message/rfc822<text/plain[]> multipart/mixed())");
}

#[test]
fn a_boundary_may_have_a_charset() {
    let message = b"Content-Type: multipart/signed; boundary*=\"us-ascii''a%20b\"\n\n--a b\n\none\n--a b--\n";
    assert_eq!(tree(message), "multipart/signed(text/plain[one])");
}

#[test]
fn a_message_that_is_encoded_shows_its_octets() {
    let message = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\naGVsbG8K\n";
    assert_eq!(tree(message), "message/rfc822<text/plain[aGVsbG8K\\n]>");
    let Children::Message(inner) = scan(message).children else { panic!() };
    assert_eq!((inner.encoding.as_deref(), inner.octets), (Some("base64"), 10));
}

#[test]
fn ten_thousand_nested_multiparts_end_at_the_depth_allowed() {
    let mut message = String::new();
    for at in 0..10_000 {
        message += &format!("Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n");
    }
    let part = scan(message.as_bytes());
    let (mut count, mut last) = (0, String::new());
    each(&part, &mut |part| (count, last) = (count + 1, part.kind.clone()));
    assert_eq!((count, last.as_str()), (MOST_DEPTH + 1, "application"));
}

#[test]
fn messages_in_messages_end_at_the_depth_allowed() {
    let message = "Content-Type: message/rfc822\n\n".repeat(2000);
    let mut count = 0;
    each(&scan(message.as_bytes()), &mut |_| count += 1);
    assert_eq!(count, MOST_DEPTH + 1);
}

#[test]
fn a_hundred_thousand_parts_end_at_the_number_allowed() {
    let head = "Content-Type: multipart/mixed; boundary=a\n\n";
    let message = head.to_owned() + &"--a\n\nx\n".repeat(100_000) + "--a--\n";
    let part = scan(message.as_bytes());
    let Children::Multipart(parts) = &part.children else { panic!() };
    assert_eq!(parts.len(), MOST_PARTS);
    assert!(parts[MOST_PARTS - 1].is_of("application", "octet-stream"));
    assert_eq!(parts[MOST_PARTS - 1].body.end, message.len() - 7);
    let digest = message.replace("mixed", "digest");
    let mut count = 0;
    each(&scan(digest.as_bytes()), &mut |_| count += 1);
    assert!(count <= MOST_PARTS + MOST_DEPTH);
}

#[test]
fn boundaries_that_begin_alike_and_long_ones_are_no_work() {
    let (mut message, mut boundary) = (String::new(), String::new());
    for _ in 0..MOST_DEPTH {
        boundary += &"x".repeat(10);
        message += &format!("Content-Type: multipart/mixed; boundary={boundary}\n\n--{boundary}\n");
    }
    message += &format!("\n--{boundary}x").repeat(3000);
    message += &"\n--".repeat(1_000_000);
    let mut count = 0;
    each(&scan(message.as_bytes()), &mut |_| count += 1);
    assert_eq!(count, MOST_DEPTH + 1);
}

#[test]
fn octets_and_lines_of_each_part_are_those_of_its_body() {
    let message =
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\r\ntwo\nthree\n--a\r\n\r\nfour\r\n--a--\n";
    each(&scan(message), &mut |part| {
        let body = &message[part.body.clone()];
        assert_eq!(part.octets, crate::wire_octets(body));
        assert_eq!(part.lines, body.iter().filter(|byte| **byte == b'\n').count() as u64);
    });
}

#[test]
fn parameters_are_counted_over_all_parts() {
    let part = format!("--a\nContent-Type: text/plain; {}\n\nx\n", "a=b;".repeat(1000));
    let message = "Content-Type: multipart/mixed; boundary=a\n\n".to_owned() + &part.repeat(1000);
    let (mut parts, mut params) = (0, 0);
    each(&scan(message.as_bytes()), &mut |part| (parts, params) = (parts + 1, params + part.params.len()));
    assert_eq!(parts, 1001);
    assert!(params <= MOST_WORDS);
}
