//! `sender LOGIN ADDRESS`: may who has logged in as LOGIN send mail from ADDRESS?
//!
//! `control/authsender` says how much he may: `any` address, `own` ones (his account's, and aliases that
//! lead to it), or those of his own `domain`. Nothing said: own ones; any, for who can do nothing but send.

use control::Broken;
use users::name::{Address, domain};
use users::{Resolution, Source, real_domain, resolve};
use wire::Fate;

use crate::answer::{Answer, Caller, misunderstood};
use crate::house::{House, later};

pub(crate) fn sender(house: &House, _: &mut Caller, fields: &[&str]) -> Answer {
    let [login, address] = fields else { return misunderstood() };
    match may(house, login, address) {
        Ok(true) => Answer::of("K"),
        Ok(false) => Fate::never(7, 1, "Sorry, you may not send mail from this address").into(),
        Err(broken) => later(&broken).into(),
    }
}

fn may(house: &House, login: &str, address: &str) -> Result<bool, Broken> {
    let usual = if only_sends(house, login)? { "any" } else { "own" };
    match house.sender_policy(login)?.as_deref().unwrap_or(usual) {
        "any" => Ok(true),
        "own" => own(house, login, address),
        "domain" => same_domain(house, login, address),
        word => Err(Broken::new(
            "control/authsender",
            format!("`{word}` is no policy"),
            "write any, own or domain behind the colon",
        )),
    }
}

/// Is he one of the table that strangers fill? Such a name need not be an address.
fn only_sends(house: &House, login: &str) -> Result<bool, Broken> {
    let account = match Address::parse(login) {
        Ok(address) => house.store.account(&address.domain, &address.local)?.is_some(),
        Err(_) => false,
    };
    Ok(!account && house.sender(login)?.is_some())
}

/// Does mail for `address` come to `login`?
pub(crate) fn own(house: &House, login: &str, address: &str) -> Result<bool, Broken> {
    match resolve(&house.store, address) {
        Resolution::Account(hit) => Ok(hit.address.to_string() == login),
        Resolution::Forward { targets, .. } => {
            Ok(targets.iter().any(|target| leads_to(house, target, login)))
        }
        Resolution::NotOurs => of_system(house, login, address),
        Resolution::NoSuchUser | Resolution::Disabled(_) => Ok(false),
        Resolution::Later(broken) => Err(broken),
    }
}

fn leads_to(house: &House, target: &str, login: &str) -> bool {
    matches!(resolve(&house.store, target), Resolution::Account(hit) if hit.address.to_string() == login)
}

fn of_system(house: &House, login: &str, address: &str) -> Result<bool, Broken> {
    let Some(system) = &house.system else { return Ok(false) };
    Ok(system.recipient(address)?.is_some_and(|person| person.user == login))
}

fn same_domain(house: &House, login: &str, address: &str) -> Result<bool, Broken> {
    let Some(named) = address.rsplit_once('@').and_then(|(_, name)| domain(name).ok()) else {
        return Ok(false);
    };
    match (Address::parse(login), &house.system) {
        (Ok(login), _) => {
            Ok(real_domain(&house.store, &named)?.is_some_and(|(real, _)| real == login.domain))
        }
        (Err(_), Some(system)) => system.has(&named),
        (Err(_), None) => Ok(false),
    }
}
