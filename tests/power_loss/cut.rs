//! What a power cut may leave, at any moment, under two ideas of a file system.
//!
//! *Ordered* is a journal as ext4 has it: names and lengths come to the disk in their order, and a sync of anything takes
//! all of those before it along; what was written into a file and not synced may be there, or in part, or as zeros.
//! *Strict* is what POSIX promises at least: a name is sure once its folder was synced, a text once its file was; all
//! else may be there or not, one thing without the other. A rename leaves the new name, or the old, or both.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::disk::{Act, Disk, Id, Kind, Place, TOP, put};

/// What a disk holds after a power cut.
pub(crate) struct State {
    /// So many acts had been done.
    pub(crate) after: usize,
    /// How it came to be, for whoever has to find out.
    pub(crate) how: String,
    names: Changed,
    texts: BTreeMap<Id, Text>,
}

/// Names that do not mean what they meant at first.
type Changed = BTreeMap<Place, Option<Id>>;

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Luck {
    /// All is lost.
    None,
    /// All is there.
    All,
    /// Lengths are there, but no text: zeros.
    Zeros,
    /// Names that went are gone, names that came are not there.
    Removals,
    Dice,
}

/// The same numbers at every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Calls `each` with states after every act; each one once. Gives how many there were.
pub(crate) fn states(disk: &Disk, seed: u64, mut each: impl FnMut(State)) -> usize {
    let mut seen = HashSet::new();
    let (mut dice, mut texts) = (Dice(seed), Texts::default());
    for after in 0..=disk.acts.len() {
        if after > 0
            && matches!(disk.acts[after - 1], Act::Said(_) | Act::Sync(_) | Act::SyncAll)
            && after < disk.acts.len()
        {
            // What is sure by now and was not before shows after the next change.
            continue;
        }
        for state in after_a_cut(disk, after, &mut dice, &mut texts) {
            let heard = disk.acts[..after].iter().filter(|act| matches!(act, Act::Said(_))).count();
            if seen.insert((heard, state.sum())) {
                each(state);
            }
        }
    }
    seen.len()
}

fn after_a_cut(disk: &Disk, after: usize, dice: &mut Dice, texts: &mut Texts) -> Vec<State> {
    let mut states = Vec::new();
    let last = (0..after)
        .rev()
        .find(|at| matches!(disk.acts[*at], Act::Sync(_) | Act::SyncAll))
        .map_or(0, |at| at + 1);
    let sure = sure_acts(disk, after);
    for names in [last, after, last + dice.below(after + 1 - last)] {
        for luck in [Luck::None, Luck::All, Luck::Zeros, Luck::Dice] {
            let lots: Vec<bool> = (0..after).map(|at| at < names).collect();
            states.push(build(
                disk,
                &sure,
                &format!("ordered, names up to {names}"),
                luck,
                dice,
                &lots,
                texts,
            ));
        }
    }
    for lucky in [Luck::None, Luck::All, Luck::Removals, Luck::Dice, Luck::Dice] {
        for luck in [Luck::None, Luck::All, Luck::Zeros, Luck::Dice] {
            let lots: Vec<bool> =
                (0..after).map(|at| sure[at] != Sure::Nothing || lot(&disk.acts[at], lucky, dice)).collect();
            let how = format!("strict, names {lucky:?}");
            states.push(build(disk, &sure, &how, luck, dice, &lots, texts));
        }
    }
    states
}

fn lot(act: &Act, luck: Luck, dice: &mut Dice) -> bool {
    match luck {
        Luck::None | Luck::Zeros => false,
        Luck::All => true,
        Luck::Removals => matches!(act, Act::Name { target: None, .. } | Act::Length { .. }),
        Luck::Dice => dice.below(2) == 0,
    }
}

/// What is sure of an act because what it changed has been synced since.
#[derive(Clone, Copy, PartialEq)]
enum Sure {
    Nothing,
    /// Of a rename: the new name; the old one may be there as well.
    NewName,
    All,
}

