//! A report as a letter. RFC 8460 §5.3.

use std::io::{self, Write};

use data_encoding::BASE64_MIME;
use flate2::Compression;
use flate2::write::GzEncoder;
use message::{date_utc, stamp};

/// The media type of a report.
pub(crate) const KIND: &str = "application/tlsrpt+gzip";

/// One report for one address.
pub(crate) struct Letter<'a> {
    pub(crate) me: &'a str,
    pub(crate) to: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) id: &'a str,
    /// The seconds since 1970 between which it all happened.
    pub(crate) span: (u64, u64),
    pub(crate) packed: &'a [u8],
}

impl Letter<'_> {
    /// With LF line ends, written at `now`.
    pub(crate) fn text(&self, now: u64) -> String {
        let Letter { me, to, domain, id, span: (start, end), packed } = self;
        let day = &moment(*start)[..10];
        let date = date_utc(now.cast_signed());
        let boundary = format!("tlsrpt-{start}-{now}");
        let attached = BASE64_MIME.encode(packed).replace("\r\n", "\n");
        format!(
            "From: TLS reports <postmaster@{me}>\nTo: <{to}>\nDate: {date}\nMessage-ID: <{now}.{id}>\n\
             Subject: Report Domain: {domain} Submitter: {me} Report-ID: <{id}>\n\
             TLS-Report-Domain: {domain}\nTLS-Report-Submitter: {me}\nTLS-Required: No\n\
             Auto-Submitted: auto-generated\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"{boundary}\"\n\n\
             --{boundary}\nContent-Type: text/plain; charset=us-ascii\n\n\
             How TLS went between {me} and the mail servers of {domain} on {day} (UTC).\n\
             Your domain asks for this report in the DNS, _smtp._tls.{domain} (RFC 8460).\n\n\
             --{boundary}\nContent-Type: {KIND}\nContent-Transfer-Encoding: base64\n\
             Content-Disposition: attachment; filename=\"{me}!{domain}!{start}!{end}.json.gz\"\n\n\
             {attached}\n--{boundary}--\n"
        )
    }
}

/// `text` by gzip.
pub(crate) fn packed(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text)?;
    packer.finish()
}

/// `2026-11-29T00:00:00Z` (RFC 3339).
pub(crate) fn moment(unix: u64) -> String {
    let stamp = stamp(unix.cast_signed());
    let part = |from: usize, to: usize| stamp.get(from..to).unwrap_or_default();
    format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_whose_report_it_is_and_carries_it() {
        let packed = packed(b"{}").unwrap();
        let span = (1_795_910_400, 1_795_996_799);
        let letter = Letter {
            me: "us.test",
            to: "r@x.test",
            domain: "x.test",
            id: "1@us.test",
            span,
            packed: &packed,
        };
        let text = letter.text(1_795_996_800);
        assert!(
            text.contains("\nTLS-Report-Domain: x.test\n") && text.contains("\nTLS-Required: No\n"),
            "{text}"
        );
        assert!(text.contains("on 2026-11-29 (UTC)"), "{text}");
        assert!(text.contains("us.test!x.test!1795910400!1795996799.json.gz"));
        assert!(text.lines().all(|line| line.len() <= 100 && line.is_ascii()) && text.ends_with("--\n"));
        let body = text.split("\n\n").nth(4).unwrap();
        let body: String = body.lines().take_while(|line| !line.starts_with("--")).collect();
        assert_eq!(data_encoding::BASE64.decode(body.as_bytes()).unwrap(), packed);
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
    }
}
