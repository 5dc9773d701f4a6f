//! Threads for connections: who has served one waits a while for the next, since to start a thread costs more than most
//! questions do.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A connection's thread needs little: the memory that hashing a password takes is not its stack.
pub(crate) const STACK: usize = 256 << 10;
/// So many wait at most, and so long.
const IDLE: usize = 8;
const LINGER: Duration = Duration::from_secs(5);

/// What a thread does with a connection, in memory of its own that it has for all of them.
type Work<C> = dyn Fn(C, &mut Vec<u8>) + Send + Sync;

/// All threads that serve connections of the kind `C`.
pub(crate) struct Crew<C> {
    state: Mutex<State<C>>,
    news: Condvar,
    work: Box<Work<C>>,
}

struct State<C> {
    coming: VecDeque<C>,
    idle: usize,
}

impl<C: Send + 'static> Crew<C> {
    pub(crate) fn new(work: impl Fn(C, &mut Vec<u8>) + Send + Sync + 'static) -> Arc<Crew<C>> {
        let state = Mutex::new(State { coming: VecDeque::new(), idle: 0 });
        Arc::new(Crew { state, news: Condvar::new(), work: Box::new(work) })
    }

    /// Has `connection` served by whoever waits, or else by a new thread.
    pub(crate) fn serve(self: &Arc<Self>, connection: C) -> io::Result<()> {
        let mut state = self.state();
        if state.idle > state.coming.len() {
            state.coming.push_back(connection);
            self.news.notify_one();
            return Ok(());
        }
        drop(state);
        let crew = self.clone();
        thread::Builder::new().stack_size(STACK).spawn(move || crew.run(connection)).map(drop)
    }

    fn run(&self, first: C) {
        let (mut next, mut memory) = (Some(first), Vec::new());
        while let Some(connection) = next {
            (self.work)(connection, &mut memory);
            next = self.wait();
        }
    }

    /// The next connection; `None`: this thread is not needed any more.
    fn wait(&self) -> Option<C> {
        let mut state = self.state();
        if state.idle >= IDLE {
            return None;
        }
        state.idle += 1;
        let nothing = |state: &mut State<C>| state.coming.is_empty();
        let waited = self.news.wait_timeout_while(state, LINGER, nothing);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.idle -= 1;
        state.coming.pop_front()
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::mpsc::channel;

    #[test]
    fn one_after_the_other_needs_one_thread_and_many_at_once_as_many() {
        let (told, heard) = channel();
        let crew = Crew::new(move |wait: Option<Arc<std::sync::Barrier>>, _: &mut Vec<u8>| {
            told.send(thread::current().id()).unwrap();
            wait.map(|wait| wait.wait());
        });
        crew.serve(None).unwrap();
        let first = heard.recv().unwrap();
        while crew.state().idle == 0 {
            thread::yield_now();
        }
        crew.serve(None).unwrap();
        assert_eq!(heard.recv().unwrap(), first);
        let all = Arc::new(std::sync::Barrier::new(20));
        (0..20).for_each(|_| crew.serve(Some(all.clone())).unwrap());
        let ids: HashSet<_> = (0..20).map(|_| heard.recv().unwrap()).collect();
        assert_eq!(ids.len(), 20);
    }
}
