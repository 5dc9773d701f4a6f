//! What all questions share: the store, who owns mail, tickets, guesses, turns at the hashing.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use control::{Broken, Control, Home, Role, Uids};
use database::Database;
use sasl::Guesses;
use sys::Identity;
use users::name::Address;
use users::{Places, Sender, Settings, Sql, Store};
use wire::Fate;

use crate::elsewhere::Used;
use crate::limits::Sent;
use crate::relaying::Sessions;
use crate::shared;
use crate::system::System;
use crate::tickets::Tickets;
use crate::turns::Turns;

/// Everything that outlives a connection.
pub(crate) struct House {
    pub(crate) store: Places,
    /// The users of this system, if control/users names them.
    pub(crate) system: Option<System>,
    /// The folder `mail/`, of which we know the path and nothing else.
    pub(crate) mail: PathBuf,
    /// This host's name, for timestamps.
    pub(crate) me: String,
    control: Control,
    pub(crate) relay: relay::Table,
    /// Sessions that were opened with our tickets.
    pub(crate) sessions: Sessions,
    pub(crate) turns: Turns,
    tickets: Mutex<Tickets>,
    guesses: Mutex<Guesses>,
    sent: Mutex<Sent>,
    used: Mutex<Used>,
    /// When we started, in seconds since 1970.
    pub(crate) began: u64,
    owners: Owners,
    /// Random, from our start on; what salts are made of where nobody keeps one.
    pepper: [u8; 16],
}

/// Who owns the mail of virtual accounts.
enum Owners {
    /// Whoever started us: there is only one uid.
    One(Identity),
    /// As the domain says, else fulmar-mail, if there is such a user.
    Many(Option<Identity>),
}

impl House {
    pub(crate) fn new(home: &Home, uids: &Uids) -> Result<House, Broken> {
        let owners = match uids.identity(Role::Users) {
            Ok(None) => Owners::One(Identity { uid: sys::uid(), gid: sys::gid(), groups: Vec::new() }),
            _ => Owners::Many(uids.identity(Role::Mail).ok().flatten()),
        };
        let backends = Control::open(home).list("users")?.unwrap_or_default();
        let nobody = match &owners {
            Owners::One(identity) | Owners::Many(Some(identity)) => identity.clone(),
            Owners::Many(None) => Identity { uid: sys::uid(), gid: sys::gid(), groups: Vec::new() },
        };
        let system = backends.iter().any(|name| name == "system").then(|| System::new(home, nobody));
        Ok(House {
            store: Places::new(Store::new(home.users()), databases(home, &backends)?),
            system,
            mail: home.mail(),
            me: Control::open(home).me().unwrap_or_default(),
            control: Control::open(home),
            relay: relay::Table::new(home.relay()),
            sessions: Sessions::default(),
            turns: Turns::new(),
            tickets: Mutex::default(),
            guesses: Mutex::default(),
            sent: Mutex::default(),
            used: Mutex::default(),
            began: sys::unix_seconds(),
            owners,
            pepper: sys::random().map_err(|error| Broken::io("the random generator", &error))?,
        })
    }

    /// Are logins offered that need a password kept readable? A client that is offered one takes it,
    /// and few go on to another when it fails, so they are no default.
    pub(crate) fn offers_digests(&self) -> bool {
        self.control.flag("digestlogins").unwrap_or_else(|broken| {
            sys::log!("lookup: warning: {broken}");
            false
        })
    }

    /// A salt for SCRAM that is the same each time `user` is asked for, whether or not there is such a user.
    pub(crate) fn salt_of(&self, user: &str) -> [u8; 16] {
        sasl::scram::salt(&self.pepper, user)
    }

    /// Which senders somebody who has logged in may use: the word of `control/authsender` for him, if it has one.
    pub(crate) fn sender_policy(&self, login: &str) -> Result<Option<String>, Broken> {
        let hit = self.control.table("authsender")?.route(login)?;
        Ok(hit.map(|hit| hit.value().trim().to_owned()))
    }

    /// How much somebody who has logged in may send: the word of `control/sendlimits` for him.
    pub(crate) fn send_limit(&self, login: &str) -> Result<Option<String>, Broken> {
        Ok(self.control.table("sendlimits")?.route(login)?.map(|hit| hit.value().trim().to_owned()))
    }

