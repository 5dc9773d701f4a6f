//! Which servers to ask and how long: /etc/resolv.conf, or an admin's own list.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Most servers that are asked (resolv.conf(5) has 3, dnscache clients 16).
const MOST_SERVERS: usize = 16;
/// Largest file that is read, in octets.
const LARGEST_FILE: u64 = 1 << 20;
const PORT: u16 = 53;
/// Folders of what says where name servers are: its files are replaced by others when that changes.
pub const FOLDERS: &[&str] = &["/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"];

/// How a [`Resolver`](crate::Resolver) asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The servers, asked in this order.
    pub servers: Vec<SocketAddr>,
    /// How long one server may take at the first try; doubled with each further round.
    pub patience: Duration,
    /// How long one look-up may take in all, alias chains included.
    pub deadline: Duration,
    /// How often all servers are asked.
    pub rounds: u32,
}

impl Default for Config {
    /// A server on this host, as resolv.conf(5) has it when it names none.
    fn default() -> Config {
        Config {
            servers: vec![(Ipv4Addr::LOCALHOST, PORT).into()],
            patience: Duration::from_secs(2),
            deadline: Duration::from_secs(20),
            rounds: 3,
        }
    }
}

impl Config {
    /// The servers in `list`, if it names any; else those of /etc/resolv.conf; else the one on this
    /// host. A list has addresses (`192.0.2.53`, `2001:db8::53`, `192.0.2.53:5353`,
    /// `[2001:db8::53]:5353`) between blanks, commas or line ends; what is none is skipped.
    pub fn find(list: &str) -> Config {
        let servers = servers(list);
        if servers.is_empty() {
            return Config::parse(&read(Path::new("/etc/resolv.conf")));
        }
        Config { servers, ..Config::default() }
    }

    /// What a resolv.conf(5) says: `nameserver`, and of `options` timeout and attempts.
    pub fn parse(text: &str) -> Config {
        let mut config = Config::default();
        let mut found = Vec::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => found.extend(words.next().and_then(server)),
                Some("options") => words.for_each(|word| config.option(word)),
                _ => {}
            }
        }
        found.truncate(MOST_SERVERS);
        if !found.is_empty() {
            config.servers = found;
        }
        config
    }

    fn option(&mut self, word: &str) {
        let number = |rest: &str| rest.parse::<u32>().ok();
        if let Some(seconds) = word.strip_prefix("timeout:").and_then(number) {
            self.patience = Duration::from_secs(seconds.clamp(1, 30).into());
        } else if let Some(rounds) = word.strip_prefix("attempts:").and_then(number) {
            self.rounds = rounds.clamp(1, 5);
        }
    }
}

fn servers(list: &str) -> Vec<SocketAddr> {
    let words = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
    words.filter_map(server).take(MOST_SERVERS).collect()
}

fn server(word: &str) -> Option<SocketAddr> {
    let word = word.split('%').next().unwrap_or_default();
    let address = |ip: IpAddr| SocketAddr::new(ip, PORT);
    word.parse().ok().map(address).or_else(|| word.parse().ok())
}

/// A small text file of the system; empty when it is missing, garbled or too large.
pub(crate) fn read(path: &Path) -> String {
    let mut text = String::new();
    let Ok(file) = File::open(path) else { return text };
    if file.take(LARGEST_FILE).read_to_string(&mut text).is_err() {
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_understood() {
        let config = Config::parse(
            "# x\nsearch a.example\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver junk\n\
             options timeout:7 attempts:99 rotate\n",
        );
        assert_eq!(config.servers, ["192.0.2.1:53".parse().unwrap(), "[fe80::1]:53".parse().unwrap()]);
        assert_eq!((config.patience, config.rounds), (Duration::from_secs(7), 5));
    }

    #[test]
    fn a_list_of_ones_own_may_name_ports() {
        let config = Config::find("127.0.0.1:5353, ::1\n[::1]:54 rubbish");
        let expected = ["127.0.0.1:5353", "[::1]:53", "[::1]:54"].map(|s| s.parse().unwrap());
        assert_eq!(config.servers, expected);
    }

    #[test]
    fn an_empty_file_means_this_host() {
        assert_eq!(Config::parse(""), Config::default());
    }
}
