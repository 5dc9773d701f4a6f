//! The arguments of sendmail, as programs have given them for forty years: what means something here
//! is done, what meant something to sendmail alone is swallowed.

use crate::options::{Order, Whom};

/// What sendmail is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Send a message.
    Inject(Order),
    /// `-bp`: show what waits.
    ShowQueue,
    /// `-bs`: speak SMTP on standard input and output.
    Smtp,
    /// `-q`: send what waits. `send` does that by itself.
    Nothing,
}

pub(crate) const ALIASES: &str =
    "there is no alias file to compile: aliases are .qmail files or made by fulmar alias, and count at once";

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Mode,
    HeaderRecipients,
    Sender,
    Name,
    /// Swallowed.
    Flag,
    /// Swallowed with what follows it, in the same word or the next.
    Value,
    /// Swallowed with the rest of its word.
    Rest,
    RunQueue,
    Aliases,
}

const OPTIONS: &[(u8, Does)] = &[
    (b'A', Does::Rest),
    (b'B', Does::Value),
    (b'C', Does::Value),
    (b'E', Does::Flag),
    (b'F', Does::Name),
    (b'G', Does::Flag),
    (b'I', Does::Aliases),
    (b'J', Does::Flag),
    (b'L', Does::Value),
    (b'N', Does::Value),
    (b'O', Does::Value),
    (b'R', Does::Value),
    (b'U', Does::Flag),
    (b'V', Does::Value),
    (b'X', Does::Value),
    (b'b', Does::Mode),
    (b'd', Does::Rest),
    (b'e', Does::Value),
    (b'f', Does::Sender),
    (b'h', Does::Value),
    (b'i', Does::Flag),
    (b'm', Does::Flag),
    (b'n', Does::Flag),
    (b'o', Does::Value),
    (b'p', Does::Value),
    (b'q', Does::RunQueue),
    (b'r', Does::Sender),
    (b's', Does::Flag),
    (b't', Does::HeaderRecipients),
    (b'v', Does::Flag),
    (b'x', Does::Flag),
];

/// Reads the arguments after the program's name; an error is a sentence for the caller.
pub(crate) fn read(args: &[Vec<u8>]) -> Result<Call, String> {
    let mut order = Order::new(Whom::Arguments);
    let (mut mode, mut run_queue) = (b'm', false);
    let mut args = args.iter();
    while let Some(word) = args.as_slice().first().filter(|word| word.starts_with(b"-") && word.len() > 1) {
        args.next();
        if word == b"--" {
            break;
        }
        let mut rest = &word[1..];
        while let Some((letter, after)) = rest.split_first() {
            rest = after;
            let shown = char::from(*letter).escape_default();
            let mut value = || match std::mem::take(&mut rest) {
                b"" => args.next().cloned().ok_or_else(|| format!("option -{shown} needs a value")),
                value => Ok(value.to_vec()),
            };
            match does(*letter)
                .ok_or_else(|| format!("there is no option -{}", char::from(*letter).escape_default()))?
            {
                Does::Mode => mode = value()?.first().copied().unwrap_or(b' '),
                Does::HeaderRecipients => order.whom = Whom::Both,
                Does::Sender => order.sender = Some(value()?),
                Does::Name => order.name = Some(value()?),
                Does::Flag => {}
                Does::Value => drop(value()?),
                Does::Rest => rest = b"",
                Does::RunQueue => (run_queue, rest) = (true, b""),
                Does::Aliases => return Err(ALIASES.to_owned()),
            }
        }
    }
    order.recipients = args.cloned().collect();
    let idle = run_queue && order.recipients.is_empty() && order.whom == Whom::Arguments;
    match mode {
        b'm' if idle => Ok(Call::Nothing),
        b'm' => Ok(Call::Inject(order)),
        b'p' => Ok(Call::ShowQueue),
        b's' => Ok(Call::Smtp),
        b'i' => Err(ALIASES.to_owned()),
        b'd' | b'D' => Err("mail is received by tcpserver and smtpd, see smtpd(8)".to_owned()),
        other => Err(format!("there is no mode -b{}", char::from(other).escape_default())),
    }
}

