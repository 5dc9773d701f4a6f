//! What is served on which port: read from the run scripts, which are the truth about it.

use std::fs;
use std::path::PathBuf;

use control::Home;

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Smtp,
    Submission,
    Pop3,
    Imap,
}

/// A run script with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// Its folder's name.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    /// Its rules, if it has any.
    pub(crate) rules: Option<PathBuf>,
    /// Variables it sets for everybody.
    pub(crate) env: Vec<(String, String)>,
    /// TLS from the first octet on: RFC 8314 §3.
    pub(crate) tls: bool,
}

/// Services that begin with TLS, by the names that `smtpd` and `login` know them by.
const SECRET: &[&str] = &["submissions", "pop3s", "imaps"];

/// All that is served, by port.
pub(crate) fn served(home: &Home) -> Vec<Served> {
    let folders = fs::read_dir(home.join("etc/run")).into_iter().flatten().filter_map(Result::ok);
    let mut all: Vec<Served> = folders
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path().join("run")).ok()?;
            read(entry.file_name().to_string_lossy().into_owned(), &text, home)
        })
        .collect();
    all.sort_by_key(|served| served.port);
    all
}

fn read(name: String, text: &str, home: &Home) -> Option<Served> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let server = words.iter().position(|word| word.rsplit('/').next() == Some("tcpserver"))?;
    let (at, kind) = (server + 2..words.len()).find_map(|at| Some((at, kind(&words[at..])?)))?;
    let port = words[at - 1].parse().ok()?;
    let option = words[server..at].iter().position(|word| matches!(*word, "-x" | "-Xx"));
    let rules = option.and_then(|option| words.get(server + option + 1)).map(|path| home.join(path));
    let env = words[..server].iter().filter_map(|word| variable(word)).collect();
    // Others' programs behind the usual ports begin with it as well.
    let tls = words[at..].iter().any(|word| SECRET.contains(word)) || matches!(port, 465 | 993 | 995);
    Some(Served { name, kind, port, rules, env, tls })
}

/// What the program that stands first in `words` serves.
fn kind(words: &[&str]) -> Option<Kind> {
    let has = |word: &str| words.contains(&word);
    match words.first()?.rsplit('/').next()? {
        "smtpd" | "qmail-smtpd" if matches!(words.get(1), Some(&("submission" | "submissions"))) => {
            Some(Kind::Submission)
        }
        "smtpd" | "qmail-smtpd" if words.get(1) != Some(&"lmtp") => Some(Kind::Smtp),
        "gate" | "popup" | "qmail-popup" if has("pop3d") || has("qmail-pop3d") => Some(Kind::Pop3),
        "gate" if has("imapd") => Some(Kind::Imap),
        _ => None,
    }
}

fn variable(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let fit = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_uppercase() || octet == b'_');
    let own = !matches!(name, "PATH" | "FULMAR_HOME");
    (fit && own).then(|| (name.to_owned(), value.trim_matches('"').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_line_tells_port_service_rules_and_variables() {
        let home = Home::at("/var/fulmar");
        let read =
            |line: &str| read("x".into(), &format!("#!/bin/sh\n# smtpd 1\nexec env - {line} 2>&1\n"), &home);
        let alt = read(
            "PATH=\"/bin\" REQUIREAUTH=1 \\\n  tcpserver -v -X -x etc/tcp.smtp.cdb -HR -c 200 -w 2 0 5190 smtpd submission",
        );
        let alt = alt.unwrap();
        assert_eq!((alt.kind, alt.port), (Kind::Submission, 5190));
        assert_eq!(alt.rules, Some("/var/fulmar/etc/tcp.smtp.cdb".into()));
        assert_eq!(alt.env, [("REQUIREAUTH".to_owned(), "1".to_owned())]);
        let kind = |line: &str| read(line).map(|served| (served.kind, served.port));
        assert_eq!(kind("tcpserver 0 25 /x/bin/smtpd"), Some((Kind::Smtp, 25)));
        assert_eq!(kind("tcpserver -w 4 127.0.0.1 110 gate pop3d login pop3"), Some((Kind::Pop3, 110)));
        assert_eq!(kind("tcpserver 0 993 gate imapd login imap").map(|it| it.0), Some(Kind::Imap));
        let tls = |line: &str| read(line).map(|served| served.tls);
        assert_eq!(tls("tcpserver 0 2465 smtpd submissions"), Some(true));
        assert_eq!(tls("tcpserver 0 2587 smtpd submission"), Some(false));
        assert_eq!(tls("tcpserver 0 2993 gate imapd login imaps"), Some(true));
        assert_eq!(tls("tcpserver 0 995 tlswrap popup x checkpassword pop3d"), None);
        for other in
            ["lookup", "tcpserver 0 24 smtpd lmtp", "tcpserver 0 smtp smtpd", "tcpserver", "smtpd 25"]
        {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
