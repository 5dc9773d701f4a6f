//! Proving who one is: `auth`, and `login`, which redeems what `auth` gave.
//!
//! Unknown user, wrong password, disabled account, service switched off: one answer, after the same
//! time. Only the log knows which it was.

use std::thread;
use std::time::Duration;

use control::Broken;
use owner::Owner;
use sasl::{Client, Room, Secret, apop};
use users::name::Address;
use users::{Account, Hit, Service, Source};
use wire::Fate;

use crate::answer::{Answer, Caller, misunderstood};
use crate::house::{House, later};
use crate::tickets::{Login, Who};
use crate::{elsewhere, exchange, people, relaying};

/// A name is cut to this many octets where it is counted and logged.
const NAME_MAX: usize = 100;

/// `auth SERVICE CLIENTIP TLSFACTS MECH DATA...`: `C` and a challenge, `K` and a ticket, `Z`, or `D`.
/// PASS and APOP are POP3's; all other mechanisms are SASL's.
pub(crate) fn auth(house: &House, caller: &mut Caller, fields: &[&[u8]]) -> Answer {
    caller.exchange = None;
    let [service, ip, tls, mechanism, data @ ..] = fields else { return misunderstood() };
    let [service, ip, tls, mechanism] =
        [service, ip, tls, mechanism].map(|field| String::from_utf8_lossy(field));
    let Some(service) = Service::of(&service) else { return misunderstood() };
    let door = Door { tls: &tls, ..Door::of(house, service, &ip) };
    match (&*mechanism, data) {
        ("PASS", [user, password]) => {
            if let Some(answer) = elsewhere::admit(&door, user, password) {
                return answer;
            }
            door.prove("PASS", user, |kept, room| sasl::check(kept, password, room))
        }
        ("APOP", [b""]) if house.offers_digests() => challenge(house, caller),
        ("APOP", [user, digest]) => match &caller.timestamp {
            Some(stamp) => door.prove("APOP", user, |kept, _| apop::check(kept, stamp, digest)),
            None => misunderstood(),
        },
        ("APOP", [b""]) => NOT_OFFERED.into(),
        ("PASS" | "APOP", _) => misunderstood(),
        (mechanism, []) => exchange::begin(&door, caller, mechanism, None),
        (mechanism, message) => exchange::begin(&door, caller, mechanism, Some(&message.join(&0))),
    }
}

/// `proof SERVICE CLIENTIP TLSFACTS MECH DATA...`, for checkpassword: as `auth`, in one step. The timestamp
/// of an APOP digest is whoever's who asks, and he is root.
pub(crate) fn proof(house: &House, caller: &mut Caller, fields: &[&[u8]]) -> Answer {
    let [service, ip, _tls, b"APOP", user, digest, stamp] = fields else {
        return auth(house, caller, fields);
    };
    let [service, ip, stamp] = [service, ip, stamp].map(|field| String::from_utf8_lossy(field));
    let Some(service) = Service::of(&service) else { return misunderstood() };
    let door = Door::of(house, service, &ip);
    door.prove("APOP", user, |kept, _| apop::check(kept, &stamp, digest))
}

pub(crate) const NOT_OFFERED: Fate = Fate::Never(wire::Text {
    code: wire::Code(5, 7, 4),
    sentence: std::borrow::Cow::Borrowed("this way of logging in is not offered"),
});

fn challenge(house: &House, caller: &mut Caller) -> Answer {
    let Ok(random) = sys::random() else { return Fate::later(3, 0, "no random numbers").into() };
    let stamp = apop::timestamp(random, &house.me);
    let answer = Answer::of([b"C", stamp.as_bytes()].concat());
    caller.timestamp = Some(stamp);
    answer
}

/// Where somebody knocks.
pub(crate) struct Door<'a> {
    pub(crate) house: &'a House,
    pub(crate) service: Service,
    pub(crate) client: Client,
    pub(crate) ip: &'a str,
    /// What is known of TLS with him: words, `tls-exporter=HEX`, `client=ADDRESS`.
    pub(crate) tls: &'a str,
}

/// Why somebody stays outside; for the log.
enum Outside {
    Wrong(&'static str),
    Unusable(sasl::Unusable),
}

impl std::fmt::Display for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outside::Wrong(why) => f.write_str(why),
            Outside::Unusable(why) => write!(f, "{why}"),
        }
    }
}

