//! TLS-RPT: how TLS went with the servers of a domain, told to the domain. RFC 8460.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What happened with one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The recipients' domain.
    pub domain: String,
    /// `tlsa`, `sts` or `no-policy-found`.
    pub kind: String,
    /// The policy: TLSA records, or the lines of the MTA-STS policy.
    pub strings: Vec<String>,
    /// The names of servers in the policy.
    pub mx: Vec<String>,
    /// The server: its name, and its address.
    pub host: String,
    /// See [`Note::host`].
    pub ip: String,
    /// Our own address, if there was a connection.
    pub own: String,
    /// What failed, in the words of RFC 8460 §4.3; nothing if all went well.
    pub failure: Option<String>,
}

impl Note {
    /// One line, without its end: fields parted by tabs, lists by `|`.
    pub fn line(&self) -> String {
        let fields = [
            &self.domain,
            &self.kind,
            &self.strings.join("|"),
            &self.mx.join("|"),
            &self.host,
            &self.ip,
            &self.own,
            self.failure.as_deref().unwrap_or("ok"),
        ];
        fields.map(|field| field.replace(|c: char| c.is_control(), " ")).join("\t")
    }

    /// Reads a line. What is none of ours is nothing.
    pub fn parse(line: &str) -> Option<Note> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [domain, kind, strings, mx, host, ip, own, result] = fields[..] else { return None };
        let list = |text: &str| text.split('|').filter(|one| !one.is_empty()).map(str::to_owned).collect();
        Some(Note {
            domain: domain.to_owned(),
            kind: kind.to_owned(),
            strings: list(strings),
            mx: list(mx),
            host: host.to_owned(),
            ip: ip.to_owned(),
            own: own.to_owned(),
            failure: Some(result.to_owned()).filter(|result| result != "ok"),
        })
    }
}

/// What is told of one policy.
#[derive(Debug, Default)]
struct Tally {
    mx: Vec<String>,
    well: u64,
    /// By what failed, the server's name and address, and our own.
    failed: BTreeMap<[String; 4], u64>,
}

/// What is told to one domain: by kind of policy and its strings.
#[derive(Debug, Default)]
pub struct Report(BTreeMap<(String, Vec<String>), Tally>);

/// Who reports, and of what time. Times as RFC 3339 has them.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// Our name.
    pub organisation: &'a str,
    /// Whom to ask about it, an address.
    pub contact: &'a str,
    /// Unlike that of any other report.
    pub id: &'a str,
    /// When the time begins that it is about.
    pub start: &'a str,
    /// When it ends.
    pub end: &'a str,
}

impl Report {
    /// One for each domain.
    pub fn all(notes: impl Iterator<Item = Note>) -> BTreeMap<String, Report> {
        let mut all: BTreeMap<String, Report> = BTreeMap::new();
        notes.for_each(|note| all.entry(note.domain.clone()).or_default().add(note));
        all
    }

    fn add(&mut self, note: Note) {
        let tally = self.0.entry((note.kind, note.strings)).or_default();
        tally.mx = note.mx;
        match note.failure {
            None => tally.well += 1,
            Some(failure) => *tally.failed.entry([failure, note.host, note.ip, note.own]).or_default() += 1,
        }
    }

    /// The report for `domain`. RFC 8460 §4.4.
    pub fn json(&self, domain: &str, head: &Head<'_>) -> Value {
        let policies: Vec<Value> = self.0.iter().map(|(policy, tally)| tally.json(domain, policy)).collect();
        json!({
            "organization-name": head.organisation,
            "date-range": { "start-datetime": head.start, "end-datetime": head.end },
            "contact-info": head.contact,
            "report-id": head.id,
            "policies": policies,
        })
    }
}

impl Tally {
    fn json(&self, domain: &str, (kind, strings): &(String, Vec<String>)) -> Value {
        let detail = |(of, count): (&[String; 4], &u64)| {
            let [failure, host, ip, own] = of;
            let mut detail = json!({
                "result-type": failure,
                "receiving-mx-hostname": host,
                "receiving-ip": ip,
                "failed-session-count": count,
            });
            if !own.is_empty() {
                detail["sending-mta-ip"] = json!(own);
            }
            detail
        };
        let mut policy = json!({ "policy-type": kind, "policy-domain": domain });
        if !strings.is_empty() {
            policy["policy-string"] = json!(strings);
        }
        if !self.mx.is_empty() {
            policy["mx-host"] = json!(self.mx);
        }
        json!({
            "policy": policy,
            "summary": {
                "total-successful-session-count": self.well,
                "total-failure-session-count": self.failed.values().sum::<u64>(),
            },
            "failure-details": self.failed.iter().map(detail).collect::<Vec<Value>>(),
        })
    }
}

