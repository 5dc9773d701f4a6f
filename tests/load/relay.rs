//! Mail that only passes through: a sink that takes everything, and how fast a server hands mail on to it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::Smtp;

/// How long mail may take to arrive after the last message was accepted.
const PATIENCE: Duration = Duration::from_secs(180);

/// Takes all mail at `address`.
struct Sink {
    messages: AtomicUsize,
    recipients: AtomicUsize,
    /// Connections it has had.
    connections: AtomicUsize,
}

impl Sink {
    fn open(address: SocketAddr) -> Arc<Sink> {
        let sink = Arc::new(Sink {
            messages: AtomicUsize::new(0),
            recipients: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(address).expect("the sink's address");
        let all = sink.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let sink = all.clone();
                sink.connections.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || drop(sink.serve(client)));
            }
        });
        sink
    }

    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        let mut lines = BufReader::new(client.try_clone()?);
        client.write_all(b"220 sink\r\n")?;
        let (mut line, mut now) = (Vec::new(), 0);
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match &verb[..] {
                b"EHLO" => client.write_all(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")?,
                b"RCPT" => {
                    now += 1;
                    client.write_all(b"250 ok\r\n")?;
                }
                b"DATA" => {
                    client.write_all(b"354 go\r\n")?;
                    while line != b".\r\n" {
                        line.clear();
                        if lines.read_until(b'\n', &mut line)? == 0 {
                            return Ok(());
                        }
                    }
                    self.messages.fetch_add(1, Ordering::Relaxed);
                    self.recipients.fetch_add(std::mem::take(&mut now), Ordering::Relaxed);
                    client.write_all(b"250 taken\r\n")?;
                }
                b"QUIT" => return client.write_all(b"221 bye\r\n"),
                _ => client.write_all(b"250 ok\r\n")?,
            }
        }
    }
}

/// "accepted/s relayed/s accepted connections": messages of `size` octets to ten domains.
pub(crate) fn steady(
    server: SocketAddr,
    sink: SocketAddr,
    sessions: usize,
    limit: Duration,
    size: usize,
) -> String {
    let sink = Sink::open(sink);
    let (accepted, over, start) = (AtomicUsize::new(0), AtomicBool::new(false), Instant::now());
    let text = text(size);
    thread::scope(|scope| {
        for number in 0..sessions {
            let (accepted, over, text) = (&accepted, &over, &text);
            scope.spawn(move || {
                let mut smtp = Smtp::connect(server);
                for turn in number.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let to = format!("x@d{}.sink.test", turn % 10);
                    if smtp.send("bench@example.net", &[&to], text).starts_with("250") {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        thread::sleep(limit);
        over.store(true, Ordering::Relaxed);
    });
    let (sending, accepted) = (start.elapsed(), accepted.into_inner());
    while sink.messages.load(Ordering::Relaxed) < accepted && start.elapsed() < sending + PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    let relayed = sink.messages.load(Ordering::Relaxed);
    format!(
        "{:.0} {:.0} {accepted} {}",
        accepted as f64 / sending.as_secs_f64(),
        relayed as f64 / start.elapsed().as_secs_f64(),
        sink.connections.load(Ordering::Relaxed)
    )
}

/// "seconds half arrived connections": one message to `recipients` in so many domains, of which each tenth is below
/// dead.test if `dead`, whose server (`blackhole`) does not answer. The time until all others have it, and until half
/// of them have it.
pub(crate) fn many(
    server: SocketAddr,
    sink: SocketAddr,
    recipients: usize,
    domains: usize,
    blackhole: Option<SocketAddr>,
) -> String {
    let sink = Sink::open(sink);
    let _hole = blackhole.map(fill);
    let dead = |n: usize| blackhole.is_some() && (n % domains) % 10 == 3;
    let to: Vec<String> = (0..recipients)
        .map(|n| format!("x{n}@d{}.{}.test", n % domains, if dead(n) { "dead" } else { "sink" }))
        .collect();
    let expect = (0..recipients).filter(|n| !dead(*n)).count();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let mut smtp = Smtp::connect(server);
    let reply = smtp.send("bench@example.net", &to, &text(4096));
    let start = Instant::now();
    assert!(reply.starts_with("250"), "{reply}");
    let mut half = None;
    while sink.recipients.load(Ordering::Relaxed) < expect && start.elapsed() < PATIENCE {
        if half.is_none() && sink.recipients.load(Ordering::Relaxed) * 2 >= expect {
            half = Some(start.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let (all, half) = (start.elapsed(), half.unwrap_or(start.elapsed()));
    format!(
        "{:.2} {:.2} {} {}",
        all.as_secs_f64(),
        half.as_secs_f64(),
        sink.recipients.load(Ordering::Relaxed),
        sink.connections.load(Ordering::Relaxed)
    )
}

/// A listener whose queue is full: further connections get no answer at all.
fn fill(address: SocketAddr) -> (std::os::fd::OwnedFd, Vec<TcpStream>) {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, socket,
    };
    use std::os::fd::AsRawFd;
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address)).expect("the hole's address");
    listen(&fd, Backlog::new(0).expect("a backlog")).expect("a listener");
    let once = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    (fd, std::iter::from_fn(once).take(4).collect())
}

/// Keeps such a listener until standard input ends; says `open` first.
pub(crate) fn hole(address: SocketAddr) -> String {
    let hole = fill(address);
    println!("open");
    let _ = std::io::stdin().lines().count();
    format!("{} connections were kept waiting", hole.1.len())
}

/// A message of at least `size` octets.
pub(crate) fn text(size: usize) -> Vec<u8> {
    let mut text = b"From: bench@example.net\nSubject: bench\n\n".to_vec();
    while text.len() < size {
        text.extend(b"The quick brown fox jumps over the lazy dog, again and again and again.\n");
    }
    text
}
