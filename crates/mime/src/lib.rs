//! A message taken apart: parts, transfer encodings, charsets, encoded words. RFC 2045-2049, 2231, 6532.
//!
//! Works on octets in memory, finds parts by their place in them, copies nothing until asked. Everything that a
//! stranger may have written is taken: what is broken is shown as plain text. Linear in time, bounded in depth.
//! Knows nothing of IMAP, files or mailboxes.
