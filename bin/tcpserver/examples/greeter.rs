//! The smallest program that tcpserver can run, as a process of its own or as a worker: it greets,
//! and then does what one line of the client says. For tests and measurements.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use sys::worker::{After, Job, jobs};
use sys::{Stop, Timed};

fn main() -> ExitCode {
    sys::main("greeter", run)
}

fn run() -> Result<(), Stop> {
    if std::env::args().any(|arg| arg == "stillborn") {
        return Err(Stop::permanent("as I was told"));
    }
    jobs()?.map_or(Ok(()), |jobs| jobs.serve(greet))
}

fn greet(job: Job) -> After {
    let mut timed = Timed::new(job.input, job.output, Duration::from_secs(20));
    let pid = std::process::id();
    let _ = timed.write_all(format!("220 {pid}\n").as_bytes());
    let mut line = [0; 64];
    let length = timed.read(&mut line).unwrap_or(0);
    match line[..length].trim_ascii() {
        b"env" => {
            for (name, value) in job.env.iter() {
                let _ = timed.write_all(&[name, b"=", value, b"\n"].concat());
            }
        }
        b"socket" => {
            use nix::sys::socket::{getsockopt, sockopt::KeepAlive, sockopt::TcpNoDelay};
            let options = (getsockopt(&timed.input(), TcpNoDelay), getsockopt(&timed.input(), KeepAlive));
            let _ = timed.write_all(format!("{options:?}\n").as_bytes());
        }
        b"replace" => return After::Replace,
        b"die" => std::process::exit(7),
        b"exec" => {
            let (input, output) = timed.into_parts();
            let shell = sys::process::Start::new("sh").args(["-c", "sleep 0.3; echo exec; exit 5"]);
            let _ = shell.fd(0, input).fd(1, output).exec();
        }
        _ => {}
    }
    After::Ready
}
