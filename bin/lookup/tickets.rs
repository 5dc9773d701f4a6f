//! Tickets: whoever brings one to `lookup-root` gets the mailbox, once.

use std::collections::HashMap;
use std::time::Duration;

use users::Service;
use users::name::Address;

/// How long a ticket is good.
const LIFE: Duration = Duration::from_secs(30);
/// Most tickets at once.
const MOST: usize = 100_000;

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The owner of an account.
    Account(Address),
    /// A user of this system.
    User(String),
    /// One who can only send, by the table that strangers fill.
    Sender(String),
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Account(address) => address.fmt(f),
            Who::User(name) | Who::Sender(name) => f.write_str(name),
        }
    }
}

/// What was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) who: Who,
    pub(crate) service: Service,
    /// From where.
    pub(crate) ip: String,
    /// By another host of ours, whose word was taken for it.
    pub(crate) led_here: bool,
}

/// The tickets that were given out and not yet redeemed.
#[derive(Debug, Default)]
pub(crate) struct Tickets(HashMap<[u8; 16], (Login, Duration)>);

impl Tickets {
    /// Gives out the ticket `random` (fresh from the system's generator), as text. `None`: too many
    /// are out.
    pub(crate) fn issue(&mut self, login: Login, random: [u8; 16], now: Duration) -> Option<String> {
        if self.0.len() >= MOST {
            self.0.retain(|_, (_, since)| is_good(*since, now));
        }
        if self.0.len() >= MOST {
            return None;
        }
        self.0.insert(random, (login, now));
        Some(format!("{:032x}", u128::from_be_bytes(random)))
    }

    /// Takes a ticket back, for good.
    pub(crate) fn redeem(&mut self, ticket: &str, now: Duration) -> Option<Login> {
        let plain = ticket.len() == 32 && ticket.bytes().all(|b| b.is_ascii_hexdigit());
        let number = plain.then(|| u128::from_str_radix(ticket, 16).ok()).flatten()?;
        let (login, since) = self.0.remove(&number.to_be_bytes())?;
        is_good(since, now).then_some(login)
    }
}

fn is_good(since: Duration, now: Duration) -> bool {
    now.saturating_sub(since) <= LIFE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            who: Who::Account(Address::parse("alice@example.test").unwrap()),
            service: Service::Pop3,
            ip: String::new(),
            led_here: false,
        }
    }

    #[test]
    fn a_ticket_is_good_once_and_for_thirty_seconds() {
        let at = Duration::from_secs;
        let mut tickets = Tickets::default();
        let ticket = tickets.issue(login(), [0x0a; 16], at(100)).unwrap();
        assert_eq!(ticket, "0a".repeat(16));
        assert_eq!(tickets.redeem(&ticket, at(130)), Some(login()));
        assert_eq!(tickets.redeem(&ticket, at(130)), None);
        let ticket = tickets.issue(login(), [1; 16], at(100)).unwrap();
        assert_eq!(tickets.redeem(&ticket, at(131)), None);
        assert_eq!(tickets.redeem(&ticket, at(100)), None, "a late try uses it up");
    }

    #[test]
    fn what_is_no_ticket_opens_nothing() {
        let mut tickets = Tickets::default();
        tickets.issue(login(), [0; 16], Duration::ZERO).unwrap();
        for text in ["", "0", "+0000000000000000000000000000000", "00000000000000000000000000000000x", "é"] {
            assert_eq!(tickets.redeem(text, Duration::ZERO), None, "{text}");
        }
    }

    #[test]
    fn tickets_nobody_fetches_are_forgotten() {
        let mut tickets = Tickets::default();
        for n in 0..MOST as u128 {
            tickets.issue(login(), n.to_be_bytes(), Duration::ZERO).unwrap();
        }
        assert_eq!(tickets.issue(login(), [9; 16], Duration::from_secs(1)), None);
        assert!(tickets.issue(login(), [9; 16], Duration::from_secs(31)).is_some());
        assert_eq!(tickets.0.len(), 1);
    }
}
