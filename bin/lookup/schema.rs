//! The tables of databases: which version one has, and what makes it the newest.

use control::Broken;
use database::{Database, Engine, Trouble};

type Migrations = &'static [&'static str];

/// What leads from each version to the next one; the first from nothing.
const SQLITE: Migrations = &[include_str!("../../etc/sql/sqlite/1.sql")];
const POSTGRES: Migrations = &[include_str!("../../etc/sql/postgres/1.sql")];
const MYSQL: Migrations = &[include_str!("../../etc/sql/mysql/1.sql")];

const VERSION: &str = "SELECT max(version) FROM mail_schema";

fn migrations(engine: Engine) -> Migrations {
    match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
        Engine::Mysql => MYSQL,
    }
}

/// How to ask whether there is a table mail_schema.
fn exists(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE name = 'mail_schema'",
        Engine::Postgres => "SELECT 1 WHERE to_regclass('mail_schema') IS NOT NULL",
        Engine::Mysql => {
            "SELECT 1 FROM information_schema.tables WHERE table_schema = database() AND table_name = 'mail_schema'"
        }
    }
}

/// The version of the tables; 0: there are none.
fn version(database: &Database) -> Result<usize, Trouble> {
    if database.query(exists(database.engine()), &[])?.is_empty() {
        return Ok(0);
    }
    let rows = database.query(VERSION, &[])?;
    let told = rows.into_iter().next().and_then(|mut row| row.pop().flatten());
    Ok(told.and_then(|told| told.parse().ok()).unwrap_or(0))
}

/// Brings the tables to the newest version; gives a sentence.
pub(crate) fn migrate(database: &Database) -> Result<String, Broken> {
    let failed = |trouble: Trouble| {
        let cure = "let us make tables there, or run etc/sql/ by hand";
        Broken::new(database.shown(), trouble.cause, cure)
    };
    let all = migrations(database.engine());
    let from = version(database).map_err(failed)?;
    for statements in all.iter().skip(from) {
        database.run(statements).map_err(failed)?;
    }
    Ok(match from {
        from if from > all.len() => format!("{}: version {from}, newer than ours", database.shown()),
        from if from == all.len() => format!("{}: version {from} already", database.shown()),
        from => format!("{}: from version {from} to {}", database.shown(), all.len()),
    })
}

/// At the start: makes the tables of a file of ours; of a server's tables it is only told that they are missing.
pub(crate) fn look_after(database: &Database) {
    let told = match database.engine() {
        Engine::Sqlite => migrate(database).map(|_| ()),
        _ => version(database)
            .map_err(|trouble| Broken::new(database.shown(), trouble.cause, "start it"))
            .and_then(|version| match version >= migrations(database.engine()).len() {
                true => Ok(()),
                false => {
                    Err(Broken::new(database.shown(), "has no tables of ours", "fulmar database migrate"))
                }
            }),
    };
    if let Err(broken) = told {
        sys::log!("lookup: warning: {broken}");
    }
}