/// Where a domain wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By mail, at this address.
    Mail(String),
    /// At this address of the web.
    Web(String),
}

/// Most places of one domain that are told.
const MOST_PLACES: usize = 5;

/// Where, by these TXT records. RFC 8460 §3: of several, none counts.
pub fn places(records: &[String]) -> Vec<Place> {
    let first = |text: &String| text.split(';').next().unwrap_or_default().trim() == "v=TLSRPTv1";
    let mut ours = records.iter().filter(|text| first(text));
    let (Some(record), None) = (ours.next(), ours.next()) else { return Vec::new() };
    let named = record.split(';').find_map(|field| field.trim().strip_prefix("rua="));
    let place = |uri: &str| match uri.trim().split_once(':')? {
        ("mailto", address) => {
            let address = address.split(['?', '!']).next()?;
            let good = address.contains('@')
                && address.bytes().all(|b| b.is_ascii_graphic() && !b"<>%,".contains(&b));
            good.then(|| Place::Mail(address.to_owned()))
        }
        ("https", _) => Some(Place::Web(uri.trim().to_owned())),
        _ => None,
    };
    named.unwrap_or_default().split(',').filter_map(place).take(MOST_PLACES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(failure: Option<&str>) -> Note {
        Note {
            domain: "x.test".into(),
            kind: "sts".into(),
            strings: vec!["version: STSv1".into(), "mode: testing".into()],
            mx: vec!["*.x.test".into()],
            host: "mx.x.test".into(),
            ip: "192.0.2.1".into(),
            own: "198.51.100.1".into(),
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn a_note_is_read_back_and_nothing_else_is_one() {
        for note in [note(None), note(Some("certificate-expired"))] {
            assert_eq!(Note::parse(&note.line()), Some(note));
        }
        let odd = Note { host: "a\tb\nc".into(), ..note(None) };
        assert_eq!(Note::parse(&odd.line()).unwrap().host, "a b c");
        assert_eq!(Note::parse("garbage"), None);
        assert_eq!(Note::parse(""), None);
    }

    #[test]
    fn a_report_counts_what_went_well_and_what_failed_by_policy() {
        let other = Note { kind: "no-policy-found".into(), strings: vec![], mx: vec![], ..note(None) };
        let notes = [
            note(None),
            note(None),
            note(Some("certificate-expired")),
            note(Some("certificate-expired")),
            other,
        ];
        let all = Report::all(notes.into_iter());
        let head = Head { organisation: "us", contact: "p@us.test", id: "1", start: "a", end: "b" };
        let json = all["x.test"].json("x.test", &head);
        let policies = json["policies"].as_array().unwrap();
        assert_eq!(policies.len(), 2);
        assert_eq!(policies[0]["policy"]["policy-type"], "no-policy-found");
        let sts = &policies[1];
        assert_eq!(sts["policy"]["policy-string"][1], "mode: testing");
        assert_eq!(sts["policy"]["mx-host"][0], "*.x.test");
        assert_eq!(sts["summary"]["total-successful-session-count"], 2);
        assert_eq!(sts["summary"]["total-failure-session-count"], 2);
        assert_eq!(sts["failure-details"][0]["failed-session-count"], 2);
        assert_eq!(sts["failure-details"][0]["sending-mta-ip"], "198.51.100.1");
        assert_eq!(json["date-range"]["start-datetime"], "a");
    }

    #[test]
    fn one_good_record_says_where_reports_go() {
        let of = |texts: &[&str]| places(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            of(&["v=TLSRPTv1; rua=mailto:r@x.test,https://x.test/r"]),
            [Place::Mail("r@x.test".into()), Place::Web("https://x.test/r".into())]
        );
        for none in [
            &["v=TLSRPTv1; rua=mailto:r@x.test", "v=TLSRPTv1; rua=mailto:s@x.test"][..],
            &["v=TLSRPTv1;"],
            &["rua=mailto:r@x.test"],
            &["v=TLSRPTv1; rua=http://x.test, mailto:nobody, mailto:a@b>c"],
        ] {
            assert_eq!(of(none), [], "{none:?}");
        }
    }
}
