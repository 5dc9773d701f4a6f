//! One connection from its first octet to its last: the session, its settings, its place in the log.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use sys::worker::{After, Job};
use sys::{Stop, Timed};
use wire::End;

use crate::clock::LINGER;
use crate::house::{Desk, Kept};
use crate::secrecy;
use crate::service::Service;
use reception::{Facts, Rules, token};

/// Patience with a client who is only told to come later.
const LAST_WORD: Duration = Duration::from_secs(10);
/// Refused recipients after which a stranger has to go, and a relay client, whose list may have
/// many dead entries.
const REFUSED: u32 = 50;
const REFUSED_RELAY: u32 = 500;

/// Serves one client; gives back what outlives it. `Err`: we are not in order, and it was told so.
pub(crate) fn serve(job: Job, mut kept: Kept, service: Service) -> (Kept, Result<After, Stop>) {
    // As a worker it is tcpserver's matter, by its options.
    if !sys::worker::is_worker() {
        sys::no_delay(job.output.as_fd());
    }
    let facts = Facts::read(&job.env, job.input.as_fd());
    let relayclients = facts.as_ref().ok().and_then(|facts| facts.relayclients.clone());
    let rules = kept.files.rules_for(relayclients.as_deref()).map_err(|broken| broken.to_string());
    let (facts, rules) = match (facts, rules) {
        (Ok(facts), Ok(rules)) => (facts, rules),
        (Err(cause), _) | (_, Err(cause)) => return (kept, Err(turn_away(job, &cause))),
    };
    let token = token();
    let settings = service.settings(&job.env, &facts, settings(&rules, &facts, &token), rules.digests);
    log_connect(&token, &facts);
    let client = Timed::new(job.input, job.output, rules.timeout);
    let encryption = match secrecy::encryption(&job.env, &facts, kept.tls.is_there() && client.is_socket()) {
        Ok(encryption) => encryption,
        Err(cause) => return (kept, Err(secrecy::turn_away(client, &cause))),
    };
    // A program in the place of the queue could not keep the promise.
    let requiretls = job.env.get(submission::VARIABLE).is_none_or(<[u8]>::is_empty);
    let settings = smtp::Settings { encryption, requiretls, ..settings };
    let limit = rules.timeout;
    let desk = Desk::new(kept, rules, facts, &job.env, token.clone());
    let mut session = smtp::Session::new(desk, settings);
    let client = match secrecy::begin(client, &mut session, service, limit) {
        Ok(client) => client,
        Err(error) => {
            sys::log!("smtpd {token}: end mails=0 why=no TLS: {error}");
            return (session.end().into_kept(), Ok(After::Ready));
        }
    };
    let (session, end, conn) = secrecy::talk(client, session, service, limit);
    let over = matches!(end, Ok(End::Closed | End::TimedOut));
    if let Some(conn) = conn.filter(|conn| over && (session.was_abused() || conn.has_unread())) {
        conn.hang_up();
    }
    let after =
        if session.was_abused() || session.is_authenticated() { After::Replace } else { After::Ready };
    match end {
        Ok(end) => sys::log!("smtpd {token}: end mails={} why={end:?}", session.accepted()),
        Err(error) => sys::log!("smtpd {token}: end mails={} why={error}", session.accepted()),
    }
    (session.end().into_kept(), Ok(after))
}

/// Something of ours is broken: the client shall come later, the admin be told now.
fn turn_away(job: Job, cause: &str) -> Stop {
    let mut client = Timed::new(job.input, job.output, LAST_WORD);
    let _ = client.write_all(b"421 4.3.5 This mail server is not in order, try again later\r\n");
    client.hang_up(LINGER);
    Stop::temporary(cause)
}

fn settings(rules: &Rules, facts: &Facts, token: &str) -> smtp::Settings {
    smtp::Settings {
        greeting: rules.greeting.clone(),
        host: rules.me.clone(),
        domain: rules.envnoathost.clone(),
        token: token.to_owned(),
        client: smtp::Client { ip: facts.ip, host: facts.host.clone(), info: facts.info.clone() },
        max_size: facts.databytes.unwrap_or(rules.databytes),
        max_recipients: rules.recipients,
        max_hops: rules.hops,
        max_refused: if facts.may_relay() { REFUSED_RELAY } else { REFUSED },
        ..smtp::Settings::default()
    }
}

fn log_connect(token: &str, facts: &Facts) {
    let ip = facts.ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
    let host = facts.host.as_deref().unwrap_or("unknown");
    let relay = facts.may_relay();
    sys::log!("smtpd {token}: connect ip={ip} host={host} relay={relay}");
}
