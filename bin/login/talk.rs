//! The talk with one client, in whatever protocol: from the greeting over TLS to the hand-over to `gate`.

use std::io::{self, Write};
use std::time::Duration;

use sys::{Packets, Stop, Timed};
use wire::{End, Session};

use crate::house::House;
use crate::lookup::Lookup;
use crate::secrecy::Offer;
use crate::{Client, secrecy};

/// From the greeting to the login (P17, I30). It bounds also the client that sends an octet now and then.
const TOTAL: Duration = Duration::from_secs(120);
const _: () = assert!(60 <= TOTAL.as_secs() && TOTAL.as_secs() <= 180);
/// How long `gate` may take to open the mailbox.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pure session up to the login, of any protocol.
pub(crate) trait Speech: Session {
    /// The name of its service, for `lookup` and `tlsd`.
    const SERVICE: &'static str;

    /// A session at `house`.
    fn new(house: House, offer: Offer) -> Self;
    /// TLS has begun: what was said before it counts for nothing.
    fn secured(&mut self);
    /// The house.
    fn house(&mut self) -> &mut House;
    /// The command that the server's first word answers. Empty: the protocol has no tags.
    fn tag(&self) -> &[u8];
    /// What the client sent behind his proof.
    fn unread(&self) -> &[u8];
    /// Nobody took the connection.
    fn stranded(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// Speaks with the client and hands him to `gate` after the login.
pub(crate) fn speak<S: Speech>(client: Client, gate: &Packets, lookup: Lookup) -> Result<(), Stop> {
    let id = gate.peer().map_or(0, |peer| peer.pid);
    let broken = |error: io::Error| Stop::temporary(format_args!("{id} connection: {error}"));
    let Client { job, tls, secret } = client;
    let house = House::new(lookup, S::SERVICE, &job, id, tls);
    let from_here = house.is_from_here();
    let mut conn = Timed::new(job.input, job.output, TOTAL);
    conn.set_deadline(Some(TOTAL));
    sys::no_delay(conn.output());
    let offer = secrecy::offer(&job.env, from_here, house.has_tls() && conn.is_socket());
    let mut session = S::new(house, offer.map_err(Stop::temporary)?);
    if secret {
        let slot = session.house().reserved().map_err(broken)?;
        conn = encrypt(conn, slot, &mut session).map_err(broken)?;
    }
    let mut end = wire::pump(&mut conn, &mut session);
    while matches!(end, Ok(End::Secure)) {
        let slot = session.house().slot().ok_or_else(|| Stop::temporary("no slot for TLS"))?;
        conn = encrypt(conn, slot, &mut session).map_err(broken)?;
        end = wire::resume(&mut conn, &mut session);
    }
    match end.map_err(broken)? {
        End::Handover => hand_over(&mut session, &mut conn, gate),
        _ => Ok(()),
    }
}

fn encrypt<S: Speech>(conn: Timed, slot: tls::Slot, session: &mut S) -> io::Result<Timed> {
    let (conn, facts) = secrecy::secure(conn, slot, S::SERVICE, TOTAL)?;
    session.house().secured(&facts);
    session.secured();
    Ok(conn)
}

/// `gate` ends this process when it opens the mailbox, and says a word if it can't. Without one nothing is said to the
/// client: the connection may be the server's already.
fn hand_over<S: Speech>(session: &mut S, conn: &mut Timed, gate: &Packets) -> Result<(), Stop> {
    let ticket = session.house().ticket().unwrap_or_default();
    // What is unread may hold NULs: it comes last and goes as it is.
    let packet = [&ticket, session.tag(), session.unread()].join(&0);
    let answer = gate
        .set_timeout(PATIENCE)
        .and_then(|()| gate.send(&packet, &[conn.input(), conn.output()]))
        .and_then(|()| gate.recv());
    if let Ok(Some(_)) = answer {
        conn.set_deadline(Some(PATIENCE));
        let _ = session.stranded(conn);
    }
    Err(Stop(111))
}