fn sure_acts(disk: &Disk, after: usize) -> Vec<Sure> {
    let mut synced: HashSet<Id> = HashSet::new();
    let (mut sure, mut all) = (vec![Sure::Nothing; after], false);
    for at in (0..after).rev() {
        let (new, old) = match &disk.acts[at] {
            Act::Name { folder: id, .. } | Act::Write { file: id, .. } | Act::Length { file: id, .. } => {
                (id, id)
            }
            Act::Rename { from, to, .. } => (&to.0, &from.0),
            _ => (&TOP, &TOP),
        };
        sure[at] = match (synced.contains(new), synced.contains(old)) {
            _ if all => Sure::All,
            (true, true) => Sure::All,
            (true, false) => Sure::NewName,
            _ => Sure::Nothing,
        };
        match &disk.acts[at] {
            Act::Sync(id) => _ = synced.insert(*id),
            Act::SyncAll => all = true,
            _ => {}
        }
    }
    sure
}

/// Which octets of a write come to the disk, and whether the file becomes as long as it would with all of them.
type Part = (usize, usize, bool);

fn build(
    disk: &Disk,
    sure: &[Sure],
    how: &str,
    luck: Luck,
    dice: &mut Dice,
    lots: &[bool],
    texts: &mut Texts,
) -> State {
    let after = sure.len();
    let (mut names, mut parts) = (Changed::new(), BTreeMap::<Id, Vec<(usize, Part)>>::new());
    for (at, act) in disk.acts[..after].iter().enumerate() {
        match act {
            Act::Name { folder, name, target } if lots[at] => {
                _ = names.insert((*folder, Rc::clone(name)), *target)
            }
            Act::Rename { from, to, target } if lots[at] => {
                names.insert(to.clone(), Some(*target));
                // Its old folder may be behind.
                let may_be = sure[at] != Sure::All && how.starts_with("strict") && from.0 != to.0;
                let left_over = may_be && luck == Luck::Dice && dice.below(2) == 0;
                let before = names.get(from).copied().unwrap_or_else(|| disk.first.get(from).copied());
                if !left_over && before == Some(*target) {
                    names.insert(from.clone(), None);
                }
            }
            Act::Length { file, .. } if lots[at] || sure[at] == Sure::All => {
                parts.entry(*file).or_default().push((at, (0, 0, true)))
            }
            Act::Write { file, octets, .. } => {
                let whole = (0, octets.len(), true);
                let written = if sure[at] == Sure::All { whole } else { part(octets.len(), luck, dice) };
                if written.2 || written.1 > 0 {
                    parts.entry(*file).or_default().push((at, written));
                }
            }
            _ => {}
        }
    }
    let texts = parts.into_iter().map(|(file, parts)| (file, texts.text(disk, file, parts))).collect();
    State { after, how: format!("{how}, texts {luck:?}"), names, texts }
}

/// What comes to the disk of a write of so many octets.
fn part(length: usize, luck: Luck, dice: &mut Dice) -> Part {
    match luck {
        Luck::None | Luck::Removals => (0, 0, false),
        Luck::All => (0, length, true),
        Luck::Zeros => (0, 0, true),
        Luck::Dice => match dice.below(4) {
            0 => (0, 0, false),
            1 => (0, length, true),
            2 => (0, dice.below(length), false),
            // Its end came first.
            _ => (dice.below(length), length, true),
        },
    }
}

/// A text and its check sum.
type Text = Rc<(Vec<u8>, u64)>;

/// Texts of files that have been made already, by what they were made from.
#[derive(Default)]
struct Texts(HashMap<(Id, Vec<(usize, Part)>), Text>);

impl Texts {
    fn text(&mut self, disk: &Disk, file: Id, parts: Vec<(usize, Part)>) -> Text {
        let Kind::File(first) = &disk.nodes[file].kind else { return Rc::default() };
        let made = self.0.entry((file, parts)).or_insert_with_key(|(_, parts)| {
            let mut text = first.to_vec();
            for (at, part) in parts {
                write_part(&mut text, &disk.acts[*at], *part);
            }
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            Rc::new((text, hasher.finish()))
        });
        Rc::clone(made)
    }
}

