//! One target per parser: octets in, no panic, and the properties that parser has to keep.
//!
//! The same functions are run by cargo-fuzz (`fuzz.rs`, one binary per name) and, on the stable
//! toolchain, by `tests/fuzz_replay.rs` over the corpus and its mutations.

mod address;
mod assign;
mod cdb;
mod control;
mod digest;
mod dns;
mod dot;
mod envelope;
mod folder_names;
mod header;
mod imap_frame;
mod imap_login;
mod imap_parse;
#[path = "../../../crates/imap/src/parse/said.rs"]
mod imap_said;
mod imap_session;
mod imap_utf7;
#[path = "../../../bin/fulmar/import/records.rs"]
mod import_records;
mod imported;
mod keywords;
mod lines;
mod mailbox;
mod mailbox_cache;
mod mailbox_index;
mod maildir;
mod manuscript;
mod mime;
mod mime_addresses;
mod orders;
mod packet;
mod password;
mod pop3_login;
mod pop3_mailbox;
mod proxy;
#[path = "../../../bin/tcpserver/proxy.rs"]
mod proxy_header;
mod qmail;
mod qmtp;
mod queue;
mod relay;
mod rules;
mod sasl;
mod secrecy;
mod smtp;
mod smtp_client;
mod uidlist;
mod users;
mod words;

/// Panics if what it is to keep is broken.
type Target = fn(&[u8]);

/// All targets, by the names of their corpora.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("address", address::run),
    ("assign", assign::run),
    ("cdb", cdb::run),
    ("control", control::run),
    ("digest", digest::run),
    ("dns", dns::run),
    ("dot", dot::run),
    ("envelope", envelope::run),
    ("folder_names", folder_names::run),
    ("header", header::run),
    ("imap_frame", imap_frame::run),
    ("imap_login", imap_login::run),
    ("imap_parse", imap_parse::run),
    ("imap_session", imap_session::run),
    ("imap_utf7", imap_utf7::run),
    ("imported", imported::run),
    ("keywords", keywords::run),
    ("lines", lines::run),
    ("mailbox", mailbox::run),
    ("mailbox_cache", mailbox_cache::run),
    ("mailbox_index", mailbox_index::run),
    ("maildir", maildir::run),
    ("manuscript", manuscript::run),
    ("mime", mime::run),
    ("mime_addresses", mime_addresses::run),
    ("orders", orders::run),
    ("packet", packet::run),
    ("password", password::run),
    ("pop3_login", pop3_login::run),
    ("pop3_mailbox", pop3_mailbox::run),
    ("proxy", proxy::run),
    ("qmail", qmail::run),
    ("qmtp", qmtp::run),
    ("queue", queue::run),
    ("relay", relay::run),
    ("rules", rules::run),
    ("sasl", sasl::run),
    ("secrecy", secrecy::run),
    ("smtp", smtp::run),
    ("smtp_client", smtp_client::run),
    ("uidlist", uidlist::run),
    ("users", users::run),
    ("words", words::run),
];

/// Runs the target `name` on `data`.
pub(crate) fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("no target {name}")).1(data);
}

/// Cutting the input anywhere changes nothing: `run` gives the same for `data` whole, in octets (if
/// there are few), in halves and in uneven pieces.
fn cut_anywhere<T: PartialEq + std::fmt::Debug>(data: &[u8], mut run: impl FnMut(&[&[u8]]) -> T) {
    let whole = run(&[data]);
    let sum = data.iter().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let size = sum % 61 + 1;
    assert_eq!(run(&data.chunks(size).collect::<Vec<_>>()), whole, "in pieces of {size}");
    let (head, tail) = data.split_at(sum % (data.len() + 1));
    assert_eq!(run(&[head, tail]), whole, "cut after {}", head.len());
    if data.len() < 200 {
        assert_eq!(run(&data.chunks(1).collect::<Vec<_>>()), whole, "in octets");
    }
}
