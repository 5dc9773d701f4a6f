//! LIST and LSUB: RFC 9051 §6.3.9, RFC 5258, 5819, 6154, 8440, 9590.

use std::collections::BTreeSet;
use std::io;

use crate::commands::status::wants_sizes;
use crate::names::fit;
use crate::pattern::Pattern;
use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Listed, Store, Trouble};
use crate::syntax::{List, Request};
use crate::tree::Tree;

/// Patterns of one LIST: each is compared with each name.
const MOST_PATTERNS: usize = 200;

pub(crate) fn list<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::List(list) = request else { return Ok(Reply::WRONG) };
    if !list.extended && list.patterns.iter().all(String::is_empty) {
        session.write_root(out)?;
        return Ok(Reply::DONE);
    }
    let separator = session.store.separator();
    if list.patterns.len() > MOST_PATTERNS {
        return Err(Trouble::Limit("These are too many patterns.").into());
    }
    let patterns = compiled(&list.reference, &list.patterns, separator);
    let tree = Tree::new(all(session)?, separator);
    for place in 0..tree.names.len() {
        let listed = &tree.names[place];
        if !patterns.iter().any(|pattern| pattern.fits(&listed.name)) {
            continue;
        }
        let below = list.select_recursive && tree.below(&listed.name, &list);
        let chosen = chosen(listed, &list, &tree);
        if chosen || below {
            session.write_list(listed, &tree, &list, below, out)?;
            session.write_returns(listed, &list, out)?;
        }
    }
    Ok(Reply::DONE)
}

/// RFC 3501 §6.3.9.
pub(crate) fn lsub<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Lsub { reference, pattern } = request else { return Ok(Reply::WRONG) };
    let separator = session.store.separator();
    let patterns = compiled(&reference, &[pattern], separator);
    let tree = Tree::new(all(session)?, separator);
    let hidden =
        |listed: &&Listed| listed.subscribed && !patterns.iter().any(|pattern| pattern.fits(&listed.name));
    let above = levels(tree.names.iter().filter(hidden), separator);
    for listed in &tree.names {
        if !patterns.iter().any(|pattern| pattern.fits(&listed.name)) {
            continue;
        }
        // A level that is not subscribed stands for those below it, which the pattern does not reach.
        let attributes = match listed.subscribed {
            true if listed.no_select && !listed.missing => "\\Noselect",
            true => "",
            false if above.contains(listed.name.as_str()) => "\\Noselect",
            false => continue,
        };
        let name = session.written(&listed.name);
        write!(out, "* LSUB ({attributes}) \"{}\" {name}\r\n", session.separator_escaped())?;
    }
    Ok(Reply::DONE)
}

/// All mailboxes that a client can name: one that other programs have made of another name it could not select.
fn all<S: Store>(session: &mut Session<S>) -> Result<Vec<Listed>, Trouble> {
    let separator = session.store.separator();
    let mut all = session.store.list()?;
    all.retain(|listed| fit(&listed.name, separator).as_ref() == Ok(&listed.name));
    Ok(all)
}

/// All levels above these names.
fn levels<'a>(names: impl Iterator<Item = &'a Listed>, separator: char) -> BTreeSet<&'a str> {
    names.flat_map(|one| one.name.match_indices(separator).map(|(place, _)| &one.name[..place])).collect()
}

fn compiled(reference: &str, patterns: &[String], separator: char) -> Vec<Pattern> {
    let whole = patterns.iter().map(|pattern| format!("{reference}{pattern}"));
    whole.filter_map(|pattern| Pattern::new(&pattern, separator)).collect()
}

/// Do the selection options want it?
fn chosen(listed: &Listed, list: &List, tree: &Tree) -> bool {
    // A level that is missing is shown where it holds mailboxes (RFC 5258 §3.4).
    let there = !listed.missing || list.select_subscribed || tree.has_children(&listed.name);
    there
        && (!list.select_subscribed || listed.subscribed)
        && (!list.select_special || listed.special.is_some())
}

impl<S: Store> Session<S> {
    /// `LIST "" ""`: the separator.
    fn write_root(&self, out: Out<'_>) -> io::Result<()> {
        write!(out, "* LIST (\\Noselect) \"{}\" \"\"\r\n", self.separator_escaped())
    }

    fn write_list(
        &self,
        listed: &Listed,
        tree: &Tree,
        list: &List,
        below: bool,
        out: Out<'_>,
    ) -> io::Result<()> {
        let shows_subscribed = listed.subscribed && (list.return_subscribed || list.select_subscribed);
        let attributes = [
            listed.missing.then_some("\\NonExistent"),
            listed.no_select.then_some("\\Noselect"),
            Some(if tree.has_children(&listed.name) { "\\HasChildren" } else { "\\HasNoChildren" }),
            listed.marked.map(|marked| if marked { "\\Marked" } else { "\\Unmarked" }),
            listed.special,
            shows_subscribed.then_some("\\Subscribed"),
        ];
        let attributes: Vec<&str> = attributes.into_iter().flatten().collect();
        let name = self.written(&listed.name);
        write!(out, "* LIST ({}) \"{}\" {name}", attributes.join(" "), self.separator_escaped())?;
        if below {
            write!(out, " (\"CHILDINFO\" ({}))", child_criteria(list))?;
        }
        out.write_all(b"\r\n")
    }

    /// What RETURN asks for beside the name. What can't be had for one mailbox is left out (RFC 5819 §2).
    fn write_returns(&mut self, listed: &Listed, list: &List, out: Out<'_>) -> io::Result<()> {
        if listed.no_select || listed.missing {
            return Ok(());
        }
        let name = &listed.name;
        if !list.return_status.is_empty()
            && let Ok(status) = self.store.status(name, wants_sizes(&list.return_status))
        {
            self.write_status(name, &status, &list.return_status, out)?;
        }
        if list.return_rights
            && let Ok(rights) = self.store.rights(name)
        {
            self.write_my_rights(name, &rights, out)?;
        }
        if !list.return_metadata.is_empty()
            && let Ok(known) = self.store.metadata(name)
        {
            self.write_annotations(name, &known, &list.return_metadata, out)?;
        }
        Ok(())
    }
}

/// RFC 5258 §4; RFC 6154 names no criterion of its own, so SUBSCRIBED stands where that was asked.
fn child_criteria(list: &List) -> &'static str {
    match (list.select_subscribed, list.select_special) {
        (true, true) => "\"SUBSCRIBED\" \"SPECIAL-USE\"",
        (false, true) => "\"SPECIAL-USE\"",
        _ => "\"SUBSCRIBED\"",
    }
}
