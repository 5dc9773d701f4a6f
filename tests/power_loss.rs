//! The power fails. All that the programs do to their files is recorded by strace while they work, and from the record
//! are made the states that a power cut may leave after each step; these are read by the library, and some of them by the
//! real programs: nothing acknowledged is lost, nothing partial is shown, nothing keeps from starting.
//!
//! `FULMAR_HEAVY=1` starts the programs on many more states; `FULMAR_POWER_SEED` makes others.

#[path = "power_loss/cut.rs"]
pub(crate) mod cut;
#[path = "power_loss/disk.rs"]
mod disk;
#[path = "power_loss/imap.rs"]
mod imap_sessions;
#[path = "power_loss/mail.rs"]
mod mail;
#[path = "power_loss/pop3.rs"]
mod pop3;
#[path = "power_loss/trace.rs"]
pub(crate) mod trace;
#[path = "power_loss/users.rs"]
mod users_and_tables;
#[path = "power_loss/wrong_writers.rs"]
mod wrong_writers;

use std::fs;

use tests::House;

use cut::State;
use disk::Disk;

pub(crate) fn seed() -> u64 {
    std::env::var("FULMAR_POWER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// How much is done: in everyday's tests, and in the campaign.
pub(crate) fn effort(everyday: usize, campaign: usize) -> usize {
    if std::env::var_os("FULMAR_HEAVY").is_some_and(|value| !value.is_empty()) { campaign } else { everyday }
}

/// Puts a state in place of all that is in the home; nothing runs there then.
fn wake(house: &mut House, disk: &Disk, state: &State) {
    house.services().kill_all();
    for path in tests::files(&house.path("")) {
        let is_folder = fs::symlink_metadata(&path).unwrap().is_dir();
        if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
    }
    state.write(disk, "", &house.path(""));
}
