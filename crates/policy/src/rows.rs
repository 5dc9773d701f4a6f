//! The rows of the decision, in their order. A new kind of grant is a new row.
//!
//! Refusals by sender and recipient stand above all grants, as in qmail-smtpd.

use message::address::Address;
use wire::Code;

use crate::{Decision, Question, Refusal, Tables, Unsure, Verdict};

type Row = fn(&Question<'_>, &mut dyn Tables) -> Result<Option<Decision>, Unsure>;

/// Each with the name it has in relay-control(7).
const ROWS: &[(&str, Row)] = &[
    ("control/badmailfrom", badmailfrom),
    ("control/badrcptto", badrcptto),
    ("control/authsender", authsender),
    ("RELAYCLIENT", relayclient),
    ("SMTP AUTH", login),
    ("control/tlsclients", tlsclients),
    ("control/relayclients", relayclients),
    ("control/relaydomains", relaydomains),
    ("control/relaymailfrom", relaymailfrom),
    ("control/rcpthosts", rcpthosts),
    ("control/morercpthosts", morercpthosts),
    ("users", ours),
    ("CHECKRELAY", relaytable),
];

/// Refused by its sender.
const BAD_SENDER: Refusal = Refusal {
    reply: 553,
    code: Code(5, 7, 1),
    sentence: "Sorry, your envelope sender is in my badmailfrom list",
};
/// Refused by its recipient.
const BAD_RECIPIENT: Refusal = Refusal {
    reply: 553,
    code: Code(5, 7, 1),
    sentence: "Sorry, no mail is taken for this recipient (badrcptto)",
};
/// Logged in, and sending as somebody else.
const NOT_YOURS: Refusal = Refusal {
    reply: 553,
    code: Code(5, 7, 1),
    sentence: "Sorry, who logs in may not send mail from this address; use your own as sender",
};
/// Nobody said yes. Log tools know these words from qmail.
const NO_RELAY: Refusal = Refusal {
    reply: 553,
    code: Code(5, 7, 1),
    sentence: "Sorry, that domain isn't in my list of allowed rcpthosts",
};

/// Decides. `Unsure` as soon as a row that has to be asked can't answer: a later row must not
/// grant or refuse what an earlier one might have decided otherwise.
pub fn decide(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Decision, Unsure> {
    decide_aloud(question, tables, &mut |_, _| {})
}

/// The same; `hear` is told what each row says, up to the one that decides: its name, and what of it decided.
pub fn decide_aloud(
    question: &Question<'_>,
    tables: &mut dyn Tables,
    hear: &mut dyn FnMut(&str, Option<&str>),
) -> Result<Decision, Unsure> {
    for (name, row) in ROWS {
        let said = row(question, tables)?;
        hear(name, said.as_ref().map(|decision| &*decision.by));
        if let Some(decision) = said {
            return Ok(decision);
        }
    }
    Ok(Decision { verdict: Verdict::Refuse(NO_RELAY), by: "no table".to_owned() })
}

fn badmailfrom(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let Some(sender) = question.sender else { return Ok(None) };
    let line = tables.address("badmailfrom", &sender.envelope())?;
    Ok(line.map(|line| listed(Verdict::Refuse(BAD_SENDER), "badmailfrom", &line)))
}

fn badrcptto(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let line = tables.address("badrcptto", &question.recipient.envelope())?;
    Ok(line.map(|line| listed(Verdict::Refuse(BAD_RECIPIENT), "badrcptto", &line)))
}

fn relayclient(question: &Question<'_>, _: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let append = question.client.relayclient.filter(|_| question.client.ip.is_some());
    Ok(append.map(|append| Decision {
        verdict: Verdict::Relay { append: append.to_owned() },
        by: "RELAYCLIENT".to_owned(),
    }))
}

/// Who has logged in sends mail in his own name, as far as control/authsender asks for that. The empty sender is
/// nobody's.
fn authsender(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let (Some(login), Some(sender)) = (question.client.login, question.sender) else { return Ok(None) };
    let fit = tables.may_send(login, &sender.envelope())?;
    Ok((!fit).then(|| listed(Verdict::Refuse(NOT_YOURS), "authsender", login)))
}

/// Who has proved by a password who he is.
fn login(question: &Question<'_>, _: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    Ok(question.client.login.map(|login| Decision {
        verdict: Verdict::Relay { append: String::new() },
        by: format!("login {login}"),
    }))
}

/// By a certificate, if its address is listed.
fn tlsclients(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    for address in question.client.certificates {
        if let Some(line) = tables.address("tlsclients", address)? {
            return Ok(Some(listed(Verdict::Relay { append: String::new() }, "tlsclients", &line)));
        }
    }
    Ok(None)
}

