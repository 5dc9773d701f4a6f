//! Messages as the suite keeps them: octets with LF line ends, a header, an empty line, a body.
//!
//! Knows header lines, trace lines, dates and sizes. Parses no MIME, decodes nothing, and
//! knows nothing of files, sockets, clocks or processes: time is an argument.

pub mod address;
mod date;
mod header;
pub mod mailbox;
mod manuscript;
mod mbox;
mod size;
mod top;
mod trace;

pub use date::{asctime, date, date_local, date_utc, stamp};
pub use header::{Field, HeaderLines, LINE_LIMIT, fields, hop, split};
pub use manuscript::{HEADER_MAX, Manuscript, Part, TooLarge};
pub use mbox::Quoter;
pub use size::Sizes;
pub use top::Top;
pub use trace::{delivered_to, from_line, quoted, received, return_path, same_line};
