//! `fulmar relay`, and the same under the names relayctl, vsmtprelay, relay-clear and clearopensmtp: who may relay
//! because he has fetched mail. The table is `lookup`'s; here are its verbs, and lists that can be edited.

mod berkeley;

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use clap::Subcommand;
use control::Home;
use serde_json::json;
use sys::Stop;

use crate::admin;
use crate::show::{Shape, print, time};

/// Rows, or addresses, in one question.
const BATCH: usize = 300;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Let an address relay
    Add {
        /// An IPv4 or IPv6 address; of IPv6 its /64 is meant
        ip: String,
        /// When it logged in, in seconds since 1970 [default: now]; a time to come lets it relay until then
        time: Option<u64>,
        /// Who is there, where control/relaytable says `sender`
        #[arg(long, value_name = "LOGIN", default_value = "")]
        login: String,
    },
    /// Let addresses no longer relay
    Delete {
        /// Addresses
        #[arg(required = true)]
        ips: Vec<String>,
    },
    /// Remove old rows; meant for cron
    Expire {
        /// How old, in minutes [default: control/relayminutes]
        minutes: Option<u32>,
    },
    /// Show old rows: what `expire` would remove
    List {
        /// How old, in minutes [default: control/relayminutes]
        minutes: Option<u32>,
    },
    /// Show every row
    Dump,
    /// Read rows as they are shown, `IP TIME [LOGIN]` each
    Load {
        /// The file [default: standard input]
        file: Option<PathBuf>,
        /// Remove the rows of all other addresses
        #[arg(long)]
        replace: bool,
    },
    /// Read the rows of a relayers.db (Berkeley hash); needs db_dump
    Import {
        /// The file
        file: PathBuf,
    },
    /// Write the rows as a relayers.db (Berkeley hash); needs db_load
    Export {
        /// The file
        file: PathBuf,
    },
}

pub(crate) fn run(home: &Home, verb: &Verb, shape: Shape) -> Result<(), Stop> {
    let number = |minutes: &Option<u32>| minutes.map(|minutes| minutes.to_string());
    match verb {
        Verb::Add { ip, time, login } => {
            let time = time.map(|time| time.to_string()).unwrap_or_default();
            admin::tell(home, &["relay-add", ip, &time, login])
        }
        Verb::Delete { ips } => admin::tell(home, &[&["relay-delete"], &words(ips)[..]].concat()),
        Verb::Expire { minutes } => {
            let minutes = number(minutes);
            admin::tell(home, &[&["relay-expire"], minutes.as_deref().as_slice()].concat())
        }
        Verb::List { minutes } => {
            let minutes = number(minutes);
            show(&admin::ask(home, &[&["relay-list", "old"], minutes.as_deref().as_slice()].concat())?, shape)
        }
        Verb::Dump => show(&admin::ask(home, &["relay-list"])?, shape),
        Verb::Load { file, replace } => load(home, file.as_ref(), *replace),
        Verb::Import { file } => {
            let rows = berkeley::read(file)?;
            send(home, &rows)
        }
        Verb::Export { file } => {
            berkeley::write(file, &rows(&admin::ask(home, &["relay-list"])?.join("\n"))?)
        }
    }
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn show(lines: &[String], shape: Shape) -> Result<(), Stop> {
    if !shape.json {
        return print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }
    let rows = rows(&lines.join("\n"))?;
    let row = |(ip, at, login): &Row| {
        let seconds = at.parse().unwrap_or_default();
        vec![json!(ip), json!(seconds), json!(time(seconds)), json!(login)]
    };
    shape.table(&["ip", "time", "date", "login"], &rows.iter().map(row).collect::<Vec<_>>())
}

/// Address, seconds since 1970, login.
type Row = (String, String, String);

/// Rows as they are shown; `#` begins a comment. One wrong line, and there are none.
fn rows(text: &str) -> Result<Vec<Row>, Stop> {
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        let owned = |ip: &str, time: &str, login: &str| (ip.to_owned(), time.to_owned(), login.to_owned());
        match words.as_slice() {
            [] => {}
            [ip, time] if is_row(ip, time) => rows.push(owned(ip, time, "")),
            [ip, time, login] if is_row(ip, time) => rows.push(owned(ip, time, login)),
            _ => {
                return Err(Stop::permanent(format_args!(
                    "line {}: `{}` is no row; write `IP SECONDS [LOGIN]`. Nothing was changed",
                    number + 1,
                    line.escape_default()
                )));
            }
        }
    }
    Ok(rows)
}

fn is_row(ip: &str, time: &str) -> bool {
    let address = ip.strip_suffix("/64").unwrap_or(ip);
    address.parse::<std::net::IpAddr>().is_ok() && time.parse::<u64>().is_ok()
}

