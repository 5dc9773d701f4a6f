//! `spawn --as UID GID,GROUP... PROGRAM ARGUMENT...`: becomes an owner, and then his program.
//!
//! From the moment at which a process is its owner's, he may stop it. So it has to have lost what is the house's by then,
//! all descriptors but its own, and nobody may be waiting for it to become the program: both comes with an execution, that
//! of this program.

use std::ffi::{OsStr, OsString};

use sys::process::Start;
use sys::{Identity, Stop, worker};

/// Says that this is what is asked for.
pub(crate) const AS: &str = "--as";
/// The program that runs, even when another lies in its place by now.
const OWN: &str = "/proc/self/exe";

/// Starts `program` as `identity`, which only root can: others start it as themselves.
pub(crate) fn start(program: impl AsRef<OsStr>, identity: &Identity) -> Start {
    if !sys::is_root() {
        return Start::new(program);
    }
    let groups = std::iter::once(&identity.gid).chain(&identity.groups);
    let groups: Vec<String> = groups.map(u32::to_string).collect();
    Start::new(OWN).name("spawn").arg(AS).arg(identity.uid.to_string()).arg(groups.join(",")).arg(program)
}

/// The other half: `words` stand behind `--as`.
pub(crate) fn become_program(words: &[OsString]) -> Stop {
    let Some((identity, [program, words @ ..])) = parted(words) else { return Stop::usage(crate::USAGE) };
    let mut start = Start::new(program).args(words).identity(&identity);
    if worker::is_worker() {
        match sys::adopt(3) {
            Ok(requests) => start = start.fd(3, requests),
            Err(error) => return Stop::permanent(format_args!("no parent on descriptor 3: {error}")),
        }
    }
    let error = start.exec();
    Stop::temporary(format_args!("can't start {}: {error}", program.to_string_lossy()))
}

fn parted(words: &[OsString]) -> Option<(Identity, &[OsString])> {
    let [uid, groups, rest @ ..] = words else { return None };
    let mut groups = groups.to_str()?.split(',').map(|group| group.parse::<u32>().ok());
    let (uid, gid) = (uid.to_str()?.parse().ok()?, groups.next()??);
    Some((Identity { uid, gid, groups: groups.collect::<Option<_>>()? }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_meant_is_said_in_numbers_and_nothing_else_is_taken() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let told = words("64001 64002,5,6 /bin/true x");
        let (identity, rest) = parted(&told).unwrap();
        assert_eq!((identity.uid, identity.gid, &identity.groups[..]), (64001, 64002, &[5, 6][..]));
        assert_eq!(rest, words("/bin/true x"));
        for wrong in ["64001", "64001 x /bin/true", "-1 5 /bin/true", "64001 5, /bin/true", " 5 /bin/true"] {
            assert!(parted(&words(wrong)).is_none(), "{wrong}");
        }
    }
}
