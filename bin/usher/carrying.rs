//! Octets both ways, until both sides have done.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::secret::Secret;

/// Octets carried at one time.
const PIECE: usize = 16 * 1024;

/// The other host, by a connection that others hold too.
#[derive(Clone)]
pub(crate) enum Server {
    Plain(Arc<TcpStream>),
    Secret(Secret),
}

impl Server {
    fn say_no_more(&self) {
        match self {
            Server::Plain(stream) => drop(stream.shutdown(Shutdown::Write)),
            Server::Secret(secret) => secret.say_no_more(),
        }
    }

    fn hang_up(&self) {
        match self {
            Server::Plain(stream) => drop(stream.shutdown(Shutdown::Both)),
            Server::Secret(secret) => secret.hang_up(),
        }
    }
}

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Server::Plain(stream) => (&**stream).read(buffer),
            Server::Secret(secret) => secret.read(buffer),
        }
    }
}

impl Write for Server {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Server::Plain(stream) => (&**stream).write(octets),
            Server::Secret(secret) => secret.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Carries; gives how many octets went there and came back. A side that says no more is told to the other; when the
/// server has done, so has the client.
pub(crate) fn carry(input: OwnedFd, output: OwnedFd, server: Server) -> (u64, u64) {
    for fd in [&input, &output] {
        sys::keep_alive(std::os::fd::AsFd::as_fd(fd));
    }
    let mut there = server.clone();
    let (Ok(closing), mut output) = (input.try_clone(), File::from(output)) else { return (0, 0) };
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    thread::spawn(move || {
        copy(&mut File::from(input), &mut there, &counted);
        there.say_no_more();
    });
    let (mut server, back) = (server, AtomicU64::new(0));
    copy(&mut server, &mut output, &back);
    // It waits for the client, who has been told all there is.
    server.hang_up();
    let closing = TcpStream::from(closing);
    let _ = closing.shutdown(Shutdown::Both);
    (sent.load(Ordering::Relaxed), back.load(Ordering::Relaxed))
}

/// Until one of the two ends. What was carried has been carried, however it ended.
fn copy(from: &mut impl Read, to: &mut impl Write, carried: &AtomicU64) {
    let mut piece = vec![0; PIECE];
    loop {
        let count = match from.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        if to.write_all(&piece[..count]).is_err() {
            return;
        }
        carried.fetch_add(count as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn plain(stream: TcpStream) -> Server {
        Server::Plain(Arc::new(stream))
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    #[test]
    fn all_octets_arrive_both_ways_and_the_end_of_one_side_is_the_end() {
        let ((mut client, ours), (server, mut theirs)) = (pair(), pair());
        let (input, output) = (OwnedFd::from(ours.try_clone().unwrap()), OwnedFd::from(ours));
        let usher = thread::spawn(move || carry(input, output, plain(server)));
        let mut large = vec![0; 300_000];
        large.iter_mut().enumerate().for_each(|(n, octet)| *octet = n as u8);
        let sent = large.clone();
        let mut writer = client.try_clone().unwrap();
        let sending = thread::spawn(move || writer.write_all(&sent).unwrap());
        let mut got = vec![0; large.len()];
        theirs.read_exact(&mut got).unwrap();
        sending.join().unwrap();
        assert!(got == large);
        theirs.write_all(b"* BYE\r\n").unwrap();
        drop(theirs);
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "* BYE\r\n");
        assert_eq!(usher.join().unwrap(), (300_000, 7));
    }

    #[test]
    fn a_client_who_leaves_is_told_to_the_server() {
        let ((client, ours), (server, mut theirs)) = (pair(), pair());
        let (input, output) = (OwnedFd::from(ours.try_clone().unwrap()), OwnedFd::from(ours));
        let usher = thread::spawn(move || carry(input, output, plain(server)));
        drop(client);
        assert_eq!(theirs.read(&mut [0; 10]).unwrap(), 0);
        drop(theirs);
        usher.join().unwrap();
    }
}