impl<'a> Door<'a> {
    pub(crate) fn of(house: &'a House, service: Service, ip: &'a str) -> Door<'a> {
        Door { house, service, client: Client::of(ip), ip, tls: "" }
    }

    /// What TLS says of `name`.
    pub(crate) fn tls<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.tls.split(' ').filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Lets in whom a client's certificate names: only where mail is handed in, since whoever speaks with the client
    /// could tell us any name. `wanted`: as whom he wants to come; empty: the first name that is known here.
    pub(crate) fn certified(&self, wanted: &str) -> Answer {
        if self.service != Service::Smtp {
            return NOT_OFFERED.into();
        }
        let mut names =
            self.tls("client").filter(|name| wanted.is_empty() || name.eq_ignore_ascii_case(wanted));
        let known = |name: &str| {
            let Ok(address) = Address::login(name) else { return Ok(false) };
            Ok(self.has_account(Some(&address))? && self.find(&Who::Account(address))?.1.is_ok())
        };
        let found = names.find_map(|name| match known(name) {
            Ok(true) => Some(Ok(name)),
            Ok(false) => None,
            Err(broken) => Some(Err(broken)),
        });
        match found {
            None => {
                self.log(
                    "refuse",
                    &cut(wanted),
                    "EXTERNAL",
                    " cause=no account of a name in the certificate",
                );
                Fate::never(7, 8, "no account here of a name in your certificate").into()
            }
            Some(Err(broken)) => later(&broken).into(),
            Some(Ok(name)) => {
                self.log("login", name, "EXTERNAL", "");
                match Address::login(name) {
                    Ok(address) => self.admit(Who::Account(address)),
                    Err(_) => misunderstood(),
                }
            }
        }
    }

    /// Lets `user` in if `check` finds his kept password proved; counts, delays and logs.
    pub(crate) fn prove(
        &self,
        mechanism: &str,
        user: &[u8],
        check: impl FnOnce(Option<&Secret>, &mut Room) -> bool,
    ) -> Answer {
        let (user, start) = (String::from_utf8_lossy(user), sys::monotonic());
        // What is neither address nor user is nobody, whom it takes as long to refuse.
        let who = match self.who(&user) {
            Ok(who) => who,
            Err(broken) => return later(&broken).into(),
        };
        let name = who.as_ref().map_or_else(|| cut(&user), Who::to_string);
        let asked = self.house.guesses().ask(self.client, &name, start);
        let delay = match asked {
            Ok(delay) => delay,
            Err(refused) => return self.too_many(&name, mechanism, refused.wait),
        };
        let judged = self.judge(mechanism, who.as_ref(), check);
        match judged {
            Ok(Ok(who)) => {
                self.house.guesses().right(self.client, &name, sys::monotonic());
                self.log("login", &name, mechanism, "");
                self.admit(who)
            }
            Ok(Err(outside)) => {
                self.log("refuse", &name, mechanism, &format!(" cause={outside}"));
                thread::sleep((start + delay).saturating_sub(sys::monotonic()));
                Fate::never(7, 8, "wrong name or password").into()
            }
            Err(fate) => {
                self.house.guesses().untold(self.client, &name);
                self.log("later", &name, mechanism, &format!(" cause={}", fate.text()));
                fate.into()
            }
        }
    }

    /// Whom `user` names: an account by its address, else a user of this system.
    fn who(&self, user: &str) -> Result<Option<Who>, Broken> {
        let address = Address::login(user).ok();
        let known = match &address {
            Some(address) => self.house.store.settings(&address.domain)?.is_some(),
            None => false,
        };
        if !known
            && let Some(system) = &self.house.system
            && let Some(person) = system.login(user)?
        {
            return Ok(Some(Who::User(person.user)));
        }
        if self.service == Service::Smtp && !self.has_account(address.as_ref())? {
            let name = user.trim().to_lowercase();
            if self.house.sender(&name)?.is_some() {
                return Ok(Some(Who::Sender(name)));
            }
        }
        Ok(address.map(Who::Account))
    }

    fn has_account(&self, address: Option<&Address>) -> Result<bool, Broken> {
        let account = address.map(|address| self.house.store.account(&address.domain, &address.local));
        Ok(account.transpose()?.flatten().is_some())
    }

    /// The outer error: it can't be told.
    fn judge(
        &self,
        mechanism: &str,
        who: Option<&Who>,
        check: impl FnOnce(Option<&Secret>, &mut Room) -> bool,
    ) -> Result<Result<Who, Outside>, Fate> {
        let known = who.map(|who| self.find(who)).transpose().map_err(|broken| later(&broken))?;
        let (kept, permitted) = known.unwrap_or((Err(Outside::Wrong("no address")), Ok(())));
        let right = {
            let turn = self.house.turns.take();
            let mut turn = turn.ok_or_else(|| Fate::later(3, 2, "too many log in at once"))?;
            check(kept.as_ref().ok(), turn.room())
        };
        let judged = match (kept, right) {
            (Err(outside), _) => Err(outside),
            (Ok(kept), false) if !serves(&kept, mechanism) => Err(Outside::Wrong(
                "password is kept in a form of no use to this method; see fulmar user passwd --plain, --scram",
            )),
            (Ok(_), false) => Err(Outside::Wrong("wrong password")),
            (Ok(_), true) => permitted,
        };
        Ok(judged.and_then(|()| who.cloned().ok_or(Outside::Wrong("no address"))))
    }

    /// The kept password of `user`, if there is one.
    pub(crate) fn kept(&self, user: &str) -> Result<Option<Secret>, Broken> {
        let Some(who) = self.who(user)? else { return Ok(None) };
        Ok(self.find(&who)?.0.ok())
    }

    /// The kept password, or why there is none; and whether its owner may in, once he has proved it.
    #[allow(clippy::type_complexity)] // two answers to one question, used once
    fn find(&self, who: &Who) -> Result<(Result<Secret, Outside>, Result<(), Outside>), Broken> {
        let store = &self.house.store;
        let address = match (who, &self.house.system) {
            (Who::Account(address), _) => address,
            (Who::User(name), Some(system)) => {
                let kept = system.password(name)?.map(|kept| Secret::parse(&kept).map_err(Outside::Unusable));
                return Ok((kept.unwrap_or(Err(Outside::Wrong("no password"))), Ok(())));
            }
            (Who::Sender(name), _) => return Ok((self.senders_secret(name)?, Ok(()))),
            (Who::User(_), None) => return Ok((Err(Outside::Wrong("no such user")), Ok(()))),
        };
        let Some(account) = store.account(&address.domain, &address.local)? else {
            return Ok((Err(Outside::Wrong("no such account")), Ok(())));
        };
        let kept = match store.password(&address.domain, &address.local)? {
            Some(kept) => Secret::parse(&kept).map_err(Outside::Unusable),
            None => Err(Outside::Wrong("no password")),
        };
        Ok((kept, self.permitted(address, &account)?))
    }

    fn senders_secret(&self, name: &str) -> Result<Result<Secret, Outside>, Broken> {
        let Some(sender) = self.house.sender(name)? else { return Ok(Err(Outside::Wrong("no such sender"))) };
        Ok(Secret::salted(&sender.digest, sender.salt.as_bytes()).map_err(Outside::Unusable))
    }

    /// May the owner of this account in, if he proves who he is?
    pub(crate) fn lets_in(&self, address: &Address) -> Result<bool, Broken> {
        match self.house.store.account(&address.domain, &address.local)? {
            Some(account) => Ok(self.permitted(address, &account)?.is_ok()),
            None => Ok(false),
        }
    }

    fn permitted(&self, address: &Address, account: &Account) -> Result<Result<(), Outside>, Broken> {
        let settings = self.house.store.settings(&address.domain)?.unwrap_or_default();
        let settings = (*settings).clone().or(&*self.house.store.files().defaults()?);
        let services = account.services.as_ref().or(settings.services.as_ref());
        Ok(match () {
            () if account.disabled.is_some() => Err(Outside::Wrong("disabled")),
            () if services.is_some_and(|list| !list.contains(&self.service)) => {
                Err(Outside::Wrong("service switched off"))
            }
            () => Ok(()),
        })
    }

    fn admit(&self, who: Who) -> Answer {
        self.admit_led(who, false)
    }

    /// `led_here`: another host of ours has seen the proof.
    pub(crate) fn admit_led(&self, who: Who, led_here: bool) -> Answer {
        relaying::note(self.house, self.service, self.ip, &who);
        let user = format!("user={who}");
        let login = Login { who, service: self.service, ip: self.ip.to_owned(), led_here };
        let ticket =
            sys::random().ok().and_then(|random| self.house.tickets().issue(login, random, sys::monotonic()));
        match ticket {
            Some(ticket) => Answer::of([b"K", ticket.as_bytes()].concat()).with([user]),
            None => Fate::later(3, 2, "too many log in at once").into(),
        }
    }

    fn too_many(&self, name: &str, mechanism: &str, wait: Duration) -> Answer {
        let minutes = wait.as_secs().div_ceil(60).max(1);
        self.log("later", name, mechanism, " cause=too many wrong passwords");
        // Whoever goes on without a pause does not get to do so for nothing.
        thread::sleep(Duration::from_secs(1));
        Fate::later(7, 0, format!("too many wrong passwords; wait {minutes} minutes")).into()
    }

    pub(crate) fn log(&self, verb: &str, name: &str, mechanism: &str, more: &str) {
        let (service, ip) = (self.service.name(), cut(self.ip));
        // A blank in a name must not begin a field of its own.
        let name = cut(name).replace(' ', "\\x20");
        sys::log!("lookup: {verb} service={service} ip={ip} method={mechanism} user={name}{more}");
    }
}

