//! Replies: a code, an enhanced status code, a sentence. All wording of the session stands here.
//!
//! RFC 5321 §4.2, RFC 2034. Nothing the client said is ever repeated in a reply.

use std::borrow::Cow;
use std::io::{self, Write};

use wire::{Code, Fate};

/// Octets of a reply line with its CR LF (RFC 5321 §4.5.3.1.5).
const LINE_MAX: usize = 512;

/// One reply. A LF in the sentence parts the lines of a reply of several.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reply {
    code: u16,
    status: Code,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply of `code`, `status` ([`Code::NONE`]: not shown) and a constant sentence.
    pub const fn new(code: u16, status: Code, text: &'static str) -> Reply {
        Reply { code, status, text: Cow::Borrowed(text) }
    }

    /// A reply whose sentence is made at run time.
    pub fn made(code: u16, status: Code, text: String) -> Reply {
        Reply { code, status, text: Cow::Owned(text) }
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code.
    pub fn status(&self) -> Code {
        self.status
    }

    /// The sentence.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// 2xx or 3xx.
    pub fn is_good(&self) -> bool {
        self.code < 400
    }

    /// 5xx.
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// Writes it, each line at most 512 octets of printable ASCII.
    pub fn write(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut lines = self.text.split('\n').peekable();
        let mut wire = Vec::with_capacity(128);
        while let Some(text) = lines.next() {
            let start = wire.len();
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            write!(wire, "{}{mark}", self.code)?;
            if self.status != Code::NONE {
                write!(wire, "{} ", self.status)?;
            }
            let room = LINE_MAX - 2 - (wire.len() - start);
            let clean = |b: u8| if matches!(b, b' '..=b'~') { b } else { b'?' };
            wire.extend(text.bytes().take(room).map(clean));
            wire.extend_from_slice(b"\r\n");
        }
        out.write_all(&wire)
    }
}

impl From<Fate> for Reply {
    /// 250, 451 or 550 with the code and sentence of `fate`.
    fn from(fate: Fate) -> Reply {
        let (code, text) = (fate.smtp_reply(), fate.text());
        let general = match &fate {
            Fate::Done(_) => Code(2, 0, 0),
            Fate::Later(_) => Code(4, 3, 0),
            Fate::Never(_) => Code(5, 0, 0),
        };
        let fits = u16::from(text.code.0) == code / 100;
        let status = if fits { text.code } else { general };
        Reply { code, status, text: text.sentence.clone() }
    }
}

/// The wording.
impl Reply {
    pub(crate) const BEGIN_TLS: Reply = Reply::new(220, Code(2, 0, 0), "Begin TLS now");
    pub(crate) const BYE: Reply = Reply::new(221, Code(2, 0, 0), "Goodbye");
    pub(crate) const WELCOME: Reply = Reply::new(235, Code(2, 7, 0), "You are logged in");
    pub(crate) const OK: Reply = Reply::new(250, Code(2, 0, 0), "ok");
    pub(crate) const SENDER_OK: Reply = Reply::new(250, Code(2, 1, 0), "Sender ok");
    pub(crate) const RECIPIENT_OK: Reply = Reply::new(250, Code(2, 1, 5), "Recipient ok");
    pub(crate) const MAYBE: Reply = Reply::new(252, Code(2, 5, 0), "Send some mail, I'll try my best");
    pub(crate) const HELP: Reply = Reply::new(
        214,
        Code(2, 0, 0),
        "This is Fulmar's smtpd; it speaks RFC 5321\nEHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT",
    );
    pub(crate) const GO_AHEAD: Reply = Reply::new(354, Code::NONE, "Go ahead, end with a single dot");

    pub(crate) const TIMEOUT: Reply = Reply::new(421, Code(4, 4, 2), "Timeout, closing connection");
    pub(crate) const TOO_MANY_FAULTS: Reply =
        Reply::new(421, Code(4, 7, 0), "Too many errors, closing connection");
    pub(crate) const TOO_MANY_MESSAGES: Reply =
        Reply::new(421, Code(4, 4, 5), "Enough messages for one connection, please connect again");
    pub(crate) const ENDLESS_LINE: Reply =
        Reply::new(421, Code(4, 5, 2), "Line far too long, closing connection");

