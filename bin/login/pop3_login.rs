//! POP3's way in: the pure session, fitted to the house.

use std::time::Duration;

use pop3::{Door, Login, Verdict};
use sys::worker::Job;
use sys::{Packets, Stop, Timed};
use wire::End;

use crate::house::House;
use crate::lookup::{Answer, Lookup};

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
pub(crate) fn speak(job: Job, gate: &Packets, lookup: Lookup) -> Result<(), Stop> {
    let id = gate.peer().map_or(0, |peer| peer.pid);
    let mut session = Login::new(House::new(lookup, "pop3", &job, id));
    let mut conn = Timed::new(job.input, job.output, TOTAL);
    conn.set_deadline(Some(TOTAL));
    sys::no_delay(conn.output());
    match wire::pump(&mut conn, &mut session) {
        Ok(End::Handover) => hand_over(&mut session, &mut conn, gate),
        Ok(_) => Ok(()),
        Err(error) => Err(Stop::temporary(format_args!("{id} connection: {error}"))),
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