    pub(crate) fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The passes of other hosts that have been used.
    pub(crate) fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What our hosts know each other by, if there are several. With a key that everybody can read, everybody can open any
    /// mailbox: it is none.
    pub(crate) fn host_key(&self) -> Result<Option<String>, Broken> {
        let seen = self.control.path("hostkey").metadata();
        if seen.is_ok_and(|seen| seen.permissions().mode() & 0o007 != 0) {
            let cure = "chmod o= it on all hosts, and write another one if others have been here: usher(8)";
            return Err(Broken::new("control/hostkey", "everybody on this host can read it", cure));
        }
        Ok(self.control.line("hostkey")?.filter(|key| !key.is_empty()))
    }

    /// The line of `control/mailhosts` for a host.
    pub(crate) fn mail_host(&self, host: &str) -> Result<Option<String>, Broken> {
        Ok(self.control.hosts("mailhosts")?.get(host)?.map(|hit| hit.value().trim().to_owned()))
    }

    /// How the relay table is used: the words of `control/relaytable`.
    pub(crate) fn relay_use(&self) -> Result<Vec<String>, Broken> {
        Ok(self.control.list("relaytable")?.unwrap_or_default())
    }

    /// How long a login lets its address relay.
    pub(crate) fn relay_minutes(&self) -> Result<u64, Broken> {
        self.control.number("relayminutes")
    }

    /// May the .qmail files of this account run programs? Its uid is that of all accounts of its domain,
    /// whose mail a program could read: only if `control/programusers` names the account or `@domain`.
    pub(crate) fn may_run_programs(&self, account: &Address) -> Result<bool, Broken> {
        let all = format!("@{}", account.domain);
        let trusted = self.control.list("programusers")?.unwrap_or_default();
        let named = |word: &String| {
            word.eq_ignore_ascii_case(&account.to_string()) || word.eq_ignore_ascii_case(&all)
        };
        Ok(trusted.iter().any(named))
    }

    /// The folders of shared mailboxes that `login` may open.
    pub(crate) fn shared_with(&self, login: &str) -> Result<Vec<PathBuf>, Broken> {
        let lines = self.control.list("sharedfolders")?.unwrap_or_default();
        let names = lines.iter().filter_map(|line| shared::granted(line, login));
        Ok(names.map(|name| self.mail.join(shared::FOLDER).join(name)).collect())
    }

    /// Who may only send, of the table that strangers fill, where it is in use.
    pub(crate) fn sender(&self, name: &str) -> Result<Option<Sender>, Broken> {
        match self.control.flag("opt.smtp_auth_user_database")? {
            true => self.store.sender(name),
            false => Ok(None),
        }
    }

    pub(crate) fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who owns the mail of a domain with these settings.
    pub(crate) fn owner(&self, settings: &Settings) -> Result<Identity, Broken> {
        match (&self.owners, settings.owner) {
            (Owners::One(identity), _) => Ok(identity.clone()),
            (Owners::Many(_), Some((uid, gid))) => Ok(Identity { uid, gid, groups: Vec::new() }),
            (Owners::Many(Some(mail)), None) => Ok(mail.clone()),
            (Owners::Many(None), None) => Err(Broken::new(
                "control/uids",
                "no user for fulmar-mail",
                "make a user fulmar-mail, or write fulmar-mail:user into control/uids",
            )),
        }
    }
}

/// The databases that control/users names. What it says may hold a password, so it is not repeated.
fn databases(home: &Home, backends: &[String]) -> Result<Vec<Sql>, Broken> {
    let names = backends.iter().filter(|name| name.contains(':'));
    let open = |name: &String| Database::new(name, &home.users()).map(Sql::new);
    names.map(open).collect::<Result<_, _>>().map_err(|problem| {
        Broken::new(
            "control/users",
            problem,
            "write sqlite:PATH, postgres://user:password@host/database or mysql://...",
        )
    })
}

/// It can't be told now, because of `broken`. The client is told no names of files; the log is.
pub(crate) fn later(broken: &Broken) -> Fate {
    sys::log!("lookup: warning: {broken}");
    Fate::later(3, 0, "the directory of users is out of order; try again later")
}
