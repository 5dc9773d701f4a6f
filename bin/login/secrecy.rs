//! TLS around a login: whether it is offered, and the change of sockets.

use std::io;
use std::time::Duration;

use sys::{Env, Timed};
use tls::{Facts, Slot, Wanted};

/// What a session may say of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The client may ask for it.
    pub(crate) offered: bool,
    /// Nobody logs in without it.
    pub(crate) before_login: bool,
}

/// What the environment asks for; where TLS can't be had it is not offered, and what asks for it stays shut.
pub(crate) fn offer(env: &Env, from_here: bool, possible: bool) -> Result<Offer, String> {
    let wanted = Wanted::read(env)?;
    Ok(Offer { offered: possible && wanted != Wanted::Off, before_login: wanted.before_login(from_here) })
}

/// Hands the client's socket to `tlsd`, all copies of it, and goes on with the plain one.
pub(crate) fn secure(conn: Timed, slot: Slot, service: &str, total: Duration) -> io::Result<(Timed, Facts)> {
    let (input, output) = conn.into_parts();
    drop(output);
    let (plain, facts) = slot.secure(input, service)?;
    let mut conn = Timed::new(plain.try_clone()?, plain, total);
    conn.set_deadline(Some(total));
    Ok((conn, facts))
}
