//! The relay table: logins open it, `relay IP SENDER` asks it, admins steer it. POP-before-SMTP.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use control::Broken;
use relay::{Key, Row};
use sys::wait::{self, Interest};
use users::{Refusal, Service};
use wire::Fate;

use crate::answer::{Answer, Caller, misunderstood};
use crate::house::{House, later};
use crate::rows::Rows;
use crate::senders;
use crate::tickets::Who;

/// A row younger than this is not written anew at a login.
const YOUNG: u64 = 30;
/// How often it is looked which sessions are still open.
const LOOK: Duration = Duration::from_secs(5);
/// Most open sessions that keep their rows.
const SESSIONS: usize = 100_000;
/// So many may have ended before it is looked which have.
const FEW: usize = 32;
/// Rows in one answer or question.
const BATCH: usize = 500;

/// How `control/relaytable` wants the table to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Whoever comes from an address where somebody has logged in.
    Address,
    /// Only who sends in the name of the one that has.
    Sender,
    /// Nothing is written, nobody may.
    Off,
}

/// How the table is used, and where it is.
fn table(house: &House) -> Result<(Use, Rows<'_>), Broken> {
    let wrong = |problem: String| {
        Broken::new(
            "control/relaytable",
            problem,
            "write address, sender or off, and perhaps database, a line each",
        )
    };
    let (mut way, mut rows) = (Use::Address, Rows::Files(&house.relay));
    for word in house.relay_use()? {
        match word.as_str() {
            "address" => way = Use::Address,
            "sender" => way = Use::Sender,
            "off" => way = Use::Off,
            "files" => rows = Rows::Files(&house.relay),
            "database" => {
                let first = house.store.databases().first();
                let sql = first.ok_or_else(|| wrong("control/users names no database".into()))?;
                rows = Rows::Database(sql.database());
            }
            word => return Err(wrong(format!("`{word}` is no way to use the relay table"))),
        }
    }
    Ok((way, rows))
}

/// `relay IP SENDER [MINUTES]`: has somebody logged in from there within so many minutes? `K` with `login=` and
/// `age=`, in seconds.
pub(crate) fn relay(house: &House, _: &mut Caller, fields: &[&str]) -> Answer {
    let (ip, sender, minutes) = match fields {
        [ip, sender] => (ip, sender, None),
        [ip, sender, minutes] => match minutes.parse::<u32>() {
            Ok(minutes) => (ip, sender, Some(u64::from(minutes))),
            Err(_) => return misunderstood(),
        },
        _ => return misunderstood(),
    };
    let Ok(ip) = ip.parse::<IpAddr>() else { return misunderstood() };
    let now = sys::unix_seconds();
    match found(house, Key::of(ip), sender, minutes, now) {
        Ok(Some(row)) => Answer::of("K")
            .with([format!("login={}", row.login), format!("age={}", now.saturating_sub(row.time))]),
        Ok(None) => Fate::never(7, 1, "nobody has logged in from there lately").into(),
        Err(broken) => later(&broken).into(),
    }
}