fn does(letter: u8) -> Option<Does> {
    OPTIONS.iter().find(|(known, _)| *known == letter).map(|(_, does)| *does)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[&str]) -> Result<Call, String> {
        read(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    // Who calls so, the words, recipients in the header too, sender, full name, recipients.
    type Row = (
        &'static str,
        &'static [&'static str],
        bool,
        Option<&'static str>,
        Option<&'static str>,
        &'static [&'static str],
    );
    const ROWS: &[Row] = &[
        ("PHP's mail()", &["-t", "-i"], true, None, None, &[]),
        ("PHP with a fifth argument", &["-t", "-i", "-fbounce@x"], true, Some("bounce@x"), None, &[]),
        (
            "cron",
            &["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "bob"],
            false,
            None,
            Some("CronDaemon"),
            &["bob"],
        ),
        (
            "cronie",
            &["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"],
            true,
            Some("root"),
            Some("CronDaemon"),
            &[],
        ),
        ("logcheck", &["-t"], true, None, None, &[]),
        ("git send-email", &["-i", "a@x", "b@y"], false, None, None, &["a@x", "b@y"]),
        ("git, with a sender", &["-f", "me@x", "-i", "a@x"], false, Some("me@x"), None, &["a@x"]),
        ("mutt", &["-oem", "-oi", "-f", "me@x", "--", "a@x"], false, Some("me@x"), None, &["a@x"]),
        (
            "mutt, 8 bit and notices",
            &["-oem", "-oi", "-B8BITMIME", "-N", "failure,delay", "-R", "hdrs", "--", "a@x"],
            false,
            None,
            None,
            &["a@x"],
        ),
        ("s-nail", &["-i", "-r", "me@x", "--", "a@x", "b@y"], false, Some("me@x"), None, &["a@x", "b@y"]),
        ("bsd-mailx", &["-i", "-t"], true, None, None, &[]),
        ("mailx of old", &["-i", "-m", "bob"], false, None, None, &["bob"]),
        ("smartd, mdadm", &["-oi", "-t", "-F'Full Name'"], true, None, Some("'Full Name'"), &[]),
        ("Django, Rails", &["-bm", "-oi", "-f", "a@x", "b@y"], false, Some("a@x"), None, &["b@y"]),
        ("Python's mailbox scripts", &["-t", "-oi"], true, None, None, &[]),
        ("nullmailer's wrapper", &["-oi", "-fbob", "alice"], false, Some("bob"), None, &["alice"]),
        ("Perl's MIME::Lite", &["-t", "-oi", "-oem"], true, None, None, &[]),
        ("sudo", &["-t"], true, None, None, &[]),
        ("emacs", &["-oi", "-fbob", "-oem", "-odb", "-t"], true, Some("bob"), None, &[]),
        ("pine", &["-oi", "-oem", "-t"], true, None, None, &[]),
        ("a null sender", &["-f", "", "bob"], false, Some(""), None, &["bob"]),
        ("a null sender in brackets", &["-f<>", "bob"], false, Some("<>"), None, &["bob"]),
        ("combined letters", &["-itf", "bob"], true, Some("bob"), None, &[]),
        (
            "sendmail's own",
            &[
                "-v",
                "-x",
                "-E",
                "-J",
                "-G",
                "-U",
                "-n",
                "-Am",
                "-p",
                "http",
                "-O",
                "QueueDirectory=/x",
                "-V",
                "id",
                "-h",
                "3",
                "bob",
            ],
            false,
            None,
            None,
            &["bob"],
        ),
        ("queue run and send", &["-q15m", "bob"], false, None, None, &["bob"]),
        ("a recipient like an option", &["--", "-t"], false, None, None, &["-t"]),
    ];

    #[test]
    fn call_lines_of_programs_in_use_are_understood() {
        for (who, words, header, sender, name, recipients) in ROWS {
            let expect = Order {
                whom: if *header { Whom::Both } else { Whom::Arguments },
                sender: sender.map(|text| text.as_bytes().to_vec()),
                name: name.map(|text| text.as_bytes().to_vec()),
                print: false,
                recipients: recipients.iter().map(|text| text.as_bytes().to_vec()).collect(),
            };
            assert_eq!(call(words), Ok(Call::Inject(expect)), "{who}");
        }
    }

    #[test]
    fn other_modes_are_done_or_refused_with_a_word_why() {
        assert_eq!(call(&["-bp"]), Ok(Call::ShowQueue));
        assert_eq!(call(&["-b", "p"]), Ok(Call::ShowQueue));
        assert_eq!(call(&["-bs"]), Ok(Call::Smtp));
        assert_eq!(call(&["-q"]), Ok(Call::Nothing));
        assert_eq!(call(&["-q30m"]), Ok(Call::Nothing));
        assert_eq!(call(&["-bi"]), Err(ALIASES.to_owned()));
        assert_eq!(call(&["-I"]), Err(ALIASES.to_owned()));
        assert!(call(&["-bd", "-q15m"]).unwrap_err().contains("smtpd(8)"));
        assert!(call(&["-bt"]).is_err());
        assert!(call(&["-Z"]).unwrap_err().contains("-Z"));
        assert!(call(&["-f"]).unwrap_err().contains("-f needs a value"));
        assert!(call(&["-b", ""]).is_err());
    }
}
