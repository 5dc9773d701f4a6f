//! Programs that sendmail has become in this suite.

use sys::Stop;
use sys::process::{Start, sibling};

/// Shows the queue.
pub(crate) fn queue() -> Result<(), Stop> {
    become_program(Start::new(sibling("fulmar")).args(["queue", "list", "--qmail"]))
}

/// Speaks SMTP on descriptors 0 and 1.
pub(crate) fn smtp() -> Result<(), Stop> {
    become_program(smtpd())
}

/// Whoever starts us may send to everybody; a client from the network has what its rule gives it.
fn smtpd() -> Start {
    let start = Start::new(sibling("smtpd")).env("DATABYTES", "0");
    let socket = sys::adopt(0).is_ok_and(|fd| std::net::TcpStream::from(fd).peer_addr().is_ok());
    match socket || std::env::var_os("TCPREMOTEIP").is_some() {
        true => start,
        false => start.env("RELAYCLIENT", "").env("TCPREMOTEIP", "127.0.0.1").env("TCPLOCALIP", "127.0.0.1"),
    }
}

fn become_program(start: Start) -> Result<(), Stop> {
    Err(Stop::temporary(format_args!("can't start it: {}", start.exec())))
}
