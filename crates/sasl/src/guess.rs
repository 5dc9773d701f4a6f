//! Limits against guessing, over all connections.
//!
//! Counts wrong passwords per client and account, per client, and per account. The first two delay
//! and then refuse; the third, which a stranger could drive up for anybody, only delays. A client that
//! has logged in well to an account is never refused there: nobody can lock out the owner. Names that
//! do not exist are counted as those that do. Time comes in as a parameter.

use core::net::IpAddr;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Who guesses: an address; of IPv6 the /64, since a client owns all of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Somewhere in the network.
    Remote(IpAddr),
    /// This machine, or somebody whose address is not known: many people, perhaps.
    Local,
}

impl Client {
    /// The client of an address as text; what is no address is `Local`.
    pub fn of(address: &str) -> Client {
        match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) if ip.is_loopback() || ip.is_unspecified() => Client::Local,
            Ok(IpAddr::V6(ip)) => Client::Remote((ip & PREFIX).into()),
            Ok(ip) => Client::Remote(ip),
            Err(_) => Client::Local,
        }
    }
}

const PREFIX: core::net::Ipv6Addr = core::net::Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

/// How much guessing is borne.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Delay of the answer to a first wrong password; doubles with each further one.
    pub delay: Duration,
    /// Longest delay.
    pub delay_max: Duration,
    /// Wrong passwords of one client for one account before it is refused.
    pub pair: u32,
    /// One of them is forgiven after this time.
    pub pair_forgiven: Duration,
    /// Wrong passwords of one client, for whatever accounts, before it is refused; ten times as many
    /// if somebody has logged in well from there (an office behind one address).
    pub client: u32,
    /// One of them is forgiven after this time.
    pub client_forgiven: Duration,
    /// How long a good login is remembered.
    pub remembered: Duration,
    /// Most entries of each table.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            delay: Duration::from_millis(300),
            delay_max: Duration::from_secs(6),
            pair: 15,
            pair_forgiven: Duration::from_secs(120),
            client: 60,
            client_forgiven: Duration::from_secs(20),
            remembered: Duration::from_secs(30 * 86_400),
            entries: 100_000,
        }
    }
}

/// No guess is taken from there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A guess is taken again after this time.
    pub wait: Duration,
}

/// The tables.
#[derive(Debug, Default)]
pub struct Guesses {
    limits: Limits,
    pairs: Debts<(Client, String)>,
    clients: Debts<Client>,
    accounts: Debts<String>,
    /// When each pair, and each client with whatever account, has last logged in well.
    good: HashMap<(Client, String), Duration>,
    good_clients: HashMap<Client, Duration>,
}

impl Guesses {
    /// Empty tables.
    pub fn new(limits: Limits) -> Guesses {
        Guesses { limits, ..Guesses::default() }
    }

    /// May `client` try a password for `account` at the time `now`? If so the try counts as wrong until
    /// [`Guesses::right`] or [`Guesses::untold`] takes that back, so that tries made all at once count
    /// too. Gives the delay for the answer if it turns out wrong.
    pub fn ask(&mut self, client: Client, account: &str, now: Duration) -> Result<Duration, Refused> {
        let (limits, pair) = (self.limits, (client, account.to_owned()));
        let known = self.remembers(self.good.get(&pair), now);
        if !known {
            let trusted = self.remembers(self.good_clients.get(&client), now);
            let most = if trusted { limits.client * 10 } else { limits.client };
            self.pairs.bearable(&pair, limits.pair_forgiven, limits.pair, now)?;
            if client != Client::Local {
                self.clients.bearable(&client, limits.client_forgiven, most, now)?;
            }
        }
        let pairs = self.pairs.add(pair, limits.pair_forgiven, limits.entries, now);
        let clients = self.clients.add(client, limits.client_forgiven, limits.entries, now);
        let accounts = self.accounts.add(account.to_owned(), limits.client_forgiven, limits.entries, now);
        let others = if known { 0 } else { accounts / 10 };
        let crowd = if client == Client::Local { 0 } else { clients / 10 };
        Ok(self.delay(pairs.max(crowd).max(others)))
    }

