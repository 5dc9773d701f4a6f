//! Installing on a machine of the test's own, which is this one seen through an overlay: `scripts/install`
//! under each supervisor, with an upgrade while mail comes in; the Debian package. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{program, tool};

/// Runs `tests/installing/SCRIPT` in its machine, which must go well.
fn run(script: &str, argument: &str) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: installing needs root");
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("installing");
    let repository = std::fs::canonicalize(here.join("../..")).unwrap();
    let programs = program("fulmar").parent().map(PathBuf::from).unwrap();
    let room = tempfile::tempdir().unwrap();
    let mut command = Command::new(here.join("machine"));
    command.arg(room.path()).arg(&repository).arg(&programs).arg(here.join(script)).arg(argument);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(99) {
        eprintln!("SKIPPED: no machine can be made here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}

#[test]
fn under_s6_it_is_installed_upgraded_without_loss_uninstalled_and_purged() {
    if tool("s6-svscan").is_some() {
        run("install", "s6");
    }
}

#[test]
fn under_runit_it_is_installed_upgraded_without_loss_uninstalled_and_purged() {
    if tool("runsvdir").is_some() {
        run("install", "runit");
    }
}

#[test]
fn under_daemontools_it_is_installed_upgraded_without_loss_uninstalled_and_purged() {
    if tool("svscan").is_some() {
        run("install", "daemontools");
    }
}

#[test]
fn under_systemd_its_units_are_good_ones_and_its_admin_is_asked() {
    if tool("systemd-analyze").is_some() {
        run("systemd", "");
    }
}

#[test]
fn a_debian_package_is_built_installed_upgraded_removed_and_purged() {
    if tool("dpkg-deb").is_some() && tool("s6-svscan").is_some() {
        run("package", "");
    }
}

#[test]
fn an_old_qmail_moves_over_by_the_commands_that_the_page_about_it_shows() {
    if tool("s6-svscan").is_some() {
        run("moving", "");
    }
}
