//! The command line, as ucspi-tcp's rblsmtpd takes it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// A list to be asked, in the order of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Whoever has a TXT record there is blocked, with that text.
    Block(String),
    /// Whoever has an A record there is blocked, with this text (`%IP%`: the address).
    BlockWith(String, String),
    /// Whoever has an A record there is let in, whatever the lists after this one say.
    Allow(String),
}

/// What the command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) lists: Vec<List>,
    /// `-b`: 553 for who is listed, in place of 451.
    pub(crate) forever: bool,
    /// `-c`: block, with 451, whom a list can't be asked about.
    pub(crate) closed: bool,
    /// `-t`: how long a client who is blocked is talked to.
    pub(crate) patience: Duration,
    /// The program and its arguments.
    pub(crate) rest: Vec<OsString>,
}

impl Options {
    /// Reads the arguments. `Err`: what is wrong.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Options, String> {
        let (lists, patience) = (Vec::new(), Duration::from_secs(60));
        let mut options = Options { lists, forever: false, closed: false, patience, rest: Vec::new() };
        let mut args = args.into_iter().peekable();
        while let Some(arg) = args.next_if(|arg| arg.as_bytes().starts_with(b"-")) {
            if arg == "--" {
                break;
            }
            options.letters(&arg, &mut args)?;
        }
        options.rest = args.collect();
        if options.rest.is_empty() { Err("no program to run".to_owned()) } else { Ok(options) }
    }

    /// One word of letters; one that wants a value takes the rest of the word, or the next word.
    fn letters(&mut self, word: &OsString, more: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        let word = word.to_str().ok_or("an option is not text")?;
        for (at, letter) in word.char_indices().skip(1) {
            match letter {
                'b' => self.forever = true,
                'B' => self.forever = false,
                'c' => self.closed = true,
                'C' => self.closed = false,
                'r' | 'a' | 't' => {
                    let rest = &word[at + 1..];
                    let mut next = || more.next().and_then(|next| next.into_string().ok());
                    let value = if rest.is_empty() { next() } else { Some(rest.to_owned()) };
                    return self.value(letter, &value.ok_or(format!("-{letter} needs a value"))?);
                }
                _ => return Err(format!("-{letter} is no option")),
            }
        }
        Ok(())
    }

    fn value(&mut self, letter: char, value: &str) -> Result<(), String> {
        match (letter, value.split_once(':')) {
            ('t', _) => {
                let seconds = value.parse().map_err(|_| format!("-t {value}: not a number of seconds"))?;
                self.patience = Duration::from_secs(seconds);
            }
            ('a', _) => self.lists.push(List::Allow(value.to_owned())),
            (_, Some((list, text))) => self.lists.push(List::BlockWith(list.to_owned(), text.to_owned())),
            (_, None) => self.lists.push(List::Block(value.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn a_classical_command_line_is_understood() {
        let options =
            parse("-b -cr zen.example -a white.example -rb.example:Go_away_%IP% -t5 smtpd -x").unwrap();
        let block = List::Block("zen.example".into());
        let with = List::BlockWith("b.example".into(), "Go_away_%IP%".into());
        assert_eq!(options.lists, [block, List::Allow("white.example".into()), with]);
        assert!(options.forever && options.closed);
        assert_eq!(
            (options.patience, &options.rest[..]),
            (Duration::from_secs(5), &["smtpd".into(), "-x".into()][..])
        );
        let options = parse("-bB -- smtpd").unwrap();
        assert!(!options.forever && options.lists.is_empty());
    }

    #[test]
    fn what_is_no_option_is_said() {
        for bad in ["-z x", "-r", "-t x smtpd", "-b", "--"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
