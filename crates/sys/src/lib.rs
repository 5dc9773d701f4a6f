//! The operating system as Fulmar uses it: descriptors, processes, uids, packets, durable files.
//!
//! The only crate that may hold unsafe code. Knows nothing of mail: no protocol, no control
//! file, no folder of the house has a name in here.

mod abort;
pub mod confine;
mod dial;
pub mod durable;
mod env;
mod filter;
mod identity;
mod kept;
pub mod logging;
pub mod memory;
pub mod packet;
pub mod process;
mod program;
mod seen;
pub mod signals;
pub mod stem;
mod timed;
pub mod wait;
pub mod worker;

pub use dial::dial;
pub use env::Env;
pub use identity::{Identity, User, become_user, gid, group_id, is_root, uid, user, user_of};
pub use kept::Kept;
pub use packet::{Listener, Packet, Packets};
pub use program::{Stop, main, was_closed};
pub use seen::Seen;
pub use timed::{Timed, adopt, forget_ip_options, keep_alive, leave_standard, no_delay};

use std::io;
use std::time::{Duration, SystemTime};

/// The time of day. Not monotonic: an admin or NTP may set it.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Microseconds since 1970 by the time of day; 0 before that.
pub fn unix_micros() -> u64 {
    now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_micros() as u64)
}

/// Seconds since 1970 by the time of day; 0 before that.
pub fn unix_seconds() -> u64 {
    unix_micros() / 1_000_000
}

/// How many seconds east of UTC clocks are here (TZ, else /etc/localtime) at the time `unix`; 0 when
/// that is not known.
pub fn zone(unix: i64) -> i64 {
    // SAFETY: all octets zero is a valid `tm`; localtime_r writes that alone.
    let mut local: nix::libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to live values of the right type; no other thread changes the environment.
    let known = unsafe { nix::libc::localtime_r(&unix, &mut local) };
    if known.is_null() { 0 } else { local.tm_gmtoff }
}

/// Time since some fixed point that no one can set back.
pub fn monotonic() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// `N` octets from the kernel's random generator.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    let mut filled = 0;
    // The call itself, not crate getrandom: in a static program that opens /dev/random, which a
    // confined process may not.
    while filled < N {
        let rest = &mut octets[filled..];
        // SAFETY: the kernel writes at most as many octets as the slice has.
        match unsafe { nix::libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) } {
            ..0 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
            count => filled += count as usize,
        }
    }
    Ok(octets)
}

/// The addresses of this machine's interfaces; none when they can't be told.
pub fn own_addresses() -> Vec<std::net::IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| std::net::IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| std::net::IpAddr::V6(v6.ip())))
    };
    interfaces.filter_map(address).collect()
}

/// The machine's own name as the kernel has it; empty when it has none.
pub fn hostname() -> String {
    nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_octets_are_all_filled_and_never_the_same_twice() {
        let (one, two) = (super::random::<1000>().unwrap(), super::random::<1000>().unwrap());
        assert_ne!(one, two);
        assert!(one[990..].iter().any(|octet| *octet != 0));
    }
}
