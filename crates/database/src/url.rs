//! How a database is named.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use mysql::{Opts, OptsBuilder};
use postgres::Config;

/// How long a server may take to be connected to, and to answer.
const CONNECT: Duration = Duration::from_secs(3);
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL, MariaDB.
    Mysql,
}

/// What a text names.
pub(crate) enum Url {
    Sqlite(PathBuf),
    Postgres(Box<Config>),
    Mysql(Box<Opts>),
}

impl Url {
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Url, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Url::Sqlite(folder.join(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Url::Postgres(Box::new(postgres(text)?))),
            Some(("mysql" | "mariadb", rest)) => Ok(Url::Mysql(Box::new(mysql(rest)?))),
            _ => Err("it is none of sqlite:PATH, postgres://..., mysql://...".into()),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Url::Sqlite(_) => Engine::Sqlite,
            Url::Postgres(_) => Engine::Postgres,
            Url::Mysql(_) => Engine::Mysql,
        }
    }

    /// Without the password.
    pub(crate) fn shown(&self) -> String {
        match self {
            Url::Sqlite(path) => format!("sqlite:{}", path.display()),
            Url::Postgres(config) => format!(
                "postgres://{}@{}/{}",
                config.get_user().unwrap_or_default(),
                host(config),
                config.get_dbname().unwrap_or_default()
            ),
            Url::Mysql(options) => format!(
                "mysql://{}@{}/{}",
                options.get_user().unwrap_or_default(),
                options.get_ip_or_hostname(),
                options.get_db_name().unwrap_or_default()
            ),
        }
    }
}

fn host(config: &Config) -> String {
    match config.get_hosts().first() {
        Some(postgres::config::Host::Tcp(name)) => name.clone(),
        Some(postgres::config::Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    }
}

fn postgres(text: &str) -> Result<Config, String> {
    let mut config = Config::from_str(text).map_err(|error| error.to_string())?;
    if config.get_hosts().is_empty() {
        return Err("it names no host; write postgres://user:password@host/database".into());
    }
    config.connect_timeout(CONNECT).tcp_user_timeout(ANSWER).application_name("fulmar");
    config.options(&format!("-c statement_timeout={}", ANSWER.as_millis()));
    Ok(config)
}

fn mysql(rest: &str) -> Result<Opts, String> {
    let options = Opts::from_url(&format!("mysql:{rest}")).map_err(|error| error.to_string())?;
    let timed = OptsBuilder::from_opts(options)
        .prefer_socket(false)
        .tcp_connect_timeout(Some(CONNECT))
        .read_timeout(Some(ANSWER))
        .write_timeout(Some(ANSWER));
    Ok(timed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_shown_without_its_password() {
        let shown = |text: &str| Url::parse(text, Path::new("/users")).map(|url| url.shown());
        assert_eq!(shown("sqlite:mail.db").unwrap(), "sqlite:/users/mail.db");
        assert_eq!(shown("sqlite:/srv/mail.db").unwrap(), "sqlite:/srv/mail.db");
        assert_eq!(
            shown("postgres://us:secret@db.example.test/mail").unwrap(),
            "postgres://us@db.example.test/mail"
        );
        assert_eq!(shown("mysql://us:secret@127.0.0.1:3307/mail").unwrap(), "mysql://us@127.0.0.1/mail");
        for bad in ["", "cdb", "sqlite:", "oracle://x", "postgres://", "mysql://us:x@h:port/x"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
