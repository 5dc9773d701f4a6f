//! The relay table: from which addresses somebody has logged in, and when. POP-before-SMTP.
//!
//! A folder with a file for each address, so that a login costs one small file and no two of them meet. Knows
//! neither who may log in nor what a row allows: `lookup` writes and asks.

mod key;
mod row;
mod table;

pub use key::Key;
pub use row::Row;
pub use table::Table;
