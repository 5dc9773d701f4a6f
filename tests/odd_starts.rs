//! Programs started by a careless parent: closed descriptors, blocked signals, a huge environment.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use tests::{House, files};

/// Starts every program of a house in a shell line and says how each that was ended by a signal
/// was started. A program that goes on running is ended by `timeout` with 124, which is well.
fn all_exit(house: &House, line: &str) {
    for path in files(&house.path("bin")) {
        let mut command = Command::new("sh");
        command.arg("-c").arg(line).arg(&path).env("FULMAR_HOME", house.path("nowhere"));
        let status =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.signal().is_none(), "{line}: {}: {status}", path.display());
        let code = status.code().unwrap();
        assert!(code < 126, "{line}: {}: {status}", path.display());
    }
}

#[test]
fn no_program_minds_closed_descriptors() {
    // X04
    let house = House::empty();
    for line in [
        "timeout 2 \"$0\" <&- >&- 2>&-",
        "timeout 2 \"$0\" <&-",
        "timeout 2 \"$0\" >&-",
        "timeout 2 \"$0\" 2>&-",
        "timeout 2 \"$0\" 3<&0 4<&0 7<&0 </dev/null",
    ] {
        all_exit(&house, line);
    }
}

#[test]
fn no_program_minds_ignored_signals_an_odd_umask_or_a_huge_environment() {
    // X04
    let house = House::empty();
    for line in [
        "trap '' HUP INT TERM CHLD ALRM; timeout -s KILL 2 \"$0\" </dev/null; code=$?; [ $code = 137 ] || exit $code",
        "umask 000; timeout 2 \"$0\" </dev/null",
        "X=$(head -c 100000 /dev/zero | tr '\\0' x) timeout 2 \"$0\" </dev/null",
    ] {
        all_exit(&house, line);
    }
}
