//! The tree of mailbox names as LIST sees it: with the levels that are only parts of other names.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::Listed;
use crate::syntax::List;

/// What is below a name.
#[derive(Clone, Copy, Debug, Default)]
struct Below {
    there: bool,
    subscribed: bool,
    special: bool,
    both: bool,
}

/// All names, sorted.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) names: Vec<Listed>,
    below: BTreeMap<String, Below>,
}

impl Tree {
    /// The tree of what the store lists.
    pub(crate) fn new(listed: Vec<Listed>, separator: char) -> Tree {
        let mut below: BTreeMap<String, Below> = BTreeMap::new();
        for one in &listed {
            for (place, _) in one.name.match_indices(separator) {
                let of = below.entry(one.name[..place].to_owned()).or_default();
                of.there |= !one.missing;
                of.subscribed |= one.subscribed;
                of.special |= one.special.is_some();
                of.both |= one.subscribed && one.special.is_some();
            }
        }
        let names = with_levels(listed, &below);
        Tree { names, below }
    }

    /// Are there mailboxes below it?
    pub(crate) fn has_children(&self, name: &str) -> bool {
        self.below.get(name).is_some_and(|below| below.there)
    }

    /// Is something below it that the selection options want?
    pub(crate) fn below(&self, name: &str, list: &List) -> bool {
        self.below.get(name).is_some_and(|below| match (list.select_subscribed, list.select_special) {
            (true, true) => below.both,
            (true, false) => below.subscribed,
            (false, true) => below.special,
            (false, false) => below.there,
        })
    }
}

/// Adds levels that nobody lists: they are not there, but hold what is below them.
fn with_levels(mut listed: Vec<Listed>, below: &BTreeMap<String, Below>) -> Vec<Listed> {
    let known: BTreeSet<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    let missing = below.keys().filter(|name| !name.is_empty() && !known.contains(name.as_str()));
    let levels: Vec<Listed> = missing
        .map(|name| Listed { name: name.clone(), missing: true, no_select: true, ..Listed::default() })
        .collect();
    listed.extend(levels);
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    listed
}
