//! Becoming nobody in particular, and then `usher`, who leads the client to the host that has his mailbox.

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::path::{Path, PathBuf};

use control::Home;
use owner::Elsewhere;
use sys::confine::Confine;
use sys::process::{self, Start};
use sys::{Identity, memory};

use crate::grants;
use crate::opening::{LIBRARIES, LOADERS, SESSION};
use crate::porter::{self, Admitted};

/// What says where name servers are.
const NAMES: &[&str] = &["/etc/resolv.conf", "/etc/hosts", "/run/systemd/resolve"];
/// Where systems keep the certificates of authorities.
const AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
];

/// Becomes `usher`, as `identity` (whom `login` runs as). Returns only on trouble; this process must end then.
pub(crate) fn pass(
    house: &Home,
    there: &Elsewhere,
    service: &OsString,
    identity: Option<&Identity>,
    admitted: Admitted,
    session: PipeWriter,
) -> io::Error {
    let usher = process::sibling("usher");
    let Admitted { login, handed, input, output, .. } = admitted;
    let alone = login.end();
    let nobody = || become_nobody(identity, Path::new(&usher), &vouchers(house, there));
    if let Err(error) = alone.and_then(|()| nobody()) {
        return error;
    }
    // None of these holds a NUL.
    let tls = there.tls.as_deref().unwrap_or_default();
    let words = [there.at.as_bytes(), tls.as_bytes(), there.user.as_bytes(), there.pass.as_bytes(), &handed];
    let handed = match memory::holding(&words.join(&0)) {
        Ok(fd) => fd,
        Err(error) => return error,
    };
    Start::new(&usher)
        .args([service])
        .env_only(&porter::environment())
        .fd(0, input)
        .fd(1, output)
        .fd(3, handed)
        .fd(SESSION, session)
        .chdir(Path::new("/"))
        .exec()
}

/// What says whose certificates are to be believed: read only where one will be shown.
fn vouchers(house: &Home, there: &Elsewhere) -> Vec<PathBuf> {
    if there.tls.is_none() {
        return Vec::new();
    }
    let system = AUTHORITIES.iter().map(PathBuf::from);
    system.chain(grants::control_files(house, "usher")).collect()
}

fn become_nobody(identity: Option<&Identity>, usher: &Path, vouchers: &[PathBuf]) -> io::Result<()> {
    if let Some(identity) = identity {
        sys::become_user(identity)?;
    }
    let confine = Confine::new().paths_only().internet().execute(usher);
    let confine = LOADERS.iter().fold(confine, Confine::execute);
    let confine = vouchers.iter().fold(confine, Confine::read);
    LIBRARIES.iter().chain(NAMES).fold(confine, Confine::read).apply()
}
