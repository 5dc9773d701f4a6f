//! What is wrong under `users/`: for `fulmar check`.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use control::{Broken, Problem, Severity};
use sys::Identity;
use sys::durable::Folder;

use crate::compile::COMPILED;
use crate::reader::may_read;
use crate::record::{self, Entry, Key};
use crate::resolve::{Resolution, real_domain, resolve};
use crate::store::{Store, domains, is_current};
use crate::text::{self, FILES, Sheet};

/// All problems under `users` (the folder `users/`): wrong lines and unreadable files as errors; what
/// works but can hardly be meant as warnings. Reads as who runs it; changes nothing. `reader`: who `lookup`
/// becomes when root starts it, and so must be able to read all of it.
pub fn check(users: &Path, reader: Option<&Identity>) -> Vec<Problem> {
    let mut problems = Vec::new();
    // What will hold once it is compiled; a compiled file that is damaged is told by itself.
    let store = Store::of_texts(users);
    if let Err(broken) = store.defaults() {
        problems.push(broken.into());
    }
    problems.extend(reader.and_then(|reader| shut(users, "defaults", reader)));
    match domains(users) {
        Ok(names) => {
            for name in &names {
                Checker { users, store: &store, name, found: &mut problems }.all();
                problems.extend(reader.into_iter().flat_map(|reader| shut_in(users, name, reader)));
            }
        }
        Err(broken) => problems.push(broken.into()),
    }
    problems
}

/// What `reader` cannot read of a domain.
fn shut_in(users: &Path, domain: &str, reader: &Identity) -> Vec<Problem> {
    let files = FILES.into_iter().chain([COMPILED]).map(|file| format!("{domain}/{file}"));
    [domain.to_owned()].into_iter().chain(files).filter_map(|name| shut(users, &name, reader)).collect()
}

/// Mail for all users of a domain waits when one of its texts cannot be read.
fn shut(users: &Path, name: &str, reader: &Identity) -> Option<Problem> {
    let seen = users.join(name).metadata().ok()?;
    let Identity { uid, gid, .. } = reader;
    // In the folder it must write, too.
    let good = if seen.is_dir() { seen.uid() == *uid } else { may_read(&seen, reader) };
    let what = if seen.is_dir() { "does not belong to" } else { "cannot be read by" };
    let problem = format!("{what} the user that lookup runs as, uid {uid}");
    let cure = format!("as root: fulmar cdb, or chown {uid}:{gid} {}", users.join(name).display());
    (!good).then(|| Broken::new(format!("users/{name}"), problem, cure).into())
}

struct Checker<'a> {
    users: &'a Path,
    store: &'a Store,
    name: &'a str,
    found: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn all(mut self) {
        let sheet = Folder::open(&self.users.join(self.name))
            .map_err(|error| text::unreadable(self.name, "", &error))
            .and_then(|folder| text::read(&folder, self.name));
        match sheet {
            Ok(sheet) => self.sheet(&sheet),
            Err(broken) => self.tell(broken.into()),
        }
        self.permissions();
        self.compiled();
    }

    fn sheet(&mut self, sheet: &Sheet) {
        sheet.problems.iter().for_each(|broken| self.tell(broken.clone().into()));
        if let Err(broken) = real_domain(self.store, self.name) {
            self.tell(broken.into());
        }
        let mut accounts = BTreeSet::new();
        for (key, value) in &sheet.records {
            let Some((letter, name)) = key.split_first() else { continue };
            let name = String::from_utf8_lossy(name).into_owned();
            match (letter, record::entry(value, self.name)) {
                (b'e' | b'a', Ok(Entry::Account(account))) => {
                    if name == "default" && !account.wildcard {
                        let problem = "the account default does not say `wildcard`, so it is no catch-all";
                        self.warn(
                            "accounts",
                            problem,
                            "add the word, if it is meant to receive for users that do not exist",
                        );
                    }
                    accounts.insert(name);
                }
                (b'e', Ok(Entry::Alias(_) | Entry::Route(_))) => self.leads_somewhere(&name),
                _ => {}
            }
        }
        self.passwords(sheet, &accounts);
        self.postmaster(sheet);
    }

    fn leads_somewhere(&mut self, name: &str) {
        let cure = "correct the line, or add who is missing";
        match resolve(self.store, &format!("{name}@{}", self.name)) {
            Resolution::NoSuchUser => self.warn("aliases", &format!("{name} leads to nobody"), cure),
            Resolution::Disabled(_) => {
                self.warn("aliases", &format!("{name} leads to a disabled account"), cure)
            }
            Resolution::Later(broken) => self.tell(broken.into()),
            _ => {}
        }
    }

    fn passwords(&mut self, sheet: &Sheet, accounts: &BTreeSet<String>) {
        for (key, value) in &sheet.records {
            let Some((b'p', name)) = key.split_first() else { continue };
            let name = String::from_utf8_lossy(name);
            if !accounts.contains(&*name) {
                self.warn("passwords", &format!("{name} has a password but no account"), "remove the line");
            }
            match sasl::Secret::parse(value) {
                Ok(_) | Err(sasl::Unusable::Locked) => {}
                Err(why) => {
                    let cure = format!("set it anew: fulmar user passwd {name}@{}", self.name);
                    self.warn("passwords", &format!("{name} cannot log in: {why}"), &cure);
                }
            }
        }
    }

    /// RFC 5321 §4.5.1: every domain has a postmaster.
    fn postmaster(&mut self, sheet: &Sheet) {
        let is_alias = sheet
            .records
            .get(&record::key(Key::Settings, ""))
            .is_some_and(|value| record::read_settings(value, self.name).is_ok_and(|s| s.alias_of.is_some()));
        let address = format!("postmaster@{}", self.name);
        if !is_alias && matches!(resolve(self.store, &address), Resolution::NoSuchUser) {
            let cure = "add an account or alias of this name, or a line `postmaster ADDRESS` to the file";
            self.warn("domain", "nobody receives mail for postmaster", cure);
        }
    }

    fn permissions(&mut self) {
        for file in ["passwords", "cdb"] {
            let path = self.users.join(self.name).join(file);
            let open = path.metadata().is_ok_and(|seen| seen.permissions().mode() & 0o077 != 0);
            if open {
                let cure = format!("chmod 600 {}", path.display());
                self.say(Severity::Error, file, "others than its owner may read the passwords in it", &cure);
            }
        }
    }

    fn compiled(&mut self) {
        match is_current(self.users, self.name) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => {
                self.warn("cdb", "the texts have been changed since it was compiled", "run fulmar cdb")
            }
            Ok(None) => {
                self.warn("cdb", "never compiled, so every question reads the texts", "run fulmar cdb")
            }
            Err(broken) => self.tell(broken.into()),
        }
    }

    fn warn(&mut self, file: &str, problem: &str, cure: &str) {
        self.say(Severity::Warning, file, problem, cure);
    }

    fn say(&mut self, severity: Severity, file: &str, problem: &str, cure: &str) {
        let broken = Broken::new(format!("users/{}/{file}", self.name), problem, cure);
        self.tell(Problem { severity, ..broken.into() });
    }

    /// A wrong line is met by each question about its name.
    fn tell(&mut self, problem: Problem) {
        let same = |seen: &Problem| {
            let line = problem.line.is_some() && problem.severity == seen.severity;
            *seen == problem || line && (&seen.file, seen.line) == (&problem.file, problem.line)
        };
        if !self.found.iter().any(same) {
            self.found.push(problem);
        }
    }
}
