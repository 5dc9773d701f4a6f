//! SEARCH.

use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::Store;
use crate::syntax::Request;

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, _request: Request, _out: Out<'_>) -> Answer {
    session.selected()?;
    Ok(Reply::DONE)
}

/// CANCELUPDATE (RFC 5267 §4.3.2).
pub(crate) fn cancel<S: Store>(session: &mut Session<S>, request: Request, _out: Out<'_>) -> Answer {
    let Request::CancelUpdate(tags) = request else { return Ok(Reply::DONE) };
    session.selected()?.watches.retain(|watch| !tags.contains(&watch.tag));
    Ok(Reply::DONE)
}

/// Tells what has become of the results that the client watches: called after the changes have been told.
pub(crate) fn tell<S: Store>(_session: &mut Session<S>, _out: Out<'_>) -> std::io::Result<()> {
    Ok(())
}
