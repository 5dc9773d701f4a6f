//! What a server gives up before it hears a client.

use control::{Home, Role, Uids};
use sys::Stop;
use sys::confine::{Confine, Limits};

/// Open files of one process.
const FILES: u64 = 64;

/// Becomes the network's user: under inetd a server may have been started by root.
pub fn drop_root(home: &Home) -> Result<(), Stop> {
    let identity = Uids::read(home).and_then(|uids| uids.identity(Role::Net)).map_err(Stop::temporary)?;
    let Some(identity) = identity else { return Ok(()) };
    sys::become_user(&identity).map_err(|error| Stop::temporary(format_args!("can't change uid: {error}")))
}

/// From now on the process reads control files, talks over sockets, executes nothing, and has `memory`
/// octets of address space.
pub fn confine(home: &Home, memory: u64) -> Result<(), Stop> {
    let limits = Limits { memory: Some(memory), files: Some(FILES), file_size: None };
    let confined = limits.apply().and_then(|()| Confine::new().read(home.control()).sockets().apply());
    confined.map_err(|error| Stop::temporary(format_args!("can't confine myself: {error}")))
}
