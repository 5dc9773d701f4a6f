//! Who is here, and who owns his mail: `domain`, `recipient`, `owner`.

use control::Broken;
use owner::Owner;
use users::name::{self, Address};
use users::{Hit, Resolution, at_once, real_domain, resolve};
use wire::Fate;

use crate::answer::{Answer, Caller, misunderstood};
use crate::house::{House, later};
use crate::system::System;

/// The folder that forwards without an account run in. No account's name begins with a dot.
const FORWARDS: &str = ".forwards";

/// `domain NAME`: `K` with `name=` (of an alias: the real domain) and perhaps `journal=`, or, if it is of this
/// system's users, `listed=yes`; or `D`.
pub(crate) fn domain(house: &House, _: &mut Caller, fields: &[&str]) -> Answer {
    let [name] = fields else { return misunderstood() };
    let Ok(name) = name::domain(name) else { return not_ours().into() };
    match real_domain(&house.store, &name) {
        Ok(Some((real, settings))) => {
            let journal = settings.journal.iter().map(|address| format!("journal={address}"));
            Answer::of("K").with(std::iter::once(format!("name={real}")).chain(journal))
        }
        Ok(None) => match system(house, |system| system.has(&name)) {
            Ok(true) => Answer::of("K").with([format!("name={name}"), "listed=yes".to_owned()]),
            Ok(false) => not_ours().into(),
            Err(broken) => later(&broken).into(),
        },
        Err(broken) => later(&broken).into(),
    }
}

/// What the users of this system say, if they are asked at all.
fn system<T: Default>(house: &House, ask: impl FnOnce(&System) -> Result<T, Broken>) -> Result<T, Broken> {
    house.system.as_ref().map_or(Ok(T::default()), ask)
}

/// `recipient ADDRESS`: does it take mail?
pub(crate) fn recipient(house: &House, _: &mut Caller, fields: &[&str]) -> Answer {
    let [address] = fields else { return misunderstood() };
    match at_once(|| resolve(&house.store, address)) {
        Resolution::NotOurs => match system(house, |system| system.recipient(address)) {
            Ok(None) => not_ours().into(),
            Ok(Some(person)) if house.system.as_ref().is_some_and(|system| !system.takes_mail(&person)) => {
                Fate::never(1, 1, "Sorry, no mailbox here by that name.").into()
            }
            Ok(Some(_)) => Answer::of("K"),
            Err(broken) => later(&broken).into(),
        },
        other => refused(other).map_or_else(Answer::from, |_| Answer::of("K")),
    }
}

/// `owner ADDRESS`: who to become, and what to do with the mail.
pub(crate) fn owner(house: &House, _: &mut Caller, fields: &[&str]) -> Answer {
    let [address] = fields else { return misunderstood() };
    at_once(|| owner_of(house, address))
}

pub(crate) fn owner_of(house: &House, address: &str) -> Answer {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let resolution = resolve(&house.store, address);
    if let (Resolution::NotOurs, Some(system)) = (&resolution, &house.system) {
        return of_system(system, local, domain);
    }
    let found = match refused(resolution) {
        Ok(Found::Account(hit)) => account(house, &hit),
        Ok(Found::Forward(asked, targets)) => forward(house, &asked, &targets),
        Err(fate) => return fate.into(),
    };
    match found {
        Ok(owner) => {
            let ext = as_written(local, &owner.ext);
            let owner = Owner { local: local.into(), domain: domain.to_ascii_lowercase(), ext, ..owner };
            Answer::whole(owner.to_packet())
        }
        Err(broken) => later(&broken).into(),
    }
}

/// Whoever asks has been told by `send` that it is a local address: the domain does not count.
fn of_system(system: &System, local: &str, domain: &str) -> Answer {
    let person = system.person(local);
    match person.and_then(|found| found.map(|person| system.owner(&person, local, domain)).transpose()) {
        Ok(Some(owner)) => Answer::whole(owner.to_packet()),
        Ok(None) => Fate::never(1, 1, "Sorry, no mailbox here by that name.").into(),
        Err(broken) => later(&broken).into(),
    }
}

/// The extension, found in lower case, with the letters that the address has.
fn as_written(local: &str, ext: &str) -> String {
    let from = local.len().saturating_sub(ext.len());
    match local.get(from..) {
        Some(end) if end.eq_ignore_ascii_case(ext) => end.to_owned(),
        _ => ext.to_owned(),
    }
}

/// Where there is somewhere to go.
enum Found {
    Account(Hit),
    Forward(Address, Vec<String>),
}

fn refused(resolution: Resolution) -> Result<Found, Fate> {
    match resolution {
        Resolution::Account(hit) => Ok(Found::Account(*hit)),
        Resolution::Forward { asked, targets } => Ok(Found::Forward(asked, targets)),
        Resolution::NotOurs => Err(not_ours()),
        Resolution::NoSuchUser => Err(Fate::never(1, 1, "User unknown in virtual mailbox table")),
        Resolution::Disabled(_) => Err(Fate::never(2, 1, "Mailbox disabled, not accepting messages")),
        Resolution::Later(broken) => Err(later(&broken)),
    }
}

fn not_ours() -> Fate {
    Fate::never(1, 2, "this domain has no users here")
}

/// The owner of an account that was found; asked for by its own address.
pub(crate) fn account(house: &House, hit: &Hit) -> Result<Owner, Broken> {
    let mut owner = empty(house, &hit.address, &hit.address.local, hit.account.quota)?;
    owner.dash = hit.dash.into();
    owner.ext = hit.ext.clone();
    owner.instructions = hit.account.instructions(&hit.folder);
    owner.programs = house.may_run_programs(&hit.address)?;
    Ok(owner)
}

fn forward(house: &House, asked: &Address, targets: &[String]) -> Result<Owner, Broken> {
    let mut owner = empty(house, asked, FORWARDS, None)?;
    owner.instructions = targets.iter().map(|target| format!("&{target}")).collect();
    Ok(owner)
}

fn empty(house: &House, address: &Address, folder: &str, quota: Option<u64>) -> Result<Owner, Broken> {
    let (_, settings) = real_domain(&house.store, &address.domain)?.unwrap_or_default();
    let settings = (*settings).clone().or(&*house.store.files().defaults()?);
    let home = house.mail.join(&address.domain).join(folder);
    Ok(Owner {
        identity: house.owner(&settings)?,
        maildir: home.join("Maildir"),
        home,
        quota: quota.or(settings.quota).unwrap_or(0),
        user: address.to_string(),
        local: address.local.clone(),
        domain: address.domain.clone(),
        dash: String::new(),
        ext: String::new(),
        programs: false,
        instructions: Vec::new(),
        shared: Vec::new(),
    })
}
