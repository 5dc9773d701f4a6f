//! Users in a database: the tables of `etc/sql/`, asked by prepared statements.
//!
//! What is wrong in a row is an error of that name, as in a text; a database that does not answer is an error for all
//! its names. Nothing is kept: a change holds at once.

use std::sync::Arc;

use control::Broken;
use database::{Database, Row, Trouble, Value};

use crate::account::{Account, Route, Settings, targets};
use crate::record::Entry;
use crate::store::Source;
use crate::words::quoted;

const SETTINGS: &str = "SELECT settings FROM mail_domains WHERE name = ?";
const ROUTE: &str = "SELECT destination, active FROM mail_routes WHERE domain = ? AND name = ?";
const ACCOUNT: &str = "SELECT active, delivery, forward, wildcard, quota, services, settings FROM mail_accounts \
                       WHERE domain = ? AND name = ?";
const ALIAS: &str = "SELECT target FROM mail_aliases WHERE domain = ? AND name = ? ORDER BY target";
const PASSWORD: &str = "SELECT password FROM mail_accounts WHERE domain = ? AND name = ?";
const SENDER: &str = "SELECT username, crypt_password, crypt_salt FROM eng_smtp_auth_users__raw_db_access \
                      WHERE lower(username) = ? AND active = true";

/// A database with users in it.
#[derive(Debug)]
pub struct Sql {
    database: Database,
}

/// A row of `eng_smtp_auth_users__raw_db_access`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sender {
    /// The name, in lower case.
    pub name: String,
    /// SHA-256 of salt and password, in hexadecimal digits.
    pub digest: String,
    /// The salt.
    pub salt: String,
}

impl Sql {
    /// The users in `database`.
    pub fn new(database: Database) -> Sql {
        Sql { database }
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Who may only send, under this name in whatever case.
    pub fn sender(&self, name: &str) -> Result<Option<Sender>, Broken> {
        let name = name.to_lowercase();
        let rows = self.ask(SENDER, &[name.as_str().into()])?;
        // What a database takes for the same letters need not be.
        let same =
            |row: &Row| row.first().and_then(Option::as_ref).is_some_and(|kept| kept.to_lowercase() == name);
        Ok(rows.into_iter().find(same).and_then(|row| match row.as_slice() {
            [_, Some(digest), Some(salt)] => {
                Some(Sender { name: name.clone(), digest: digest.clone(), salt: salt.clone() })
            }
            _ => None,
        }))
    }

    /// The names of its domains.
    pub fn domains(&self) -> Result<Vec<String>, Broken> {
        self.list("SELECT name FROM mail_domains ORDER BY name", &[])
    }

    /// The names of the accounts of a domain.
    pub fn accounts(&self, domain: &str) -> Result<Vec<String>, Broken> {
        self.list("SELECT name FROM mail_accounts WHERE domain = ? ORDER BY name", &[domain.into()])
    }

    /// The aliases of a domain, each with one address that it leads to.
    pub fn aliases(&self, domain: &str) -> Result<Vec<(String, String)>, Broken> {
        let rows = self.ask(
            "SELECT name, target FROM mail_aliases WHERE domain = ? ORDER BY name, target",
            &[domain.into()],
        )?;
        let pair = |row: Row| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(name), Some(target)]) => Some((name, target)),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    fn list(&self, sql: &str, values: &[Value]) -> Result<Vec<String>, Broken> {
        Ok(self.ask(sql, values)?.into_iter().filter_map(|mut row| row.pop().flatten()).collect())
    }

    fn ask(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Broken> {
        // No name holds a NUL, and not every database bears one.
        if values.iter().any(|value| matches!(value, Value::Text(text) if text.contains('\0'))) {
            return Ok(Vec::new());
        }
        self.database.query(sql, values).map_err(|trouble| self.silent(&trouble))
    }

    fn silent(&self, trouble: &Trouble) -> Broken {
        let cure = "start it, let us in (control/users), or make its tables: fulmar database migrate";
        Broken::new(self.database.shown(), format!("gives no answer: {trouble}"), cure)
    }

    fn of(&self, sql: &str, domain: &str, name: &str) -> Result<Vec<Row>, Broken> {
        self.ask(sql, &[domain.into(), name.into()])
    }

    fn wrong(&self, table: &str, domain: &str, name: &str, problem: String) -> Broken {
        Broken::new(format!("{} {table} {name}@{domain}", self.database.shown()), problem, "mend the row")
    }

    fn one(&self, table: &str, sql: &str, domain: &str, name: &str) -> Result<Option<Row>, Broken> {
        let mut rows = self.of(sql, domain, name)?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            _ => Err(self.wrong(table, domain, name, "there are several rows".into())),
        }
    }
}

fn yes(column: Option<&Option<String>>) -> bool {
    column.and_then(Option::as_deref) == Some("1")
}

/// An account's columns as the words of a line of `accounts`.
fn words(row: &Row) -> String {
    let column = |at: usize| row.get(at).and_then(Option::as_deref).filter(|text| !text.is_empty());
    let mut words = Vec::new();
    words.extend(column(1).map(|delivery| format!("deliver={delivery}")));
    words.extend(column(2).map(|forward| format!("forward={}", quoted(forward))));
    words.extend(yes(row.get(3)).then(|| "wildcard".to_owned()));
    words.extend(column(4).map(|quota| format!("quota={quota}")));
    words.extend(column(5).map(|services| format!("services={services}")));
    words.extend((!yes(row.first())).then(|| "disabled".to_owned()));
    words.extend(column(6).map(str::to_owned));
    words.join(" ")
}

impl Source for Sql {
    fn settings(&self, domain: &str) -> Result<Option<Arc<Settings>>, Broken> {
        let rows = self.ask(SETTINGS, &[domain.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut settings = Settings::default();
        let text = row.first().and_then(Option::as_deref).unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            settings.take(line, domain).map_err(|problem| self.wrong("mail_domains", domain, "", problem))?;
        }
        Ok(Some(Arc::new(settings)))
    }

    fn entry(&self, domain: &str, local: &str) -> Result<Option<Entry>, Broken> {
        if let Some(row) = self.one("mail_routes", ROUTE, domain, local)? {
            let text = row.first().and_then(Option::as_deref).unwrap_or_default();
            let route =
                Route::parse(text).map_err(|problem| self.wrong("mail_routes", domain, local, problem))?;
            return Ok(Some(Entry::Route(Route { disabled: !yes(row.get(1)), ..route })));
        }
        if let Some(account) = self.account(domain, local)? {
            return Ok(Some(Entry::Account(account)));
        }
        let rows = self.of(ALIAS, domain, local)?;
        let list: Vec<String> = rows.into_iter().filter_map(|mut row| row.pop().flatten()).collect();
        if list.is_empty() {
            return Ok(None);
        }
        let list = targets(&list.join(","), domain);
        list.map(|list| Some(Entry::Alias(list)))
            .map_err(|problem| self.wrong("mail_aliases", domain, local, problem))
    }

    fn account(&self, domain: &str, name: &str) -> Result<Option<Account>, Broken> {
        let Some(row) = self.one("mail_accounts", ACCOUNT, domain, name)? else { return Ok(None) };
        let account = Account::parse(&words(&row), domain);
        account.map(Some).map_err(|problem| self.wrong("mail_accounts", domain, name, problem))
    }

    fn password(&self, domain: &str, name: &str) -> Result<Option<Vec<u8>>, Broken> {
        let row = self.one("mail_accounts", PASSWORD, domain, name)?;
        Ok(row.and_then(|mut row| row.pop().flatten()).map(String::into_bytes))
    }
}

#[cfg(test)]
mod tests;
