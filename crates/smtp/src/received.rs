//! The trace line that a message gets here. RFC 5321 §4.4, RFC 6531 §4.3.

use core::net::IpAddr;

use crate::Client;

/// How a message came, as far as the trace line tells it (RFC 3848, RFC 6531 §4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Via {
    /// The client said EHLO.
    pub extended: bool,
    /// The client asked for SMTPUTF8.
    pub utf8: bool,
    /// It speaks LMTP.
    pub lmtp: bool,
    /// It has logged in.
    pub authenticated: bool,
    /// It came by TLS.
    pub secret: bool,
}

impl Via {
    /// The protocol's name in the trace line: RFC 3848, RFC 6531 §4.3.
    pub fn word(self) -> String {
        let name = match self {
            Via { lmtp: true, utf8: true, .. } => "UTF8LMTP",
            Via { lmtp: true, .. } => "LMTP",
            Via { utf8: true, .. } => "UTF8SMTP",
            Via { extended: true, .. } | Via { authenticated: true, .. } | Via { secret: true, .. } => {
                "ESMTP"
            }
            _ => "SMTP",
        };
        let (secret, authenticated) =
            (if self.secret { "S" } else { "" }, if self.authenticated { "A" } else { "" });
        format!("{name}{secret}{authenticated}")
    }
}

/// `Received: from HELO (INFO@HOST [IP])` LF, two blanks, `by HOST with ESMTP id TOKEN; date` LF;
/// `with` is the protocol, which is our own word.
/// Whatever the client or its DNS said: unusual characters become `?`.
pub fn received(client: &Client, helo: &str, by: &str, with: &str, token: &str, unix: i64) -> String {
    let peer = match client.ip {
        Some(IpAddr::V4(ip)) => format!("{} [{ip}]", name(client)),
        Some(IpAddr::V6(ip)) => format!("{} [IPv6:{ip}]", name(client)),
        None => name(client),
    };
    let (helo, by, token) = (safe(helo), safe(by), safe(token));
    let date = message::date(unix);
    format!("Received: from {helo} ({peer})\n  by {by} with {with} id {token}; {date}\n")
}

fn name(client: &Client) -> String {
    let host = safe(client.host.as_deref().unwrap_or_default());
    match &client.info {
        Some(info) => format!("{}@{host}", safe(info)),
        None => host,
    }
}

/// At most 255 characters, all of them harmless; nothing is `unknown`.
fn safe(text: &str) -> String {
    if text.is_empty() {
        return "unknown".to_owned();
    }
    let usual = |c: char| c.is_ascii_alphanumeric() || ".@%+/=:-_[]".contains(c);
    text.chars().take(255).map(|c| if usual(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESMTP: Via = Via { extended: true, utf8: false, lmtp: false, authenticated: false, secret: false };

    #[test]
    fn the_trace_line_names_helo_host_info_and_address() {
        let client = Client {
            ip: Some("192.0.2.7".parse().unwrap()),
            host: Some("mx.example.org".into()),
            info: Some("bin".into()),
        };
        assert_eq!(
            received(&client, "me.example.org", "mail.example.test", &ESMTP.word(), "12.34", 0),
            "Received: from me.example.org (bin@mx.example.org [192.0.2.7])\n  \
             by mail.example.test with ESMTP id 12.34; Thu, 01 Jan 1970 00:00:00 -0000\n"
        );
        let client = Client { ip: Some("2001:db8::1".parse().unwrap()), ..Client::default() };
        let line = received(&client, "", "m", "SMTP", "1", 0);
        assert!(
            line.starts_with("Received: from unknown (unknown [IPv6:2001:db8::1])\n  by m with SMTP id 1;")
        );
        let line =
            received(&Client::default(), "[192.0.2.1]", "m", &Via { utf8: true, ..ESMTP }.word(), "1", 0);
        assert!(line.starts_with("Received: from [192.0.2.1] (unknown)\n  by m with UTF8SMTP id 1;"));
    }

    #[test]
    fn the_word_tells_of_tls_and_login() {
        assert_eq!(Via { secret: true, authenticated: true, ..ESMTP }.word(), "ESMTPSA");
        assert_eq!(Via { secret: true, utf8: true, ..ESMTP }.word(), "UTF8SMTPS");
        assert_eq!(
            (Via::default().word(), Via { lmtp: true, secret: true, ..Via::default() }.word()),
            ("SMTP".into(), "LMTPS".into())
        );
    }

    #[test]
    fn nothing_a_stranger_says_makes_a_second_header_line_or_closes_the_comment() {
        // S12, S56
        let evil = "a\r\nX-Evil: 1\n\0)(<script>é";
        let client = Client { ip: None, host: Some(evil.into()), info: Some(evil.into()) };
        let line = received(&client, evil, "m", "ESMTP", "1", 0);
        assert_eq!(line.matches('\n').count(), 2);
        assert!(!line.contains(['\r', '\0', '<']) && line.is_ascii());
        assert_eq!(line.matches(['(', ')']).count(), 2);
        assert!(received(&client, &"x".repeat(12_000), "m", "ESMTP", "1", 0).len() < 2000);
    }
}
