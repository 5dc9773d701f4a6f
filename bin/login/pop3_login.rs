//! POP3's way in: the pure session, fitted to the house.

use std::time::Duration;

use pop3::{Door, Login, Verdict};
use sys::{Packets, Stop, Timed};
use wire::End;

use crate::house::House;
use crate::lookup::{Answer, Lookup};
use crate::{Client, secrecy};

/// From the greeting to the login (P17). It bounds also the client that sends an octet now and then.
const TOTAL: Duration = Duration::from_secs(120);
/// How long `gate` may take to open the mailbox.
const PATIENCE: Duration = Duration::from_secs(30);

/// POP3 has no tags: the server's first word needs nothing of ours.
const TAG: &[u8] = b"";

impl Door for House {
    fn timestamp(&mut self) -> Option<String> {
        let stamp = String::from_utf8(self.challenge("APOP")?).ok()?;
        // It goes into the greeting as it is: RFC 1939 §7, the syntax of a message id.
        let fit =
            stamp.starts_with('<') && stamp.ends_with('>') && stamp.bytes().all(|b| b.is_ascii_graphic());
        fit.then_some(stamp)
    }

    fn reserve_tls(&mut self) -> bool {
        House::reserve_tls(self)
    }

    fn password(&mut self, user: &str, password: &[u8]) -> Verdict {
        verdict(&self.prove("PASS", user, password, false))
    }

    fn digest(&mut self, user: &str, digest: &str) -> Verdict {
        verdict(&self.prove("APOP", user, digest.as_bytes(), true))
    }
}

fn verdict(answer: &Answer) -> Verdict {
    match answer {
        Answer::Ticket(_) => Verdict::Welcome,
        Answer::Refused(_) => Verdict::Refused,
        Answer::Later(_) | Answer::Challenge(_) => Verdict::Later,
    }
}

/// Speaks POP3 on the job's connection and hands it to `gate` after the login.
pub(crate) fn speak(client: Client, gate: &Packets, lookup: Lookup) -> Result<(), Stop> {
    let Client { job, tls, secret } = client;
    let id = gate.peer().map_or(0, |peer| peer.pid);
    let broken = |error: std::io::Error| Stop::temporary(format_args!("{id} connection: {error}"));
    let house = House::new(lookup, "pop3", &job, id, tls);
    let (from_here, env) = (house.is_from_here(), job.env);
    let mut conn = Timed::new(job.input, job.output, TOTAL);
    conn.set_deadline(Some(TOTAL));
    sys::no_delay(conn.output());
    let encryption = secrecy::encryption(&env, from_here, house.has_tls() && conn.is_socket());
    let mut session = Login::new(house).with(encryption.map_err(Stop::temporary)?);
    if secret {
        let slot = session.door().reserved().map_err(broken)?;
        conn = secrecy::secure(conn, slot, TOTAL).map_err(broken)?;
        session.secured();
    }
    let mut end = wire::pump(&mut conn, &mut session);
    while matches!(end, Ok(End::Secure)) {
        let slot = session.door().slot().ok_or_else(|| Stop::temporary("no slot for TLS"))?;
        conn = secrecy::secure(conn, slot, TOTAL).map_err(broken)?;
        session.secured();
        end = wire::resume(&mut conn, &mut session);
    }
    match end.map_err(broken)? {
        End::Handover => hand_over(&mut session, &mut conn, gate),
        _ => Ok(()),
    }
}

fn hand_over(session: &mut Login<House>, conn: &mut Timed, gate: &Packets) -> Result<(), Stop> {
    let mut packet = session.door().ticket().unwrap_or_default();
    packet.push(0);
    packet.extend_from_slice(TAG);
    packet.push(0);
    packet.extend_from_slice(session.unread());
    let answer = gate
        .set_timeout(PATIENCE)
        .and_then(|()| gate.send(&packet, &[conn.input(), conn.output()]))
        .and_then(|()| gate.recv());
    if matches!(&answer, Ok(Some(answer)) if answer.bytes == b"K") {
        return Ok(());
    }
    conn.set_deadline(Some(PATIENCE));
    let _ = session.stranded(conn);
    Err(Stop(111))
}
