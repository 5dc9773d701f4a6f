//! LOGIN, AUTHENTICATE, ID, ENABLE, COMPRESS; ACL (RFC 4314); QUOTA (RFC 9208).

use data_encoding::BASE64;

use super::scan::{Scan, utf8};
use super::{FaultKind, Parsed, bad};
use crate::syntax::Request;

/// Fields of an ID. RFC 2971 §3.3.
const MOST_FIELDS: usize = 64;

/// `userid SP password`.
pub(super) fn login(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let user = scan.astring()?.into_owned();
    scan.blank()?;
    let password = scan.astring()?.into_owned();
    Ok(Request::Login { user, password })
}

/// `auth-type [SP initial-resp]`; `=` is an answer of no octets. RFC 4959.
pub(super) fn authenticate(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let mechanism = scan.atom()?.to_ascii_uppercase();
    if !scan.more() {
        return Ok(Request::Authenticate { mechanism, initial: None });
    }
    let initial = match scan.take_while(|octet| octet.is_ascii_graphic()) {
        "=" => Vec::new(),
        text => BASE64.decode(text.as_bytes()).map_err(|_| bad("That is no base64"))?,
    };
    Ok(Request::Authenticate { mechanism, initial: Some(initial) })
}

/// `NIL`, or fields and their values. RFC 2971.
pub(super) fn id(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    if scan.eat_word("NIL") {
        return Ok(Request::Id(Vec::new()));
    }
    let mut count = 0;
    let field = |scan: &mut Scan<'_>| {
        count += 1;
        if count > MOST_FIELDS {
            return Err((FaultKind::Limit, "Too many fields"));
        }
        let name = String::from_utf8_lossy(&scan.string()?).into_owned();
        scan.blank()?;
        let value = scan.nstring()?.map(|value| String::from_utf8_lossy(&value).into_owned());
        Ok((name, value))
    };
    scan.list(true, field).map(Request::Id)
}

/// `1*(SP capability)`.
pub(super) fn enable(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let mut names = vec![scan.atom()?.to_ascii_uppercase()];
    while scan.more() {
        names.push(scan.atom()?.to_ascii_uppercase());
    }
    Ok(Request::Enable(names))
}

/// RFC 4978.
pub(super) fn compress(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    match scan.eat_word("DEFLATE") {
        true => Ok(Request::Compress),
        false => Err(bad("Only DEFLATE is known")),
    }
}

pub(super) fn get_quota(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    scan.name().map(Request::GetQuota)
}

/// `root SP ( resource limit ... )`: it is understood, and nobody may.
pub(super) fn set_quota(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    scan.name()?;
    scan.blank()?;
    scan.list(true, |scan| {
        scan.atom()?;
        scan.blank()?;
        scan.number64()
    })?;
    Ok(Request::SetQuota)
}

/// A mailbox and whom it is about.
fn mailbox_and_who(scan: &mut Scan<'_>) -> Parsed<(String, String)> {
    scan.blank()?;
    let mailbox = scan.mailbox()?;
    scan.blank()?;
    let who = scan.name()?;
    if who.is_empty() { Err(bad("A name was expected")) } else { Ok((mailbox, who)) }
}

/// `mailbox SP identifier SP mod-rights`.
pub(super) fn set_acl(scan: &mut Scan<'_>) -> Parsed<Request> {
    let (mailbox, who) = mailbox_and_who(scan)?;
    scan.blank()?;
    let rights = utf8(&scan.astring()?)?;
    let (change, rights) = match rights.strip_prefix(['+', '-']) {
        Some(rest) => (if rights.starts_with('+') { '+' } else { '-' }, rest.to_owned()),
        None => ('=', rights),
    };
    let fits = |right: char| right.is_ascii_lowercase() || right.is_ascii_digit();
    if !rights.chars().all(fits) {
        return Err(bad("Rights are lower case letters and digits"));
    }
    Ok(Request::SetAcl { mailbox, who, change, rights })
}

pub(super) fn delete_acl(scan: &mut Scan<'_>) -> Parsed<Request> {
    let (mailbox, who) = mailbox_and_who(scan)?;
    Ok(Request::DeleteAcl { mailbox, who })
}

pub(super) fn list_rights(scan: &mut Scan<'_>) -> Parsed<Request> {
    let (mailbox, who) = mailbox_and_who(scan)?;
    Ok(Request::ListRights { mailbox, who })
}