fn found(
    house: &House,
    key: Key,
    sender: &str,
    minutes: Option<u64>,
    now: u64,
) -> Result<Option<Row>, Broken> {
    let (way, rows) = table(house)?;
    if way == Use::Off {
        return Ok(None);
    }
    let minutes = minutes.map_or_else(|| house.relay_minutes(), Ok)?;
    let fresh =
        rows.of(key)?.into_iter().filter(|row| row.is_after(now.saturating_sub(minutes.saturating_mul(60))));
    for row in fresh {
        if way == Use::Address || senders::own(house, &row.login, sender)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// `who` has logged in from `ip`. What can't be written is told in the log, and costs nobody his login.
pub(crate) fn note(house: &House, service: Service, ip: &str, who: &Who) {
    if !matches!(service, Service::Pop3 | Service::Imap) {
        return;
    }
    let Ok(ip) = ip.parse::<IpAddr>() else { return };
    if let Err(error) = write(house, Key::of(ip), &who.to_string()) {
        sys::log!("lookup: warning: {error}; {ip} is not in the relay table");
    }
}

fn write(house: &House, key: Key, login: &str) -> Result<(), Broken> {
    let (way, rows) = table(house)?;
    if way == Use::Off {
        return Ok(());
    }
    let row = Row::new(sys::unix_seconds(), login);
    match rows.of(key)?.iter().find(|kept| kept.login == row.login) {
        Some(kept) if kept.time.saturating_add(YOUNG) > row.time => Ok(()),
        _ => rows.add(key, row),
    }
}

/// Open POP3 and IMAP sessions: of each the end of a pipe whose other end is closed with the session.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    sessions: Vec<Session>,
    /// How many were open when it was looked last.
    known: usize,
}

#[derive(Debug)]
struct Session {
    pipe: OwnedFd,
    ip: IpAddr,
    login: String,
    written: Duration,
}

impl Sessions {
    /// A session that has begun.
    pub(crate) fn begin(&self, pipe: OwnedFd, ip: &str, login: String) {
        let Ok(ip) = ip.parse() else { return };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Thousands begin and end between two looks: each of them costs one more look at most, and none a place for long.
        if open.sessions.len() >= 2 * open.known + FEW {
            open.forget_ended();
        }
        if open.sessions.len() < SESSIONS {
            open.sessions.push(Session { pipe, ip, login, written: sys::monotonic() });
        }
    }

    /// Forgets those that have ended; gives the rows that are due to be written again.
    fn due(&self, every: Duration, now: Duration) -> Vec<(Key, String)> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.forget_ended();
        let due = open.sessions.iter_mut().filter(|session| session.written + every <= now);
        due.map(|session| {
            session.written = now;
            (Key::of(session.ip), session.login.clone())
        })
        .collect()
    }
}

impl Open {
    fn forget_ended(&mut self) {
        self.sessions.retain(|session| {
            matches!(wait::until(session.pipe.as_fd(), Interest::Read, Some(Duration::ZERO)), Ok(false))
        });
        self.known = self.sessions.len();
    }
}

/// Keeps the rows of open sessions fresh, and gives back memory that was needed for logins, for ever.
pub(crate) fn keep_fresh(house: &Arc<House>) -> std::io::Result<()> {
    let house = house.clone();
    let run = move || {
        loop {
            thread::sleep(LOOK);
            house.turns.rest();
            let minutes = house.relay_minutes().unwrap_or(60);
            let every = Duration::from_secs((minutes.saturating_mul(60) / 4).clamp(YOUNG / 2, 300));
            for (key, login) in house.sessions.due(every, sys::monotonic()) {
                if let Err(error) = write(&house, key, &login) {
                    sys::log!("lookup: warning: {error}; the row of {key} grows old");
                }
            }
        }
    };
    thread::Builder::new().stack_size(256 << 10).spawn(run).map(|_| ())
}

/// `relay-add (IP TIME LOGIN)...`: TIME in seconds since 1970, empty for now; LOGIN may be empty.
pub(crate) fn add(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let wanted = args.chunks(3).map(triple).collect::<Result<Vec<_>, _>>()?;
    let (count, rows) = (wanted.len(), table(house)?.1);
    for (key, row) in wanted {
        // A time that is set by hand counts, also if it is before the one that is kept.
        let others = rows.of(key)?;
        rows.delete(key)?;
        for row in others.into_iter().filter(|other| other.login != row.login).chain([row.clone()]) {
            rows.add(key, row)?;
        }
    }
    Ok(Fate::done(format!("{count} in the relay table")).into())
}