fn load(home: &Home, file: Option<&PathBuf>, replace: bool) -> Result<(), Stop> {
    let mut text = String::new();
    let read = match file {
        Some(file) => fs::read_to_string(file).map(|read| text = read),
        None => std::io::stdin().read_to_string(&mut text).map(|_| ()),
    };
    read.map_err(|error| Stop::temporary(format_args!("cannot read the rows: {error}")))?;
    let rows = rows(&text)?;
    if replace {
        let shown = admin::ask(home, &["relay-list"])?;
        let kept = |line: &String| {
            let ip = line.split(' ').next().unwrap_or_default().to_owned();
            (!rows.iter().any(|row| row.0 == ip)).then_some(ip)
        };
        let mut others: Vec<String> = shown.iter().filter_map(kept).collect();
        others.dedup();
        for ips in others.chunks(BATCH) {
            admin::ask(home, &[&["relay-delete"], &words(ips)[..]].concat())?;
        }
    }
    send(home, &rows)
}

fn send(home: &Home, rows: &[Row]) -> Result<(), Stop> {
    for batch in rows.chunks(BATCH) {
        let triples = batch.iter().flat_map(|(ip, time, login)| [ip.as_str(), time, login]);
        admin::ask(home, &std::iter::once("relay-add").chain(triples).collect::<Vec<_>>())?;
    }
    print(&format!("{} rows are in the relay table\n", rows.len()))
}

/// relay-clear and clearopensmtp: `expire`, by the age that an argument or RELAY_CLEAR_MINUTES says.
pub(crate) fn clear(home: &Home, words: &[String]) -> Result<(), Stop> {
    let named = std::env::var("RELAY_CLEAR_MINUTES").ok();
    let minutes = match words {
        [] => named.as_ref(),
        [minutes] => Some(minutes),
        _ => return Err(Stop::usage("relay-clear [minutes]")),
    };
    let words: Vec<&str> = std::iter::once("relay-expire").chain(minutes.map(String::as_str)).collect();
    // cron mails what is said; nothing is to be said when all is well.
    admin::ask(home, &words).map(|_| ())
}

const USAGE: &str = "\
usage: relayctl add IP [TIME]        let IP relay, as if it had logged in now, or at TIME
       relayctl delete IP [IP...]    let it relay no longer
       relayctl expire [N]           remove all old entries, or all older than N minutes
       relayctl list [N]             show all old entries, or all older than N minutes
       relayctl dump                 show every entry, also those of a time to come
       relayctl load [FILE]          read entries as list and dump show them
";

/// relayctl and vsmtprelay: the verbs that hosting companies know, with their lists of two columns.
pub(crate) fn relayctl(home: &Home, words: &[String]) -> Result<(), Stop> {
    let shape = Shape { json: false };
    let minutes = |word: &str| word.parse::<u32>().map(Some).map_err(|_| wrong());
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["help" | "-h" | "--help"] => print(USAGE),
        ["add", ip] => run(home, &Verb::Add { ip: (*ip).into(), time: None, login: String::new() }, shape),
        ["add", ip, ticks] => {
            let time = Some(ticks.parse().map_err(|_| wrong())?);
            run(home, &Verb::Add { ip: (*ip).into(), time, login: String::new() }, shape)
        }
        ["delete", ips @ ..] if !ips.is_empty() => {
            run(home, &Verb::Delete { ips: ips.iter().map(|ip| (*ip).to_owned()).collect() }, shape)
        }
        ["expire"] => run(home, &Verb::Expire { minutes: None }, shape),
        ["expire", n] => run(home, &Verb::Expire { minutes: minutes(n)? }, shape),
        ["list"] => columns(&admin::ask(home, &["relay-list", "old"])?),
        ["list", n] if minutes(n).is_ok() => columns(&admin::ask(home, &["relay-list", "old", n])?),
        ["dump"] => columns(&admin::ask(home, &["relay-list"])?),
        ["load"] => run(home, &Verb::Load { file: None, replace: false }, shape),
        ["load", file] => run(home, &Verb::Load { file: Some(file.into()), replace: false }, shape),
        _ => Err(wrong()),
    }
}

fn wrong() -> Stop {
    Stop::usage(USAGE.trim_start_matches("usage: ").trim_end())
}

/// Address and time alone, as makemap takes them.
fn columns(lines: &[String]) -> Result<(), Stop> {
    let rows = rows(&lines.join("\n"))?;
    print(&rows.iter().map(|(ip, time, _)| format!("{ip}\t{time}\n")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read_again_and_one_wrong_line_is_none() {
        let read = rows("# mine\n192.0.2.1 5 ann@x\n\n2001:db8::/64\t7\n192.0.2.2 9 # later\n").unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[1], ("2001:db8::/64".into(), "7".into(), String::new()));
        for bad in ["192.0.2.1", "192.0.2.1 x", "192.0.2.1 5 a b", "192.0.2.0/24 5", "a 5", "192.0.2.1 -5"] {
            assert_eq!(rows(&format!("192.0.2.9 1\n{bad}\n")), Err(Stop(100)), "{bad}");
        }
    }
}
