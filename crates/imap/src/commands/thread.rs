//! THREAD: RFC 5256 §3.

use crate::find::find;
use crate::open::Open;
use crate::progress::{Progress, Teller};
use crate::records::{Records, gone};
use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Folder, Store, Trouble, Uid};
use crate::syntax::{Algorithm, Request};
use crate::thread::{Member, Threads};

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Thread { by_uid, algorithm, key, .. } = request else { return Ok(Reply::WRONG) };
    let (now, tag, pace) = (session.store.now(), session.tag.clone(), session.options.pace.clone());
    let open = session.selected()?;
    let mut teller = Teller::new(&tag, open.view.uids().len(), pace, out);
    let rows = find(open, &key, now, &mut teller.progress().part(0, 2))?;
    let threads = threads(open, &rows, by_uid, algorithm, &mut teller.progress().part(1, 2))?;
    teller.heard()?;
    let mut line = b"* THREAD".to_vec();
    if !rows.is_empty() {
        line.push(b' ');
    }
    threads.write(&mut line);
    line.extend_from_slice(b"\r\n");
    out.write_all(&line)?;
    Ok(Reply::DONE)
}

fn threads<F: Folder>(
    open: &mut Open<F>,
    rows: &[(u32, Uid)],
    by_uid: bool,
    algorithm: Algorithm,
    progress: &mut Progress<'_>,
) -> Result<Threads, Trouble> {
    let mut threads = Threads::new(algorithm);
    let mut records = Records::of_headers();
    for (place, (number, uid)) in rows.iter().copied().enumerate() {
        progress.passed(place, rows.len());
        if progress.deaf() {
            break;
        }
        let next = rows.iter().skip(place + 1).map(|(_, uid)| *uid);
        if !records.load(&mut open.folder, uid, next, progress)? {
            continue;
        }
        let Some(arrived) = gone(open.folder.date(uid))? else { continue };
        let Some(digest) = records.digest() else { continue };
        let member = Member {
            number: if by_uid { uid } else { number },
            sent: digest.sent().unwrap_or(arrived),
            arrived,
            id: digest.message_id().unwrap_or_default().as_bytes(),
            subject: digest.base_subject().as_bytes(),
            reply: digest.is_reply(),
        };
        threads.add(member, digest.references().map(str::as_bytes));
    }
    Ok(threads)
}
