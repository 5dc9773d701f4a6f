//! Is the client blocked? RBLSMTPD says so, or the first list that knows the address.

use std::net::IpAddr;

use dns::{Error, Kind, Record};

use crate::options::{List, Options};

/// What a client who is blocked is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// 553, or 451.
    pub(crate) forever: bool,
    /// Why.
    pub(crate) text: String,
}

/// A variable that a rule of tcpserver sets: empty lets in, a text blocks for now, `-` and a text for
/// good. No list is asked then.
pub(crate) fn by_variable(value: &[u8]) -> Option<Block> {
    let (forever, text) = match value.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, value),
    };
    let text = String::from_utf8_lossy(text).into_owned();
    (!value.is_empty()).then_some(Block { forever, text })
}

/// Asks the lists in their order, by `ask`, about `ip`.
pub(crate) fn by_lists(
    options: &Options,
    ip: IpAddr,
    ask: impl Fn(&str, Kind) -> Result<Vec<Record>, Error>,
) -> Option<Block> {
    for list in &options.lists {
        let (zone, kind) = match list {
            List::Block(zone) => (zone, Kind::Txt),
            List::BlockWith(zone, _) | List::Allow(zone) => (zone, Kind::A),
        };
        match (ask(&name(ip, zone), kind), list) {
            (Ok(_), List::Allow(_)) => return None,
            (Ok(records), _) => {
                return Some(Block { forever: options.forever, text: text(list, ip, records) });
            }
            (Err(Error::NotFound), _) => {}
            (Err(Error::Later(_)), _) if options.closed => {
                let text = format!("Can't ask {zone} about {ip} now, try again later");
                return Some(Block { forever: false, text });
            }
            (Err(Error::Later(cause)), _) => {
                sys::log!("rblsmtpd: warning: {zone}: {cause}; passed over, as -c is not given");
            }
        }
    }
    None
}

fn text(list: &List, ip: IpAddr, records: Vec<Record>) -> String {
    let found = records.into_iter().find_map(|record| match record {
        Record::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    });
    match list {
        List::BlockWith(_, text) => text.replace("%IP%", &ip.to_string()),
        List::Block(zone) | List::Allow(zone) => found.unwrap_or_else(|| format!("{ip} is listed in {zone}")),
    }
}

/// RFC 5782 §2.1, §2.4: the octets, or the nibbles, of the address backwards.
fn name(ip: IpAddr, zone: &str) -> String {
    let reverse = dns::reverse(ip);
    let digits = reverse.strip_suffix("in-addr.arpa").or_else(|| reverse.strip_suffix("ip6.arpa"));
    format!("{}{zone}", digits.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(args: &str, ip: &str, records: &[(&str, &str)]) -> Option<Block> {
        let options = Options::parse(args.split(' ').map(Into::into)).unwrap();
        by_lists(&options, ip.parse().unwrap(), |name, kind| {
            let found = records.iter().find(|(known, _)| *known == name);
            match (found, kind) {
                (Some((_, "down")), _) => Err(Error::Later("no answer in time")),
                (Some((_, text)), Kind::Txt) => Ok(vec![Record::Text((*text).to_owned())]),
                (Some(_), _) => Ok(vec![Record::Address("127.0.0.2".parse().unwrap())]),
                (None, _) => Err(Error::NotFound),
            }
        })
    }

    const V6: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.l";

    #[test]
    fn the_first_list_that_knows_the_address_decides() {
        let records = [("7.2.0.192.l", "listed, see l"), ("7.2.0.192.w", "x"), (V6, "six")];
        let said = |args, ip| block(args, ip, &records).map(|block| (block.forever, block.text));
        assert_eq!(said("-r l smtpd", "192.0.2.7"), Some((false, "listed, see l".into())));
        assert_eq!(said("-b -r l smtpd", "192.0.2.7"), Some((true, "listed, see l".into())));
        assert_eq!(said("-r l smtpd", "192.0.2.8"), None);
        assert_eq!(said("-r l smtpd", "::ffff:192.0.2.7").map(|said| said.0), Some(false));
        assert_eq!(said("-r l smtpd", "2001:db8::1"), Some((false, "six".into())));
        assert_eq!(said("-a w -r l smtpd", "192.0.2.7"), None);
        assert_eq!(said("-r l -a w smtpd", "192.0.2.7").map(|said| said.0), Some(false));
        assert_eq!(said("-r w:No_%IP%! smtpd", "192.0.2.7"), Some((false, "No_192.0.2.7!".into())));
    }

    #[test]
    fn a_list_that_is_down_lets_in_or_with_c_puts_off() {
        let records = [("7.2.0.192.l", "down"), ("7.2.0.192.m", "listed")];
        assert_eq!(block("-r l smtpd", "192.0.2.7", &records), None);
        assert_eq!(block("-r l -r m smtpd", "192.0.2.7", &records).unwrap().text, "listed");
        let closed = block("-b -c -r l -r m smtpd", "192.0.2.7", &records).unwrap();
        assert!(!closed.forever && closed.text.contains("Can't ask l"));
    }

    #[test]
    fn the_variable_lets_in_or_blocks_for_now_or_for_good() {
        assert_eq!(by_variable(b""), None);
        assert_eq!(by_variable(b"Go away"), Some(Block { forever: false, text: "Go away".into() }));
        assert_eq!(by_variable(b"-Go away"), Some(Block { forever: true, text: "Go away".into() }));
    }
}
