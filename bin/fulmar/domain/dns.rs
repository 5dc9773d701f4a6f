//! What to publish for a domain: DNS records, and the files by which mail programs find their settings.
//!
//! Thinks only: the services that run here come in as a list.

use crate::run_lines::{Kind, Served};

/// The records in the form of a zone file. RFC 5321 §5.1, RFC 6186, RFC 8314 §5.1, RFC 7208.
pub(super) fn zone(domain: &str, host: &str, served: &[Served]) -> String {
    let mut zone = format!(
        "; Mail for {domain}, for its zone. {host} needs A (and AAAA) records of its own, and its addresses should\n\
         ; lead back to that name.\n\
         {domain}.  IN MX   10 {host}.\n\
         {domain}.  IN TXT  \"v=spf1 mx -all\"\n\
         _dmarc.{domain}.  IN TXT  \"v=DMARC1; p=none\"\n"
    );
    zone.push_str("; Where mail programs find their servers; a dot says that there is none.\n");
    let names: [(&str, Kind, bool); 6] = [
        ("_submission", Kind::Submission, false),
        ("_submissions", Kind::Submission, true),
        ("_pop3", Kind::Pop3, false),
        ("_pop3s", Kind::Pop3, true),
        ("_imap", Kind::Imap, false),
        ("_imaps", Kind::Imap, true),
    ];
    for (name, kind, tls) in names {
        let found = served.iter().find(|service| service.kind == kind && service.tls == tls);
        let target = found.map_or("0 0 0 .".to_owned(), |service| format!("0 1 {} {host}.", service.port));
        zone.push_str(&format!("{name}._tcp.{domain}.  IN SRV  {target}\n"));
    }
    zone.push_str(&format!(
        "; A web server has to hand out what --autoconfig and --autodiscover print, at\n\
         ; http://autoconfig.{domain}/mail/config-v1.1.xml\n\
         ; https://autodiscover.{domain}/autodiscover/autodiscover.xml\n\
         autoconfig.{domain}.  IN CNAME  {host}.\n\
         autodiscover.{domain}.  IN CNAME  {host}.\n"
    ));
    zone
}

/// What a mail program should take comes first: IMAP before POP3, TLS from the beginning before STARTTLS.
fn best_first(served: &[Served]) -> Vec<&Served> {
    let mut all: Vec<&Served> = served.iter().collect();
    all.sort_by_key(|service| (service.kind == Kind::Pop3, !service.tls));
    all
}

/// Thunderbird's and others': config-v1.1.xml.
pub(super) fn autoconfig(domain: &str, host: &str, served: &[Served]) -> String {
    let server = |service: &&Served| {
        let (tag, kind) = match service.kind {
            Kind::Submission => ("outgoingServer", "smtp"),
            Kind::Pop3 => ("incomingServer", "pop3"),
            Kind::Imap => ("incomingServer", "imap"),
            Kind::Smtp => return String::new(),
        };
        let socket = if service.tls { "SSL" } else { "STARTTLS" };
        format!(
            "    <{tag} type=\"{kind}\">\n      <hostname>{host}</hostname>\n      <port>{}</port>\n      \
             <socketType>{socket}</socketType>\n      <authentication>password-cleartext</authentication>\n      \
             <username>%EMAILADDRESS%</username>\n    </{tag}>\n",
            service.port
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"{domain}\">\n    \
         <domain>{domain}</domain>\n    <displayName>{domain}</displayName>\n    \
         <displayShortName>{domain}</displayShortName>\n{}  </emailProvider>\n</clientConfig>\n",
        best_first(served).iter().map(server).collect::<String>()
    )
}

/// Outlook's: autodiscover.xml.
pub(super) fn autodiscover(host: &str, served: &[Served]) -> String {
    let protocol = |service: &&Served| {
        let kind = match service.kind {
            Kind::Submission => "SMTP",
            Kind::Pop3 => "POP3",
            Kind::Imap => "IMAP",
            Kind::Smtp => return String::new(),
        };
        let ssl = if service.tls { "on" } else { "off" };
        format!(
            "      <Protocol>\n        <Type>{kind}</Type>\n        <Server>{host}</Server>\n        <Port>{}</Port>\n        \
             <DomainRequired>off</DomainRequired>\n        <SPA>off</SPA>\n        <SSL>{ssl}</SSL>\n        \
             <AuthRequired>on</AuthRequired>\n      </Protocol>\n",
            service.port
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n  \
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n    \
         <Account>\n      <AccountType>email</AccountType>\n      <Action>settings</Action>\n{}    </Account>\n  \
         </Response>\n</Autodiscover>\n",
        best_first(served).iter().map(protocol).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(kind: Kind, port: u16) -> Served {
        Served {
            name: String::new(),
            kind,
            port,
            rules: None,
            env: Vec::new(),
            tls: matches!(port, 465 | 993 | 995),
        }
    }

    #[test]
    fn each_service_has_its_record_and_what_there_is_not_is_said_too() {
        let all = [
            served(Kind::Smtp, 25),
            served(Kind::Submission, 587),
            served(Kind::Pop3, 110),
            served(Kind::Submission, 465),
        ];
        let zone = zone("example.org", "mail.example.org", &all);
        for line in [
            "example.org.  IN MX   10 mail.example.org.",
            "_submission._tcp.example.org.  IN SRV  0 1 587 mail.example.org.",
            "_submissions._tcp.example.org.  IN SRV  0 1 465 mail.example.org.",
            "_pop3._tcp.example.org.  IN SRV  0 1 110 mail.example.org.",
            "_imaps._tcp.example.org.  IN SRV  0 0 0 .",
        ] {
            assert!(zone.lines().any(|there| there == line), "{line}: {zone}");
        }
        let config = autoconfig("example.org", "mail.example.org", &all);
        assert!(
            config.contains("<port>465</port>\n      <socketType>SSL</socketType>")
                && !config.contains("<port>25<")
        );
        assert!(autodiscover("mail.example.org", &all).contains("<Type>POP3</Type>"));
    }

    #[test]
    fn mail_programs_are_told_of_imap_with_tls_first() {
        let all = [
            served(Kind::Pop3, 110),
            served(Kind::Imap, 143),
            served(Kind::Imap, 993),
            served(Kind::Pop3, 995),
        ];
        let config = autoconfig("example.org", "mail.example.org", &all);
        let ports =
            config.lines().filter_map(|line| line.trim().strip_prefix("<port>")?.strip_suffix("</port>"));
        assert_eq!(ports.collect::<Vec<_>>(), ["993", "143", "995", "110"]);
    }
}
