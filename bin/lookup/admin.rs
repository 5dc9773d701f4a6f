//! `admin VERB ARGS...`: what changes users and domains, and what lists them.

use sasl::{Cost, Secret};
use users::name::Address;
use users::{Editor, Refusal, Source};
use wire::{Code, Fate, Text};

use crate::answer::{Answer, Caller, misunderstood};
use crate::house::House;
use crate::{people, relaying, schema};

/// What an admin can ask for: name, least and most arguments, handler.
const VERBS: &[(&str, usize, usize, Handler)] = &[
    ("domain-add", 1, 20, domain_add),
    ("domain-del", 1, 1, domain_del),
    ("domain-list", 0, 0, domain_list),
    ("user-add", 2, 30, user_add),
    ("user-set", 2, 30, user_set),
    ("user-del", 1, 1, user_del),
    ("user-passwd", 2, 2, user_passwd),
    ("user-list", 1, 1, user_list),
    ("user-show", 1, 1, user_show),
    ("alias-add", 2, 1001, alias_add),
    ("alias-del", 1, 1, alias_del),
    ("alias-list", 1, 1, alias_list),
    ("compile", 0, 1, compile),
    ("database-migrate", 0, 0, database_migrate),
    ("owner", 1, 1, owner),
    ("relay-add", 3, relaying::MOST, relaying::add),
    ("relay-delete", 1, relaying::MOST, relaying::delete),
    ("relay-expire", 0, 1, relaying::expire),
    ("relay-list", 0, 2, relaying::list),
];

type Handler = fn(&House, &[&str]) -> Result<Answer, Refusal>;

/// Runs one verb, and notes in the log what came of it.
pub(crate) fn admin(house: &House, caller: &mut Caller, fields: &[&str]) -> Answer {
    let [name, args @ ..] = fields else { return misunderstood() };
    let verb = VERBS.iter().find(|(verb, ..)| verb == name);
    let Some((_, least, most, run)) = verb else { return wrong(format!("lookup knows no `{name}`")) };
    if !(*least..=*most).contains(&args.len()) {
        return wrong(format!("{name} does not take {} arguments", args.len()));
    }
    let done = run(house, args);
    if !name.ends_with("-list") && !name.ends_with("-show") && *name != "owner" {
        note(caller, name, args, &done);
    }
    match done {
        Ok(answer) => answer,
        Err(Refusal::Wrong(sentence)) => wrong(sentence),
        Err(Refusal::Later(broken)) => Fate::later(3, 0, broken.to_string()).into(),
    }
}

/// Only the first argument: the second may be a password.
fn note(caller: &Caller, name: &str, args: &[&str], done: &Result<Answer, Refusal>) {
    let (uid, what) = (caller.uid, args.first().unwrap_or(&"").replace(' ', "\\x20"));
    match done {
        Ok(_) => sys::log!("lookup: admin {name} {what} uid={uid} done"),
        Err(Refusal::Wrong(why)) => sys::log!("lookup: admin {name} {what} uid={uid} refused cause={why}"),
        Err(Refusal::Later(broken)) => {
            sys::log!("lookup: admin {name} {what} uid={uid} later cause={broken}")
        }
    }
}

fn wrong(sentence: String) -> Answer {
    Fate::Never(Text::new(Code::NONE, sentence)).into()
}

fn done(sentence: String) -> Result<Answer, Refusal> {
    Ok(Fate::done(sentence).into())
}

fn editor(house: &House) -> Result<Editor, Refusal> {
    Editor::open(house.store.files().users())
}

fn domain_add(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    editor(house)?.domain_add(args[0], &args[1..])?;
    done(format!("{} is ours now", args[0]))
}

