//! Port numbers that no other house takes while this one stands.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};

/// The ports of the services, as offsets from a base.
const OFFSETS: [u16; 9] = [25, 80, 110, 143, 465, 587, 993, 995, 4190];

/// A base number, ours until dropped.
pub(crate) struct Ports {
    /// SMTP is at `base + 25`, and so on.
    pub(crate) base: u16,
    _lock: File,
}

impl Ports {
    /// Takes a base whose ports are free. All bases lie below the ports that the kernel gives out.
    pub(crate) fn take() -> Ports {
        let folder = std::env::temp_dir().join(format!("fulmar-ports-{}", nix::unistd::geteuid()));
        std::fs::create_dir_all(&folder).unwrap();
        let start = std::process::id() as u16;
        // No two of these bases have a port in common: see the differences of OFFSETS.
        let bases = (0..360)
            .map(|step| 10_000 + 1000 * ((start.wrapping_add(step)) % 18) + (start / 18 + step / 18) % 20);
        for base in bases {
            let Ok(lock) = File::create(folder.join(base.to_string())) else { continue };
            if lock.try_lock().is_ok() && OFFSETS.iter().all(|offset| free(base + offset)) {
                return Ports { base, _lock: lock };
            }
        }
        panic!("no free ports");
    }
}

fn free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
