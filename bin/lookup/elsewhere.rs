//! Mailboxes that another host serves: by the account's `host`, with a pass that is made here and taken there.
//!
//! All hosts have the same users and the same `control/hostkey`, and `usher` leads clients from one to the other.

use std::collections::HashMap;

use control::{Broken, MailHost};
use owner::Elsewhere;
use sasl::pass::{self, LIFE, Pass, Purpose, SHORTEST_KEY};
use users::name::Address;
use users::{Account, Service, Source};
use wire::Fate;

use crate::answer::Answer;
use crate::auth::Door;
use crate::house::{House, later};
use crate::tickets::Who;

/// Passes that have been used, with when they were made.
#[derive(Debug, Default)]
pub(crate) struct Used(HashMap<String, u64>);

impl Used {
    /// Takes a pass, once; `began`: when we did, before which it may have been used already. What is refused here is
    /// no password that somebody guessed: the host that made the pass must not be counted as who guesses.
    fn take(&mut self, pass: &Pass, began: u64, now: u64) -> Result<(), Fate> {
        self.0.retain(|_, made| made.saturating_add(LIFE) >= now);
        if pass.made < began {
            return Err(Fate::later(3, 0, "not ready for what was begun before; try again"));
        }
        match self.0.insert(pass.nonce.clone(), pass.made) {
            None => Ok(()),
            Some(_) => Err(Fate::never(7, 8, "this pass has been used")),
        }
    }
}

/// The answer to `login TICKET` for an account that is not served here; `None`: it is.
pub(crate) fn opened(
    house: &House,
    service: Service,
    ip: &str,
    led_here: bool,
    address: &Address,
    account: &Account,
) -> Option<Answer> {
    let host = match host(house, address, account) {
        Ok(host) => host.filter(|host| !host.eq_ignore_ascii_case(&house.me))?,
        Err(broken) => return Some(later(&broken).into()),
    };
    if led_here {
        sys::log!(
            "lookup: warning: {address} was led here, and {host} has the mailbox: is control/me the same name?"
        );
        return Some(Fate::later(3, 5, "the mailbox is not here").into());
    }
    Some(lead(house, service, ip, address, &host).unwrap_or_else(|broken| later(&broken).into()))
}

/// The host that serves the account's mailbox, if one is named.
fn host(house: &House, address: &Address, account: &Account) -> Result<Option<String>, Broken> {
    if account.host.is_some() {
        return Ok(account.host.clone());
    }
    let settings = house.store.settings(&address.domain)?.unwrap_or_default();
    Ok((*settings).clone().or(&*house.store.files().defaults()?).host)
}

fn lead(house: &House, service: Service, ip: &str, address: &Address, host: &str) -> Result<Answer, Broken> {
    let key = house.host_key()?.ok_or_else(|| {
        let problem = format!("missing, and the mailbox of {address} is at {host}");
        Broken::new("control/hostkey", problem, "make one, the same on all hosts: usher(8) says how")
    })?;
    let nonce = sys::random().map_err(|error| Broken::io("the random generator", &error))?;
    let user = address.to_string();
    let purpose = Purpose { service: service.name(), user: &user, host: &host.to_ascii_lowercase() };
    let pass = pass::make(key.as_bytes(), purpose, ip, sys::unix_seconds(), nonce).ok_or_else(|| {
        let problem = format!("shorter than {SHORTEST_KEY} characters");
        Broken::new("control/hostkey", problem, "make a longer one, the same on all hosts")
    })?;
    let (at, tls) = way(house.mail_host(host)?.as_deref(), host, service)?;
    let how = if tls.is_some() { "tls" } else { "plain" };
    sys::log!("lookup: lead user={user} service={} host={at} by={how}", service.name());
    Ok(Answer::whole(Elsewhere { at, tls, user, pass }.to_packet()))
}

