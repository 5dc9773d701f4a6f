use super::*;

fn envelope_of(header: &[u8]) -> String {
    let mut out = Vec::new();
    envelope(header, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn structure_of(message: &str, extended: bool) -> String {
    let mut out = Vec::new();
    body_structure(&mime::scan(message.as_bytes()), message.as_bytes(), extended, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_example_of_rfc_9051_comes_out_right() {
    let header = b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\nFrom: Terry Gray <gray@cac.washington.edu>\n\
        Subject: IMAP4rev2 WG mtg summary and minutes\nTo: imap@cac.washington.edu\n\
        cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\nMessage-Id: <B27397-0100000@cac.washington.ed>\n\n";
    let gray = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))";
    assert_eq!(
        envelope_of(header),
        format!(
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" {gray} {gray} {gray} \
             ((NIL NIL \"imap\" \"cac.washington.edu\")) ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")\
             (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.ed>\")"
        )
    );
}

#[test]
fn an_absent_field_is_nil_and_an_empty_one_is_empty() {
    assert_eq!(envelope_of(b""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    assert_eq!(
        envelope_of(b"Subject:\nTo: g:a@b;\nSender: \nFrom: root\nReply-To: <x@y>\n\n"),
        "(NIL \"\" ((NIL NIL \"root\" \"\")) ((NIL NIL \"root\" \"\")) ((NIL NIL \"x\" \"y\")) \
         ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)"
    );
}

#[test]
fn what_can_not_be_quoted_is_a_literal() {
    let mut out = Vec::new();
    string("a\"\\b".as_bytes(), &mut out);
    string("é\0".as_bytes(), &mut out);
    assert_eq!(out, "\"a\\\"\\\\b\"{3}\r\né ".as_bytes());
    assert_eq!(envelope_of(b"Subject: a\n b\r\n\tc\n"), "(NIL \"a b\tc\" NIL NIL NIL NIL NIL NIL NIL NIL)");
    assert!(envelope_of(format!("Subject: {}\n", "x".repeat(1001)).as_bytes()).contains("{1001}\r\nxxx"));
}

#[test]
fn structures_have_what_their_type_wants() {
    let text = "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 8bit\n\na\nb\n";
    assert_eq!(
        structure_of(text, false),
        "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"8bit\" 6 2)"
    );
    let octets = "Content-Type: image/png\nContent-ID: <a@b>\nContent-Description: d\nContent-MD5: m\n\
        Content-Disposition: attachment; filename=\"a.png\"\nContent-Language: de, en\nContent-Location: l\n\nx";
    assert_eq!(
        structure_of(octets, true),
        "(\"image\" \"png\" NIL \"<a@b>\" \"d\" \"7bit\" 1 \"m\" (\"attachment\" (\"filename\" \"a.png\")) \
         (\"de\" \"en\") \"l\")"
    );
    let many = format!("Content-Type: multipart/mixed; boundary=a\n\n--a\n{text}--a\n{octets}\n--a--\n");
    assert_eq!(
        structure_of(&many, false),
        "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"8bit\" 4 1)\
          (\"image\" \"png\" NIL \"<a@b>\" \"d\" \"7bit\" 1) \"mixed\")"
    );
    let message = format!("Content-Type: message/rfc822\n\nSubject: x\n{text}");
    assert_eq!(
        structure_of(&message, true),
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 97 (NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL) \
         (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"8bit\" 6 2 NIL NIL NIL NIL) 6 NIL NIL NIL NIL)"
    );
}

#[test]
fn a_multipart_without_parts_shows_an_empty_text() {
    let empty = "Content-Type: multipart/mixed; boundary=a\n\nx";
    assert_eq!(
        structure_of(empty, false),
        "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")"
    );
    assert_eq!(
        structure_of(empty, true),
        "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"a\") NIL NIL NIL)"
    );
}

#[test]
fn a_structure_without_end_tells_only_types_and_sizes() {
    let part = format!("--a\nContent-Description: {}\nContent-Type: message/rfc822\n\n", "x".repeat(5000));
    let part = part + &format!("Subject: {}\n\ny\n", "z".repeat(1000));
    let message = "Content-Type: multipart/mixed; boundary=a\n\n".to_owned() + &part.repeat(2000);
    let structure = structure_of(&message, true);
    assert!(structure.len() < 2 * LONGEST_STRUCTURE);
    assert!(
        structure.ends_with(" NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)"),
        "{}",
        &structure[structure.len() - 100..]
    );
    assert!(crate::outline::without_extensions(structure.as_bytes()).is_some());
}
