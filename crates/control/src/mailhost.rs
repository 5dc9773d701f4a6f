//! A line of `control/mailhosts`: where another host of ours is, and how it is spoken to.
//!
//! `NAME:[ADDRESS] [imap=PORT] [pop3=PORT] [tls[=NAME]]`, in any order. Knows nothing of users or passes.

use crate::check::is_host;
use crate::grammar;

/// What a line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailHost {
    /// Where it is; `None`: where its name leads.
    pub address: Option<String>,
    /// The ports of its services, if they are others than usual.
    pub imap: Option<u16>,
    /// As `imap`.
    pub pop3: Option<u16>,
    /// It is spoken to by TLS from the first octet on, and its certificate has to be for this name; empty: for its own.
    pub tls: Option<String>,
}

impl MailHost {
    /// Reads what stands behind the name and its colon; the error is the word that means nothing.
    pub fn read(line: &str) -> Result<MailHost, &str> {
        let mut host = MailHost::default();
        for word in line.split_whitespace() {
            host.take(word).ok_or(word)?;
        }
        Ok(host)
    }

    /// `None`: it means nothing here, or has been said before.
    fn take(&mut self, word: &str) -> Option<()> {
        let port = |number: &str| number.parse().ok().filter(|port| *port > 0);
        match word.split_once('=') {
            None if word.eq_ignore_ascii_case("tls") => once(&mut self.tls, String::new()),
            None => once(&mut self.address, word.to_owned()),
            Some(("imap", number)) => once(&mut self.imap, port(number)?),
            Some(("pop3", number)) => once(&mut self.pop3, port(number)?),
            Some(("tls", name)) if !name.is_empty() => once(&mut self.tls, name.to_owned()),
            Some(_) => None,
        }
    }
}

/// What to write where something is wrong.
pub(crate) const CURE: &str = "write name:address imap=port pop3=port tls";

/// The host that a line is for, and what it says; the error is what is wrong with a line that names none. It may be meant
/// for any: whoever passes it over speaks in plain text with a host that was to be spoken to by TLS.
pub(crate) fn named(line: &[u8]) -> Result<(String, String), String> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let (name, said) = grammar::pair(line).ok_or("no colon, so it is not known which host is meant")?;
    match text(name) {
        name if is_host(&name) => Ok((name, text(said))),
        name => Err(format!("`{name}` is not a host name")),
    }
}

/// What is wrong with a line.
pub(crate) fn slip(line: &[u8]) -> Option<String> {
    match named(line) {
        Err(problem) => Some(format!("{problem}: nobody is led to another host")),
        Ok((name, said)) => {
            let word = MailHost::read(&said).err()?;
            Some(format!("`{word}` in the line of {name} is not understood: nobody is led there"))
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_a_host_is_and_how_it_is_spoken_to() {
        assert_eq!(MailHost::read(""), Ok(MailHost::default()));
        let host = MailHost::read("10.0.0.2 imap=1143 pop3=1110 tls=mail.b.test").unwrap();
        assert_eq!(
            (host.address.as_deref(), host.imap, host.pop3),
            (Some("10.0.0.2"), Some(1143), Some(1110))
        );
        assert_eq!(host.tls.as_deref(), Some("mail.b.test"));
        let host = MailHost::read("tls").unwrap();
        assert_eq!((host.address, host.tls.as_deref()), (None, Some("")));
    }

    #[test]
    fn a_line_that_names_no_host_is_none_to_pass_over() {
        assert_eq!(named(b"b.test:tls"), Ok(("b.test".into(), "tls".into())));
        for line in
            ["localhost tls", "localhost", " b.test:tls", "b.test :tls", "b.test tls:", ":tls", "b.test.:tls"]
        {
            assert!(named(line.as_bytes()).is_err() && slip(line.as_bytes()).is_some(), "{line}");
        }
        assert!(slip(b"b.test:tsl imap=1").is_none() && slip(b"b.test:imaps=1").is_some());
    }

    #[test]
    fn a_word_that_means_nothing_is_named() {
        for (line, word) in [
            ("10.0.0.2 imap=x", "imap=x"),
            ("imap=0", "imap=0"),
            ("imap=70000", "imap=70000"),
            ("smtp=25", "smtp=25"),
            ("a.test b.test", "b.test"),
            ("tls tls=x", "tls=x"),
            ("tls=", "tls="),
        ] {
            assert_eq!(MailHost::read(line), Err(word));
        }
    }
}
