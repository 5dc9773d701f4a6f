//! Questions to a database: SQLite, PostgreSQL, MySQL or MariaDB, by one form of question and answer.
//!
//! Statements are prepared, values never become a part of them; connections are kept; every answer has a time limit,
//! however silent the server is. Knows nothing of what is asked: that is the users' affair.

mod pool;
mod server;
mod sqlite;
mod url;

pub use url::Engine;

use std::fmt;
use std::path::Path;

use crate::pool::Pool;
use crate::sqlite::Sqlite;
use crate::url::Url;

/// A value in a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

/// A row of an answer: each column as text, `None` for NULL. Yes is `1`, no is `0`.
pub type Row = Vec<Option<String>>;

/// Why there is no answer. Nothing can be concluded from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// For the log; without passwords.
    pub cause: String,
    /// The connection is of no more use.
    lost: bool,
}

impl Trouble {
    fn lost(cause: impl fmt::Display) -> Trouble {
        Trouble { cause: one_line(cause), lost: true }
    }

    fn refused(cause: impl fmt::Display) -> Trouble {
        Trouble { cause: one_line(cause), lost: false }
    }
}

fn one_line(cause: impl fmt::Display) -> String {
    cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Trouble {}

/// One database.
#[derive(Debug)]
pub struct Database {
    shown: String,
    engine: Engine,
    form: Form,
}

#[derive(Debug)]
enum Form {
    File(Sqlite),
    Server(Pool),
}

impl Database {
    /// The database of `sqlite:PATH` (relative to `folder`), `postgres://...` or `mysql://...`. Nothing is opened yet.
    /// The error says what is wrong with the text.
    pub fn new(text: &str, folder: &Path) -> Result<Database, String> {
        let url = Url::parse(text, folder)?;
        let (shown, engine) = (url.shown(), url.engine());
        let form = match url {
            Url::Sqlite(path) => Form::File(Sqlite::new(path)),
            Url::Postgres(config) => Form::Server(Pool::new(move || server::postgres(&config))),
            Url::Mysql(options) => Form::Server(Pool::new(move || server::mysql(&options))),
        };
        Ok(Database { shown, engine, form })
    }

    /// Its name, without the password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Which kind it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> Option<&Path> {
        match &self.form {
            Form::File(sqlite) => Some(sqlite.path()),
            Form::Server(_) => None,
        }
    }

    /// The rows that `sql` gives, in which each `?` stands for one of `values`.
    pub fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        match &self.form {
            Form::File(sqlite) => sqlite.query(sql, values),
            Form::Server(pool) => pool.query(sql, values),
        }
    }

    /// Runs several statements, without values: a migration.
    pub fn run(&self, statements: &str) -> Result<(), Trouble> {
        match &self.form {
            Form::File(sqlite) => sqlite.run(statements),
            Form::Server(pool) => pool.run(statements),
        }
    }
}

#[cfg(test)]
mod tests;
