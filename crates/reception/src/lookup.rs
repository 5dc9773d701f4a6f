//! Questions to `lookup` over one kept connection.
//!
//! Who does not answer, or answers nonsense, has not said "no such user".

use std::path::PathBuf;
use std::time::Duration;

use policy::Unsure;
use sys::Kept;
use wire::Fate;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `run/lookup`.
pub struct Lookup(Kept);

impl Lookup {
    /// At the socket `path`.
    pub fn at(path: PathBuf) -> Lookup {
        Lookup(Kept::new(path, PATIENCE))
    }

    /// Connects before there is a question; should that fail, it is tried again when there is one.
    pub fn connect_early(&mut self) {
        self.0.connect_early();
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

    fn ask(&mut self, question: &[&str]) -> Result<Fate, Unsure> {
        let fields: Vec<&[u8]> = question.iter().map(|field| field.as_bytes()).collect();
        let said = self.0.ask(&wire::packet(&fields));
        let bytes = said.map_err(|error| Unsure(format!("{}: {error}", self.0.path().display())))?;
        let first = wire::fields(&bytes).first().copied().unwrap_or_default();
        Fate::parse(first).ok_or_else(|| Unsure("lookup answered nonsense".to_owned()))
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