/// By its address, whatever tcp.smtp says.
fn relayclients(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let Some(ip) = question.client.ip else { return Ok(None) };
    let line = tables.network("relayclients", ip)?;
    Ok(line.map(|(line, append)| listed(Verdict::Relay { append }, "relayclients", &line)))
}

/// By its name, where that has been checked both ways.
fn relaydomains(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let Some(host) = question.client.host.filter(|_| question.client.ip.is_some()) else { return Ok(None) };
    let line = tables.host("relaydomains", host)?;
    Ok(line.map(|(line, append)| listed(Verdict::Relay { append }, "relaydomains", &line)))
}

/// By what the client says of itself: `fulmar check` warns of it.
fn relaymailfrom(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let Some(sender) = question.sender.filter(|_| question.client.ip.is_some()) else { return Ok(None) };
    let line = tables.address("relaymailfrom", &sender.envelope())?;
    Ok(line.map(|line| listed(Verdict::Relay { append: String::new() }, "relaymailfrom", &line)))
}

/// Unlike qmail's, a missing rcpthosts opens nothing.
fn rcpthosts(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    domain("rcpthosts", question, tables)
}

fn morercpthosts(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    domain("morercpthosts", question, tables)
}

fn ours(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let ours = tables.ours(question.recipient.domain())?;
    Ok(ours.then(|| Decision { verdict: Verdict::Accept, by: "lookup".to_owned() }))
}

/// Somebody has logged in by POP3 or IMAP from there lately. Asked last: mail for our own domains does not wait for
/// it.
fn relaytable(question: &Question<'_>, tables: &mut dyn Tables) -> Result<Option<Decision>, Unsure> {
    let Some(ip) = question.client.ip.filter(|_| question.client.checkrelay) else { return Ok(None) };
    let sender = question.sender.map(Address::envelope).unwrap_or_default();
    let row = tables.relay(ip, &sender)?;
    Ok(row.map(|row| Decision {
        verdict: Verdict::Relay { append: String::new() },
        by: format!("relay table: {row}"),
    }))
}

fn domain(
    name: &'static str,
    question: &Question<'_>,
    tables: &mut dyn Tables,
) -> Result<Option<Decision>, Unsure> {
    let line = tables.domain(name, question.recipient.domain())?;
    Ok(line.map(|line| listed(Verdict::Accept, name, &line)))
}

