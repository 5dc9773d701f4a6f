//! What is said to the other host before the client is heard there: one login, with a pass for a password.

use std::io::{self, ErrorKind, Read, Write};

/// Octets of the longest line of the other host that is waited for.
const LINE: usize = 8192;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Pop3,
    Imap,
}

/// What `gate` hands over: `at NUL tls NUL user NUL pass NUL tag NUL unread`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    /// `HOST:PORT`.
    pub(crate) at: &'a str,
    /// The name that its certificate has to be for; empty: it is spoken to in plain text.
    pub(crate) tls: &'a str,
    pub(crate) user: &'a str,
    pub(crate) pass: &'a str,
    /// Of the client's command that has logged in.
    pub(crate) tag: &'a str,
    /// What the client has sent behind it.
    pub(crate) unread: &'a [u8],
}

impl<'a> Said<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Said<'a>> {
        let mut parts = bytes.splitn(6, |octet| *octet == 0);
        let mut text = || str::from_utf8(parts.next()?).ok().filter(|text| !text.contains(char::is_control));
        let (at, tls, user, pass, tag) = (text()?, text()?, text()?, text()?, text()?);
        Some(Said { at, tls, user, pass, tag, unread: parts.next()? })
    }
}

impl Protocol {
    pub(crate) fn of(service: &str) -> Option<Protocol> {
        match service {
            "pop3" | "pop3s" => Some(Protocol::Pop3),
            "imap" | "imaps" => Some(Protocol::Imap),
            _ => None,
        }
    }

    /// What the client is told where there is no way to his mailbox.
    pub(crate) fn unreachable(self, tag: &str) -> Vec<u8> {
        let sorry = "The mailbox cannot be reached now, try again later";
        let text = match self {
            Protocol::Pop3 => format!("-ERR [SYS/TEMP] {sorry}\r\n"),
            Protocol::Imap => format!("{tag} NO [UNAVAILABLE] {sorry}\r\n* BYE Good bye\r\n"),
        };
        text.into_bytes()
    }

    /// Hears the greeting, and says who comes. What the server says after that is the client's, beginning with the
    /// answer to the pass.
    pub(crate) fn introduce<S: Read + Write>(self, server: &mut S, said: &Said<'_>) -> io::Result<()> {
        let Said { user, pass, tag, unread, .. } = said;
        match self {
            Protocol::Imap => {
                expect(server, b"* OK")?;
                let login = format!("{tag} LOGIN {} {}\r\n", quoted(user), quoted(pass));
                server.write_all(&[login.as_bytes(), unread].concat())
            }
            Protocol::Pop3 => {
                expect(server, b"+OK")?;
                server.write_all(format!("USER {user}\r\n").as_bytes())?;
                expect(server, b"+OK")?;
                server.write_all(&[format!("PASS {pass}\r\n").as_bytes(), unread].concat())
            }
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Reads one line and no octet more.
fn expect(server: &mut impl Read, beginning: &[u8]) -> io::Result<()> {
    let (mut line, mut octet) = (Vec::new(), [0]);
    while !line.ends_with(b"\n") {
        match server.read(&mut octet)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            _ => line.push(octet[0]),
        }
        if line.len() > LINE {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    match line.starts_with(beginning) {
        true => Ok(()),
        false => Err(io::Error::other(format!("it says {}", line.trim_ascii_end().escape_ascii()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has said all it will say.
    struct Server(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Server {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(protocol: Protocol, says: &str, handed: &[u8]) -> io::Result<(String, u64)> {
        let mut server = Server(io::Cursor::new(says.into()), Vec::new());
        protocol.introduce(&mut server, &Said::read(handed).unwrap())?;
        Ok((String::from_utf8(server.1).unwrap(), server.0.position()))
    }

    #[test]
    fn the_client_s_tag_and_what_he_has_said_go_along() {
        let handed = b"b.test:143\0\0a\"b@x.test\0fulmar1.1.2.3\0a7\0b NOOP\0\r\n";
        let (said, heard) = told(Protocol::Imap, "* OK hi\r\na7 OK in\r\n", handed).unwrap();
        assert_eq!(said, "a7 LOGIN \"a\\\"b@x.test\" \"fulmar1.1.2.3\"\r\nb NOOP\0\r\n");
        assert_eq!(heard, 9, "the answer is the client's");
        let handed = b"b.test:110\0\0ann@x.test\0p\0\0STAT\r\n";
        let (said, heard) = told(Protocol::Pop3, "+OK hi\r\n+OK go\r\n+OK in\r\n", handed).unwrap();
        assert_eq!((said.as_str(), heard), ("USER ann@x.test\r\nPASS p\r\nSTAT\r\n", 16));
    }

    #[test]
    fn a_server_that_has_no_time_or_talks_nonsense_is_told_nothing() {
        let handed = b"b.test:143\0\0ann@x.test\0p\0a\0";
        for says in ["* BYE busy\r\n", "", "* OK", "220 smtp\r\n", &"x".repeat(10_000)] {
            assert!(told(Protocol::Imap, says, handed).is_err(), "{says}");
            assert!(told(Protocol::Pop3, says, handed).is_err(), "{says}");
        }
    }

    #[test]
    fn what_is_not_whole_or_holds_a_line_end_is_not_said() {
        for odd in [
            &b""[..],
            b"a\0t\0b\0c\0d",
            b"a:1\0\0b\r\nX\0c\0d\0e",
            b"a:1\0\0b\0c\nd\0t\0",
            b"a:1\0t\n\0b\0c\0t\0",
        ] {
            assert_eq!(Said::read(odd), None, "{odd:?}");
        }
    }
}
