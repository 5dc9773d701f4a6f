//! The mechanisms of SASL: `auth SERVICE CLIENTIP TLSFACTS MECH [DATA]` begins one, `step DATA` goes on.
//!
//! DATA is what the client said, as it said it: its NULs part fields, and are put back here. Who has begun
//! is remembered for the connection; the next `auth` forgets it.

use data_encoding::HEXLOWER;
use sasl::scram::{self, First, Hash};
use sasl::{Secret, apop, cram, plain};
use wire::Fate;

use crate::answer::{Answer, Caller, misunderstood};
use crate::auth::{Door, NOT_OFFERED};
use crate::house::{House, later};

/// What has been begun on a connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    service: users::Service,
    ip: String,
    tls: String,
    state: State,
}

/// What the next step of the client has to be.
#[derive(Debug)]
enum State {
    Plain,
    LoginName,
    LoginPassword(String),
    Cram(String),
    External,
    /// Whether the proof has to be bound to the channel.
    ScramFirst(Hash, bool),
    ScramLast(Box<scram::Exchange>),
    /// Nothing: he is in, and has been told our signature.
    Proved(Answer),
}

/// Begins; `message`: the client's first, if it came with the command.
pub(crate) fn begin(door: &Door<'_>, caller: &mut Caller, mechanism: &str, message: Option<&[u8]>) -> Answer {
    let Some((state, opening)) = opening(door, mechanism) else { return NOT_OFFERED.into() };
    match (state, message, opening) {
        (State::LoginName, Some(name), _) => step(door, caller, State::LoginName, name),
        (state @ (State::Plain | State::External | State::ScramFirst(..)), Some(message), _) => {
            step(door, caller, state, message)
        }
        // RFC 4954 §4: where the server speaks first there is no initial response.
        (_, Some(_), _) => malformed(),
        (state, None, Ok(words)) => say(door, caller, state, &words),
        (_, None, Err(fate)) => fate.into(),
    }
}

/// Where a mechanism begins, and what the server says first.
fn opening(door: &Door<'_>, mechanism: &str) -> Option<(State, Result<Vec<u8>, Fate>)> {
    let digests = || door.house.offers_digests();
    let has = |name: &str| door.tls(name).next().is_some();
    Some(match mechanism {
        "PLAIN" => (State::Plain, Ok(Vec::new())),
        "LOGIN" => (State::LoginName, Ok(plain::ASK_NAME.to_vec())),
        "CRAM-MD5" if digests() => match sys::random() {
            Ok(random) => {
                let challenge = apop::timestamp(random, &door.house.me);
                (State::Cram(challenge.clone()), Ok(challenge.into_bytes()))
            }
            Err(_) => (State::Plain, Err(Fate::later(3, 0, "no random numbers"))),
        },
        "EXTERNAL" if !has("client") => return None,
        "EXTERNAL" => (State::External, Ok(Vec::new())),
        name => {
            let plain = name.strip_suffix("-PLUS");
            if plain.is_some() && !has("tls-server-end-point") && !has("tls-exporter") {
                return None;
            }
            let hash = Hash::of(plain.unwrap_or(name)).filter(|_| digests())?;
            (State::ScramFirst(hash, plain.is_some()), Ok(Vec::new()))
        }
    })
}

/// `step DATA`: the next message of an exchange that was begun on this connection.
pub(crate) fn go_on(house: &House, caller: &mut Caller, fields: &[&[u8]]) -> Answer {
    let Some(Exchange { service, ip, tls, state }) = caller.exchange.take() else { return misunderstood() };
    let door = Door { tls: &tls, ..Door::of(house, service, &ip) };
    step(&door, caller, state, &fields.join(&0))
}

