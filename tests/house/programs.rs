//! Where the programs under test are, and those of others that they are tested with.

use std::env;
use std::path::PathBuf;

/// The program `name` of the suite, as built with these tests (or in `FULMAR_TEST_PROGRAMS`).
pub fn program(name: &str) -> PathBuf {
    let own = env::current_exe().unwrap();
    let beside = own.ancestors().find(|folder| folder.join("fulmar").is_file()).map(PathBuf::from);
    let folder = env::var_os("FULMAR_TEST_PROGRAMS").map(PathBuf::from).or(beside);
    let path = folder.expect("the programs are not built: cargo build --workspace").join(name);
    assert!(path.is_file(), "{} is not built: cargo build --workspace", path.display());
    path
}

/// A program of the system; when it is not installed the test is skipped, loudly.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found =
        env::split_paths(&path).chain(more).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed; scripts/test installs it when run as root");
    }
    found
}