fn listed(verdict: Verdict, table: &str, line: &str) -> Decision {
    Decision { verdict, by: format!("control/{table}:{line}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;
    use core::net::{IpAddr, Ipv4Addr};

    /// Tables of constant lines; a table named in `broken` can't be read.
    #[derive(Default)]
    struct Fixed {
        lines: Vec<(&'static str, &'static str)>,
        ours: Vec<&'static str>,
        broken: &'static str,
    }

    impl Fixed {
        fn find(&self, name: &str, keys: &[String]) -> Result<Option<String>, Unsure> {
            if name == self.broken {
                return Err(Unsure(format!("control/{name}: permission denied")));
            }
            let has = |key: &&String| self.lines.contains(&(name, key.as_str())) || self.has(name, key);
            Ok(keys.iter().find(has).cloned())
        }
        fn has(&self, name: &str, key: &str) -> bool {
            self.lines.iter().any(|(table, line)| *table == name && *line == key)
        }
    }

    impl Tables for Fixed {
        fn address(&mut self, name: &'static str, address: &str) -> Result<Option<String>, Unsure> {
            let host = address.rfind('@').map(|at| address[at..].to_owned());
            self.find(name, &[Some(address.to_owned()), host].into_iter().flatten().collect::<Vec<_>>())
        }
        fn domain(&mut self, name: &'static str, domain: &str) -> Result<Option<String>, Unsure> {
            let domain = domain.to_ascii_lowercase();
            let suffixes = domain.match_indices('.').map(|(at, _)| domain[at..].to_owned());
            self.find(name, &[domain.to_owned()].into_iter().chain(suffixes).collect::<Vec<_>>())
        }
        fn network(&mut self, name: &'static str, ip: IpAddr) -> Result<Option<(String, String)>, Unsure> {
            // Lines are `address=append` here.
            let found = self.find(name, &[format!("{ip}="), format!("{ip}=@gate")])?;
            Ok(found.map(|line| line.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap()))
        }
        fn host(&mut self, name: &'static str, host: &str) -> Result<Option<(String, String)>, Unsure> {
            Ok(self.domain(name, host)?.map(|line| (line, "@by-name".to_owned())))
        }
        fn may_send(&mut self, login: &str, sender: &str) -> Result<bool, Unsure> {
            match self.broken {
                "authsender" => Err(Unsure("control/authsender".into())),
                _ => Ok(login == sender),
            }
        }
        fn relay(&mut self, ip: IpAddr, sender: &str) -> Result<Option<String>, Unsure> {
            self.find("relay", &[format!("{ip} {sender}"), ip.to_string()])
        }
        fn ours(&mut self, domain: &str) -> Result<bool, Unsure> {
            if self.broken == "lookup" {
                Err(Unsure("run/lookup".into()))
            } else {
                Ok(self.ours.contains(&domain))
            }
        }
    }

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const STRANGER: Client<'_> = Client {
        ip: Some(IP),
        host: None,
        relayclient: None,
        login: None,
        certificates: &[],
        checkrelay: false,
    };

    fn judge(tables: &mut Fixed, client: Client<'_>, from: &str, to: &str) -> Result<Decision, Unsure> {
        let sender = Address::from_envelope(from).ok();
        let recipient = Address::from_envelope(to).unwrap();
        decide(&Question { client, sender: sender.as_ref(), recipient: &recipient }, tables)
    }

    fn word(decision: Result<Decision, Unsure>) -> String {
        match decision {
            Err(Unsure(_)) => "unsure".into(),
            Ok(Decision { verdict: Verdict::Accept, by }) => format!("accept by {by}"),
            Ok(Decision { verdict: Verdict::Relay { append }, by }) => format!("relay {append} by {by}"),
            Ok(Decision { verdict: Verdict::Refuse(refusal), by }) => format!("{} by {by}", refusal.reply),
        }
    }

    #[test]
    fn without_any_table_nobody_is_relayed_for() {
        // S26
        let none = || Fixed::default();
        assert_eq!(word(judge(&mut none(), STRANGER, "a@b", "u@remote.example")), "553 by no table");
        assert_eq!(word(judge(&mut none(), Client::default(), "a@b", "u@[127.0.0.1]")), "553 by no table");
    }

    #[test]
    fn domains_are_ours_by_three_ways() {
        let lines = vec![("rcpthosts", "a.test"), ("rcpthosts", ".b.test"), ("morercpthosts", "c.test")];
        let mut tables = Fixed { lines, ours: vec!["d.test"], broken: "" };
        for (to, expect) in [
            ("u@A.test", "accept by control/rcpthosts:a.test"),
            ("u@x.y.b.test", "accept by control/rcpthosts:.b.test"),
            ("u@b.test", "553 by no table"),
            ("u@x.a.test", "553 by no table"),
            ("u@c.test", "accept by control/morercpthosts:c.test"),
            ("u@d.test", "accept by lookup"),
            ("u@d.test@e.test", "553 by no table"),
            ("u@e.test@d.test", "accept by lookup"),
        ] {
            assert_eq!(word(judge(&mut tables, STRANGER, "a@b", to)), expect, "{to}");
        }
    }

    #[test]
    fn a_relay_client_sends_to_everybody_unless_nobody_knows_who_it_is() {
        // S56, S57
        let client =
            |known: bool, value| Client { ip: known.then_some(IP), relayclient: value, ..Client::default() };
        let mut tables = Fixed::default();
        let mut ask = |client| word(judge(&mut tables, client, "a@b", "u@remote.example"));
        assert_eq!(ask(client(true, Some(""))), "relay  by RELAYCLIENT");
        assert_eq!(ask(client(true, Some("@gate"))), "relay @gate by RELAYCLIENT");
        assert_eq!(ask(client(false, Some(""))), "553 by no table");
    }

    #[test]
    fn who_has_fetched_mail_relays_where_that_is_asked_and_not_else() {
        let asked = Client { checkrelay: true, ..STRANGER };
        let lines = vec![("relay", "192.0.2.1"), ("rcpthosts", "a.test")];
        let mut tables = Fixed { lines, ..Fixed::default() };
        assert_eq!(word(judge(&mut tables, asked, "a@b", "u@c.test")), "relay  by relay table: 192.0.2.1");
        assert_eq!(word(judge(&mut tables, STRANGER, "a@b", "u@c.test")), "553 by no table");
        assert_eq!(
            word(judge(&mut tables, Client { ip: None, ..asked }, "a@b", "u@c.test")),
            "553 by no table"
        );
        tables.broken = "relay";
        assert_eq!(word(judge(&mut tables, asked, "a@b", "u@c.test")), "unsure");
        assert_eq!(word(judge(&mut tables, asked, "a@b", "u@a.test")), "accept by control/rcpthosts:a.test");
    }

    #[test]
    fn who_has_logged_in_relays_in_his_own_name_only() {
        let client = Client { login: Some("ann@x.test"), ..Client::default() };
        let mut tables = Fixed::default();
        let mut ask = |from, client| word(judge(&mut tables, client, from, "u@remote.example"));
        assert_eq!(ask("ann@x.test", client), "relay  by login ann@x.test");
        assert_eq!(ask("", client), "relay  by login ann@x.test");
        assert_eq!(ask("bob@x.test", client), "553 by control/authsender:ann@x.test");
        let both = Client { relayclient: Some("@gate"), ip: Some(IP), ..client };
        assert_eq!(ask("ann@x.test", both), "relay @gate by RELAYCLIENT");
        let mut broken = Fixed { broken: "authsender", ..Fixed::default() };
        assert_eq!(word(judge(&mut broken, client, "ann@x.test", "u@remote.example")), "unsure");
    }

    #[test]
    fn listed_clients_and_senders_relay_unless_nobody_knows_who_they_are() {
        let lines = vec![
            ("relayclients", "192.0.2.1=@gate"),
            ("relaydomains", ".friends.test"),
            ("relaymailfrom", "@trusted.test"),
            ("badmailfrom", "evil@trusted.test"),
        ];
        let mut tables = Fixed { lines, ..Fixed::default() };
        let other = Client { ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))), ..Client::default() };
        for (client, from, expect) in [
            (STRANGER, "a@b", "relay @gate by control/relayclients:192.0.2.1"),
            (other, "a@b", "553 by no table"),
            (
                Client { host: Some("mail.Friends.test"), ..other },
                "a@b",
                "relay @by-name by control/relaydomains:.friends.test",
            ),
            (Client { host: Some("friends.test"), ..other }, "a@b", "553 by no table"),
            (Client { host: Some("mail.friends.test"), ..Client::default() }, "a@b", "553 by no table"),
            (other, "a@trusted.test", "relay  by control/relaymailfrom:@trusted.test"),
            (other, "evil@trusted.test", "553 by control/badmailfrom:evil@trusted.test"),
            (other, "", "553 by no table"),
            (Client::default(), "a@trusted.test", "553 by no table"),
            (Client { relayclient: Some(""), ..STRANGER }, "a@b", "relay  by RELAYCLIENT"),
        ] {
            assert_eq!(word(judge(&mut tables, client, from, "u@remote.example")), expect, "{from}");
        }
    }

    #[test]
    fn bad_senders_and_recipients_are_refused_even_to_relay_clients() {
        let lines = vec![
            ("badmailfrom", "evil@x.test"),
            ("badmailfrom", "@spam.test"),
            ("badrcptto", "old@a.test"),
            ("rcpthosts", "a.test"),
        ];
        let mut tables = Fixed { lines, ..Fixed::default() };
        let relay = Client { relayclient: Some(""), ..STRANGER };
        for (from, to, expect) in [
            ("evil@x.test", "u@a.test", "553 by control/badmailfrom:evil@x.test"),
            ("any@spam.test", "u@a.test", "553 by control/badmailfrom:@spam.test"),
            ("good@x.test", "old@a.test", "553 by control/badrcptto:old@a.test"),
            ("", "u@a.test", "relay  by RELAYCLIENT"),
        ] {
            assert_eq!(word(judge(&mut tables, relay, from, to)), expect, "{from} {to}");
        }
    }

    #[test]
    fn a_broken_table_or_a_silent_lookup_neither_relays_nor_refuses() {
        let relay = Client { relayclient: Some(""), ..STRANGER };
        for (broken, client, expect) in [
            ("badmailfrom", relay, "unsure"),
            ("badrcptto", relay, "unsure"),
            ("relayclients", STRANGER, "unsure"),
            ("relaydomains", Client { host: Some("a.b"), ..STRANGER }, "unsure"),
            ("relaymailfrom", STRANGER, "unsure"),
            ("rcpthosts", STRANGER, "unsure"),
            ("morercpthosts", STRANGER, "unsure"),
            ("lookup", STRANGER, "unsure"),
            ("rcpthosts", relay, "relay  by RELAYCLIENT"),
        ] {
            let mut tables = Fixed { broken, ..Fixed::default() };
            assert_eq!(word(judge(&mut tables, client, "a@b", "u@c.test")), expect, "{broken}");
        }
    }
}
