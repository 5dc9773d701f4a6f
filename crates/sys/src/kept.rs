//! A connection that is made when it is needed, kept, and made anew when it has gone stale.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Packets;

/// The client's side of questions and answers over one socket: one packet each.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    patience: Duration,
    connection: Option<Packets>,
}

impl Kept {
    /// To the socket at `path`, whose answers may take `patience`. Nothing is connected yet.
    pub fn new(path: PathBuf, patience: Duration) -> Kept {
        Kept { path, patience, connection: None }
    }

    /// Where it leads.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A question that stands alone: asked once more on a new connection if the kept one has died.
    /// One that had no answer in time is not asked again.
    pub fn ask(&mut self, question: &[u8]) -> io::Result<Vec<u8>> {
        if self.connection.is_some() {
            match self.go_on(question) {
                Err(error) if error.kind() != ErrorKind::TimedOut => {}
                answered => return answered,
            }
        }
        self.connection = Some(self.connect()?);
        self.go_on(question)
    }

    /// The next step of an exchange: on the same connection or not at all. A connection is kept only
    /// after a whole answer, so that no answer ever meets a later question.
    pub fn go_on(&mut self, question: &[u8]) -> io::Result<Vec<u8>> {
        let connection = self.connection.take().ok_or(ErrorKind::NotConnected)?;
        let answer = connection.ask(question)?;
        self.connection = Some(connection);
        Ok(answer.bytes)
    }

    fn connect(&self) -> io::Result<Packets> {
        let connection = Packets::connect(&self.path)?;
        connection.set_timeout(self.patience)?;
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Listener;
    use std::thread;

    /// Answers one question per connection with its number, then hangs up.
    fn forgetful(path: &Path) -> thread::JoinHandle<()> {
        let listener = Listener::bind(path, 0o600).unwrap();
        thread::spawn(move || {
            for number in [b"1", b"2"] {
                let client = listener.accept().unwrap();
                client.recv().unwrap();
                client.send(number, &[]).unwrap();
            }
        })
    }

    #[test]
    fn a_question_survives_the_death_of_the_kept_connection_and_a_next_step_does_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lookup");
        let server = forgetful(&path);
        let mut kept = Kept::new(path, Duration::from_secs(10));
        assert_eq!(kept.go_on(b"?").unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(kept.ask(b"?").unwrap(), b"1");
        assert_eq!(kept.ask(b"?").unwrap(), b"2");
        assert!(kept.go_on(b"?").is_err());
        assert!(kept.ask(b"?").is_err(), "and nobody listens any more");
        server.join().unwrap();
    }

    #[test]
    fn a_late_answer_never_meets_the_next_question() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lookup");
        let listener = Listener::bind(&path, 0o600).unwrap();
        let mut kept = Kept::new(path, Duration::from_millis(20));
        assert_eq!(kept.ask(b"first").unwrap_err().kind(), ErrorKind::TimedOut);
        let first = listener.accept().unwrap();
        let server = thread::spawn(move || {
            let second = listener.accept().unwrap();
            second.recv().unwrap();
            second.send(b"to the second", &[]).unwrap();
        });
        assert_eq!(kept.ask(b"second").unwrap(), b"to the second");
        assert!(first.send(b"to the first", &[]).is_err());
        server.join().unwrap();
    }
}
