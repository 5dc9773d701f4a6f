//! All places where users are kept, asked one after the other: the folder `users/` first, then databases in the order
//! of `control/users`. The first that knows a name has the word; one that does not answer is not passed over.

use std::sync::Arc;

use control::Broken;

use crate::account::{Account, Settings};
use crate::record::Entry;
use crate::sql::{Sender, Sql};
use crate::store::{Source, Store};

/// The places.
#[derive(Debug)]
pub struct Places {
    files: Store,
    databases: Vec<Sql>,
}

impl Places {
    /// The folder and the databases.
    pub fn new(files: Store, databases: Vec<Sql>) -> Places {
        Places { files, databases }
    }

    /// The folder `users/`.
    pub fn files(&self) -> &Store {
        &self.files
    }

    /// The databases.
    pub fn databases(&self) -> &[Sql] {
        &self.databases
    }

    /// Who may only send, under this name.
    pub fn sender(&self, name: &str) -> Result<Option<Sender>, Broken> {
        first(self.databases.iter(), |database| database.sender(name))
    }

    fn first<T>(&self, ask: impl Fn(&dyn Source) -> Result<Option<T>, Broken>) -> Result<Option<T>, Broken> {
        first(self.all(), ask)
    }

    fn all(&self) -> impl Iterator<Item = &dyn Source> {
        let files: &dyn Source = &self.files;
        std::iter::once(files).chain(self.databases.iter().map(|database| database as &dyn Source))
    }
}

fn first<P, T>(
    places: impl Iterator<Item = P>,
    ask: impl Fn(P) -> Result<Option<T>, Broken>,
) -> Result<Option<T>, Broken> {
    for place in places {
        if let Some(found) = ask(place)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

impl Source for Places {
    fn settings(&self, domain: &str) -> Result<Option<Arc<Settings>>, Broken> {
        self.first(|place| place.settings(domain))
    }

    fn entry(&self, domain: &str, local: &str) -> Result<Option<Entry>, Broken> {
        self.first(|place| place.entry(domain, local))
    }

    fn account(&self, domain: &str, name: &str) -> Result<Option<Account>, Broken> {
        self.first(|place| place.account(domain, name))
    }

    /// That of the account which counts: a password in another place is somebody else's.
    fn password(&self, domain: &str, name: &str) -> Result<Option<Vec<u8>>, Broken> {
        for place in self.all() {
            if place.account(domain, name)?.is_some() {
                return place.password(domain, name);
            }
        }
        Ok(None)
    }
}
