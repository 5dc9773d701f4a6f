//! STORE: RFC 9051 §6.4.6; UNCHANGEDSINCE (RFC 7162 §3.1.3).

use super::append::marks;
use super::fetch::Style;
use crate::open::Open;
use crate::progress::Teller;
use crate::reply::Reply;
use crate::scribe;
use crate::sequence::compact;
use crate::session::{Answer, Out, Session};
use crate::store::{Folder, Store, Trouble, Uid};
use crate::syntax::Request;

/// So much is gathered before it is handed on.
const GATHER: usize = 32 * 1024;
/// So many messages are changed before the client may be told that there are more.
pub(crate) const PIECE: usize = if cfg!(test) { 2 } else { 5000 };

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Store { by_uid, set, change, silent, flags, unchanged_since } = request else {
        return Ok(Reply::WRONG);
    };
    if unchanged_since.is_some() {
        session.use_condstore(out)?;
    }
    let style = Style::new(&session.enabled, by_uid);
    let (tag, pace) = (session.tag.clone(), session.options.pace.clone());
    let open = session.selected()?;
    if open.folder.read_only() {
        return Ok(Reply::READ_ONLY);
    }
    let picked = open.pick(&set, by_uid)?;
    let uids: Vec<Uid> = picked.iter().map(|(_, uid)| *uid).collect();
    // As the client knows them: changes that others have made meanwhile are told even after a silent STORE.
    let told: Vec<bool> = picked.iter().map(|(_, uid)| up_to_date(open, *uid)).collect();
    let mut teller = Teller::new(&tag, uids.len(), pace, out);
    let (wanted, mut kept) = (marks(flags), Vec::new());
    for (number, piece) in uids.chunks(PIECE).enumerate() {
        teller.progress().reached(number * PIECE, uids.len());
        kept.extend(open.folder.store(piece, change, &wanted, unchanged_since)?);
    }
    teller.heard()?;
    kept.sort_unstable();
    open.tell_keywords(out)?;
    let mut lines = Lines { open, style, line: Vec::new(), missing: false };
    for ((number, uid), told) in picked.iter().zip(told) {
        let quiet = silent && told;
        lines.write(*number, *uid, quiet, kept.binary_search(uid).is_ok());
        if lines.line.len() >= GATHER {
            out.write_all(&lines.line)?;
            lines.line.clear();
        }
    }
    out.write_all(&lines.line)?;
    let missing = lines.missing;
    Ok(answer(&picked, &kept, by_uid, missing))
}

/// Has the client been told of the message as it is?
fn up_to_date<F: Folder>(open: &Open<F>, uid: Uid) -> bool {
    open.message(uid).is_none_or(|message| message.modseq <= open.view.told_of(uid))
}

/// What was not changed because others had changed it, `[MODIFIED]`, comes before what is gone.
fn answer(picked: &[(u32, Uid)], kept: &[Uid], by_uid: bool, missing: bool) -> Reply {
    if !kept.is_empty() {
        let kept = picked.iter().filter(|(_, uid)| kept.binary_search(uid).is_ok());
        let set = compact(kept.map(|(number, uid)| if by_uid { *uid } else { *number }));
        return Reply::SOME_NOT_CHANGED.with(format!("MODIFIED {set}"));
    }
    if missing && !by_uid { Trouble::Gone.into() } else { Reply::DONE }
}

struct Lines<'a, F> {
    open: &'a mut Open<F>,
    style: Style,
    line: Vec<u8>,
    missing: bool,
}

impl<F: Folder> Lines<'_, F> {
    /// Writes the new flags of a message; `quiet`: only its MODSEQ, and that only if the client knows of such (RFC 7162
    /// §3.1.3). One that was kept from being changed is told as it is by what comes after the command.
    fn write(&mut self, number: u32, uid: Uid, quiet: bool, kept: bool) {
        let Some(message) = self.open.message(uid).copied() else {
            self.missing = true;
            return;
        };
        if kept || (quiet && !self.style.with_modseq) {
            if !kept {
                self.open.view.told(uid, message.modseq);
            }
            return;
        }
        self.style.begin(number, uid, &mut self.line);
        match quiet {
            true => scribe::modseq(&mut self.line, message.modseq),
            false => self.open.put_change(self.style, &message, &mut self.line),
        }
        self.line.extend_from_slice(b")\r\n");
        self.open.view.told(uid, message.modseq);
    }
}
