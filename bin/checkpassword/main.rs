//! `checkpassword PROGRAM [ARGUMENT...]`: reads name, password and timestamp from descriptor 3, becomes the
//! user and executes the program, if `lookup` says so.
//!
//! The classical interface, for whoever starts servers in a chain. Knows no user and no password itself.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

use control::Home;
use owner::Owner;
use sys::process::Start;
use sys::{Env, Kept, Stop};
use wire::{Fate, packet};

/// Octets on descriptor 3, by the interface.
const MOST: u64 = 512;
/// Answers to wrong passwords are delayed by `lookup`; one that takes longer than this won't come.
const PATIENCE: Duration = Duration::from_secs(45);
/// By the interface: not let in, wrongly used, can't tell now.
const REFUSED: Stop = Stop(1);
const MISUSED: Stop = Stop(2);
const LATER: Stop = Stop(111);

fn main() -> ExitCode {
    sys::main("checkpassword", run)
}

fn run() -> Result<(), Stop> {
    let mut program: Vec<_> = std::env::args_os().skip(1).collect();
    if program.is_empty() {
        sys::log!("checkpassword: usage: checkpassword program [argument ...]");
        return Err(MISUSED);
    }
    let proof = read_proof()?;
    let owner = ask(&Home::find(), &proof)?;
    let rest = program.split_off(1);
    become_owner(&owner, &program[0], &rest)
}

/// What descriptor 3 holds: name, password or digest, and perhaps the timestamp that was digested.
struct Proof {
    user: Vec<u8>,
    secret: Vec<u8>,
    timestamp: Vec<u8>,
}

fn read_proof() -> Result<Proof, Stop> {
    let misused = |why: &str| {
        sys::log!("checkpassword: descriptor 3: {why}");
        MISUSED
    };
    let from = sys::adopt(3).map_err(|_| misused("it is not open"))?;
    let mut bytes = Vec::new();
    std::fs::File::from(from).take(MOST + 1).read_to_end(&mut bytes).map_err(|_| LATER)?;
    if bytes.len() as u64 > MOST {
        return Err(misused("more than 512 octets"));
    }
    let mut fields = bytes.split(|octet| *octet == 0).map(<[u8]>::to_vec);
    // A field without its NUL is cut.
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(user), Some(secret), Some(timestamp), end) if !user.is_empty() => {
            Ok(Proof { user, secret, timestamp: end.map_or(Vec::new(), |_| timestamp) })
        }
        _ => Err(misused("no name, NUL, password, NUL, timestamp, NUL")),
    }
}

/// Whom the proof makes one, by the word of `lookup`.
fn ask(home: &Home, proof: &Proof) -> Result<Owner, Stop> {
    let env = Env::here();
    let field = |name: &str| env.get(name).unwrap_or_default();
    let service = if field("SERVICE").is_empty() { &b"pop3"[..] } else { field("SERVICE") };
    // A digest is made of a timestamp; a password stands alone, whatever the third field holds.
    let digest = proof.secret.len() == 32 && proof.timestamp.starts_with(b"<");
    let mechanism = if digest { &b"APOP"[..] } else { b"PASS" };
    let mut question =
        vec![b"proof", service, field("TCPREMOTEIP"), b"", mechanism, &proof.user, &proof.secret];
    question.extend(digest.then_some(&proof.timestamp[..]));
    let mut lookup = Kept::new(home.run("lookup-root"), PATIENCE);
    let answer = lookup.ask(&packet(&question)).map_err(|error| later(&error))?;
    let ticket = match Fate::parse(wire::fields(&answer)[0]) {
        Some(Fate::Done(_)) => answer[1..].split(|octet| *octet == 0).next().unwrap_or_default().to_vec(),
        Some(Fate::Never(_)) => return Err(REFUSED),
        Some(Fate::Later(text)) => return Err(later(&text)),
        None => return Err(later(&"lookup answered nonsense")),
    };
    let answer = lookup.ask(&packet(&[b"login", &ticket])).map_err(|error| later(&error))?;
    let owner = Owner::from_packet(&answer).map_err(|fate| later(fate.text()))?;
    match owner::ensure_home(&home.mail(), &owner) {
        Ok(()) => Ok(owner),
        Err(error) => Err(later(&format_args!("{}: {error}", owner.home.display()))),
    }
}

fn later(cause: &dyn std::fmt::Display) -> Stop {
    sys::log!("checkpassword: {cause}");
    LATER
}

/// Returns only on trouble.
fn become_owner(owner: &Owner, program: &std::ffi::OsStr, rest: &[std::ffi::OsString]) -> Result<(), Stop> {
    sys::become_user(&owner.identity).map_err(|error| later(&error))?;
    let mut env = Env::here();
    env.set("USER", &owner.user);
    env.set("HOME", owner.home.as_os_str().as_bytes());
    env.set("SHELL", "/bin/sh");
    env.set("MAILDIR", owner.maildir.as_os_str().as_bytes());
    env.set("QUOTA", owner.quota.to_string());
    let error = Start::new(program).args(rest).env_only(&env).chdir(&owner.home).exec();
    Err(later(&format_args!("{}: {error}", program.display())))
}
