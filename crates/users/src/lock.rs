//! One writer at a time under `users/`.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use control::Broken;
use sys::durable::lock;

/// How long one waits for another writer; compiling a million users takes some seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The right to write; given back when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the right.
    pub(crate) fn take(users: &Path) -> Result<Lock, Broken> {
        let failed = |error: &std::io::Error| Broken::io("users/.lock", error);
        let folder = crate::compile::folder(users)?;
        let file = folder.append(".lock", 0o600).map_err(|error| failed(&error))?;
        if sys::is_root() {
            let owner = folder.stat(".").map_err(|error| failed(&error))?;
            folder.give(".lock", owner.st_uid, owner.st_gid).map_err(|error| failed(&error))?;
        }
        let start = sys::monotonic();
        while !lock(&file).map_err(|error| failed(&error))? {
            if sys::monotonic().saturating_sub(start) > PATIENCE {
                return Err(Broken::new(
                    "users/.lock",
                    "held by another program",
                    "let it finish, then try again",
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Lock { _file: file })
    }
}
