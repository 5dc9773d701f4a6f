//! `sending LOGIN RECIPIENTS`: how much who has logged in may send in an hour, by `control/sendlimits`.
//!
//! Counted over all connections since our start. What is beyond the limit is not refused: it is to be held.

use std::collections::HashMap;
use std::time::Duration;

use control::Broken;

use crate::answer::{Answer, Caller, misunderstood};
use crate::house::{House, later};

const HOUR: Duration = Duration::from_secs(3600);
/// Most logins that are counted; then those whose hour is over are forgotten.
const LOGINS: usize = 100_000;

/// Most messages, and recipients of all of them, in an hour; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    messages: Option<u64>,
    recipients: Option<u64>,
}

impl Limit {
    /// `MESSAGES/RECIPIENTS`; 0, or nothing behind the slash: no limit.
    fn parse(text: &str) -> Option<Limit> {
        let (messages, recipients) = text.trim().split_once('/').unwrap_or((text.trim(), "0"));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits)
        };
        let some = |number: u64| (number > 0).then_some(number);
        Some(Limit { messages: some(number(messages)?), recipients: some(number(recipients)?) })
    }

    fn is_passed(self, hour: &Hour) -> bool {
        let passed = |limit: Option<u64>, count| limit.is_some_and(|limit| count > limit);
        passed(self.messages, hour.messages) || passed(self.recipients, hour.recipients)
    }
}

/// What a login has sent since `began`.
#[derive(Debug)]
struct Hour {
    began: Duration,
    messages: u64,
    recipients: u64,
    told: bool,
}

/// What all logins have sent lately.
#[derive(Debug, Default)]
pub(crate) struct Sent(HashMap<String, Hour>);

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// `first`: nobody has been told in this hour.
    Hold {
        first: bool,
    },
}

impl Sent {
    fn count(&mut self, login: &str, recipients: u64, limit: Limit, now: Duration) -> Verdict {
        if self.0.len() >= LOGINS {
            self.0.retain(|_, hour| now.saturating_sub(hour.began) < HOUR);
        }
        let new = || Hour { began: now, messages: 0, recipients: 0, told: false };
        let hour = self.0.entry(login.to_owned()).or_insert_with(new);
        if now.saturating_sub(hour.began) >= HOUR {
            *hour = new();
        }
        hour.messages += 1;
        hour.recipients += recipients;
        match limit.is_passed(hour) {
            false => Verdict::Fine,
            true => Verdict::Hold { first: !std::mem::replace(&mut hour.told, true) },
        }
    }
}

/// `K`, and the field `hold=first` or `hold=again` if the message is to be held.
pub(crate) fn sending(house: &House, _: &mut Caller, fields: &[&str]) -> Answer {
    let [login, recipients] = fields else { return misunderstood() };
    let Ok(recipients) = recipients.parse() else { return misunderstood() };
    match verdict(house, login, recipients) {
        Ok(Verdict::Fine) => Answer::of("K"),
        Ok(Verdict::Hold { first }) => {
            Answer::of("K").with([if first { "hold=first" } else { "hold=again" }])
        }
        Err(broken) => later(&broken).into(),
    }
}

fn verdict(house: &House, login: &str, recipients: u64) -> Result<Verdict, Broken> {
    let Some(text) = house.send_limit(login)? else { return Ok(Verdict::Fine) };
    let Some(limit) = Limit::parse(&text) else {
        let problem = format!("`{}` is no limit", text.escape_debug());
        return Err(Broken::new(
            "control/sendlimits",
            problem,
            "write messages/recipients an hour, such as 200/1000",
        ));
    };
    let verdict = house.sent().count(login, recipients, limit, sys::monotonic());
    if let Verdict::Hold { .. } = verdict {
        sys::log!("lookup: hold user={} cause=beyond {text} in an hour", login.replace(' ', "\\x20"));
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_limit_of_an_hour_is_held_and_told_once() {
        let mut sent = Sent::default();
        let limit = Limit::parse("2/10").unwrap();
        let at = Duration::from_secs;
        let mut count = |login: &str, recipients, now| sent.count(login, recipients, limit, at(now));
        assert_eq!(count("ann", 5, 0), Verdict::Fine);
        assert_eq!(count("ann", 5, 1), Verdict::Fine);
        assert_eq!(count("ann", 1, 2), Verdict::Hold { first: true });
        assert_eq!(count("ann", 1, 3), Verdict::Hold { first: false });
        assert_eq!(count("bob", 11, 3), Verdict::Hold { first: true }, "recipients count too");
        assert_eq!(count("ann", 1, 3600), Verdict::Fine);
    }

    #[test]
    fn a_limit_is_one_number_or_two() {
        let limit = |messages, recipients| Some(Limit { messages, recipients });
        assert_eq!(Limit::parse("200/1000"), limit(Some(200), Some(1000)));
        assert_eq!(Limit::parse("200"), limit(Some(200), None));
        assert_eq!(Limit::parse("0/7"), limit(None, Some(7)));
        for bad in ["", "/", "x", "1/x", "-1", "1/2/3", "+5"] {
            assert_eq!(Limit::parse(bad), None, "{bad}");
        }
    }
}
