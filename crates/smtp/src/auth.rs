//! AUTH: the exchange of a mechanism, carried between client and house in base64. RFC 4954.
//!
//! What a mechanism says is the house's affair; here stand the command, its lines and its end.

use data_encoding::BASE64;

use crate::session::{Mode, Session};
use crate::{Fault, House, Reply};

/// Octets of an AUTH line and of each answer, with CR LF. RFC 4954 §4.
pub(crate) const AUTH_LINE: usize = 12_288;
/// Steps of one exchange; SCRAM has three.
const STEPS: u32 = 8;
/// Refused logins after which the session ends.
const REFUSALS: u32 = 5;

/// What the house says to a step of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The mechanism goes on with this.
    Challenge(Vec<u8>),
    /// He is who he says. The house remembers who that is.
    Welcome,
    /// Wrong name or password, or a disabled account; the client isn't told which.
    Refused,
    /// That was no message of the mechanism.
    Malformed,
    /// There is no such mechanism.
    Unknown,
    /// It can't be told now.
    Later,
}

impl<H: House> Session<H> {
    /// Of those in the settings: what binds to a channel needs one, and a certificate has to be there.
    pub(crate) fn offered_mechanisms(&self) -> Vec<&str> {
        let fits = |name: &&str| match *name {
            "EXTERNAL" => self.certified,
            name => self.via.secret || !name.ends_with("-PLUS"),
        };
        self.settings.mechanisms.iter().map(String::as_str).filter(fits).collect()
    }

    pub(crate) fn auth(&mut self, rest: &[u8]) -> Reply {
        if self.settings.mechanisms.is_empty() {
            return Reply::ABSENT;
        }
        if self.via.authenticated {
            return Reply::LOGGED_IN;
        }
        if self.must_encrypt_to_log_in() {
            return Reply::ENCRYPT_FIRST;
        }
        let mut words = rest.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
        let (Some(mechanism), initial, None) = (words.next(), words.next(), words.next()) else {
            return Reply::SYNTAX;
        };
        let mechanism = String::from_utf8_lossy(mechanism).to_ascii_uppercase();
        if !self.offered_mechanisms().contains(&mechanism.as_str()) {
            return Reply::NO_MECHANISM;
        }
        let initial = match initial {
            None => None,
            // RFC 4954 §4: an equals sign is an answer of no octets.
            Some(b"=") => Some(Vec::new()),
            Some(word) => match BASE64.decode(word) {
                Ok(bytes) => Some(bytes),
                Err(_) => return Reply::BAD_BASE64,
            },
        };
        let step = self.house.authenticate(&mechanism, initial.as_deref());
        self.stepped(step, 1)
    }

    /// A line of the client within an exchange.
    pub(crate) fn answered(&mut self, line: &[u8], steps: u32) -> Reply {
        self.mode = Mode::Commands;
        let reply = match BASE64.decode(line) {
            _ if line == b"*" => Reply::AUTH_CANCELLED,
            Err(_) => Reply::BAD_BASE64,
            Ok(bytes) => {
                let step = self.house.answer(&bytes);
                self.stepped(step, steps + 1)
            }
        };
        if reply.code() == 501 { self.blame(Fault::Protocol, reply) } else { reply }
    }

    fn stepped(&mut self, step: Step, steps: u32) -> Reply {
        match step {
            Step::Challenge(_) if steps >= STEPS => Reply::BAD_MESSAGE,
            Step::Challenge(words) => {
                self.mode = Mode::Auth(steps);
                Reply::made(334, wire::Code::NONE, BASE64.encode(&words))
            }
            Step::Welcome => {
                self.via.authenticated = true;
                Reply::WELCOME
            }
            Step::Refused => self.refusal(),
            Step::Malformed => Reply::BAD_MESSAGE,
            Step::Unknown => Reply::NO_MECHANISM,
            Step::Later => Reply::AUTH_LATER,
        }
    }

    fn refusal(&mut self) -> Reply {
        self.refusals += 1;
        if self.refusals < REFUSALS {
            return Reply::BAD_LOGIN;
        }
        self.flow = wire::Flow::Close;
        Reply::TOO_MANY_LOGINS
    }
}
