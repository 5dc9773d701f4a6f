//! One connection from its first octet to its last.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use qmtp::{Form, Limits};
use reception::{Facts, Rules, token};
use sys::worker::Job;
use sys::{Stop, Timed};

use crate::house::{Desk, Kept};

/// However fast its client is, a connection ends then, as in qmail.
const LONGEST: Duration = Duration::from_secs(3600);
/// Time that a client who is turned away gets to fall silent.
const LINGER: Duration = Duration::from_secs(1);

/// Serves one client; gives back what outlives it. `Err`: we are not in order. The client is
/// hung up on, and asks another server or comes again.
pub(crate) fn serve(job: Job, mut kept: Kept) -> (Kept, Result<(), Stop>) {
    sys::no_delay(job.output.as_fd());
    let facts = Facts::read(&job.env, job.input.as_fd());
    let rules = kept.files.rules().map_err(|broken| broken.to_string());
    let (facts, rules) = match (facts, rules) {
        (Ok(facts), Ok(rules)) => (facts, rules),
        (Err(cause), _) | (_, Err(cause)) => return (kept, Err(Stop::temporary(cause))),
    };
    if !facts.may_relay() {
        turn_away(job, &facts);
        return (kept, Ok(()));
    }
    kept.queue.serve(&job.env);
    let (token, limits) = (token(), limits(&rules, &facts));
    let ip = facts.ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
    let host = facts.host.as_deref().unwrap_or("unknown");
    sys::log!("qmqpd {token}: connect ip={ip} host={host}");
    let mut conn = Timed::new(job.input, job.output, rules.timeout);
    conn.set_deadline(Some(LONGEST));
    let mut session = qmtp::Session::new(Desk::new(kept, rules, facts, token.clone()), Form::Qmqp, limits);
    let end = wire::pump(&mut conn, &mut session);
    let mails = session.accepted();
    match end {
        Ok(end) => sys::log!("qmqpd {token}: end mails={mails} why={end:?}"),
        Err(error) => sys::log!("qmqpd {token}: end mails={mails} why={error}"),
    }
    (session.end().into_kept(), Ok(()))
}

/// QMQP relays everything for whoever may speak it: only a rule opens it. Put off, not refused: the
/// client's mail is good, and its next server may know the client.
fn turn_away(job: Job, facts: &Facts) {
    let ip = facts.ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
    sys::log!(
        "qmqpd: deny ip={ip}: a rule of tcpserver has to set RELAYCLIENT for clients that may use QMQP"
    );
    let mut client = Timed::new(job.input, job.output, LINGER);
    let mut answer = Vec::new();
    let _ = wire::netstring::write(&mut answer, b"ZSorry, this server does not know you (#4.7.1)");
    let _ = client.write_all(&answer);
    client.hang_up(LINGER);
}

fn limits(rules: &Rules, facts: &Facts) -> Limits {
    Limits {
        size: facts.databytes.unwrap_or(rules.databytes),
        recipients: rules.recipients as usize,
        hops: rules.hops,
    }
}
