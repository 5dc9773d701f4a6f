//! Where a password comes from: the command line, standard input, or a question on the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};

use clap::Args;
use sys::Stop;

#[derive(Args)]
pub(crate) struct Source {
    /// The password (others may see it in the list of processes); without this option it is
    /// asked for on the terminal, or read as one line from standard input
    #[arg(long, value_name = "TEXT")]
    password: Option<String>,
    /// Keep the password readable, as APOP and CRAM-MD5 need it (default: argon2id)
    #[arg(long)]
    plain: bool,
    /// Keep keys for SCRAM-SHA-256 in place of the password's argon2id hash
    #[arg(long, conflicts_with = "plain")]
    scram: bool,
}

impl Source {
    /// The password, marked with the scheme it is to be kept in.
    pub(crate) fn read(&self) -> Result<String, Stop> {
        let password = match &self.password {
            Some(password) => password.clone(),
            None if std::io::stdin().is_terminal() => asked()?,
            None => line(std::io::stdin().lock())?,
        };
        if password.is_empty() {
            return Err(Stop::permanent("an empty password is none"));
        }
        Ok(match (self.plain, self.scram) {
            (true, _) => format!("{{PLAIN}}{password}"),
            (_, true) => format!("{{SCRAM}}{password}"),
            _ => password,
        })
    }
}

/// Asks twice on the terminal, without showing what is typed.
fn asked() -> Result<String, Stop> {
    let broken = |error| Stop::temporary(format_args!("cannot ask on the terminal: {error}"));
    let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(broken)?;
    let _hidden = Hidden::new();
    let mut answers = BufReader::new(&terminal);
    let mut ask = |question: &str| {
        (&terminal).write_all(question.as_bytes()).map_err(broken)?;
        let answer = line(&mut answers);
        let _ = (&terminal).write_all(b"\n");
        answer
    };
    let (first, second) = (ask("New password: ")?, ask("Once more: ")?);
    if first == second {
        Ok(first)
    } else {
        Err(Stop::permanent("the two are not the same; nothing was changed"))
    }
}

fn line(mut input: impl BufRead) -> Result<String, Stop> {
    let mut text = String::new();
    match input.read_line(&mut text) {
        Ok(0) => Err(Stop::permanent("no password given: use --password, or a line on standard input")),
        Ok(_) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(Stop::temporary(format_args!("cannot read the password: {error}"))),
    }
}

/// While this lives the terminal does not show what is typed.
struct Hidden;

impl Hidden {
    fn new() -> Hidden {
        stty("-echo");
        Hidden
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        stty("echo");
    }
}

fn stty(setting: &str) {
    let _ = Command::new("stty").arg(setting).stdin(Stdio::inherit()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_on_standard_input_is_the_password_whatever_its_ending() {
        assert_eq!(line(&b"secret word\r\nmore"[..]), Ok("secret word".to_owned()));
        assert_eq!(line(&b"secret"[..]), Ok("secret".to_owned()));
        assert_eq!(line(&b""[..]), Err(Stop(100)));
    }
}
