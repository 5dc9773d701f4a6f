//! Which messages are meant: by number, by what they are, or all.

use std::time::Duration;

use clap::Args;
use queue::{Listed, Queue, Trouble};
use sys::Stop;

use super::{trouble, unreadable};

/// Recipients read at a time.
const WINDOW: usize = 1000;

#[derive(Args, Default)]
pub(crate) struct Pick {
    /// Their numbers, as `queue list` and the log have them
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<u64>,
    /// Every message
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// Messages of this envelope sender; * stands for anything, <> for the empty sender
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Messages that wait for this recipient; * stands for anything
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// Messages that wait for a recipient in this domain
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Messages that arrived longer ago than this: 90s, 30m, 6h, 2d
    #[arg(long, value_name = "TIME", value_parser = time)]
    older: Option<Duration>,
    /// Messages that arrived within this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    younger: Option<Duration>,
    /// Messages of more octets than this: 20k, 5M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    larger: Option<u64>,
    /// Messages of fewer octets than this
    #[arg(long, value_name = "SIZE", value_parser = size)]
    smaller: Option<u64>,
    /// Messages whose last answer for a recipient holds this text
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Messages that are held
    #[arg(long)]
    held: bool,
}

impl Pick {
    /// Has nothing been said about which?
    pub(crate) fn is_empty(&self) -> bool {
        let texts = [&self.sender, &self.recipient, &self.domain, &self.error];
        let times = [&self.older, &self.younger];
        let sizes = [&self.larger, &self.smaller];
        let filtered = texts.iter().any(|text| text.is_some())
            || times.iter().any(|time| time.is_some())
            || sizes.iter().any(|size| size.is_some());
        self.ids.is_empty() && !self.all && !self.held && !filtered
    }

    /// Calls `each` with the messages that are meant, oldest first. A number that is no message is an
    /// error, once the others have had their turn.
    pub(crate) fn each(
        &self,
        queue: &Queue,
        mut each: impl FnMut(&Listed) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let ids = if self.ids.is_empty() { queue.ids().map_err(unreadable)? } else { self.ids.clone() };
        let mut result = Ok(());
        for id in ids {
            match queue.show(id).and_then(|listed| Ok((self.means(queue, &listed)?, listed))) {
                Ok((true, listed)) => each(&listed)?,
                Ok((false, _)) => {}
                Err(Trouble::Gone) if self.ids.is_empty() => {}
                Err(other) if self.ids.is_empty() => {
                    sys::log!("fulmar: warning: message {id}: {other}");
                }
                Err(other) => result = Err(trouble(id, &other)),
            }
        }
        result
    }

    fn means(&self, queue: &Queue, listed: &Listed) -> Result<bool, Trouble> {
        Ok(self.is_of_kind(listed) && self.has_recipient(listed)? && self.has_answer(queue, listed.id))
    }

    fn is_of_kind(&self, listed: &Listed) -> bool {
        let age = sys::unix_micros().saturating_sub(listed.head.arrival);
        let age = Duration::from_micros(age);
        let sender = |wanted: &String| match &wanted[..] {
            "<>" => listed.head.sender.is_empty(),
            wanted => fits(wanted.as_bytes(), &listed.head.sender),
        };
        self.sender.as_ref().is_none_or(sender)
            && self.older.is_none_or(|limit| age > limit)
            && self.younger.is_none_or(|limit| age < limit)
            && self.larger.is_none_or(|limit| listed.size > limit)
            && self.smaller.is_none_or(|limit| listed.size < limit)
            && (!self.held || listed.steering.held)
    }

    fn has_recipient(&self, listed: &Listed) -> Result<bool, Trouble> {
        if self.recipient.is_none() && self.domain.is_none() {
            return Ok(true);
        }
        let wanted = |address: &[u8]| {
            self.recipient.as_ref().is_none_or(|wanted| fits(wanted.as_bytes(), address))
                && self.domain.as_ref().is_none_or(|wanted| fits(wanted.as_bytes(), domain(address)))
        };
        let mut found = false;
        each_recipient(listed, |recipient| found |= !recipient.done && wanted(&recipient.address))?;
        Ok(found)
    }

    fn has_answer(&self, queue: &Queue, id: u64) -> bool {
        let Some(wanted) = &self.error else { return true };
        queue.last_answers(id).values().any(|fate| fate.text().to_string().contains(&wanted[..]))
    }
}

/// What follows the last `@`.
pub(crate) fn domain(address: &[u8]) -> &[u8] {
    route::domain(address)
}

/// Calls `each` with all recipients of a message.
pub(crate) fn each_recipient(
    listed: &Listed,
    mut each: impl FnMut(&queue::Recipient),
) -> Result<(), Trouble> {
    let mut from = Some(0);
    while let Some(place) = from {
        let window = listed.stored.recipients(place, WINDOW)?;
        window.recipients.iter().for_each(&mut each);
        from = window.next;
    }
    Ok(())
}

/// Does `text` fit the pattern, in which `*` stands for anything? Case does not count.
pub(crate) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|octet| *octet == b'*').map(<[u8]>::to_ascii_lowercase);
    let text = text.to_ascii_lowercase();
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(&first[..]) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(&last)
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
    number(text, &units).map(Duration::from_secs).ok_or_else(|| "such as 90s, 30m, 6h, 2d, 1w".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    let units = [("k", 1 << 10), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
    number(text, &units).ok_or_else(|| "such as 4000, 20k, 5M".to_owned())
}

fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let unit = units.iter().find_map(|(name, factor)| Some((text.strip_suffix(name)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text, 1));
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_case_does_not_count() {
        for (pattern, text, expect) in [
            ("a@x.test", "A@X.test", true),
            ("a@x.test", "a@x.tes", false),
            ("*@x.test", "b@x.test", true),
            ("*@x.test", "b@sub.x.test", false),
            ("a@*", "a@anything", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "ace", true),
            ("a*c*e", "aec", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn times_and_sizes_have_their_units() {
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(size("20k"), Ok(20_480));
        assert_eq!(size("5M"), Ok(5 << 20));
        for wrong in ["", "d", "-1h", "1y", "99999999999999999999d", "18446744073709551615w"] {
            assert!(time(wrong).is_err() && size(wrong).is_err(), "{wrong}");
        }
    }
}
