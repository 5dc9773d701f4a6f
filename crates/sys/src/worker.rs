//! One-shot or worker: the same program does one job on descriptors 0 and 1, or takes jobs one after
//! the other from its parent as packets.
//!
//! A worker is started as a stem, which has its parent's requests for copies on descriptor 3. A job packet holds the
//! job's environment (`NAME=value` fields) and brings its connection. The worker answers `K` (ready for the next) or `X`
//! (replace me) with one packet, or just ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::{Env, Packet, Packets, Stop, adopt, stem};

/// Tells a program that it is a worker; its value is the number of jobs it may do.
pub const VARIABLE: &str = "FULMAR_WORKER";
/// The worker's answer: ready for the next job.
pub const READY: &[u8] = b"K";
/// The worker's answer: done, and to be replaced.
pub const REPLACE: &[u8] = b"X";

/// One connection to serve.
#[derive(Debug)]
pub struct Job {
    /// The environment: who connects, what the rules say.
    pub env: Env,
    /// From the client.
    pub input: OwnedFd,
    /// To the client.
    pub output: OwnedFd,
}

/// What is to become of a worker after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It may take the next one.
    Ready,
    /// It is to be replaced: after AUTH, abuse, or when its files changed.
    Replace,
}

/// Is this process a worker?
pub fn is_worker() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The jobs that this process is to do.
#[derive(Debug)]
pub struct Jobs {
    /// Whoever hands them out; `None`: the one job is here already, on descriptors 0 and 1.
    parent: Option<Packets>,
    left: u32,
}

/// What there is to do. To be called when all is ready that needs no connection, with one thread running: the first
/// process of a worker is only its stem ([`crate::stem`]) and comes back, with `None`, when it has had its time; what
/// follows is for its copies.
pub fn jobs() -> Result<Option<Jobs>, Stop> {
    jobs_while(|| true)
}

/// As [`jobs`], of a stem that is to be replaced once it is not `sound` any more.
pub fn jobs_while(sound: impl Fn() -> bool) -> Result<Option<Jobs>, Stop> {
    match number() {
        None => Ok(Some(Jobs { parent: None, left: 1 })),
        Some(left) => Ok(stand(sound)?.map(|way| Jobs { parent: Some(way), left })),
    }
}

/// As [`jobs`], for who speaks with the parent in another way.
pub fn copy() -> Result<Option<Packets>, Stop> {
    stand(|| true)
}

fn stand(sound: impl Fn() -> bool) -> Result<Option<Packets>, Stop> {
    let stood = stem::stand(parent()?, sound);
    stood.map_err(|error| Stop::temporary(format_args!("can't stand as a stem: {error}")))
}

impl Jobs {
    /// Serves one after the other until their number is done or the parent is gone.
    pub fn serve(mut self, mut run: impl FnMut(Job) -> After) -> Result<(), Stop> {
        while let Some(job) = self.take()? {
            let after = run(job);
            self.done(after);
        }
        Ok(())
    }

    /// The next one; `None`: that was all. For those who may become somebody else in the midst of a job, and then
    /// drop this, lest that other gets one more.
    pub fn take(&mut self) -> Result<Option<Job>, Stop> {
        while self.left > 0 {
            let Some(parent) = &self.parent else {
                self.left = 0;
                let job = here();
                return job
                    .map(Some)
                    .map_err(|error| Stop::temporary(format_args!("no descriptors 0 and 1: {error}")));
            };
            let Some(packet) = next(parent)? else { return Ok(None) };
            if let Some(job) = job(packet) {
                self.left -= 1;
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// Will there be another one, if the last is done well?
    pub fn more(&self) -> bool {
        self.left > 0
    }

    /// Tells the parent that the last one is done.
    pub fn done(&mut self, after: After) {
        if after == After::Replace {
            self.left = 0;
        }
        let word = if self.left == 0 { REPLACE } else { READY };
        if self.parent.as_ref().is_some_and(|parent| parent.send(word, &[]).is_err()) {
            self.left = 0;
        }
    }
}

/// Takes raw packets from the parent and answers each with one packet, until the number of jobs is
/// done (then the worker just ends) or the parent is gone. For deliverers, whose jobs are no connections.
/// Called as [`jobs`] is.
pub fn orders(mut run: impl FnMut(Packet) -> Vec<u8>) -> Result<(), Stop> {
    let Some(parent) = copy()? else { return Ok(()) };
    let mut left = number().unwrap_or(u32::MAX);
    while left > 0 {
        let Some(packet) = next(&parent)? else { break };
        let answer = run(packet);
        left -= 1;
        if parent.send(&answer, &[]).is_err() {
            break;
        }
    }
    Ok(())
}

fn number() -> Option<u32> {
    std::env::var(VARIABLE).ok().map(|jobs| jobs.parse().unwrap_or(1))
}

fn parent() -> Result<Packets, Stop> {
    adopt(3)
        .and_then(Packets::adopt)
        .map_err(|error| Stop::permanent(format_args!("descriptor 3 brings no packets: {error}")))
}

fn next(parent: &Packets) -> Result<Option<Packet>, Stop> {
    parent.recv().map_err(|error| Stop::temporary(format_args!("can't read jobs: {error}")))
}

fn here() -> io::Result<Job> {
    Ok(Job { env: Env::here(), input: adopt(0)?, output: adopt(1)? })
}

/// The job in a packet. A second descriptor, where there is one, is the way to the client.
/// `None`: the packet brought no connection.
pub fn job(packet: Packet) -> Option<Job> {
    let mut env = Env::from_fields(packet.bytes.split(|b| *b == 0));
    env.remove(VARIABLE);
    let mut fds = packet.fds.into_iter();
    let input = fds.next()?;
    let output = match fds.next() {
        Some(output) => output,
        None => input.as_fd().try_clone_to_owned().ok()?,
    };
    Some(Job { env, input, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_packet_brings_environment_and_connection() {
        let (read, _write) = io::pipe().unwrap();
        let bytes = b"PROTO=TCP\0FULMAR_WORKER=9\0TCPREMOTEIP=192.0.2.1".to_vec();
        let job = job(Packet { bytes, fds: vec![read.into()] }).unwrap();
        assert_eq!(job.env.text("TCPREMOTEIP"), Some("192.0.2.1"));
        assert_eq!(job.env.get(VARIABLE), None);
    }

    #[test]
    fn a_second_descriptor_is_the_way_back() {
        let ((read, _one), (_two, write)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let mut job =
            job(Packet { bytes: b"PROTO=TCP".to_vec(), fds: vec![read.into(), write.into()] }).unwrap();
        assert!(nix::unistd::write(&job.output, b"x").is_ok());
        job.output = job.input.try_clone().unwrap();
        assert!(nix::unistd::write(&job.output, b"x").is_err());
    }

    #[test]
    fn a_packet_without_a_connection_is_no_job() {
        assert!(job(Packet { bytes: b"PROTO=TCP".to_vec(), fds: vec![] }).is_none());
    }
}
