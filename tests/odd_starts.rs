//! Programs started by a careless parent: closed descriptors, blocked signals, a huge environment. All
//! programs that there are, by the folder `bin/`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::{files, program};

/// A file that is no business of the programs, and an empty folder that they are started in.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::write(place.bystander(), "mine").unwrap();
        fs::create_dir(place.0.path().join("here")).unwrap();
        place
    }

    fn bystander(&self) -> PathBuf {
        self.0.path().join("bystander")
    }

    /// Starts every program in a shell line and says how each that was ended by a signal was started.
    /// A program that goes on running is ended by `timeout` with 124, which is well.
    fn all_exit(&self, line: &str) {
        for path in programs() {
            let mut command = Command::new("bash");
            command.arg("-c").arg(line).arg(&path).env("FULMAR_HOME", self.0.path().join("nowhere"));
            command.env("BYSTANDER", self.bystander()).current_dir(self.0.path().join("here"));
            let status =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            let what = format!("{line}: {}: {status}", path.display());
            assert!(status.signal().is_none(), "{what}");
            assert!(status.code().unwrap() < 126, "{what}");
            assert_eq!(fs::read_to_string(self.bystander()).unwrap(), "mine", "{what}");
            assert_eq!(files(&self.0.path().join("here")), [] as [PathBuf; 0], "{what}");
        }
    }
}

fn programs() -> Vec<PathBuf> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bin");
    let mut names: Vec<_> = files(&packages)
        .into_iter()
        .filter(|folder| folder.join("Cargo.toml").is_file())
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    names.iter().map(|name| program(name)).collect()
}

#[test]
fn no_program_minds_closed_descriptors() {
    // X04
    let place = Place::new();
    for line in [
        "timeout 2 \"$0\" <&- >&- 2>&-",
        "timeout 2 \"$0\" <&-",
        "timeout 2 \"$0\" >&-",
        "timeout 2 \"$0\" 2>&-",
        "timeout 2 \"$0\" 3<&0 4<&0 7<&0 </dev/null",
    ] {
        place.all_exit(line);
    }
}

#[test]
fn no_program_writes_into_a_descriptor_that_it_was_not_given() {
    // X04
    let place = Place::new();
    let high = "3>>\"$BYSTANDER\" 4<>\"$BYSTANDER\" 5>>\"$BYSTANDER\" 6>>\"$BYSTANDER\" 9>>\"$BYSTANDER\"";
    place.all_exit(&format!("timeout 2 \"$0\" {high} <&- >&- 2>&-"));
    place.all_exit(&format!("timeout 2 \"$0\" {high} </dev/null"));
}

#[test]
fn no_program_minds_blocked_or_ignored_signals_an_odd_umask_or_a_huge_environment() {
    // X04
    let place = Place::new();
    for line in [
        "trap '' HUP INT TERM CHLD ALRM; timeout -s KILL 2 \"$0\" </dev/null; code=$?; [ $code = 137 ] || exit $code",
        "timeout -s KILL 2 env --block-signal \"$0\" </dev/null; code=$?; [ $code = 137 ] || exit $code",
        "umask 000; timeout 2 \"$0\" </dev/null",
        "X=$(head -c 100000 /dev/zero | tr '\\0' x) timeout 2 \"$0\" </dev/null",
        "for n in {1..5000}; do export \"V$n=x\"; done; timeout 2 \"$0\" </dev/null",
    ] {
        place.all_exit(line);
    }
}

#[test]
fn no_program_minds_an_empty_name_or_environment() {
    // X04
    let place = Place::new();
    for line in [
        "timeout 2 env -i FULMAR_HOME=/nowhere/at/all \"$0\" </dev/null",
        "timeout 2 env -u HOME -u USER -u LOGNAME -u PATH \"$0\" </dev/null",
        "timeout 2 bash -c 'exec -a \"\" \"$0\"' \"$0\" </dev/null",
        "timeout 2 bash -c 'exec -a \"$(printf \"/\\n/\")\" \"$0\"' \"$0\" </dev/null",
    ] {
        place.all_exit(line);
    }
}