    /// The try was right.
    pub fn right(&mut self, client: Client, account: &str, now: Duration) {
        let (pair, entries) = ((client, account.to_owned()), self.limits.entries);
        self.pairs.forget(&pair);
        self.clients.take_back(&client, self.limits.client_forgiven);
        self.accounts.take_back(&account.to_owned(), self.limits.client_forgiven);
        set(&mut self.good, pair, now, entries);
        set(&mut self.good_clients, client, now, entries);
    }

    /// It could not be told if the try was right.
    pub fn untold(&mut self, client: Client, account: &str) {
        self.pairs.take_back(&(client, account.to_owned()), self.limits.pair_forgiven);
        self.clients.take_back(&client, self.limits.client_forgiven);
        self.accounts.take_back(&account.to_owned(), self.limits.client_forgiven);
    }

    fn remembers(&self, last: Option<&Duration>, now: Duration) -> bool {
        last.is_some_and(|last| now.saturating_sub(*last) < self.limits.remembered)
    }

    fn delay(&self, count: u32) -> Duration {
        let doubled = 2u32.saturating_pow(count.saturating_sub(1).min(20));
        self.limits.delay.saturating_mul(doubled).min(self.limits.delay_max)
    }
}

/// Counters that run empty: of each is kept the time at which it will be empty again.
#[derive(Debug)]
struct Debts<K>(HashMap<K, Duration>);

impl<K> Default for Debts<K> {
    fn default() -> Debts<K> {
        Debts(HashMap::new())
    }
}

impl<K: Hash + Eq> Debts<K> {
    /// Is there room for one more below `most`?
    fn bearable(&self, key: &K, each: Duration, most: u32, now: Duration) -> Result<(), Refused> {
        let debt = self.0.get(key).map_or(Duration::ZERO, |until| until.saturating_sub(now));
        let wait = (debt + each).saturating_sub(each * most);
        if wait.is_zero() { Ok(()) } else { Err(Refused { wait }) }
    }

    /// Counts one; gives how many there are now, this one included.
    fn add(&mut self, key: K, each: Duration, entries: usize, now: Duration) -> u32 {
        let until = self.0.get(&key).map_or(now, |until| now.max(*until)) + each;
        set(&mut self.0, key, until, entries);
        (until - now).as_nanos().div_ceil(each.as_nanos().max(1)).try_into().unwrap_or(u32::MAX)
    }

    fn take_back(&mut self, key: &K, each: Duration) {
        if let Some(until) = self.0.get_mut(key) {
            *until = until.saturating_sub(each);
        }
    }

    fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }
}

