//! Who gets the mail of a local part by /etc/passwd alone, as `qmail-getpw` finds it.

use std::os::unix::fs::MetadataExt;

use control::Broken;
use sys::{Identity, User};

use crate::Person;

/// The longest user name there is.
const NAME_MAX: usize = 32;
/// Who gets what is nobody else's.
const ALIAS: &str = "alias";

/// The user whose name is the local part, or the part of it before a `-`: the longest that is one, with the
/// rest as extension; else `alias`, if the system has such a user, with all of it. Root, names with capital
/// letters, and users who don't own their homes get no mail.
pub fn getpw(local: &str) -> Result<Option<Person>, Broken> {
    let find = |name: &str| sys::user(name).map_err(|error| Broken::io("/etc/passwd", &error));
    let lower = local.to_ascii_lowercase();
    let dashes = lower.rmatch_indices('-').map(|(at, _)| at);
    for end in std::iter::once(lower.len()).chain(dashes) {
        let name = &lower[..end];
        if name.is_empty() || name.len() > NAME_MAX {
            continue;
        }
        if let Some(user) = find(name)?.filter(gets_mail) {
            let (dash, ext) = if end < lower.len() { ("-", &local[end + 1..]) } else { ("", "") };
            return Ok(Some(person(user, dash, ext)));
        }
    }
    Ok(find(ALIAS)?.filter(|user| user.identity.uid != 0).map(|user| person(user, "-", local)))
}

fn person(user: User, dash: &str, ext: &str) -> Person {
    let identity = Identity { groups: Vec::new(), ..user.identity };
    Person { user: user.name, identity, home: user.home, dash: dash.to_owned(), ext: ext.to_owned() }
}

/// A home that cannot be looked at now is not known to be another's: the delivery will tell.
fn gets_mail(user: &User) -> bool {
    let own = |error: std::io::Error| error.kind() != std::io::ErrorKind::NotFound;
    user.identity.uid != 0
        && std::fs::metadata(&user.home).map_or_else(own, |seen| seen.uid() == user.identity.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_gets_no_mail_and_a_home_of_somebody_else_is_none() {
        let user = |uid, home: &str| User {
            name: "x".into(),
            identity: Identity { uid, gid: 1, groups: vec![] },
            home: home.into(),
            shell: String::new(),
        };
        let own = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(own.path(), Some(if sys::is_root() { 4242 } else { sys::uid() }), None)
            .unwrap();
        let uid = std::fs::metadata(own.path()).unwrap().uid();
        assert!(gets_mail(&user(uid, own.path().to_str().unwrap())));
        assert!(!gets_mail(&user(uid + 1, own.path().to_str().unwrap())));
        assert!(!gets_mail(&user(0, "/root")));
        assert!(!gets_mail(&user(uid, "/no/such/home")));
    }

    #[test]
    fn mail_for_root_is_never_roots() {
        let found = getpw("root").unwrap();
        assert!(found.is_none_or(|person| person.user == ALIAS && person.ext == "root"));
    }
}
