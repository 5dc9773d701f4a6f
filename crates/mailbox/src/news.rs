//! What has happened in mailboxes that are not open (RFC 5465), told by the time stamps of their folders and
//! indexes: a message that comes, goes or changes its flags changes at least one.

use std::collections::BTreeMap;

use imap::{Happened, News};

use crate::index;
use crate::tree::{Spot, Tree};

/// Seconds and nanoseconds of `new`, `cur` and the index.
type Stamps = [(i64, i64); 3];

/// How all mailboxes were at one time.
#[derive(Debug)]
pub(crate) struct Watched(BTreeMap<String, Stamps>);

impl Watched {
    pub(crate) fn look(tree: &Tree, mailboxes: &BTreeMap<String, Spot>) -> Watched {
        let stamps = |(name, spot): (&String, &Spot)| (name.clone(), stamps(tree, spot));
        Watched(mailboxes.iter().map(stamps).collect())
    }

    /// What is different from before.
    pub(crate) fn since(&self, before: &Watched) -> Vec<News> {
        let news = |name: &String, what| News { name: name.clone(), what };
        let gone = before.0.keys().filter(|name| !self.0.contains_key(*name));
        let mut all: Vec<News> = gone.map(|name| news(name, Happened::Removed)).collect();
        for (name, stamps) in &self.0 {
            match before.0.get(name) {
                None => all.push(news(name, Happened::Created)),
                Some(then) if then != stamps => all.push(news(name, Happened::Messages)),
                Some(_) => {}
            }
        }
        all
    }
}

fn stamps(tree: &Tree, spot: &Spot) -> Stamps {
    use std::os::unix::fs::MetadataExt;
    let (path, index) = (tree.path(spot), tree.index(spot));
    let stamp = |path: std::path::PathBuf| {
        std::fs::symlink_metadata(path).map_or((0, 0), |seen| (seen.ctime(), seen.ctime_nsec()))
    };
    let index = index.map_or((0, 0), |folder| stamp(folder.join(index::NAME)));
    [stamp(path.join("new")), stamp(path.join("cur")), index]
}