/// Where the host's service is, by its line in `control/mailhosts` if it has one, and the name that its certificate has to
/// be for if it is spoken to by TLS. A line that is not understood leads nobody, least of all in plain text.
fn way(line: Option<&str>, host: &str, service: Service) -> Result<(String, Option<String>), Broken> {
    let said = MailHost::read(line.unwrap_or_default()).map_err(|word| {
        let problem = format!("`{word}` is not understood in the line of {host}");
        Broken::new("control/mailhosts", problem, "write name:address imap=port pop3=port tls")
    })?;
    let port = match (service, said.tls.is_some()) {
        (Service::Pop3, false) => said.pop3.unwrap_or(110),
        (Service::Pop3, true) => said.pop3.unwrap_or(995),
        (_, false) => said.imap.unwrap_or(143),
        (_, true) => said.imap.unwrap_or(993),
    };
    let address = said.address.as_deref().unwrap_or(host);
    let at = match address.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]:{port}"),
        Err(_) => format!("{address}:{port}"),
    };
    Ok((at, said.tls.map(|name| if name.is_empty() { host.to_owned() } else { name })))
}

/// Lets in whom another host of ours has let in. `None`: that is no pass, or no good one; perhaps it is a password.
pub(crate) fn admit(door: &Door<'_>, user: &[u8], word: &[u8]) -> Option<Answer> {
    let house = door.house;
    if !pass::is_meant(word) {
        return None;
    }
    let key = match house.host_key() {
        Ok(key) => key?,
        // It may be a good one, that can't be judged: no wrong password.
        Err(broken) => return Some(later(&broken).into()),
    };
    let user = str::from_utf8(user).ok()?;
    let address = Address::login(user).ok()?;
    let me = house.me.to_ascii_lowercase();
    let purpose = Purpose { service: door.service.name(), user, host: &me };
    let now = sys::unix_seconds();
    let pass = pass::check(key.as_bytes(), purpose, word, now)?;
    let taken = house.used().take(&pass, house.began, now);
    if let Err(fate) = taken {
        door.log("refuse", user, "HOST", &format!(" cause={}", fate.text()));
        return Some(fate.into());
    }
    if !door.lets_in(&address).ok()? {
        return None;
    }
    let door = Door { ip: &pass.client, tls: door.tls, ..Door::of(house, door.service, &pass.client) };
    door.log("login", user, "HOST", "");
    Some(door.admit_led(Who::Account(address), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_by_its_name_or_as_its_line_says() {
        let way = |line, service| way(line, "b.test", service).ok();
        let at = |line, service| way(line, service).filter(|(_, tls)| tls.is_none()).map(|(at, _)| at);
        assert_eq!(at(None, Service::Imap).as_deref(), Some("b.test:143"));
        assert_eq!(at(None, Service::Pop3).as_deref(), Some("b.test:110"));
        let line = Some("10.0.0.2 imap=1143");
        assert_eq!(at(line, Service::Imap).as_deref(), Some("10.0.0.2:1143"));
        assert_eq!(at(line, Service::Pop3).as_deref(), Some("10.0.0.2:110"));
        assert_eq!(at(Some("fd00::2 pop3=1"), Service::Pop3).as_deref(), Some("[fd00::2]:1"));
        let tls = |line, service| way(Some(line), service).map(|(at, tls)| (at, tls.unwrap_or_default()));
        let both = |at: &str, name: &str| Some((at.to_owned(), name.to_owned()));
        assert_eq!(tls("tls", Service::Imap), both("b.test:993", "b.test"));
        assert_eq!(tls("10.0.0.2 tls=c.test", Service::Pop3), both("10.0.0.2:995", "c.test"));
        assert_eq!(tls("tls imap=1993", Service::Imap), both("b.test:1993", "b.test"));
        for odd in ["imap=x", "tls= b", "smtp=25", "10.0.0.2 ssl=yes"] {
            assert_eq!(way(Some(odd), Service::Imap), None, "{odd}");
        }
    }

    #[test]
    fn a_pass_is_used_once_and_forgotten_when_it_is_no_longer_good() {
        let mut used = Used::default();
        let pass = |nonce: &str, made| Pass { made, nonce: nonce.into(), client: String::new() };
        assert_eq!(used.take(&pass("a", 100), 100, 100), Ok(()));
        assert_eq!(used.take(&pass("a", 100), 100, 160).unwrap_err().letter(), b'D');
        assert_eq!(used.take(&pass("b", 200), 100, 200), Ok(()));
        assert_eq!(used.0.len(), 1);
        // It may have been used before we began: that is no wrong password, and the next one will do.
        assert_eq!(used.take(&pass("c", 99), 100, 101).unwrap_err().letter(), b'Z');
    }
}
