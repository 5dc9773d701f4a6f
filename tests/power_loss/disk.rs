//! A disk in memory: what it held at first, and every change since, in order. Its tree is kept as programs see it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::trace::{Call, path, said};

/// The number of a file, folder or link.
pub(crate) type Id = usize;

/// What is in it at first.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Folder,
    File(Rc<Vec<u8>>),
    Link(PathBuf),
    Fifo,
}

/// A file, folder, link or FIFO; what never changes of it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    mode: u32,
    owner: (u32, u32),
    /// `None`: it has come since the beginning.
    modified: Option<SystemTime>,
}

/// One change, or what somebody outside has heard.
#[derive(Debug)]
pub(crate) enum Act {
    /// A name in a folder gets another meaning, or none.
    Name {
        folder: Id,
        name: Rc<str>,
        target: Option<Id>,
    },
    /// A name goes to another place. The old one may be left over, but never are both lost.
    Rename {
        from: Place,
        to: Place,
        target: Id,
    },
    Write {
        file: Id,
        at: usize,
        octets: Vec<u8>,
    },
    Length {
        file: Id,
        length: usize,
    },
    Sync(Id),
    SyncAll,
    Said(Vec<u8>),
}

/// A name in a folder.
pub(crate) type Place = (Id, Rc<str>);
/// What names mean.
pub(crate) type Names = BTreeMap<Place, Id>;

/// The disk.
pub(crate) struct Disk {
    top: PathBuf,
    pub(crate) nodes: Vec<Node>,
    pub(crate) first: Names,
    pub(crate) acts: Vec<Act>,
    now: Names,
    texts: BTreeMap<Id, Vec<u8>>,
    /// Where the next plain write to a file goes; `None`: to its end.
    places: BTreeMap<Id, Option<usize>>,
    /// Calls that could not be understood.
    pub(crate) odd: Vec<String>,
}

/// The topmost folder.
pub(crate) const TOP: Id = 0;

impl Disk {
    /// The folder `top` as it is, all of it durable.
    pub(crate) fn of(top: &Path) -> Disk {
        let mut disk = Disk {
            top: top.to_owned(),
            nodes: Vec::new(),
            first: Names::new(),
            acts: Vec::new(),
            now: Names::new(),
            texts: BTreeMap::new(),
            places: BTreeMap::new(),
            odd: Vec::new(),
        };
        disk.take_in(top, &mut BTreeMap::new());
        disk.now = disk.first.clone();
        disk
    }

    fn take_in(&mut self, path: &Path, known: &mut BTreeMap<u64, Id>) -> Option<Id> {
        let seen = fs::symlink_metadata(path).ok()?;
        if let Some(id) = known.get(&seen.ino()) {
            return Some(*id);
        }
        let kind = match seen.file_type() {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File(Rc::new(fs::read(path).ok()?)),
            kind if kind.is_symlink() => Kind::Link(fs::read_link(path).ok()?),
            kind if kind.is_fifo() => Kind::Fifo,
            _ => return None,
        };
        let folder = matches!(kind, Kind::Folder);
        let id = self.node(kind, seen.mode(), (seen.uid(), seen.gid()));
        known.insert(seen.ino(), id);
        self.nodes[id].modified = seen.modified().ok();
        for child in if folder { tests::files(path) } else { Vec::new() } {
            if let Some(child_id) = self.take_in(&child, known) {
                self.first.insert((id, name_of(&child)), child_id);
            }
        }
        Some(id)
    }

    fn node(&mut self, kind: Kind, mode: u32, owner: (u32, u32)) -> Id {
        if let Kind::File(text) = &kind {
            self.texts.insert(self.nodes.len(), text.to_vec());
        }
        self.nodes.push(Node { kind, mode: mode & 0o7777, owner, modified: None });
        self.nodes.len() - 1
    }

    /// What a file holds as programs see it.
    pub(crate) fn text(&self, file: Id) -> &[u8] {
        self.texts.get(&file).map_or(b"", |text| text)
    }

    /// Adds a remark to what has happened.
    pub(crate) fn say(&mut self, text: &str) {
        self.acts.push(Act::Said(text.as_bytes().to_vec()));
    }

    /// Is the tree that all calls have led to the one that is there?
    pub(crate) fn check(&self) {
        assert!(self.odd.is_empty(), "not understood: {:?}", self.odd);
        let there = Disk::of(&self.top);
        let (ours, theirs) = (listing(self, &self.now), listing(&there, &there.now));
        for (path, text) in &ours {
            let other = theirs.get(path);
            assert!(other == Some(text), "the model has {path} otherwise: {}", shown(text, other));
        }
        assert_eq!(ours.keys().collect::<BTreeSet<_>>(), theirs.keys().collect::<BTreeSet<_>>());
    }

    /// Takes in what programs have done.
    pub(crate) fn replay(&mut self, calls: Vec<Call>) {
        for call in calls {
            if self.take(&call).is_none() {
                self.odd.push(format!("{call:?}").chars().take(300).collect());
            }
        }
    }

