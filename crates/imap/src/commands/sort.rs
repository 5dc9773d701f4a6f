//! SORT: RFC 5256 §3, with the results of ESORT (RFC 5267 §3) and the keys of RFC 5957.

use crate::digest::Digest;
use crate::open::Open;
use crate::progress::Progress;
use crate::records::{Records, gone};
use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::sort::{Table, Value};
use crate::store::{Folder, Store, Trouble, Uid};
use crate::syntax::{Request, SortKey};

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Sort { by_uid, order, key, results, .. } = request else { return Ok(Reply::WRONG) };
    super::search::serve(session, super::search::Asked { word: "SORT", by_uid, key, order, results }, out)
}

/// Puts messages in order; those that are gone are left out.
pub(super) fn sorted<F: Folder>(
    open: &mut Open<F>,
    rows: Vec<(u32, Uid)>,
    order: &[(SortKey, bool)],
    progress: &mut Progress<'_>,
) -> Result<Vec<(u32, Uid)>, Trouble> {
    let mut table = Table::new(order.iter().map(|(_, reverse)| *reverse));
    let mut kept = Vec::with_capacity(rows.len());
    let mut records = Records::of_headers();
    let wants = |wanted: SortKey| order.iter().any(|(key, _)| *key == wanted);
    let by_digest = order.iter().any(|(key, _)| !matches!(key, SortKey::Arrival | SortKey::Size));
    for (place, (number, uid)) in rows.iter().copied().enumerate() {
        progress.passed(place, rows.len());
        if progress.deaf() {
            break;
        }
        let next = || rows.iter().skip(place + 1).map(|(_, uid)| *uid);
        let size = if wants(SortKey::Size) { gone(open.folder.size(uid))?.flatten() } else { None };
        let load = by_digest || (wants(SortKey::Size) && size.is_none());
        if wants(SortKey::Size) && size.is_none() {
            records.want_all();
        }
        if load && !records.load(&mut open.folder, uid, next(), progress)? {
            continue;
        }
        let Some(date) = gone(open.folder.date(uid))? else { continue };
        let digest = if load { records.digest() } else { None };
        for (column, (key, _)) in order.iter().enumerate() {
            table.put(column, value(*key, digest.as_ref(), date, size));
        }
        table.end_row();
        kept.push((number, uid));
    }
    Ok(table.order().into_iter().filter_map(|row| kept.get(row).copied()).collect())
}

/// A message's value. Where the digest has no date that could be read, the internal date stands for it (§2.2).
fn value<'a>(key: SortKey, digest: Option<&Digest<'a>>, date: i64, size: Option<u64>) -> Value<'a> {
    let text = |get: fn(&Digest<'a>) -> &'a str| Value::Text(digest.map(get).unwrap_or_default().as_bytes());
    match key {
        SortKey::Arrival => Value::Number(date),
        SortKey::Size => {
            let size = size.or(digest.map(Digest::size)).unwrap_or(0);
            Value::Number(i64::try_from(size).unwrap_or(i64::MAX))
        }
        SortKey::Date => Value::Number(digest.and_then(Digest::sent).unwrap_or(date)),
        SortKey::From => text(Digest::sort_from),
        SortKey::To => text(Digest::sort_to),
        SortKey::Cc => text(Digest::sort_cc),
        SortKey::Subject => text(Digest::base_subject),
        SortKey::DisplayFrom => text(Digest::display_from),
        SortKey::DisplayTo => text(Digest::display_to),
    }
}
