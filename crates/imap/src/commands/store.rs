//! STORE.

use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::Store;
use crate::syntax::Request;

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, _request: Request, _out: Out<'_>) -> Answer {
    session.selected()?;
    Ok(Reply::DONE)
}
