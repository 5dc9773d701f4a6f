//! Users of the system in a house: `lookup` is shown an /etc/passwd of its own, which needs root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use crate::{House, files, program};

/// The domain whose users are the system's.
pub const HERE: &str = "system.test";
/// [`PASSWORD`] as Debian's libcrypt keeps it: yescrypt, and SHA-512.
const YESCRYPT: &str = "$y$j9T$EgcjlWLQ0NEO7t31ORoCc0$dzC1h/aB2l1JHgYhJGRz43bo.oDcW09.TmT8LSqKcyB";
const SHA512: &str = "$6$S.bVgg8ZThKThmgd$cLb9DvfTT7znz9P6CppcYcMJkNNNhhXNlrhQYXnj8vwNvFibDyGj2UtFipKEytKlwBSqtyphZNzqu008UgcyI1";
/// Name, uid, kept password.
const FOLK: &[(&str, u32, &str)] = &[
    ("ann", 64_501, YESCRYPT),
    ("joe-smith", 64_502, SHA512),
    ("gone", 64_503, "!"),
    ("alias", 64_504, "*"),
];

/// A running house for the system's users `ann`, `joe-smith`, `gone` (whose home is another's) and `alias`;
/// `None` without root.
pub fn start() -> Option<House> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: needs root, since each user's mail is delivered as that user");
        return None;
    }
    let house = House::empty();
    house.write("control/users", "cdb\nsystem\n");
    house.write("control/locals", &format!("{HERE}\n"));
    house.write("control/defaultdelivery", "./Maildir/\n");
    found(&house);
    Some(running(house))
}

/// Writes the system's tables and makes the homes.
fn found(house: &House) {
    let root = "root:x:0:0::/root:/bin/sh\n";
    let (mut passwd, mut shadow) = (root.to_owned(), "root:*:1::::::\n".to_owned());
    for (name, uid, kept) in FOLK {
        let home = house.path(&format!("people/{name}"));
        fs::create_dir_all(&home).unwrap();
        let owner = if *name == "gone" { 0 } else { *uid };
        chown(&home, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
        passwd += &format!("{name}:x:{uid}:{uid}::{}:/bin/sh\n", home.display());
        shadow += &format!("{name}:{kept}:19000::::::\n");
    }
    house.write("passwd", &passwd);
    house.write("group", "root:x:0:\nshadow:x:42:\n");
    house.write("shadow", &shadow);
    let path = house.path("shadow");
    chown(&path, Some(0), Some(42)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
}

/// Starts `house`, in which `lookup` sees the tables of [`found`].
fn running(mut house: House) -> House {
    let mounts: Vec<String> = ["passwd", "group", "shadow"]
        .iter()
        .map(|name| format!("mount --bind {} /etc/{name}", house.path(name).display()))
        .collect();
    let mounts = mounts.join(" && ");
    let inside = format!("exec unshare -m sh -c '{mounts} && exec \"$0\"' \"$0\"");
    house.services().before_each(&format!("case $0 in */lookup/run) {inside} ;; esac"));
    house.run();
    house
}

/// A file in the home of `name`, his own.
pub fn write(house: &House, name: &str, file: &str, text: &str) {
    let path = format!("people/{name}/{file}");
    house.write(&path, text);
    give(house, name, file);
}

fn give(house: &House, name: &str, file: &str) {
    let uid = FOLK.iter().find(|(known, ..)| *known == name).unwrap().1;
    chown(house.path(&format!("people/{name}/{file}")), Some(uid), Some(uid)).unwrap();
}

/// A Maildir of `name`.
pub fn maildir(house: &House, name: &str, folder: &str) {
    let uid = FOLK.iter().find(|(known, ..)| *known == name).unwrap().1.to_string();
    let made = Command::new("setpriv")
        .args(["--reuid", &uid, "--regid", &uid, "--clear-groups"])
        .arg(program("maildirmake"))
        .arg(house.path(&format!("people/{name}/{folder}")))
        .status();
    assert!(made.unwrap().success());
}

/// Waits until `folder` of `name` holds `count` messages.
pub fn await_new(house: &House, name: &str, folder: &str, count: usize) -> Vec<String> {
    let new = house.path(&format!("people/{name}/{folder}/new"));
    let found = house.until(&format!("{count} in {}", new.display()), || {
        Some(files(&new)).filter(|found| found.len() >= count)
    });
    found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}