/// Sets an entry; a full table forgets the half with the earliest times: who is forgiven or owes
/// least, who has not been seen for longest.
fn set<K: Hash + Eq>(table: &mut HashMap<K, Duration>, key: K, time: Duration, entries: usize) {
    if table.len() >= entries && !table.contains_key(&key) {
        let mut times: Vec<Duration> = table.values().copied().collect();
        let (_, median, _) = times.select_nth_unstable(entries / 2);
        let (median, mut room) = (*median, entries / 2);
        table.retain(|_, time| {
            let keep = *time > median || (*time == median && room > 0);
            room -= usize::from(keep && *time == median);
            keep
        });
    }
    table.insert(key, time);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "alice@example.test";

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn home() -> Client {
        Client::of("192.0.2.1")
    }

    // P13 S40
    #[test]
    fn twenty_wrong_passwords_are_delayed_more_and_more_and_then_refused() {
        let mut guesses = Guesses::default();
        let answers: Vec<_> = (0..20).map(|_| guesses.ask(home(), ALICE, at(0))).collect();
        assert_eq!(answers[0], Ok(Duration::from_millis(300)));
        assert_eq!(answers[1], Ok(Duration::from_millis(600)));
        assert_eq!(answers[14], Ok(at(6)));
        assert_eq!(answers[15], Err(Refused { wait: at(120) }));
        assert!(guesses.ask(home(), ALICE, at(121)).is_ok());
        assert!(guesses.ask(home(), ALICE, at(122)).is_err());
        assert!(guesses.ask(home(), ALICE, at(3600)).is_ok());
    }

    // P13 S40
    #[test]
    fn a_name_that_does_not_exist_is_counted_like_one_that_does() {
        let run = |name: &str| {
            let mut guesses = Guesses::default();
            (0..100).map(|second| guesses.ask(home(), name, at(second))).collect::<Vec<_>>()
        };
        assert_eq!(run(ALICE), run("nobody@example.test"));
    }

    // S40
    #[test]
    fn a_hundred_tries_at_the_same_moment_are_not_a_hundred_guesses() {
        let mut guesses = Guesses::default();
        let taken = (0..100).filter(|_| guesses.ask(home(), ALICE, at(0)).is_ok()).count();
        assert_eq!(taken, 15);
    }

    #[test]
    fn one_client_that_tries_many_names_is_refused_but_a_neighbour_is_not() {
        let mut guesses = Guesses::default();
        let taken = (0..1000).filter(|n| guesses.ask(home(), &format!("u{n}@x"), at(0)).is_ok()).count();
        assert_eq!(taken, 60);
        assert!(guesses.ask(Client::of("192.0.2.2"), ALICE, at(0)).is_ok());
    }

    #[test]
    fn who_has_logged_in_well_is_never_locked_out_by_others_or_by_himself() {
        let mut guesses = Guesses::default();
        guesses.ask(home(), ALICE, at(0)).unwrap();
        guesses.right(home(), ALICE, at(0));
        for n in 0..2000 {
            let _ = guesses.ask(home(), &format!("u{n}@x"), at(1));
            let _ = guesses.ask(home(), ALICE, at(1));
            let _ = guesses.ask(Client::of(&format!("198.51.{}.{}", n / 250, n % 250)), ALICE, at(1));
        }
        assert!(guesses.ask(home(), ALICE, at(2)).is_ok());
        assert!(guesses.ask(home(), ALICE, at(31 * 86_400)).is_ok(), "all is forgiven by then");
    }

    #[test]
    fn guesses_spread_over_many_clients_are_delayed() {
        let mut guesses = Guesses::default();
        let from = |n: u32| Client::of(&format!("10.{}.{}.1", n / 250, n % 250));
        let last = (0..500).map(|n| guesses.ask(from(n), ALICE, at(0)).unwrap()).last();
        assert_eq!(last, Some(at(6)));
    }

    #[test]
    fn right_passwords_leave_no_trace_and_neither_does_a_broken_store() {
        let mut guesses = Guesses::default();
        for _ in 0..1000 {
            assert_eq!(guesses.ask(home(), ALICE, at(0)), Ok(Duration::from_millis(300)));
            guesses.right(home(), ALICE, at(0));
        }
        let mut guesses = Guesses::default();
        for _ in 0..1000 {
            assert_eq!(guesses.ask(home(), ALICE, at(0)), Ok(Duration::from_millis(300)));
            guesses.untold(home(), ALICE);
        }
    }

    #[test]
    fn the_tables_do_not_grow_without_end_and_keep_the_worst() {
        let limits = Limits { entries: 100, ..Limits::default() };
        let mut guesses = Guesses::new(limits);
        for _ in 0..15 {
            guesses.ask(home(), ALICE, at(0)).unwrap();
        }
        for n in 0..10_000u32 {
            let other = Client::of(&format!("10.1.{}.{}", n / 250, n % 250));
            let _ = guesses.ask(other, &format!("u{n}@x"), at(0));
            guesses.right(other, "y@x", at(0));
        }
        assert!(guesses.pairs.0.len() <= 100 && guesses.clients.0.len() <= 100 && guesses.good.len() <= 100);
        assert!(guesses.ask(home(), ALICE, at(0)).is_err());
    }

    #[test]
    fn a_client_cannot_walk_through_its_own_prefix_and_is_one_in_both_notations() {
        assert_eq!(Client::of("2001:db8:1:2::1"), Client::of("2001:db8:1:2:ffff::9"));
        assert_ne!(Client::of("2001:db8:1:2::1"), Client::of("2001:db8:1:3::1"));
        assert_eq!(Client::of("::ffff:192.0.2.1"), home());
        for local in ["127.0.0.1", "::1", "", "garbage", "unknown"] {
            assert_eq!(Client::of(local), Client::Local);
        }
    }
}
