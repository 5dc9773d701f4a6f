//! A message taken apart: parts, transfer encodings, charsets, encoded words. RFC 2045-2049, 2231, 6532.
//!
//! Works on octets in memory, finds parts by their place in them, copies nothing until asked. Everything that a
//! stranger may have written is taken: what is broken is shown as plain text. Linear in time, bounded in depth.
//! Knows nothing of IMAP, files or mailboxes.

mod addresses;
mod boundaries;
mod charset;
mod content;
mod continued;
mod date;
mod fold;
mod header;
mod html;
mod part;
mod preview;
mod scan;
mod text;
mod transfer;
mod utf7;
mod wire;
mod words;

pub use addresses::{Listed, addresses};
pub use charset::{knows_charset, to_utf8};
pub use date::{Date, date};
pub use fold::{fold, fold_into};
pub use header::{HEADER_MOST, field, fields, message_ids, unfold};
pub use part::{Children, Part};
pub use preview::preview;
pub use scan::{MOST_DEPTH, MOST_PARTS, scan};
pub use text::{header_text, search_text};
pub use transfer::{Undecodable, decode, decode_wire};
pub use wire::{to_wire, wire_octets};
pub use words::decode_words;
