//! Questions to `lookup` over one kept connection.
//!
//! Who does not answer, or answers nonsense, has not said "no such user".

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use policy::Unsure;
use sys::Kept;
use wire::{Fate, Text};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `run/lookup`.
pub struct Lookup(Kept);

impl Lookup {
    /// At the socket `path`.
    pub fn at(path: PathBuf) -> Lookup {
        Lookup(Kept::new(path, PATIENCE))
    }

    /// Does `lookup` have users in `domain`?
    pub fn domain(&mut self, domain: &str) -> Result<bool, Unsure> {
        match self.ask(&["domain", domain])? {
            Fate::Done(_) => Ok(true),
            Fate::Never(_) => Ok(false),
            Fate::Later(text) => Err(Unsure(format!("lookup: {text}"))),
        }
    }

    /// Does the user at `address` exist and take mail?
    pub fn recipient(&mut self, address: &str) -> Result<Fate, Unsure> {
        self.ask(&["recipient", address])
    }

    /// May who has logged in as `login` send mail from `sender`?
    pub fn may_send(&mut self, login: &str, sender: &str) -> Result<bool, Unsure> {
        match self.ask(&["sender", login, sender])? {
            Fate::Done(_) => Ok(true),
            Fate::Never(_) => Ok(false),
            Fate::Later(text) => Err(Unsure(format!("lookup: {text}"))),
        }
    }

    /// Has somebody logged in from `ip` within so many minutes, whose mail of `sender` is relayed therefore? Gives who
    /// and when, in words.
    pub fn relay(
        &mut self,
        ip: IpAddr,
        sender: &str,
        minutes: Option<u32>,
    ) -> Result<Option<String>, Unsure> {
        let (ip, minutes) = (ip.to_string(), minutes.map(|minutes| minutes.to_string()));
        let mut question: Vec<&[u8]> = vec![b"relay", ip.as_bytes(), sender.as_bytes()];
        question.extend(minutes.as_ref().map(|minutes| minutes.as_bytes()));
        let answer = self.exchange(&question)?;
        let fields = wire::fields(&answer);
        let field =
            |name: &str| fields.iter().find_map(|field| str::from_utf8(field).ok()?.strip_prefix(name));
        match fields.first().and_then(|head| Fate::parse(head)) {
            Some(Fate::Done(_)) => {
                let (login, age) = (field("login=").unwrap_or("-"), field("age=").unwrap_or("0"));
                Ok(Some(format!("{login}, {age} s ago")))
            }
            Some(Fate::Never(_)) => Ok(None),
            Some(Fate::Later(text)) => Err(Unsure(format!("lookup: {text}"))),
            None => Err(Unsure("lookup answered nonsense".to_owned())),
        }
    }

    /// Is a message of `login` to be held, as he has sent too much lately; and is that to be told?
    pub fn sending(&mut self, login: &str, recipients: usize) -> Result<Option<Hold>, Unsure> {
        let count = recipients.to_string();
        let answer = self.exchange(&[b"sending", login.as_bytes(), count.as_bytes()])?;
        let fields = wire::fields(&answer);
        match (fields.first().and_then(|head| Fate::parse(head)), fields.get(1)) {
            (Some(Fate::Done(_)), Some(&b"hold=first")) => Ok(Some(Hold { first: true })),
            (Some(Fate::Done(_)), Some(&b"hold=again")) => Ok(Some(Hold { first: false })),
            (Some(Fate::Done(_)), _) => Ok(None),
            (Some(Fate::Later(text) | Fate::Never(text)), _) => Err(Unsure(format!("lookup: {text}"))),
            (None, _) => Err(Unsure("lookup answered nonsense".to_owned())),
        }
    }

    /// Begins to prove who a client is, for the service smtp: `ip` may be empty, `tls` is what is
    /// known of TLS with it, `initial` is the client's first message, if there is one.
    pub fn authenticate(&mut self, ip: &str, tls: &str, mechanism: &str, initial: Option<&[u8]>) -> Proof {
        let (ip, tls) = (ip.as_bytes(), tls.as_bytes());
        let mut question: Vec<&[u8]> = vec![b"auth", b"smtp", ip, tls, mechanism.as_bytes()];
        question.extend(initial.into_iter().flat_map(wire::fields));
        Proof::read(self.0.ask(&wire::packet(&question)))
    }

