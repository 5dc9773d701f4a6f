//! SELECT and EXAMINE, with the parameters of RFC 7162.

use super::scan::Scan;
use super::{Parsed, bad};
use crate::syntax::{Qresync, Request};

/// `mailbox [SP ( param ... )]`.
pub(super) fn select(scan: &mut Scan<'_>, read_only: bool) -> Parsed<Request> {
    scan.blank()?;
    let mailbox = scan.mailbox()?;
    let (mut condstore, mut qresync) = (false, None);
    if scan.more() {
        scan.list(false, |scan| {
            match scan.word().as_str() {
                "CONDSTORE" => condstore = true,
                "QRESYNC" if qresync.is_none() => {
                    scan.blank()?;
                    qresync = Some(known(scan)?);
                }
                _ => return Err(bad("There is no such parameter")),
            }
            Ok(())
        })?;
    }
    Ok(Request::Select { mailbox, read_only, condstore, qresync })
}

/// What the client knows: `(uidvalidity modseq [uids] [(numbers uids)])`. RFC 7162 §3.2.5.
fn known(scan: &mut Scan<'_>) -> Parsed<Qresync> {
    scan.expect(b'(', "QRESYNC needs its list")?;
    let uid_validity = scan.nz_number()?;
    scan.blank()?;
    let modseq = scan.number64()?;
    let (mut known, mut matching) = (None, None);
    let mut more = scan.eat(b' ');
    if more && scan.peek() != Some(b'(') {
        known = Some(scan.known_set()?);
        more = scan.eat(b' ');
    }
    if more {
        scan.expect(b'(', "Numbers and UIDs were expected")?;
        let numbers = scan.known_set()?;
        scan.blank()?;
        matching = Some((numbers, scan.known_set()?));
        scan.expect(b')', "A parenthesis is not closed")?;
    }
    scan.expect(b')', "A parenthesis is not closed")?;
    Ok(Qresync { uid_validity, modseq, known, matching })
}
