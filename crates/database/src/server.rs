//! PostgreSQL and MySQL, each as a [`Server`]: how values go in, how columns come out.

use mysql::prelude::Queryable;
use mysql::{Conn, Opts};
use postgres::types::{IsNull, ToSql, Type, private::BytesMut};
use postgres::{Client, Config, NoTls};

use crate::pool::Server;
use crate::{Row, Trouble, Value};

pub(crate) fn postgres(config: &Config) -> Result<Box<dyn Server>, Trouble> {
    let client = config.connect(NoTls).map_err(Trouble::lost)?;
    Ok(Box::new(Postgres { client, prepared: Vec::new() }))
}

pub(crate) fn mysql(options: &Opts) -> Result<Box<dyn Server>, Trouble> {
    let mut connection = Conn::new(options.clone()).map_err(Trouble::lost)?;
    // `"` quotes names as everywhere else, and what does not fit is an error.
    connection.query_drop("SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES'").map_err(Trouble::lost)?;
    Ok(Box::new(Mysql(connection)))
}

struct Postgres {
    client: Client,
    /// Statements by their text with `?`.
    prepared: Vec<(String, postgres::Statement)>,
}

impl Postgres {
    fn prepare(&mut self, sql: &str) -> Result<postgres::Statement, postgres::Error> {
        if let Some((_, statement)) = self.prepared.iter().find(|(text, _)| text == sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&numbered(sql))?;
        self.prepared.push((sql.to_owned(), statement.clone()));
        Ok(statement)
    }
}

impl Server for Postgres {
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = self.prepare(sql).and_then(|statement| self.client.query(&statement, &values));
        let rows = rows.map_err(|error| of_postgres(&error))?;
        rows.iter().map(|row| (0..row.len()).map(|at| column(row, at)).collect()).collect()
    }

    fn run(&mut self, statements: &str) -> Result<(), Trouble> {
        self.client.batch_execute(statements).map_err(|error| of_postgres(&error))
    }
}

/// An error that the server has told leaves the connection as it was.
fn of_postgres(error: &postgres::Error) -> Trouble {
    match error.as_db_error() {
        Some(told) if !error.is_closed() => Trouble::refused(told),
        _ => Trouble::lost(error),
    }
}

/// `?` by turns as `$1`, `$2` ... No statement of ours has one in a text.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.enumerate().fold(first, |whole, (at, part)| format!("{whole}${}{part}", at + 1))
}

fn column(row: &postgres::Row, at: usize) -> Result<Option<String>, Trouble> {
    let number = |number: i64| number.to_string();
    let value = match *row.columns()[at].type_() {
        Type::BOOL => row.try_get::<_, Option<bool>>(at).map(|value| value.map(|yes| number(yes.into()))),
        Type::INT2 => row.try_get::<_, Option<i16>>(at).map(|value| value.map(|n| number(n.into()))),
        Type::INT4 => row.try_get::<_, Option<i32>>(at).map(|value| value.map(|n| number(n.into()))),
        Type::INT8 => row.try_get::<_, Option<i64>>(at).map(|value| value.map(number)),
        _ => row.try_get::<_, Option<String>>(at),
    };
    value.map_err(Trouble::refused)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, ty) {
            (Value::Text(text), _) => text.to_sql(ty, out),
            (Value::Number(number), &Type::INT4) => {
                i32::try_from(*number).unwrap_or(i32::MAX).to_sql(ty, out)
            }
            (Value::Number(number), &Type::INT8) => number.to_sql(ty, out),
            (Value::Number(number), _) => number.to_string().to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    postgres::types::to_sql_checked!();
}

struct Mysql(Conn);

impl Server for Mysql {
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        let values: Vec<mysql::Value> = values.iter().map(of_value).collect();
        let rows: Vec<mysql::Row> = self.0.exec(sql, values).map_err(of_mysql)?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    fn run(&mut self, statements: &str) -> Result<(), Trouble> {
        let one = |statement: &str| {
            statement.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with("--"))
        };
        let statements = statements.split(";\n").filter(|statement| one(statement));
        statements.map(str::trim).try_for_each(|statement| self.0.query_drop(statement).map_err(of_mysql))
    }
}

fn of_mysql(error: mysql::Error) -> Trouble {
    match error {
        mysql::Error::MySqlError(told) => Trouble::refused(told),
        other => Trouble::lost(other),
    }
}

fn of_value(value: &Value) -> mysql::Value {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => (*number).into(),
    }
}

fn text(value: mysql::Value) -> Option<String> {
    match value {
        mysql::Value::NULL => None,
        mysql::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        mysql::Value::Int(number) => Some(number.to_string()),
        mysql::Value::UInt(number) => Some(number.to_string()),
        other => Some(other.as_sql(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_values_are_numbered() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(numbered("none"), "none");
    }
}
