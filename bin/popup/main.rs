//! `popup HOST PROGRAM [ARGUMENT...]`: reads a POP3 login and lets `PROGRAM` check it by checkpassword's
//! interface; what that starts goes on with the client.
//!
//! Knows no user. Has no rights of its own to give up: it is the program that needs them.

mod octets;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use pop3::{Door, Login, Verdict};
use sys::process::{Exit, Start};
use sys::{Stop, Timed};
use wire::End;

use crate::octets::Octets;

const USAGE: &str = "popup host program [argument ...]";
/// From the greeting to the login.
const TOTAL: Duration = Duration::from_secs(1200);
/// Octets on descriptor 3, by checkpassword's interface.
const MOST: usize = 512;

fn main() -> ExitCode {
    sys::main("popup", run)
}

fn run() -> Result<(), Stop> {
    let mut args = std::env::args_os().skip(1);
    let (Some(host), Some(program)) = (args.next(), args.next()) else { return Err(Stop::usage(USAGE)) };
    let lost = |error| Stop::permanent(format_args!("no client: {error}"));
    let (input, output) = (sys::adopt(0).map_err(lost)?, sys::adopt(1).map_err(lost)?);
    let mut conn = Timed::new(input, output, TOTAL);
    conn.set_deadline(Some(TOTAL));
    sys::no_delay(conn.output());
    let timestamp = format!("<{}.{}@{}>", std::process::id(), sys::unix_seconds(), host.display());
    let mut session = Login::new(Doorman { timestamp, proof: Vec::new() });
    // What the client sends behind its password is for the next program: not one octet of it is read.
    let end = wire::pump(&mut Octets(&mut conn), &mut session);
    match end {
        Ok(End::Handover) => {}
        Ok(_) => return Ok(()),
        Err(error) => return Err(Stop::temporary(format_args!("connection: {error}"))),
    }
    let proof = std::mem::take(&mut session.door().proof);
    check(&program, &args.collect::<Vec<_>>(), &proof, &mut conn)
}

/// Believes everybody: it is the program's to judge.
struct Doorman {
    timestamp: String,
    /// What goes to descriptor 3.
    proof: Vec<u8>,
}

impl Doorman {
    fn take(&mut self, user: &str, secret: &[u8]) -> Verdict {
        self.proof = [user.as_bytes(), secret, self.timestamp.as_bytes(), b""].join(&0);
        if self.proof.len() <= MOST { Verdict::Welcome } else { Verdict::Refused }
    }
}

impl Door for Doorman {
    fn timestamp(&mut self) -> Option<String> {
        Some(self.timestamp.clone())
    }

    fn password(&mut self, user: &str, password: &[u8]) -> Verdict {
        self.take(user, password)
    }

    fn digest(&mut self, user: &str, digest: &str) -> Verdict {
        self.take(user, digest.as_bytes())
    }
}

/// Runs the program, which becomes the POP3 server if the proof is good.
fn check(program: &OsString, rest: &[OsString], proof: &[u8], conn: &mut Timed) -> Result<(), Stop> {
    let started = sys::memory::holding(proof).and_then(|fd| Start::new(program).args(rest).fd(3, fd).spawn());
    let ended = started.and_then(|mut child| child.wait());
    let (sentence, code) = match ended {
        Ok(Exit::Code(0)) => return Ok(()),
        Ok(Exit::Code(1)) => ("-ERR [AUTH] Wrong user name or password\r\n", 1),
        Ok(Exit::Code(2)) => ("-ERR [SYS/PERM] The server is not set up rightly\r\n", 2),
        Ok(Exit::Code(_)) => ("-ERR [SYS/TEMP] The mailbox cannot be opened now, try again later\r\n", 111),
        Ok(Exit::Signal(number)) => {
            sys::log!("popup: {} ended by signal {number}", program.display());
            ("-ERR [SYS/TEMP] The mailbox cannot be opened now, try again later\r\n", 111)
        }
        Err(error) => {
            sys::log!("popup: {}: {error}", program.display());
            ("-ERR [SYS/TEMP] The mailbox cannot be opened now, try again later\r\n", 111)
        }
    };
    conn.set_deadline(Some(Duration::from_secs(30)));
    let _ = conn.write_all(sentence.as_bytes());
    Err(Stop(code))
}
