//! The options of qmail-inject.

/// Where recipients come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The arguments alone.
    Arguments,
    /// The header alone.
    Header,
    /// The arguments if there are any, else the header.
    Either,
    /// Both.
    Both,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) whom: Whom,
    /// The envelope sender, as written by the caller.
    pub(crate) sender: Option<Vec<u8>>,
    /// The sender's full name, before all variables.
    pub(crate) name: Option<Vec<u8>>,
    /// Print the message, do not send it.
    pub(crate) print: bool,
    pub(crate) recipients: Vec<Vec<u8>>,
}

impl Order {
    pub(crate) fn new(whom: Whom) -> Order {
        Order { whom, sender: None, name: None, print: false, recipients: Vec::new() }
    }
}

pub(crate) const USAGE: &str = "inject [-aAhHnN] [-f sender] [recipient ...]";

/// Reads `args`; `None`: wrong use.
pub(crate) fn read(args: &[Vec<u8>]) -> Option<Order> {
    let mut order = Order::new(Whom::Either);
    let mut args = args.iter();
    while let Some(arg) = args.as_slice().first().filter(|arg| arg.starts_with(b"-") && arg.len() > 1) {
        args.next();
        if arg == b"--" {
            break;
        }
        let mut letters = arg[1..].iter();
        while let Some(letter) = letters.next() {
            match letter {
                b'a' => order.whom = Whom::Arguments,
                b'A' => order.whom = Whom::Either,
                b'h' => order.whom = Whom::Header,
                b'H' => order.whom = Whom::Both,
                b'n' => order.print = true,
                b'N' => order.print = false,
                b'f' => {
                    let rest: Vec<u8> = letters.by_ref().copied().collect();
                    order.sender = Some(if rest.is_empty() { args.next()?.clone() } else { rest });
                }
                _ => return None,
            }
        }
    }
    order.recipients = args.cloned().collect();
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_qmail_inject_reads_them() {
        let read =
            |line: &str| read(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
        for (line, whom, sender, print, recipients) in [
            ("a b", Whom::Either, None, false, 2),
            ("-a a", Whom::Arguments, None, false, 1),
            ("-h", Whom::Header, None, false, 0),
            ("-H a", Whom::Both, None, false, 1),
            ("-hA", Whom::Either, None, false, 0),
            ("-n -fbob", Whom::Either, Some("bob"), true, 0),
            ("-nhf bob a", Whom::Header, Some("bob"), true, 1),
            ("-nN -- -a", Whom::Either, None, false, 1),
            ("a -n", Whom::Either, None, false, 2),
            ("-", Whom::Either, None, false, 1),
        ] {
            let order = read(line).unwrap();
            let sender = sender.map(|sender| sender.as_bytes().to_vec());
            assert_eq!(
                (order.whom, &order.sender, order.print, order.recipients.len()),
                (whom, &sender, print, recipients),
                "{line}"
            );
        }
        assert_eq!(read("-f"), None);
        assert_eq!(read("-x"), None);
    }
}