    /// `None`: a call that this model does not know. Those outside of the top folder are passed over.
    fn take(&mut self, call: &Call) -> Option<()> {
        let argument = |at: usize| call.arguments.get(at).map_or("", String::as_str);
        match call.name.as_str() {
            "open" | "creat" => self.opened(self.place("", argument(0)), &call.arguments[1..]),
            "openat" => self.opened(self.place(argument(0), argument(1)), &call.arguments[2..]),
            "lseek" => self.with_file(argument(0), |disk, file| {
                _ = disk.places.insert(file, Some(call.result as usize))
            }),
            // The last as the log is written: at no place of its own.
            "write" | "writev" | "sendto" | "sendmsg" | "pwritev2" => self.wrote(argument(0), call, None),
            "pwrite64" | "pwritev" => {
                self.wrote(argument(0), call, argument(call.arguments.len() - 1).parse().ok())
            }
            "ftruncate" => {
                let length = argument(1).parse().ok()?;
                self.with_file(argument(0), |disk, file| disk.cut(file, length))
            }
            "rename" => self.renamed(self.place("", argument(0)), self.place("", argument(1))),
            "renameat" | "renameat2" => {
                self.renamed(self.place(argument(0), argument(1)), self.place(argument(2), argument(3)))
            }
            "link" => self.linked(self.place("", argument(0)), self.place("", argument(1))),
            "linkat" => {
                self.linked(self.place(argument(0), argument(1)), self.place(argument(2), argument(3)))
            }
            "unlink" | "rmdir" => self.named(self.place("", argument(0)), None),
            "unlinkat" => self.named(self.place(argument(0), argument(1)), None),
            "mkdir" => self.made(self.place("", argument(0)), Kind::Folder, argument(1)),
            "mkdirat" => self.made(self.place(argument(0), argument(1)), Kind::Folder, argument(2)),
            "fsync" | "fdatasync" => {
                if let Some(id) = self.descriptor(argument(0)) {
                    self.acts.push(Act::Sync(id));
                }
                Some(())
            }
            "sync" | "syncfs" => {
                self.acts.push(Act::SyncAll);
                Some(())
            }
            "fchmod" => self.with(argument(0), |node| node.mode = mode(argument(1))),
            "fchown" => {
                self.with(argument(0), |node| node.owner = owner(argument(1), argument(2), node.owner))
            }
            "fchownat" => {
                let id = self.place(argument(0), argument(1)).and_then(|place| self.find(&place));
                let Some(id) = id else { return Some(()) };
                self.nodes[id].owner = owner(argument(2), argument(3), self.nodes[id].owner);
                Some(())
            }
            "chmod" | "fchmodat" | "chown" | "lchown" | "sync_file_range" => Some(()),
            // Nobody does that with a file of the home.
            _ => (!call
                .arguments
                .iter()
                .any(|text| path(text).is_some_and(|path| path.starts_with(&self.top))))
            .then_some(()),
        }
    }

    /// Folder and name of a path; `None`: it is outside.
    fn place(&self, folder: &str, name: &str) -> Option<Place> {
        let name = path(name)?;
        let whole = if folder.is_empty() || name.is_absolute() { name } else { path(folder)?.join(name) };
        let inside = whole.strip_prefix(&self.top).ok()?;
        let parent = self.walk(inside.parent()?)?;
        Some((parent, name_of(inside)))
    }

    fn walk(&self, inside: &Path) -> Option<Id> {
        inside
            .iter()
            .try_fold(TOP, |folder, name| self.now.get(&(folder, name.to_string_lossy().into())).copied())
    }

    fn find(&self, place: &Place) -> Option<Id> {
        match &*place.1 {
            "." => Some(place.0),
            _ => self.now.get(place).copied(),
        }
    }

    fn descriptor(&self, text: &str) -> Option<Id> {
        self.walk(path(text)?.strip_prefix(&self.top).ok()?)
    }

    fn with(&mut self, descriptor: &str, change: impl FnOnce(&mut Node)) -> Option<()> {
        if let Some(id) = self.descriptor(descriptor) {
            change(&mut self.nodes[id]);
        }
        Some(())
    }

    fn with_file(&mut self, descriptor: &str, change: impl FnOnce(&mut Disk, Id)) -> Option<()> {
        if let Some(id) = self.descriptor(descriptor).filter(|id| self.texts.contains_key(id)) {
            change(self, id);
        }
        Some(())
    }

    fn opened(&mut self, place: Option<Place>, rest: &[String]) -> Option<()> {
        let Some(place) = place else { return Some(()) };
        let flags = rest.first().map_or("O_CREAT|O_TRUNC|O_WRONLY", String::as_str);
        if flags.contains("O_TMPFILE") {
            return Some(());
        }
        if self.find(&place).is_none() && flags.contains("O_CREAT") {
            self.made(Some(place.clone()), Kind::File(Rc::default()), rest.get(1).map_or("", String::as_str));
        }
        let Some(id) = self.find(&place) else { return Some(()) };
        if !flags.contains("O_RDONLY") && self.texts.contains_key(&id) {
            self.places.insert(id, if flags.contains("O_APPEND") { None } else { Some(0) });
            if flags.contains("O_TRUNC") && !self.text(id).is_empty() {
                self.cut(id, 0);
            }
        }
        Some(())
    }

