//! Homes that have been found, or made, a moment ago: whoever gets one message after the other has his looked at now
//! and then, not for each. Who delivers looks himself.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owner::Owner;

/// How long a home counts as being there.
const FRESH: Duration = Duration::from_secs(5);
/// Most homes that are remembered.
const MOST: usize = 10_000;

/// By path: whose it was, and until when that counts.
#[derive(Debug, Default)]
pub(crate) struct Homes(Mutex<HashMap<PathBuf, (u32, Duration)>>);

impl Homes {
    /// As [`owner::ensure_home`], unless that has been done just now.
    pub(crate) fn ensure(&self, mail: &Path, owner: &Owner) -> io::Result<()> {
        let (uid, now) = (owner.identity.uid, sys::monotonic());
        if self.lock().get(&owner.home).is_some_and(|(whose, until)| *whose == uid && *until > now) {
            return Ok(());
        }
        owner::ensure_home(mail, owner)?;
        let mut homes = self.lock();
        if homes.len() >= MOST {
            homes.clear();
        }
        homes.insert(owner.home.clone(), (uid, now + FRESH));
        Ok(())
    }

    /// Something was wrong there: it is looked at again before the next delivery.
    pub(crate) fn doubt(&self, owner: &Owner) {
        self.lock().remove(&owner.home);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, (u32, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn owner(home: PathBuf) -> Owner {
        let (uid, gid) = if sys::is_root() { (4242, 4243) } else { (sys::uid(), sys::gid()) };
        Owner {
            identity: sys::Identity { uid, gid, groups: vec![] },
            maildir: home.join("Maildir"),
            home,
            quota: 0,
            user: "alice@example.test".into(),
            local: "alice".into(),
            domain: "example.test".into(),
            dash: String::new(),
            ext: String::new(),
            programs: false,
            instructions: vec![],
            shared: vec![],
        }
    }

    #[test]
    fn a_home_is_made_looked_at_now_and_then_and_after_each_trouble() {
        let top = tempfile::tempdir().unwrap();
        let mail = top.path().join("mail");
        let (homes, alice) = (Homes::default(), owner(mail.join("example.test/alice")));
        homes.ensure(&mail, &alice).unwrap();
        assert!(alice.home.is_dir());
        fs::remove_dir(&alice.home).unwrap();
        homes.ensure(&mail, &alice).unwrap();
        assert!(!alice.home.exists(), "believed for a moment");
        homes.doubt(&alice);
        homes.ensure(&mail, &alice).unwrap();
        assert!(alice.home.is_dir());
    }

    #[test]
    fn a_home_of_somebody_else_is_looked_at() {
        let top = tempfile::tempdir().unwrap();
        let mail = top.path().join("mail");
        let (homes, alice) = (Homes::default(), owner(mail.join("example.test/alice")));
        homes.ensure(&mail, &alice).unwrap();
        let mut other = alice.clone();
        other.identity.uid += 1;
        assert!(homes.ensure(&mail, &other).is_err());
    }
}
