//! MTA-STS: a domain says over HTTPS which servers take its mail, and that they have TLS. RFC 8461.

use crate::fits;

/// Longest policy that is read, in octets.
pub const LONGEST: usize = 64 << 10;
/// Most names in it.
const MOST_NAMES: usize = 100;
/// Longest time for which a policy is good, in seconds. RFC 8461 §3.2.
const LONGEST_AGE: u64 = 31_557_600;

/// How much a policy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// No delivery but as the policy says.
    Enforce,
    /// Deliver as ever, and report.
    Testing,
    /// There is no policy any more.
    None,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How much it asks.
    pub mode: Mode,
    /// Names of servers, or `*.name`.
    pub mx: Vec<String>,
    /// Seconds for which it is good.
    pub max_age: u64,
    /// Its lines, for reports.
    pub text: Vec<String>,
}

impl Policy {
    /// Reads it. RFC 8461 §3.2. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Policy, &'static str> {
        let mut policy = Policy { mode: Mode::None, mx: Vec::new(), max_age: 0, text: Vec::new() };
        let (mut version, mut mode, mut age) = (false, None, None);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once(':').ok_or("a line without a colon")?;
            let value = value.trim();
            match key.trim() {
                "version" => version = value == "STSv1",
                "mode" => mode = mode.or(Some(value)),
                "mx" if is_pattern(value) => policy.mx.push(value.to_ascii_lowercase()),
                "mx" => return Err("an mx that is no host name"),
                "max_age" => age = age.or(value.parse::<u64>().ok()),
                _ => continue, // RFC 8461 §3.2: extensions
            }
            policy.text.push(line.to_owned());
        }
        policy.mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err("no mode"),
        };
        policy.max_age = age.ok_or("no max_age")?.min(LONGEST_AGE);
        match () {
            () if !version => Err("no version STSv1"),
            () if policy.mx.len() > MOST_NAMES => Err("too many names"),
            () if policy.mode != Mode::None && policy.mx.is_empty() => Err("no mx"),
            () => Ok(policy),
        }
    }

    /// Is `host` one of its servers? RFC 8461 §4.1.
    pub fn names(&self, host: &str) -> bool {
        self.mx.iter().any(|pattern| fits(pattern, host))
    }
}

fn is_pattern(name: &str) -> bool {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let good = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    bare.len() <= 253 && bare.trim_end_matches('.').split('.').all(good)
}

/// The policy's id, if these TXT records say that there is one. RFC 8461 §3.1: of several, none counts.
pub fn id(records: &[String]) -> Option<String> {
    let mut ours = records.iter().filter(|text| first(text) == "v=STSv1");
    let (record, more) = (ours.next()?, ours.next());
    let id = record.split(';').find_map(|field| field.trim().strip_prefix("id="))?;
    let fit = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    (more.is_none() && fit).then(|| id.to_owned())
}

fn first(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_names_its_servers() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: mail.X.test\r\nmx: *.y.test\r\nfuture: x\r\nmax_age: 86400\r\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!((policy.mode, policy.max_age, policy.text.len()), (Mode::Enforce, 86_400, 5));
        assert!(policy.names("MAIL.x.test") && policy.names("a.y.test"));
        assert!(!policy.names("y.test") && !policy.names("a.b.y.test") && !policy.names("mail.x.test.evil"));
        assert_eq!(
            Policy::parse("version: STSv1\nmode: none\nmax_age: 99999999999").unwrap().max_age,
            LONGEST_AGE
        );
    }

    #[test]
    fn what_is_no_policy_is_refused_as_a_whole() {
        for bad in [
            "",
            "version: STSv2\nmode: none\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: *.*.x\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: x.test\nmax_age: -1",
            "version: STSv1\nmode: maybe\nmx: x.test\nmax_age: 1",
            "<html>",
        ] {
            assert!(Policy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_one_good_record_says_that_there_is_a_policy() {
        let one = |texts: &[&str]| id(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(one(&["v=spf1 -all", "v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(one(&["v=STSv1; id=1;", "v=STSv1; id=2;"]), None);
        assert_eq!(one(&["v=STSv1; id=;"]), None);
        assert_eq!(one(&["v=STSv1"]), None);
        assert_eq!(one(&["id=1; v=STSv1"]), None);
    }
}