    fn made(&mut self, place: Option<Place>, kind: Kind, bits: &str) -> Option<()> {
        let Some(place) = place else { return Some(()) };
        let owner = self.nodes[place.0].owner;
        let id = self.node(kind, mode(bits), owner);
        self.named(Some(place), Some(id))
    }

    fn named(&mut self, place: Option<Place>, target: Option<Id>) -> Option<()> {
        let Some((folder, name)) = place else { return Some(()) };
        match target {
            Some(id) => _ = self.now.insert((folder, name.clone()), id),
            // A socket, which no disk keeps.
            None if self.now.remove(&(folder, name.clone())).is_none() => return Some(()),
            None => {}
        }
        self.acts.push(Act::Name { folder, name, target });
        Some(())
    }

    fn renamed(&mut self, from: Option<Place>, to: Option<Place>) -> Option<()> {
        let (Some(from), Some(to)) = (from, to) else { return Some(()) };
        let Some(target) = self.now.remove(&from) else { return Some(()) };
        self.now.insert(to.clone(), target);
        self.acts.push(Act::Rename { from, to, target });
        Some(())
    }

    fn linked(&mut self, from: Option<Place>, to: Option<Place>) -> Option<()> {
        let (Some(from), Some(to)) = (from, to) else { return Some(()) };
        let id = self.find(&from)?;
        self.named(Some(to), Some(id))
    }

    fn wrote(&mut self, descriptor: &str, call: &Call, at: Option<usize>) -> Option<()> {
        let mut octets = said(call);
        let Some(file) = self.descriptor(descriptor).filter(|id| self.texts.contains_key(id)) else {
            // To somebody else, or into a file whose name is gone; a FIFO is never full.
            self.acts.push(Act::Said(octets));
            return Some(());
        };
        octets.truncate(call.result as usize);
        let end = self.text(file).len();
        let place = at.unwrap_or_else(|| self.places.get(&file).copied().flatten().unwrap_or(end));
        if let (None, Some(Some(next))) = (at, self.places.get_mut(&file)) {
            *next = place + octets.len();
        }
        put(self.texts.get_mut(&file)?, place, &octets);
        self.acts.push(Act::Write { file, at: place, octets });
        Some(())
    }

    fn cut(&mut self, file: Id, length: usize) {
        if let Some(text) = self.texts.get_mut(&file) {
            text.resize(length, 0);
        }
        self.acts.push(Act::Length { file, length });
    }
}

/// Writes over a text, which becomes longer if need be.
pub(crate) fn put(text: &mut Vec<u8>, at: usize, octets: &[u8]) {
    if text.len() < at + octets.len() {
        text.resize(at + octets.len(), 0);
    }
    text[at..at + octets.len()].copy_from_slice(octets);
}

fn name_of(path: &Path) -> Rc<str> {
    path.file_name().map(|name| name.to_string_lossy().into()).unwrap_or_default()
}

fn mode(text: &str) -> u32 {
    u32::from_str_radix(text, 8).unwrap_or(0o600) & !0o022
}

fn owner(uid: &str, gid: &str, before: (u32, u32)) -> (u32, u32) {
    (uid.parse().unwrap_or(before.0), gid.parse().unwrap_or(before.1))
}

fn listing(disk: &Disk, names: &Names) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    walk(names, TOP, "", &mut |path, id| {
        found.insert(path.to_owned(), disk.texts.get(&id).cloned());
    });
    found
}

/// Calls `each` with the path and number of all that is below `folder`.
fn walk(names: &Names, folder: Id, path: &str, each: &mut impl FnMut(&str, Id)) {
    for ((_, name), id) in names.range((folder, "".into())..(folder + 1, "".into())) {
        let path = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
        each(&path, *id);
        walk(names, *id, &path, each);
    }
}

fn shown(ours: &Option<Vec<u8>>, theirs: Option<&Option<Vec<u8>>>) -> String {
    let text = |octets: &Option<Vec<u8>>| match octets {
        Some(octets) => {
            format!("{} octets, {}", octets.len(), octets[..octets.len().min(300)].escape_ascii())
        }
        None => "no file".to_owned(),
    };
    format!("{} / {}", text(ours), theirs.map_or("nothing".to_owned(), text))
}

impl Node {
    /// Makes it at `path`, with its owner if it may be given away.
    pub(crate) fn make(&self, path: &Path, text: &[u8]) {
        match &self.kind {
            Kind::Folder => fs::create_dir(path).unwrap(),
            Kind::File(_) => {
                fs::write(path, text).unwrap();
                if let Some(time) = self.modified {
                    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
                }
            }
            Kind::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            Kind::Fifo => nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap(),
        }
        if !matches!(self.kind, Kind::Link(_)) {
            chown(path, Some(self.owner.0), Some(self.owner.1)).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).unwrap();
        }
    }
}