    pub(crate) const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, Code(4, 5, 3), "Too many recipients");

    pub(crate) const LONG_LINE: Reply = Reply::new(500, Code(5, 5, 2), "Line too long");
    pub(crate) const STRAY_IN_COMMAND: Reply =
        Reply::new(500, Code(5, 5, 2), "Lines must end in CR LF, and neither may stand alone");
    pub(crate) const UNKNOWN: Reply = Reply::new(500, Code(5, 5, 1), "Unknown command");
    pub(crate) const WANT_LHLO: Reply =
        Reply::new(500, Code(5, 5, 1), "This is LMTP, say LHLO (SMTP is spoken at another door)");
    pub(crate) const SYNTAX: Reply = Reply::new(501, Code(5, 5, 4), "Syntax error in arguments");
    pub(crate) const BAD_HELO: Reply =
        Reply::new(501, Code(5, 5, 4), "Your name, please: one word of printable ASCII");
    pub(crate) const BAD_PARAMETER: Reply =
        Reply::new(501, Code(5, 5, 4), "Parameter given twice or with a bad value");
    pub(crate) const BAD_SENDER: Reply = Reply::new(501, Code(5, 1, 7), "Syntax error in sender address");
    pub(crate) const BAD_RECIPIENT: Reply =
        Reply::new(501, Code(5, 1, 3), "Syntax error in recipient address");
    pub(crate) const LONG_SENDER: Reply = Reply::new(501, Code(5, 1, 7), "Sender address too long");
    pub(crate) const LONG_RECIPIENT: Reply = Reply::new(501, Code(5, 1, 3), "Recipient address too long");
    pub(crate) const ABSENT: Reply = Reply::new(502, Code(5, 5, 1), "Command not implemented here");
    pub(crate) const WANT_MAIL: Reply = Reply::new(503, Code(5, 5, 1), "MAIL first");
    pub(crate) const WANT_RCPT: Reply = Reply::new(503, Code(5, 5, 1), "MAIL and RCPT first");
    pub(crate) const IN_TRANSACTION: Reply =
        Reply::new(503, Code(5, 5, 1), "A transaction is open; RSET ends it");
    pub(crate) const IN_CHUNKS: Reply =
        Reply::new(503, Code(5, 5, 1), "BDAT has begun this message; RSET ends it");
    pub(crate) const FOREIGN: Reply =
        Reply::new(521, Code(5, 5, 1), "This is a mail server, closing connection");

    pub(crate) const TOO_MANY_LOGINS: Reply =
        Reply::new(421, Code(4, 7, 0), "Too many wrong passwords, closing connection");
    pub(crate) const NO_TLS: Reply =
        Reply::new(454, Code(4, 7, 0), "TLS is out of reach now, try again later");
    pub(crate) const AUTH_LATER: Reply =
        Reply::new(454, Code(4, 7, 0), "Can't check that now, try again later");
    pub(crate) const AUTH_CANCELLED: Reply = Reply::new(501, Code(5, 7, 0), "Login cancelled");
    pub(crate) const BAD_BASE64: Reply = Reply::new(501, Code(5, 5, 2), "That is not base64");
    pub(crate) const BAD_MESSAGE: Reply =
        Reply::new(501, Code(5, 5, 2), "That is no message of this mechanism");
    pub(crate) const LOGGED_IN: Reply = Reply::new(503, Code(5, 5, 1), "You are logged in already");
    pub(crate) const NO_MECHANISM: Reply =
        Reply::new(504, Code(5, 5, 4), "This way of logging in is not offered");
    pub(crate) const INJECTED: Reply =
        Reply::new(501, Code(5, 5, 1), "Nothing may follow STARTTLS before its reply, closing connection");
    pub(crate) const SECRET_ALREADY: Reply = Reply::new(503, Code(5, 5, 1), "TLS has begun already");
    pub(crate) const ENCRYPT_FIRST: Reply =
        Reply::new(530, Code(5, 7, 0), "Must issue a STARTTLS command first");
    pub(crate) const LOGIN_FIRST: Reply = Reply::new(530, Code(5, 7, 0), "Log in first (AUTH)");
    pub(crate) const BAD_LOGIN: Reply = Reply::new(535, Code(5, 7, 8), "Wrong name or password");

    pub(crate) const BARE_LINE_END: Reply =
        Reply::new(550, Code(5, 6, 11), "Lines must end in CR LF; a CR or LF stood alone, message refused");
    pub(crate) const TOO_BIG: Reply = Reply::new(552, Code(5, 3, 4), "Message too big");
    pub(crate) const WANT_UTF8: Reply =
        Reply::new(553, Code(5, 6, 7), "Addresses beyond ASCII need SMTPUTF8 in the MAIL command");
    pub(crate) const NO_RECIPIENTS: Reply = Reply::new(554, Code(5, 5, 1), "No valid recipients");
    pub(crate) const LOOP: Reply = Reply::new(554, Code(5, 4, 6), "Too many hops, this message is looping");
    pub(crate) const UNKNOWN_PARAMETER: Reply = Reply::new(555, Code(5, 5, 4), "Unknown parameter");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_of_a_reply_has_the_code_and_only_the_last_a_blank() {
        let reply = Reply::made(250, Code::NONE, "one\ntwo\nthree".into());
        assert_eq!(written(reply), "250-one\r\n250-two\r\n250 three\r\n");
        assert_eq!(written(Reply::OK), "250 2.0.0 ok\r\n");
    }

    #[test]
    fn a_sentence_from_elsewhere_never_makes_a_second_or_a_long_line() {
        // S60
        let line = written(Reply::made(550, Code(5, 1, 1), format!("\r250 ok{}é\0", "x".repeat(2000))));
        assert_eq!(line.len(), 512);
        assert_eq!(line.matches(['\r', '\n']).count(), 2);
        assert!(line.starts_with("550 5.1.1 ?250 okx"));
    }

    #[test]
    fn a_fate_becomes_a_reply_of_its_class() {
        assert_eq!(written(Fate::never(1, 1, "No such user").into()), "550 5.1.1 No such user\r\n");
        assert_eq!(written(Fate::later(3, 0, "later").into()), "451 4.3.0 later\r\n");
        let odd = Fate::parse(b"D4.1.1 what").unwrap();
        assert_eq!(written(odd.into()), "550 5.0.0 what\r\n");
    }
}
