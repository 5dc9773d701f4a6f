//! The disk is full, or has no inodes left: a small one, that is filled step by step and emptied again.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::House;

use super::deeds::Promises;

/// A small disk that is there until dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(options: &str) -> Option<SmallDisk> {
        let disk = SmallDisk(tempfile::tempdir().unwrap());
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(disk.0.path()).status();
        if !mount.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: needs root and the right to mount");
            return None;
        }
        Some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Makes files of these octets until there is no room for another.
fn fill(folder: &Path, octets: usize, most: usize) -> usize {
    fs::create_dir_all(folder).unwrap();
    let made = |number: &usize| fs::write(folder.join(number.to_string()), vec![b'x'; octets]).is_ok();
    (0..most).take_while(made).count()
}

/// Does what clients do while less and less is left, then while something is again.
fn survive(disk: &SmallDisk, octets: usize, steps: &[usize]) -> String {
    let mut house = House::start_in(disk.0.path());
    let mut promises = Promises::settle(&house);
    assert_eq!(promises.try_all(&house), Vec::<String>::new());
    let filler = disk.0.path().join("filler");
    let mut refused = 0;
    for step in steps {
        fill(&filler.join(step.to_string()), octets, *step);
        refused += promises.try_all(&house).len();
    }
    assert!(refused > 0, "it was never full");
    fs::remove_dir_all(&filler).unwrap();
    super::recovers(&mut house, &mut promises, "after a full disk");
    format!("{refused} refused; {}", promises.check(&mut house))
}

#[test]
fn a_full_disk_delays_and_loses_nothing() {
    // Q03, L05
    let Some(disk) = SmallDisk::mount("size=64m,mode=755") else { return };
    let steps = [30, 8, 4, 3, 2, 1, 1, 64];
    println!("{}", survive(&disk, 1 << 20, &steps));
}

#[test]
fn a_disk_without_inodes_delays_and_loses_nothing() {
    // Q03, L05
    let Some(disk) = SmallDisk::mount("size=200m,nr_inodes=3000,mode=755") else { return };
    let steps = [1000, 500, 500, 500, 100, 100, 50, 20, 3000];
    println!("{}", survive(&disk, 1, &steps));
}
