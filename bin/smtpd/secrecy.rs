//! TLS around a session: whether it is offered, when it begins, and the talk before and after.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use reception::Facts;
use smtp::{Encryption, Session};
use sys::{Env, Stop, Timed};
use tls::Wanted;
use wire::End;

use crate::clock::{Conn, LINGER};
use crate::house::Desk;
use crate::service::Service;

/// What the environment asks for; where TLS can't be had it is not offered, and what asks for it stays shut.
pub(crate) fn encryption(env: &Env, facts: &Facts, possible: bool) -> Result<Encryption, String> {
    let wanted = Wanted::read(env)?;
    let here = facts.ip.is_some_and(|ip| ip.is_loopback());
    Ok(Encryption {
        offered: possible && wanted != Wanted::Off,
        before_login: wanted.before_login(here),
        required: wanted == Wanted::Required,
    })
}

/// As for every variable that must not be guessed at.
pub(crate) fn turn_away(mut client: Timed, cause: &str) -> Stop {
    let _ = client.write_all(b"421 4.3.5 This mail server is not in order, try again later\r\n");
    client.hang_up(LINGER);
    Stop::temporary(cause)
}

/// Where TLS begins with the connection, it begins.
pub(crate) fn begin(
    client: Timed,
    session: &mut Session<Desk>,
    service: Service,
    limit: Duration,
) -> io::Result<Timed> {
    if !service.is_secret() {
        return Ok(client);
    }
    let slot = session.house_mut().reserved()?;
    secure(client, slot, session, service, limit)
}

/// Hands the client's socket to `tlsd`, all copies of it, and goes on with the plain one.
fn secure(
    client: Timed,
    slot: tls::Slot,
    session: &mut Session<Desk>,
    service: Service,
    limit: Duration,
) -> io::Result<Timed> {
    let (input, output) = client.into_parts();
    drop(output);
    let (plain, facts) = slot.secure(input, service.name())?;
    session.house_mut().secured(&facts);
    session.secured(&facts.to_string(), !facts.clients.is_empty());
    Ok(Timed::new(plain.try_clone()?, plain, limit))
}

/// Talks to the end, by TLS from the moment that the client asks for it. The connection comes back if it is still
/// there.
pub(crate) fn talk(
    client: Timed,
    session: Session<Desk>,
    service: Service,
    limit: Duration,
) -> (Session<Desk>, io::Result<End>, Option<Conn>) {
    let mut conn = Conn::new(client, limit);
    let mut watched = conn.watch(session);
    let mut end = wire::pump(&mut conn, &mut watched);
    let mut session = watched.into_session();
    while matches!(end, Ok(End::Secure)) {
        let slot = session.house_mut().slot().ok_or(ErrorKind::NotConnected.into());
        match slot.and_then(|slot| secure(conn.into_client(), slot, &mut session, service, limit)) {
            Ok(client) => conn = Conn::new(client, limit),
            Err(error) => return (session, Err(error), None),
        }
        let mut watched = conn.watch(session);
        end = wire::resume(&mut conn, &mut watched);
        session = watched.into_session();
    }
    (session, end, Some(conn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: Option<&str>, ip: &str, possible: bool) -> Result<(bool, bool, bool), String> {
        let mut env = Env::new();
        value.iter().for_each(|value| env.set("TLS", value));
        let facts = Facts { ip: ip.parse().ok(), ..Facts::default() };
        encryption(&env, &facts, possible).map(|it| (it.offered, it.before_login, it.required))
    }

    #[test]
    fn where_tls_cannot_be_had_what_asks_for_it_stays_shut() {
        assert_eq!(said(None, "192.0.2.1", true), Ok((true, true, false)));
        assert_eq!(said(None, "127.0.0.1", true), Ok((true, false, false)));
        assert_eq!(said(None, "no address", true), Ok((true, true, false)));
        assert_eq!(said(Some("required"), "127.0.0.1", false), Ok((false, true, true)));
        assert_eq!(said(Some("off"), "192.0.2.1", true), Ok((false, false, false)));
    }
}
