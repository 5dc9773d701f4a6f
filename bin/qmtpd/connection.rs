//! One connection from its first octet to its last.

use std::os::fd::AsFd;
use std::time::Duration;

use qmtp::{Form, Limits};
use reception::{Facts, Rules, token};
use sys::worker::Job;
use sys::{Stop, Timed};

use crate::house::{Desk, Kept};

/// However fast its client is, a connection ends then, as in qmail.
const LONGEST: Duration = Duration::from_secs(3600);

/// Serves one client; gives back what outlives it. `Err`: we are not in order. QMTP has no word for
/// that, so the client is hung up on and comes again.
pub(crate) fn serve(job: Job, mut kept: Kept) -> (Kept, Result<(), Stop>) {
    sys::no_delay(job.output.as_fd());
    let facts = Facts::read(&job.env, job.input.as_fd());
    let relayclients = facts.as_ref().ok().and_then(|facts| facts.relayclients.clone());
    let rules = kept.files.rules_for(relayclients.as_deref()).map_err(|broken| broken.to_string());
    let (facts, rules) = match (facts, rules) {
        (Ok(facts), Ok(rules)) => (facts, rules),
        (Err(cause), _) | (_, Err(cause)) => return (kept, Err(Stop::temporary(cause))),
    };
    kept.queue.serve(&job.env);
    let (token, limits) = (token(), limits(&rules, &facts));
    let ip = facts.ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
    let (host, relay) = (facts.host.as_deref().unwrap_or("unknown"), facts.may_relay());
    sys::log!("qmtpd {token}: connect ip={ip} host={host} relay={relay}");
    let mut conn = Timed::new(job.input, job.output, rules.timeout);
    conn.set_deadline(Some(LONGEST));
    let mut session = qmtp::Session::new(Desk::new(kept, rules, facts, token.clone()), Form::Qmtp, limits);
    let end = wire::pump(&mut conn, &mut session);
    let mails = session.accepted();
    match end {
        Ok(end) => sys::log!("qmtpd {token}: end mails={mails} why={end:?}"),
        Err(error) => sys::log!("qmtpd {token}: end mails={mails} why={error}"),
    }
    (session.end().into_kept(), Ok(()))
}

fn limits(rules: &Rules, facts: &Facts) -> Limits {
    Limits {
        size: facts.databytes.unwrap_or(rules.databytes),
        recipients: rules.recipients as usize,
        hops: rules.hops,
    }
}
