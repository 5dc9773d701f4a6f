//! When it does not start.

use std::fs;
use std::process::Command;

#[test]
fn a_place_of_users_that_is_not_known_stops_it_and_is_never_passed_over() {
    let home = tempfile::tempdir().unwrap();
    for folder in ["control", "run"] {
        fs::create_dir(home.path().join(folder)).unwrap();
    }
    for text in ["passwd\n", "cdb\noracle:/var/users\n", "Cdb\n"] {
        fs::write(home.path().join("control/users"), text).unwrap();
        let mut lookup = Command::new(env!("CARGO_BIN_EXE_lookup"));
        let output = lookup.env_clear().env("FULMAR_HOME", home.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(111), "{said}");
        let what = text.lines().last().unwrap();
        assert!(said.contains(&format!("control/users: `{what}`")) && said.contains("write cdb"), "{said}");
    }
}
