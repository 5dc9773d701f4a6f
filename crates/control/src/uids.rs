//! Who the programs run as: `control/uids`, else the users of those names in /etc/passwd.

use sys::Identity;

use crate::{Broken, Control, Home};

/// What a uid is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Network side: smtpd, login.
    Net,
    /// Holder of TLS keys.
    Tls,
    /// The one who knows the users: lookup.
    Users,
    /// Queue: queued, send, bounce.
    Queue,
    /// Delivery to other hosts.
    Remote,
    /// Virtual accounts.
    Mail,
    /// Admins and cron.
    Admin,
    /// Web page.
    Web,
    /// Log writers.
    Log,
    /// Who gets certificates from an authority.
    Acme,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 10] = [
        Role::Net,
        Role::Tls,
        Role::Users,
        Role::Queue,
        Role::Remote,
        Role::Mail,
        Role::Admin,
        Role::Web,
        Role::Log,
        Role::Acme,
    ];

    /// The name in `control/uids`, and of the usual user.
    pub fn name(self) -> &'static str {
        match self {
            Role::Net => "fulmar-net",
            Role::Tls => "fulmar-tls",
            Role::Users => "fulmar-users",
            Role::Queue => "fulmar-queue",
            Role::Remote => "fulmar-remote",
            Role::Mail => "fulmar-mail",
            Role::Admin => "fulmar-admin",
            Role::Web => "fulmar-web",
            Role::Log => "fulmar-log",
            Role::Acme => "fulmar-acme",
        }
    }
}

/// The uid of each role, all read at once so that a confined process can go on asking.
#[derive(Clone, Debug)]
pub struct Uids {
    roles: Vec<(Role, Option<Identity>)>,
    own: u32,
    root: bool,
}

impl Uids {
    /// Reads `control/uids` and the passwd file. Lines are `role:user` or `role:uid:gid`.
    pub fn read(home: &Home) -> Result<Uids, Broken> {
        let table = Control::open(home).table("uids")?;
        let mut roles = Vec::new();
        for role in Role::ALL {
            let said = table.get(role.name())?.map(|hit| hit.value());
            roles.push((role, resolve(role, said.as_deref())?));
        }
        Ok(Uids { roles, own: sys::uid(), root: sys::is_root() })
    }

    /// What a program of `role` becomes. `None`: it was not started by root and stays who it is.
    pub fn identity(&self, role: Role) -> Result<Option<Identity>, Broken> {
        if !self.root {
            return Ok(None);
        }
        let cure = format!("make a user {0}, or write {0}:user into control/uids", role.name());
        let found = self.known(role).cloned();
        found
            .map(Some)
            .ok_or_else(|| Broken::new("control/uids", format!("no user for {}", role.name()), cure))
    }

    /// May a peer with `uid` act as `role`? So may the uid of this process itself, which holds
    /// every role when the suite was started by an ordinary user.
    pub fn holds(&self, uid: u32, role: Role) -> bool {
        uid == self.own || self.known(role).is_some_and(|identity| identity.uid == uid)
    }

    fn known(&self, role: Role) -> Option<&Identity> {
        self.roles.iter().find(|(known, _)| *known == role)?.1.as_ref()
    }
}

fn resolve(role: Role, said: Option<&str>) -> Result<Option<Identity>, Broken> {
    let name = said.unwrap_or(role.name());
    if let Some((uid, gid)) = name.split_once(':') {
        return numbers(role, uid, gid).map(Some);
    }
    let user = sys::user(name).map_err(|error| Broken::io("/etc/passwd", &error))?;
    if user.is_none() && said.is_some() {
        let problem = format!("{}: there is no user `{name}`", role.name());
        return Err(Broken::new("control/uids", problem, "make the user, or correct the line"));
    }
    let identity = user.map(|user| user.identity);
    match &identity {
        Some(identity) if identity.uid == 0 => Err(refuse_root(role)),
        _ => Ok(identity),
    }
}

fn numbers(role: Role, uid: &str, gid: &str) -> Result<Identity, Broken> {
    let cure = "write role:user, or role:uid:gid in digits";
    let wrong = || Broken::new("control/uids", format!("{}: `{uid}:{gid}` are no ids", role.name()), cure);
    let number = |text: &str| text.parse::<u32>().ok().filter(|id| *id != u32::MAX && !text.starts_with('+'));
    let identity =
        Identity { uid: number(uid).ok_or_else(wrong)?, gid: number(gid).ok_or_else(wrong)?, groups: vec![] };
    if identity.uid == 0 { Err(refuse_root(role)) } else { Ok(identity) }
}

fn refuse_root(role: Role) -> Broken {
    Broken::new("control/uids", format!("{} must not be root", role.name()), "give it a uid of its own")
}