/// What was there keeps its old octets where the new ones are lost.
fn write_part(text: &mut Vec<u8>, act: &Act, (from, to, long): Part) {
    match act {
        Act::Length { length, .. } => text.resize(*length, 0),
        Act::Write { at, octets, .. } => {
            let end = if long { at + octets.len() } else { at + to };
            text.resize(text.len().max(end), 0);
            put(text, at + from, &octets[from..to.max(from)]);
        }
        _ => {}
    }
}

impl State {
    /// That of a disk whose power has not failed.
    pub(crate) fn last(disk: &Disk) -> State {
        let all = disk.acts.len();
        let (sure, lots) = (vec![Sure::All; all], vec![true; all]);
        build(disk, &sure, "in the end", Luck::All, &mut Dice(0), &lots, &mut Texts::default())
    }

    /// What file `id` holds.
    pub(crate) fn text<'a>(&'a self, disk: &'a Disk, id: Id) -> &'a [u8] {
        match (self.texts.get(&id), &disk.nodes[id].kind) {
            (Some(text), _) => &text.0,
            (None, Kind::File(first)) => first,
            _ => b"",
        }
    }

    /// Tells what file `id` holds from all else that it may hold.
    pub(crate) fn print(&self, id: Id) -> (Id, u64) {
        (id, self.texts.get(&id).map_or(0, |text| text.1))
    }

    /// The files below the folder `path`, with their names from there.
    pub(crate) fn files(&self, disk: &Disk, path: &str) -> Vec<(String, Id)> {
        let mut found = Vec::new();
        if let Some(folder) = self.find(disk, path) {
            self.walk(disk, folder, "", &mut |name, id| {
                if matches!(disk.nodes[id].kind, Kind::File(_)) {
                    found.push((name.to_owned(), id));
                }
            });
        }
        found
    }

    fn find(&self, disk: &Disk, path: &str) -> Option<Id> {
        let step = |folder: Id, name: &str| {
            let place = (folder, name.into());
            self.names.get(&place).copied().unwrap_or_else(|| disk.first.get(&place).copied())
        };
        path.split('/').filter(|name| !name.is_empty()).try_fold(TOP, step)
    }

    /// Calls `each` with the path and number of all that is below `folder`.
    fn walk(&self, disk: &Disk, folder: Id, path: &str, each: &mut impl FnMut(&str, Id)) {
        let range = || (folder, "".into())..(folder + 1, "".into());
        let mut children: BTreeMap<&str, Id> =
            disk.first.range(range()).map(|((_, name), id)| (&**name, *id)).collect();
        for ((_, name), id) in self.names.range(range()) {
            _ = match id {
                Some(id) => children.insert(name, *id),
                None => children.remove(&**name),
            };
        }
        for (name, id) in children {
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            each(&path, id);
            if matches!(disk.nodes[id].kind, Kind::Folder) {
                self.walk(disk, id, &path, each);
            }
        }
    }

    /// Makes all that is below the folder `path` in the folder `target`, which is there.
    pub(crate) fn write(&self, disk: &Disk, path: &str, target: &Path) {
        let Some(folder) = self.find(disk, path) else { return };
        let mut made: BTreeMap<Id, PathBuf> = BTreeMap::new();
        self.walk(disk, folder, "", &mut |name, id| {
            let file = target.join(name);
            match made.get(&id).filter(|_| !matches!(disk.nodes[id].kind, Kind::Folder)) {
                Some(first) => std::fs::hard_link(first, &file).unwrap(),
                None => disk.nodes[id].make(&file, self.text(disk, id)),
            }
            made.insert(id, file);
        });
    }

    fn sum(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.names.hash(&mut hasher);
        self.texts.iter().for_each(|(id, text)| (id, text.1).hash(&mut hasher));
        hasher.finish()
    }
}