fn domain_del(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let name = args[0].to_ascii_lowercase();
    // The editor would tell how to add it.
    if users::name::domain(&name).is_ok() && !users::domains(house.store.files().users())?.contains(&name) {
        return Err(Refusal::Wrong(format!(
            "the domain {name} is not here; those that are: fulmar domain list"
        )));
    }
    editor(house)?.domain_del(&name)?;
    done(format!("{name} is no longer ours; its mail stays in mail/{name}"))
}

fn domain_list(house: &House, _: &[&str]) -> Result<Answer, Refusal> {
    let mut names = users::domains(house.store.files().users())?;
    for sql in house.store.databases() {
        names.extend(sql.domains()?);
    }
    names.sort();
    names.dedup();
    Ok(Answer::of("K").with(names))
}

/// `user-add ADDRESS PASSWORD [word[=value]...]`; an empty password: he cannot log in.
fn user_add(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let [address, password, settings @ ..] = args else { return Ok(misunderstood()) };
    let kept = if password.is_empty() { None } else { Some(keep(house, password)?) };
    let words: Vec<String> = settings.iter().map(|word| whole_word(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    editor(house)?.user_add(address, kept.as_deref(), &words)?;
    done(format!("{address} is a user now"))
}

fn user_set(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let words: Vec<String> = args[1..].iter().map(|word| whole_word(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    editor(house)?.user_set(args[0], &words)?;
    done(format!("{} is changed", args[0]))
}

fn user_del(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    editor(house)?.user_del(args[0])?;
    let (local, domain) = args[0].rsplit_once('@').unwrap_or((args[0], ""));
    let folder = format!("mail/{domain}/{local}").to_ascii_lowercase();
    done(format!("{} is no longer a user; the mail stays in {folder}, which root may remove", args[0]))
}

fn user_passwd(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let kept = keep(house, args[1])?;
    editor(house)?.user_passwd(args[0], &kept)?;
    done(format!("{} has a new password", args[0]))
}

/// Is the domain one of the files? Else it may be one of a database; where it is none at all, the files say so.
fn of_files(house: &House, domain: &str) -> Result<bool, Refusal> {
    let domain = domain.to_ascii_lowercase();
    let files = users::domains(house.store.files().users())?.contains(&domain);
    Ok(files || house.store.settings(&domain)?.is_none())
}

fn user_list(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let mut names = Vec::new();
    if of_files(house, args[0])? {
        let accounts = users::accounts(house.store.files().users(), args[0])?;
        names.extend(accounts.into_iter().map(|(address, _)| address));
    }
    let domain = args[0].to_ascii_lowercase();
    for sql in house.store.databases() {
        names.extend(sql.accounts(&domain)?.into_iter().map(|name| format!("{name}@{domain}")));
    }
    names.dedup();
    Ok(Answer::of("K").with(names))
}

fn user_show(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let facts = match of_a_database(house, args[0])? {
        Some(facts) => facts,
        None => users::show(house.store.files().users(), args[0])?,
    };
    Ok(Answer::of("K").with(facts.into_iter().map(|(key, value)| format!("{key}={value}"))))
}

/// What is known of an account that is not in the files.
fn of_a_database(house: &House, address: &str) -> Result<Option<Vec<(&'static str, String)>>, Refusal> {
    let Ok(named) = Address::login(address) else { return Ok(None) };
    if house.store.files().account(&named.domain, &named.local)?.is_some() {
        return Ok(None);
    }
    for sql in house.store.databases() {
        if let Some(account) = sql.account(&named.domain, &named.local)? {
            let settings = house.store.settings(&named.domain)?.unwrap_or_default();
            let password = sql.password(&named.domain, &named.local)?;
            let mut facts = users::facts(&named, &account, &settings, password.as_deref());
            facts.push(("kept in", sql.database().shown().to_owned()));
            return Ok(Some(facts));
        }
    }
    Ok(None)
}

fn alias_add(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    editor(house)?.alias_set(args[0], &args[1..])?;
    done(format!("{} is an alias now", args[0]))
}

fn alias_del(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    editor(house)?.alias_del(args[0])?;
    done(format!("{} is no longer an alias", args[0]))
}

fn alias_list(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let mut lines = Vec::new();
    if of_files(house, args[0])? {
        let aliases = users::aliases(house.store.files().users(), args[0])?;
        lines.extend(aliases.into_iter().map(|(alias, list)| format!("{alias}={}", list.join(", "))));
    }
    let domain = args[0].to_ascii_lowercase();
    for sql in house.store.databases() {
        let aliases = sql.aliases(&domain)?;
        lines.extend(aliases.into_iter().map(|(name, target)| format!("{name}@{domain}={target}")));
    }
    Ok(Answer::of("K").with(lines))
}

/// `compile [DOMAIN]`: `K`, or `Z` with the first wrong line and all of them as fields.
fn compile(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    let users = house.store.files().users();
    let problems: Vec<_> = match args {
        [name] => {
            let name =
                users::name::domain(name).map_err(|fault| Refusal::Wrong(format!("`{name}`: {fault}")))?;
            users::compile(users, &name).err().unwrap_or_default()
        }
        _ => users::compile_all(users)?.into_iter().flat_map(|compiled| compiled.problems).collect(),
    };
    match problems.first() {
        None => done("compiled".into()),
        Some(first) => {
            let answer = Answer::from(Fate::later(3, 5, first.to_string()));
            Ok(answer.with(problems.iter().map(ToString::to_string)))
        }
    }
}

/// `database-migrate`: brings the tables of every database to the newest version.
fn database_migrate(house: &House, _: &[&str]) -> Result<Answer, Refusal> {
    let told = house.store.databases().iter().map(|sql| schema::migrate(sql.database()));
    let told = told.collect::<Result<Vec<_>, _>>()?;
    match told.is_empty() {
        true => Err(Refusal::Wrong("control/users names no database".into())),
        false => Ok(Answer::of("K").with(told)),
    }
}

/// `owner ADDRESS`: as at run/lookup-root, for who wants to know what would become of mail.
fn owner(house: &House, args: &[&str]) -> Result<Answer, Refusal> {
    Ok(people::owner_of(house, args[0]))
}

/// A setting is one argument: blanks in its value do not end it.
fn whole_word(word: &str) -> String {
    match word.split_once('=') {
        Some((key, value)) if value.contains(char::is_whitespace) && !value.starts_with('"') => {
            format!("{key}=\"{value}\"")
        }
        _ => word.to_owned(),
    }
}

/// What is kept already in a form of its own.
const KEPT: [&str; 5] = ["{ARGON2ID}$", "{CRYPT}$", "{SCRAM-SHA-256}", "{SCRAM-SHA-1}", "{SALTED-SHA256}"];

/// The form in which a password is kept: `{PLAIN}...` as it is, `{SCRAM}...` as keys, all else is hashed, but
/// what is hashed already.
fn keep(house: &House, password: &str) -> Result<String, Refusal> {
    let refused = |why: sasl::Unusable| Refusal::Wrong(why.to_string());
    if let Some(plain) = password.strip_prefix("{PLAIN}") {
        return Ok(Secret::keep(plain.as_bytes()).map_err(refused)?.to_string());
    }
    if KEPT.iter().any(|scheme| password.starts_with(scheme)) {
        return Ok(Secret::parse(password.as_bytes()).map_err(refused)?.to_string());
    }
    let busy = || control::Broken::new("lookup", "too many log in at once", "try again");
    let no_random = |error| Refusal::Later(control::Broken::io("the random generator", &error));
    let salt = sys::random().map_err(no_random)?;
    let _turn = house.turns.take().ok_or_else(busy)?;
    if let Some(scram) = password.strip_prefix("{SCRAM}") {
        return Ok(Secret::keys(scram.as_bytes(), salt).map_err(refused)?.to_string());
    }
    Ok(Secret::hash(password.as_bytes(), salt, Cost::USUAL).map_err(refused)?.to_string())
}
