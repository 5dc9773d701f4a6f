//! Connections to a server, each with a thread of its own, so that a server that says nothing holds up that thread
//! and nobody else.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::url::ANSWER;
use crate::{Row, Trouble, Value};

/// Connections at one time; and threads that wait for a silent server, after which it is asked no more.
const MOST: usize = 16;
const STUCK: usize = 32;
/// A thread needs little.
const STACK: usize = 1 << 20;
/// Time of a migration.
const LONG: Duration = Duration::from_secs(300);

/// A connection.
pub(crate) trait Server {
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble>;
    fn run(&mut self, statements: &str) -> Result<(), Trouble>;
}

type Connect = dyn Fn() -> Result<Box<dyn Server>, Trouble> + Send + Sync;

pub(crate) struct Pool {
    connect: Arc<Connect>,
    state: Mutex<State>,
    changed: Condvar,
    stuck: Arc<AtomicUsize>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

#[derive(Default)]
struct State {
    idle: Vec<Worker>,
    busy: usize,
}

/// A thread with a connection, or that is about to make one. It ends when this is dropped.
struct Worker(Sender<Job>);

enum Task {
    Query(String, Vec<Value>),
    Run(String),
}

struct Job {
    task: Task,
    answer: SyncSender<Result<Vec<Row>, Trouble>>,
}

/// One of the connections that there may be, until it is dropped.
struct Place<'a>(&'a Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
        self.0.changed.notify_one();
    }
}

impl Pool {
    pub(crate) fn new(
        connect: impl Fn() -> Result<Box<dyn Server>, Trouble> + Send + Sync + 'static,
    ) -> Pool {
        Pool {
            connect: Arc::new(connect),
            state: Mutex::default(),
            changed: Condvar::new(),
            stuck: Arc::default(),
        }
    }

    pub(crate) fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        let task = || Task::Query(sql.to_owned(), values.to_vec());
        self.ask(task, ANSWER + Duration::from_secs(1))
    }

    pub(crate) fn run(&self, statements: &str) -> Result<(), Trouble> {
        self.ask(|| Task::Run(statements.to_owned()), LONG).map(|_| ())
    }

    /// A connection that has died while nobody used it is no trouble: the question is put to a new one.
    fn ask(&self, task: impl Fn() -> Task, limit: Duration) -> Result<Vec<Row>, Trouble> {
        let _place = self.place()?;
        let idle = self.state().idle.pop();
        if let Some(worker) = idle {
            match self.put(worker, task(), limit) {
                Err(trouble) if trouble.lost => self.state().idle.clear(),
                answered => return answered,
            }
        }
        let worker = self.start()?;
        self.put(worker, task(), limit)
    }

    fn put(&self, worker: Worker, task: Task, limit: Duration) -> Result<Vec<Row>, Trouble> {
        let (answer, answers) = sync_channel(1);
        let gone = || Trouble::lost("the connection is gone");
        // Counted before it is sent: the thread may have done with it before we come to the next line.
        self.stuck.fetch_add(1, Ordering::Relaxed);
        if worker.0.send(Job { task, answer }).is_err() {
            self.stuck.fetch_sub(1, Ordering::Relaxed);
            return Err(gone());
        }
        match answers.recv_timeout(limit) {
            Ok(answer) => {
                if answer.as_ref().err().is_none_or(|trouble| !trouble.lost) {
                    self.state().idle.push(worker);
                }
                answer
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                Err(Trouble { cause: format!("no answer in {} s", limit.as_secs()), lost: false })
            }
            Err(_) => Err(gone()),
        }
    }

    /// Waits for one of the connections.
    fn place(&self) -> Result<Place<'_>, Trouble> {
        let end = Instant::now() + ANSWER;
        let mut state = self.state();
        while state.busy >= MOST {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Trouble::refused("all connections are busy"));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.busy += 1;
        Ok(Place(self))
    }

    fn start(&self) -> Result<Worker, Trouble> {
        if self.stuck.load(Ordering::Relaxed) >= STUCK {
            return Err(Trouble::refused("the server has left many questions without an answer"));
        }
        let (jobs, queue) = channel::<Job>();
        let (connect, stuck) = (self.connect.clone(), self.stuck.clone());
        let run = move || {
            let mut server = None;
            for job in queue {
                let answer = answer(&mut server, &*connect, job.task);
                stuck.fetch_sub(1, Ordering::Relaxed);
                let over = answer.as_ref().err().is_some_and(|trouble| trouble.lost);
                // Who has waited too long is no longer there.
                if job.answer.send(answer).is_err() || over {
                    return;
                }
            }
        };
        thread::Builder::new().stack_size(STACK).spawn(run).map_err(Trouble::refused)?;
        Ok(Worker(jobs))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(server: &mut Option<Box<dyn Server>>, connect: &Connect, task: Task) -> Result<Vec<Row>, Trouble> {
    if server.is_none() {
        *server = Some(connect()?);
    }
    let Some(server) = server else { return Err(Trouble::lost("no connection")) };
    match task {
        Task::Query(sql, values) => server.query(&sql, &values),
        Task::Run(statements) => server.run(&statements).map(|()| Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says after how many questions it dies; `hang` never ends.
    struct Fake(usize);

    impl Server for Fake {
        fn query(&mut self, sql: &str, _: &[Value]) -> Result<Vec<Row>, Trouble> {
            if sql == "hang" {
                thread::sleep(Duration::from_secs(3600));
            }
            if self.0 == 0 {
                return Err(Trouble::lost("dead"));
            }
            self.0 -= 1;
            Ok(vec![vec![Some(sql.to_owned())]])
        }
        fn run(&mut self, _: &str) -> Result<(), Trouble> {
            Ok(())
        }
    }

    fn pool(lives: usize) -> (Pool, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let pool = Pool::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(Fake(lives)))
        });
        (pool, made)
    }

    #[test]
    fn a_connection_is_kept_and_made_anew_when_it_has_died() {
        let (pool, made) = pool(3);
        for n in 0..10 {
            let sql = n.to_string();
            assert_eq!(pool.query(&sql, &[]), Ok(vec![vec![Some(sql.clone())]]));
        }
        assert_eq!(made.load(Ordering::Relaxed), 4);
        let (never, _) = super::tests::pool(0);
        assert_eq!(never.query("x", &[]).unwrap_err().cause, "dead");
    }

    #[test]
    fn a_server_that_does_not_answer_is_waited_for_no_longer_than_that() {
        let (pool, _) = pool(1000);
        let limit = Duration::from_millis(20);
        for _ in 0..STUCK {
            let trouble = pool.ask(|| Task::Query("hang".into(), Vec::new()), limit).unwrap_err();
            assert!(trouble.cause.starts_with("no answer"), "{trouble}");
        }
        let trouble = pool.ask(|| Task::Query("x".into(), Vec::new()), limit).unwrap_err();
        assert!(trouble.cause.contains("many questions"), "{trouble}");
        assert_eq!(pool.state().busy, 0);
    }

    #[test]
    fn many_who_ask_share_a_limited_number_of_connections() {
        let (pool, made) = pool(100_000);
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| (0..50).for_each(|n| assert!(pool.query(&n.to_string(), &[]).is_ok())));
            }
        });
        assert!(made.load(Ordering::Relaxed) <= MOST);
        assert_eq!(pool.stuck.load(Ordering::Relaxed), 0, "every question is answered");
    }
}