/// Can `mechanism` prove anything about a password that is kept like this?
fn serves(kept: &Secret, mechanism: &str) -> bool {
    let mechanism = mechanism.trim_end_matches("-PLUS");
    match mechanism {
        "APOP" | "CRAM-MD5" => kept.plain().is_some(),
        "SCRAM-SHA-1" | "SCRAM-SHA-256" => kept.plain().is_some() || kept.scheme() == mechanism,
        _ => true,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(NAME_MAX).flat_map(char::to_lowercase).collect()
}

/// `login TICKET`: who to become. The end of a pipe that comes along stays open as long as the session is.
pub(crate) fn login(house: &House, caller: &mut Caller, fields: &[&str]) -> Answer {
    let [ticket] = fields else { return misunderstood() };
    let Some(login) = house.tickets().redeem(ticket, sys::monotonic()) else {
        return Fate::never(7, 8, "no such ticket").into();
    };
    let Login { who, service, ip, led_here } = login;
    // Nor does one for whom only smtpd's word of a certificate stands: whoever speaks with clients could say that.
    if service == Service::Smtp {
        return Fate::never(7, 8, "who hands mail in gets no mailbox opened for it").into();
    }
    if let (Some(pipe), Service::Pop3 | Service::Imap) = (caller.fds.pop(), service) {
        house.sessions.begin(pipe, &ip, who.to_string());
    }
    let address = match who {
        Who::Account(address) => address,
        Who::User(name) => return opened_for_user(house, &name),
        Who::Sender(_) => return Fate::never(7, 8, "who only sends has no mailbox").into(),
    };
    match house.store.account(&address.domain, &address.local) {
        Ok(Some(account)) if account.disabled.is_none() => {
            match elsewhere::opened(house, service, &ip, led_here, &address, &account) {
                Some(answer) => answer,
                None => opened(house, address, account),
            }
        }
        Ok(_) => {
            sys::log!("lookup: refuse service={} user={address} cause=gone meanwhile", service.name());
            Fate::never(7, 8, "no such account").into()
        }
        Err(broken) => later(&broken).into(),
    }
}

fn opened_for_user(house: &House, name: &str) -> Answer {
    let Some(system) = &house.system else { return Fate::never(7, 8, "no such user").into() };
    let person = system.login(name);
    match person.and_then(|found| found.map(|person| system.owner(&person, name, "")).transpose()) {
        Ok(Some(owner)) => admitted(house, owner),
        Ok(None) => Fate::never(7, 8, "no such user").into(),
        Err(broken) => later(&broken).into(),
    }
}

fn opened(house: &House, address: Address, account: Account) -> Answer {
    let hit = Hit { address, account, dash: "", ext: String::new(), folder: String::new() };
    match people::account(house, &hit) {
        Ok(owner) => admitted(house, owner),
        Err(broken) => later(&broken).into(),
    }
}

/// The owner, with what others share with him.
fn admitted(house: &House, owner: Owner) -> Answer {
    match house.shared_with(&owner.user) {
        Ok(shared) => Answer::whole(Owner { shared, ..owner }.to_packet()),
        Err(broken) => later(&broken).into(),
    }
}
