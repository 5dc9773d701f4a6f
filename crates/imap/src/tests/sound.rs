//! Whatever is in a message, the answers about it are of the grammar: RFC 9051 §4.3, §9.

use proptest::prelude::*;

use super::Server;
use crate::memory::Memory;

/// All that is told of a message.
const ALL: &str = "UID FETCH 1:* (FLAGS ENVELOPE BODY BODYSTRUCTURE PREVIEW THREADID EMAILID RFC822.SIZE INTERNALDATE \
    BODY.PEEK[HEADER.FIELDS (Subject \"X]\\\"\")] BODY.PEEK[1.MIME] BODY.PEEK[1]<2.9> BODY.PEEK[2.HEADER] BINARY.SIZE[1] \
    BINARY.PEEK[1] BODY.PEEK[TEXT] BODY.PEEK[])";

/// Reads one line of an answer, literals and all; gives what comes after it, or where it is wrong. `utf8`: quotation marks may
/// hold UTF-8.
fn line(answer: &[u8], utf8: bool) -> Result<&[u8], &[u8]> {
    let (mut at, mut open) = (0, Vec::new());
    loop {
        let rest = &answer[at..];
        at += match rest {
            [b'\r', b'\n', ..] if open.is_empty() => return Ok(&rest[2..]),
            [b'"', ..] => quoted(rest, utf8).ok_or(rest)?,
            [b'{', ..] => literal(rest, answer[..at].ends_with(b"~")).ok_or(rest)?,
            [b'(' | b'[', ..] => {
                open.push(rest[0]);
                1
            }
            [b')', ..] if open.pop() == Some(b'(') => 1,
            [b']', ..] if open.pop() == Some(b'[') => 1,
            [b' '..=b'~', ..] if !matches!(rest[0], b')' | b']') => 1,
            _ => return Err(rest),
        };
    }
}

fn quoted(text: &[u8], utf8: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        at += match text.get(at..)? {
            [b'"', ..] => return std::str::from_utf8(&text[..at]).is_ok().then_some(at + 1),
            [b'\\', b'"' | b'\\', ..] => 2,
            [b'\t' | b' '..=b'~', ..] if text[at] != b'\\' => 1,
            [128..=255, ..] if utf8 => 1,
            _ => return None,
        };
    }
}

fn literal(text: &[u8], binary: bool) -> Option<usize> {
    let end = text.windows(3).position(|end| end == b"}\r\n")?;
    let octets: usize = std::str::from_utf8(&text[1..end]).ok()?.parse().ok()?;
    let octets = text.get(end + 3..end + 3 + octets)?;
    (binary || !octets.contains(&0)).then_some(end + 3 + octets.len())
}

/// Pieces of which hostile mail is made.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "\n",
        "\r\n",
        "\n\n",
        "\r",
        "\0",
        "\"",
        "\\",
        "(",
        ")",
        "]",
        "}",
        "{9}\r\n",
        "<",
        ">",
        "@",
        ",",
        ";",
        ":",
        " ",
        "\t",
        "\u{fc}",
        "From: ",
        "To: ",
        "Subject: ",
        "Message-ID: <a\"b>\n",
        "References: <",
        "Date: ",
        "In-Reply-To: ",
        "--b\n",
        "--b--\n",
        "=?utf-8?q?=0D=0A*_BYE?=",
        "=?utf-8?b?AA0KIg==?=",
        "* 1 EXPUNGE\r\n",
        "a OK x\r\n",
        "NIL",
        "group: a@b, ;",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n",
        "Content-Type: message/rfc822\n\n",
        "Content-Type: text/\"x\"; ",
        "Content-Type: text/html; charset*0*=utf-8''%0D%0A; charset*1=\"\\\"\"\n\n<b>&#13;&#10;&#0;",
        "name=\"a\\\"\\\r\n\"; ",
        "Content-Disposition: a; filename=\u{fc}\"(\n",
        "Content-Language: (a), b\"\n",
        "Content-MD5: \"\\\n",
        "Content-ID: <(\">\n",
        "Content-Description: =?utf-8?q?=00?= \"\n",
        "Content-Location: {3}\n",
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: \"quoted-printable\n",
        "AAECDQo=\n",
        "=00=0D=0A",
        "Content-Transfer-Encoding: x\"y\n\n",
    ];
    let known = proptest::sample::select(known.map(|text| text.as_bytes().to_vec()).to_vec());
    prop_oneof![12 => known, 1 => proptest::collection::vec(any::<u8>(), 1..6)]
}

proptest! {
    #[test]
    fn answers_about_any_message_are_whole(pieces in proptest::collection::vec(piece(), 0..24), utf8 in any::<bool>()) {
        let store = Memory::new('.');
        store.deliver("INBOX", &pieces.concat());
        let mut server = Server::logged_in(store);
        if utf8 {
            server.say("e ENABLE IMAP4rev2");
        }
        server.say("s SELECT INBOX");
        for said in [ALL, "UID SEARCH TEXT x", "UID SORT (SUBJECT FROM TO DATE) UTF-8 ALL", "UID THREAD REFERENCES UTF-8 ALL"] {
            server.out.clear();
            server.feed(format!("t {said}\r\n").as_bytes());
            let answer = std::mem::take(&mut server.out);
            let mut rest = &answer[..];
            let mut lines = 0;
            while !rest.is_empty() && !rest.starts_with(b"t ") {
                prop_assert!(rest.starts_with(b"* "), "{}", rest.escape_ascii());
                rest = line(rest, utf8).map_err(|at| TestCaseError::fail(format!("{} in {}", at.escape_ascii(), answer.escape_ascii())))?;
                lines += 1;
            }
            prop_assert!(line(rest, utf8) == Ok(b""), "{}", rest.escape_ascii());
            prop_assert!(lines == 1 || rest.starts_with(b"t NO [UNKNOWN-CTE]"), "{}", answer.escape_ascii());
        }
    }
}
