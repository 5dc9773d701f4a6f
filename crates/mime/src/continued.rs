//! Parameters in pieces: RFC 2231 §3 and §4.1. A server of IMAP joins them (RFC 2231 §6), and leaves the charset to the client.

use std::collections::HashMap;
use std::fmt::Write;

/// Joins `name*0`, `name*1*` ... to `name`, or to `name*` where a piece has a charset or percent signs: then pieces
/// without them are written with them. A piece after a gap, or without a first one, stays as it is.
pub(crate) fn join(params: Vec<(String, String)>) -> Vec<(String, String)> {
    if !params.iter().any(|(name, _)| name.contains('*')) {
        return params;
    }
    let mut pieces: HashMap<(String, usize), usize> = HashMap::new();
    for (at, (name, _)) in params.iter().enumerate() {
        if let Some(piece) = Piece::of(name) {
            pieces.entry((piece.name.to_ascii_lowercase(), piece.number)).or_insert(at);
        }
    }
    let mut joined = vec![None; params.len()];
    let mut used = vec![false; params.len()];
    for (at, (name, _)) in params.iter().enumerate() {
        if let Some(piece) = Piece::of(name).filter(|it| it.number == 0) {
            let key = |number| (piece.name.to_ascii_lowercase(), number);
            if pieces.get(&key(0)) != Some(&at) {
                continue;
            }
            let run: Vec<usize> = (0..).map_while(|number| pieces.get(&key(number)).copied()).collect();
            run.iter().for_each(|at| used[*at] = true);
            joined[at] = Some(whole(piece.name, run.iter().map(|at| &params[*at])));
        }
    }
    let each = params.into_iter().enumerate();
    each.filter_map(|(at, param)| joined[at].take().or((!used[at]).then_some(param))).collect()
}

fn whole<'a>(name: &str, run: impl Iterator<Item = &'a (String, String)> + Clone) -> (String, String) {
    let extended = run.clone().any(|(name, _)| name.ends_with('*'));
    let mut value = String::new();
    for (name, piece) in run {
        match extended && !name.ends_with('*') {
            true => escape(piece, &mut value),
            false => value.push_str(piece),
        }
    }
    (if extended { format!("{name}*") } else { name.to_owned() }, value)
}

fn escape(piece: &str, out: &mut String) {
    for byte in piece.bytes() {
        match byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte) {
            true => out.push(byte.into()),
            false => drop(write!(out, "%{byte:02X}")),
        }
    }
}

/// The value of a `name*`: charset, percent signs and all. RFC 2231 §4.
pub(crate) fn decoded(value: &str) -> String {
    let mut pieces = value.splitn(3, '\'');
    let (charset, _, text) = (pieces.next(), pieces.next(), pieces.next());
    let (charset, text) = text.map_or(("", value), |text| (charset.unwrap_or_default(), text));
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = (*byte == b'%').then(|| after.first_chunk::<2>()).flatten();
        let octet = escaped.and_then(|two| crate::transfer::hex(*two));
        octets.push(octet.unwrap_or(*byte));
        rest = if octet.is_some() { &after[2..] } else { after };
    }
    crate::to_utf8(&octets, charset).into_owned()
}

struct Piece<'a> {
    name: &'a str,
    number: usize,
}

impl Piece<'_> {
    fn of(name: &str) -> Option<Piece<'_>> {
        let (name, number) = name.strip_suffix('*').unwrap_or(name).split_once('*')?;
        let plain = number.len() <= 4 && number.bytes().all(|it| it.is_ascii_digit());
        let plain = plain && (number == "0" || !number.starts_with('0'));
        Some(Piece { name, number: number.parse().ok().filter(|_| plain && !name.is_empty())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(params: &[(&str, &str)]) -> Vec<String> {
        let params = params.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        join(params).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn pieces_are_joined_in_the_order_of_their_numbers() {
        assert_eq!(joined(&[("a*1", "y"), ("b", "q"), ("A*0", "x"), ("a*2", "z")]), ["b=q", "A=xyz"]);
        assert_eq!(
            joined(&[("n*0*", "utf-8''a%20"), ("n*1", "b c"), ("n*2*", "%64")]),
            ["n*=utf-8''a%20b%20c%64"]
        );
        assert_eq!(joined(&[("n*", "utf-8''a%20")]), ["n*=utf-8''a%20"]);
    }

    #[test]
    fn what_fits_nowhere_stays_as_it_is() {
        assert_eq!(joined(&[("a*0", "x"), ("a*2", "z"), ("b*1", "c"), ("*0", "d"), ("e*00", "f")]).len(), 5);
        assert_eq!(joined(&[("a*0", "x"), ("a*0", "y"), ("a*0*", "z")]), ["a=x", "a*0=y", "a*0*=z"]);
    }

    #[test]
    fn a_name_with_a_charset_can_be_read() {
        assert_eq!(decoded("iso-8859-1'de'Gr%FC%DFe"), "Grüße");
        assert_eq!(decoded("plain%zz%4"), "plain%zz%4");
        assert_eq!(decoded("utf-8''%e2%82%ac"), "€");
    }
}
