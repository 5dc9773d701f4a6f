//! Sessions that say nothing: opened, then kept until standard input ends.

use std::net::SocketAddr;

use tests::{Pop3, Smtp};

/// SMTP, after the greeting or after EHLO.
pub(crate) fn smtp(address: SocketAddr, sessions: usize, ehlo: bool) -> String {
    let one = || if ehlo { Smtp::try_connect(address) } else { Smtp::try_greeted(address) };
    keep(&(0..sessions).map(|_| one().expect("a session")).collect::<Vec<_>>())
}

/// POP3, logged in.
pub(crate) fn pop3(address: SocketAddr, sessions: usize, user: &str, password: &str) -> String {
    keep(&(0..sessions).map(|_| Pop3::login(address, user, password)).collect::<Vec<_>>())
}

fn keep<T>(all: &[T]) -> String {
    println!("open");
    let _ = std::io::stdin().lines().count();
    format!("{} were kept", all.len())
}