fn step(door: &Door<'_>, caller: &mut Caller, state: State, message: &[u8]) -> Answer {
    match state {
        State::Plain => match plain::parse(message) {
            Some(claim) => door
                .prove("PLAIN", claim.user.as_bytes(), |kept, room| sasl::check(kept, claim.password, room)),
            None => malformed(),
        },
        State::LoginName => match plain::name(message) {
            Some(user) => say(door, caller, State::LoginPassword(user.to_owned()), plain::ASK_PASSWORD),
            None => malformed(),
        },
        State::LoginPassword(user) => {
            door.prove("LOGIN", user.as_bytes(), |kept, room| sasl::check(kept, message, room))
        }
        State::Cram(challenge) => match cram::parse(message) {
            Some((user, digest)) => {
                door.prove("CRAM-MD5", user.as_bytes(), |kept, _| cram::check(kept, &challenge, digest))
            }
            None => malformed(),
        },
        State::External => match str::from_utf8(message) {
            Ok(wanted) => door.certified(wanted),
            Err(_) => malformed(),
        },
        State::ScramFirst(hash, bound) => scram_first(door, caller, (hash, bound), message),
        State::ScramLast(exchange) => scram_last(door, caller, &exchange, message),
        State::Proved(answer) if message.is_empty() => answer,
        State::Proved(_) => malformed(),
    }
}

/// RFC 5802 §6: the mechanism says whether the proof is bound, and who could bind and thinks that we can't has been
/// lied to by somebody between us.
fn scram_first(door: &Door<'_>, caller: &mut Caller, (hash, bound): (Hash, bool), message: &[u8]) -> Answer {
    let Some(first) = First::parse(message).filter(|first| first.binding.is_some() == bound) else {
        return malformed();
    };
    let known = first.binding.as_deref().and_then(|name| door.tls(name).next());
    let channel: Option<Vec<u8>> = known.and_then(|value| HEXLOWER.decode(value.as_bytes()).ok());
    if bound && channel.is_none() {
        return malformed();
    }
    if first.would_bind && door.tls("tls-server-end-point").next().is_some() {
        return Fate::never(7, 8, "the way here is not safe").into();
    }
    let kept = match door.kept(&first.user) {
        Ok(kept) => kept,
        Err(broken) => return later(&broken).into(),
    };
    let Ok(random) = sys::random() else { return Fate::later(3, 0, "no random numbers").into() };
    let salt = door.house.salt_of(&first.user);
    let keys = Secret::scram(kept.as_ref(), hash, &salt);
    // Nobody is told that there is nobody: the proof will fail.
    let keys = keys.unwrap_or_else(|| scram::Keys::new(hash, &salt, &salt));
    let exchange = scram::Exchange::new(first, &keys, random, &channel.unwrap_or_default());
    let words = exchange.challenge().to_vec();
    say(door, caller, State::ScramLast(Box::new(exchange)), &words)
}

fn scram_last(door: &Door<'_>, caller: &mut Caller, exchange: &scram::Exchange, message: &[u8]) -> Answer {
    let (hash, user) = (exchange.hash(), exchange.user());
    let salt = door.house.salt_of(user);
    let mut signature = None;
    let name = if exchange.is_bound() { bound_name(hash) } else { hash.mechanism() };
    let answer = door.prove(name, user.as_bytes(), |kept, _| {
        let keys = Secret::scram(kept, hash, &salt);
        signature = keys.and_then(|keys| exchange.check(&keys, message));
        signature.is_some()
    });
    match signature {
        // RFC 4954 §4: the server's last word of the exchange is a challenge too.
        Some(signature) if answer.is_good() => say(door, caller, State::Proved(answer), &signature),
        _ => answer,
    }
}

fn bound_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SCRAM-SHA-1-PLUS",
        Hash::Sha256 => "SCRAM-SHA-256-PLUS",
    }
}

fn say(door: &Door<'_>, caller: &mut Caller, state: State, words: &[u8]) -> Answer {
    let (ip, tls) = (door.ip.to_owned(), door.tls.to_owned());
    caller.exchange = Some(Exchange { service: door.service, ip, tls, state });
    Answer::of([b"C", words].concat())
}

/// The client goes against its mechanism; `5.5.2` tells that from a wrong password.
fn malformed() -> Answer {
    Fate::never(5, 2, "this is no message of the mechanism").into()
}