    /// The client's next message.
    pub fn answer(&mut self, message: &[u8]) -> Proof {
        let question: Vec<&[u8]> = std::iter::once(&b"step"[..]).chain(wire::fields(message)).collect();
        Proof::read(self.0.go_on(&wire::packet(&question)))
    }

    fn ask(&mut self, question: &[&str]) -> Result<Fate, Unsure> {
        let fields: Vec<&[u8]> = question.iter().map(|field| field.as_bytes()).collect();
        let bytes = self.exchange(&fields)?;
        let first = wire::fields(&bytes).first().copied().unwrap_or_default();
        Fate::parse(first).ok_or_else(|| Unsure("lookup answered nonsense".to_owned()))
    }

    fn exchange(&mut self, question: &[&[u8]]) -> Result<Vec<u8>, Unsure> {
        let said = self.0.ask(&wire::packet(question));
        said.map_err(|error| Unsure(format!("{}: {error}", self.0.path().display())))
    }
}

/// A message is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Nobody has been told of it in this hour.
    pub first: bool,
}

/// What `lookup` says of a step of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Go on with this.
    Challenge(Vec<u8>),
    /// It is this login.
    Right(String),
    /// No, and why: `5.7.8` wrong, `5.5.2` no message of the mechanism, `5.7.4` no such mechanism.
    Wrong(Text),
    /// It can't be told now; for the log.
    Later(String),
}

impl Proof {
    fn read(said: std::io::Result<Vec<u8>>) -> Proof {
        let bytes = match said {
            Ok(bytes) => bytes,
            Err(error) => return Proof::Later(format!("no answer from lookup: {error}")),
        };
        if let Some(challenge) = bytes.strip_prefix(b"C") {
            return Proof::Challenge(challenge.to_vec());
        }
        let fields = wire::fields(&bytes);
        let user = fields.iter().find_map(|field| str::from_utf8(field.strip_prefix(b"user=")?).ok());
        match (fields.first().and_then(|head| Fate::parse(head)), user) {
            (Some(Fate::Done(_)), Some(user)) if !user.is_empty() => Proof::Right(user.to_owned()),
            (Some(Fate::Never(text)), _) => Proof::Wrong(text),
            (Some(Fate::Later(text)), _) => Proof::Later(format!("lookup: {text}")),
            _ => Proof::Later("lookup answered nonsense".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Answers each connection with its list of answers, then hangs up.
    fn serve(listener: sys::Listener, answers: Vec<Vec<&'static str>>) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            for list in answers {
                let connection = listener.accept().unwrap();
                for answer in list {
                    connection.recv().unwrap().unwrap();
                    connection.send(answer.as_bytes(), &[]).unwrap();
                }
            }
        })
    }

    fn lookup(answers: Vec<Vec<&'static str>>) -> (tempfile::TempDir, Lookup, thread::JoinHandle<()>) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lookup");
        let thread = serve(sys::Listener::bind(&path, 0o600).unwrap(), answers);
        (home, Lookup::at(path), thread)
    }

    #[test]
    fn an_answer_outlives_a_restart_of_lookup() {
        let (_home, mut lookup, thread) = lookup(vec![vec!["K"], vec!["D5.1.1 No such user", "Kyes\0more"]]);
        assert_eq!(lookup.domain("example.test"), Ok(true));
        assert_eq!(lookup.recipient("x@example.test").unwrap(), Fate::never(1, 1, "No such user"));
        assert!(lookup.recipient("alice@example.test").unwrap().is_done());
        thread.join().unwrap();
    }

    #[test]
    fn no_answer_is_neither_yes_nor_no() {
        assert!(Lookup::at("/nonexistent/lookup".into()).domain("example.test").is_err());
        let (_home, mut lookup, thread) = lookup(vec![vec!["Z4.3.0 store is down", "X"]]);
        assert!(lookup.domain("example.test").is_err());
        assert!(lookup.recipient("alice@example.test").is_err());
        thread.join().unwrap();
        assert!(lookup.domain("example.test").is_err(), "gone for good");
    }
}