fn triple(row: &[&str]) -> Result<(Key, Row), Refusal> {
    let [ip, time, login] = row else {
        return Err(Refusal::Wrong("an address, a time and a name each".into()));
    };
    let key = Key::parse(ip).ok_or_else(|| Refusal::Wrong(format!("`{ip}` is no address")))?;
    let wrong = || Refusal::Wrong(format!("`{time}` is no time in seconds since 1970"));
    let time = match *time {
        "" => sys::unix_seconds(),
        time => time.parse().map_err(|_| wrong())?,
    };
    Ok((key, Row::new(time, login)))
}

/// `relay-delete IP...`
pub(crate) fn delete(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let keys = args.iter().map(|ip| Key::parse(ip).ok_or_else(|| format!("`{ip}` is no address")));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(Refusal::Wrong)?;
    let (mut gone, rows) = (0, table(house)?.1);
    for key in keys {
        gone += usize::from(rows.delete(key)?);
    }
    Ok(Fate::done(format!("{gone} of {} were in the relay table", args.len())).into())
}

/// `relay-expire [MINUTES]`
pub(crate) fn expire(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let gone = table(house)?.1.expire(limit(house, args)?)?;
    Ok(Fate::done(format!("{gone} old rows are gone")).into())
}

/// `relay-list`: `IP TIME LOGIN` each. `relay-list old [MINUTES]`: those that `relay-expire` would remove.
pub(crate) fn list(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let limit = match args {
        [] => u64::MAX,
        ["old", rest @ ..] => limit(house, rest)?,
        _ => return Ok(misunderstood()),
    };
    let rows = table(house)?.1.all()?;
    let old = rows.into_iter().filter(|(_, row)| limit == u64::MAX || !row.is_after(limit));
    Ok(Answer::of("K").with(old.map(|(key, row)| format!("{key} {row}"))))
}

/// Rows not after this time are old.
fn limit(house: &House, args: &[&str]) -> Result<u64, Refusal> {
    let minutes = match args {
        [] => house.relay_minutes()?,
        [minutes, ..] => {
            let wrong = || Refusal::Wrong(format!("`{minutes}` is no number of minutes"));
            minutes.parse::<u32>().map(u64::from).map_err(|_| wrong())?
        }
    };
    Ok(sys::unix_seconds().saturating_sub(minutes.saturating_mul(60)))
}

/// Most arguments of `relay-add`.
pub(crate) const MOST: usize = BATCH * 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_row_until_its_end_of_the_pipe_is_closed() {
        let sessions = Sessions::default();
        let at = Duration::from_secs;
        let (reader, writer) = std::io::pipe().unwrap();
        sessions.begin(reader.into(), "192.0.2.1", "ann@x".into());
        let (reader, other) = std::io::pipe().unwrap();
        sessions.begin(reader.into(), "no address", "bob@x".into());
        drop(other);
        let begun = sys::monotonic();
        assert!(sessions.due(at(300), begun).is_empty());
        let due = sessions.due(at(300), begun + at(301));
        assert_eq!(due, [(Key::parse("192.0.2.1").unwrap(), "ann@x".to_owned())]);
        assert!(sessions.due(at(300), begun + at(302)).is_empty());
        drop(writer);
        assert!(
            sessions.due(at(300), begun + at(999)).is_empty()
                && sessions.0.lock().unwrap().sessions.is_empty()
        );
    }

    #[test]
    fn sessions_that_end_at_once_take_no_descriptors_however_many_there_are() {
        let sessions = Sessions::default();
        let open: Vec<_> = (0..100).map(|_| std::io::pipe().unwrap()).collect();
        for (reader, _) in &open {
            sessions.begin(reader.try_clone().unwrap().into(), "192.0.2.1", "ann@x".into());
        }
        for _ in 0..10_000 {
            let (reader, _) = std::io::pipe().unwrap();
            sessions.begin(reader.into(), "192.0.2.1", "bob@x".into());
        }
        let kept = sessions.0.lock().unwrap().sessions.len();
        assert!((100..=2 * 100 + FEW).contains(&kept), "{kept}");
    }
}
