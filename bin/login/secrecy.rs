//! TLS around a login: whether it is offered, and the change of sockets.

use std::io;
use std::time::Duration;

use pop3::Encryption;
use sys::{Env, Timed};
use tls::{Slot, Wanted};

/// What the environment asks for; where TLS can't be had it is not offered, and what asks for it stays shut.
pub(crate) fn encryption(env: &Env, from_here: bool, possible: bool) -> Result<Encryption, String> {
    let wanted = Wanted::read(env)?;
    Ok(Encryption {
        offered: possible && wanted != Wanted::Off,
        before_login: wanted.before_login(from_here),
    })
}

/// Hands the client's socket to `tlsd`, all copies of it, and goes on with the plain one.
pub(crate) fn secure(conn: Timed, slot: Slot, total: Duration) -> io::Result<Timed> {
    let (input, output) = conn.into_parts();
    drop(output);
    let (plain, _) = slot.secure(input, "pop3")?;
    let mut conn = Timed::new(plain.try_clone()?, plain, total);
    conn.set_deadline(Some(total));
    Ok(conn)
}
