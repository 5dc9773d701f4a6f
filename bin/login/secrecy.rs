//! TLS around a login: whether it is offered, and the change of sockets.

use std::io;
use std::time::Duration;

use pop3::Encryption;
use sys::{Env, Timed};
use tls::Slot;

/// What TLS in the environment asks for: `off`, `offered`, `login` (the default: no login without it, but from this
/// machine) or `required`, which is the same here.
pub(crate) fn encryption(env: &Env, from_here: bool, possible: bool) -> Result<Encryption, String> {
    let (offered, before_login) = match env.get("TLS") {
        None | Some(b"login") => (true, !from_here),
        Some(b"off") => (false, false),
        Some(b"offered") => (true, false),
        Some(b"required") => (true, true),
        Some(other) => {
            let other = other.escape_ascii();
            return Err(format!(
                "TLS is `{other}`, none of off, offered, login, required; the rule file or the server's environment sets it"
            ));
        }
    };
    Ok(Encryption { offered: offered && possible, before_login })
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
