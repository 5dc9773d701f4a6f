//! A line of `control/mailhosts`: where another host of ours is, and how it is spoken to.
//!
//! `[ADDRESS] [imap=PORT] [pop3=PORT] [tls[=NAME]]`, in any order. Knows nothing of users or passes.

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
