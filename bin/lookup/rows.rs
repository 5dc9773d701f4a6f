//! The rows of the relay table: in the folder `relay/`, or in the table `relay` of a database.

use control::Broken;
use database::{Database, Row as Columns, Trouble, Value};
use relay::{Key, Row, Table};

const OF: &str = r#"SELECT ipaddr, "timestamp", email FROM relay WHERE ipaddr = ?"#;
const ALL: &str = r#"SELECT ipaddr, "timestamp", email FROM relay ORDER BY ipaddr, "timestamp""#;
const INSERT: &str = r#"INSERT INTO relay (email, ipaddr, "timestamp") VALUES (?, ?, ?)"#;
const UPDATE: &str = r#"UPDATE relay SET "timestamp" = ? WHERE email = ? AND ipaddr = ? AND "timestamp" < ?"#;
const DELETE: &str = "DELETE FROM relay WHERE ipaddr = ?";
const COUNT: &str = r#"SELECT count(*) FROM relay WHERE "timestamp" <= ?"#;
const EXPIRE: &str = r#"DELETE FROM relay WHERE "timestamp" <= ?"#;

/// Where they are.
pub(crate) enum Rows<'a> {
    Files(&'a Table),
    Database(&'a Database),
}

impl Rows<'_> {
    /// Those of an address.
    pub(crate) fn of(&self, key: Key) -> Result<Vec<Row>, Broken> {
        match self {
            Rows::Files(table) => table.rows(key).map_err(|error| Broken::io("relay", &error)),
            Rows::Database(database) => {
                let rows = ask(database, OF, &[Value::Text(key.to_string())])?;
                Ok(rows.iter().filter_map(read).map(|(_, row)| row).collect())
            }
        }
    }

    /// Writes one in place of an older one of the same login.
    pub(crate) fn add(&self, key: Key, row: Row) -> Result<(), Broken> {
        let database = match self {
            Rows::Files(table) => return table.add(key, row).map_err(|error| Broken::io("relay", &error)),
            Rows::Database(database) => database,
        };
        let time = || Value::Number(row.time.try_into().unwrap_or(i64::MAX));
        let (login, ip) = (|| Value::Text(row.login.clone()), || Value::Text(key.to_string()));
        let known = self.of(key)?.iter().any(|kept| kept.login == row.login);
        // Another lookup may have put it there a moment ago.
        if known || database.query(INSERT, &[login(), ip(), time()]).is_err() {
            ask(database, UPDATE, &[time(), login(), ip(), time()])?;
        }
        Ok(())
    }

    /// Removes those of an address; false: there were none.
    pub(crate) fn delete(&self, key: Key) -> Result<bool, Broken> {
        match self {
            Rows::Files(table) => table.delete(key).map_err(|error| Broken::io("relay", &error)),
            Rows::Database(database) => {
                let there = !self.of(key)?.is_empty();
                ask(database, DELETE, &[Value::Text(key.to_string())])?;
                Ok(there)
            }
        }
    }

    /// Removes those not after `limit`, in seconds since 1970; gives how many.
    pub(crate) fn expire(&self, limit: u64) -> Result<usize, Broken> {
        match self {
            Rows::Files(table) => table.expire(limit).map_err(|error| Broken::io("relay", &error)),
            Rows::Database(database) => {
                let limit = || Value::Number(limit.try_into().unwrap_or(i64::MAX));
                let count = ask(database, COUNT, &[limit()])?;
                ask(database, EXPIRE, &[limit()])?;
                let told = count.into_iter().next().and_then(|mut row| row.pop().flatten());
                Ok(told.and_then(|told| told.parse().ok()).unwrap_or(0))
            }
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Result<Vec<(Key, Row)>, Broken> {
        match self {
            Rows::Files(table) => table.all().map_err(|error| Broken::io("relay", &error)),
            Rows::Database(database) => Ok(ask(database, ALL, &[])?.iter().filter_map(read).collect()),
        }
    }
}

fn ask(database: &Database, sql: &str, values: &[Value]) -> Result<Vec<Columns>, Broken> {
    let told = |trouble: Trouble| {
        let cure = "start it, or make its tables: fulmar database migrate";
        Broken::new(database.shown(), format!("gives no answer about the relay table: {trouble}"), cure)
    };
    database.query(sql, values).map_err(told)
}

/// A row that is none (somebody else may write there) is passed over.
fn read(columns: &Columns) -> Option<(Key, Row)> {
    let [Some(ip), Some(time), Some(login)] = columns.as_slice() else { return None };
    Some((Key::parse(ip.trim())?, Row::new(time.parse().ok()?, login.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_keeps_rows_as_files_do() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new("sqlite:x.db", folder.path()).unwrap();
        crate::schema::migrate(&database).unwrap();
        let files = tempfile::tempdir().unwrap();
        let table = Table::new(files.path());
        let key = |text: &str| Key::parse(text).unwrap();
        let told = |rows: &Rows<'_>| {
            for (ip, time, login) in [
                ("192.0.2.1", 5, "ann"),
                ("192.0.2.1", 7, "bob"),
                ("192.0.2.1", 6, "ann"),
                ("192.0.2.1", 2, "ann"),
                ("2001:db8::1", 9, ""),
            ] {
                rows.add(key(ip), Row::new(time, login)).unwrap();
            }
            let all = |rows: &Rows<'_>| {
                rows.all().unwrap().iter().map(|(key, row)| format!("{key} {row}")).collect::<Vec<_>>()
            };
            let before = all(rows);
            (
                before,
                rows.of(key("192.0.2.1")).unwrap().len(),
                rows.expire(6).unwrap(),
                rows.delete(key("2001:db8::5")).unwrap(),
                rows.delete(key("192.0.2.9")).unwrap(),
                all(rows),
            )
        };
        let one = told(&Rows::Files(&table));
        assert_eq!(one.0, ["192.0.2.1 6 ann", "192.0.2.1 7 bob", "2001:db8::/64 9 -"]);
        assert_eq!(told(&Rows::Database(&database)), one);
        let silent = Database::new("sqlite:nowhere/x.db", folder.path()).unwrap();
        assert!(Rows::Database(&silent).of(key("192.0.2.1")).is_err());
    }
}
