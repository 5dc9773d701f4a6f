//! A queue of qmail on disk: `mess`, `info`, `local`, `remote`, `todo`, `bounce`, by inode numbers.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::records::{failures, records};

/// Octets of an envelope file that are read.
const ENVELOPE_MAX: u64 = 256 << 20;

/// A message in it.
#[derive(Debug)]
pub(super) struct Mess {
    /// Its number there.
    pub(super) number: u64,
    /// When it came, in seconds since 1970.
    pub(super) birth: u64,
    /// The envelope sender.
    pub(super) sender: Vec<u8>,
    /// The recipients that are not done.
    pub(super) recipients: Vec<Vec<u8>>,
    path: PathBuf,
    bounce: PathBuf,
}

impl Mess {
    /// Names it for good: a number is given again once its message is gone.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.number, self.birth)
    }

    /// Nothing is left to be done, not even a bounce.
    pub(super) fn is_over(&self) -> bool {
        self.recipients.is_empty() && !self.bounce.exists()
    }

    pub(super) fn text(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// The failures that are noted, as address and reason.
    pub(super) fn failures(&self) -> io::Result<Vec<(Vec<u8>, String)>> {
        match fs::read(&self.bounce) {
            Ok(text) => Ok(failures(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The lock of `qmail-send`; `None`: it runs.
pub(super) fn lock(queue: &Path) -> io::Result<Option<File>> {
    let file = File::options().write(true).open(queue.join("lock/sendmutex"))?;
    Ok(sys::durable::lock(&file)?.then_some(file))
}

/// Where every file of the queue lies, by number.
struct Places {
    mess: HashMap<u64, PathBuf>,
    info: HashMap<u64, PathBuf>,
    todo: HashMap<u64, PathBuf>,
    channels: [HashMap<u64, PathBuf>; 2],
    bounce: PathBuf,
}

/// All messages that were accepted: those in `info`, and those in `todo`, which nobody has looked at yet.
pub(super) fn all(queue: &Path) -> io::Result<Vec<io::Result<Mess>>> {
    let of = |name: &str| places(&queue.join(name));
    let channels = [of("local")?, of("remote")?];
    let bounce = queue.join("bounce");
    let places = Places { mess: of("mess")?, info: of("info")?, todo: of("todo")?, channels, bounce };
    let mut numbers: Vec<u64> = places.info.keys().chain(places.todo.keys()).copied().collect();
    numbers.sort_unstable();
    numbers.dedup();
    let named =
        |number: u64, error: io::Error| io::Error::new(error.kind(), format!("message {number}: {error}"));
    Ok(numbers.into_iter().map(|number| places.read(number).map_err(|e| named(number, e))).collect())
}

impl Places {
    fn read(&self, number: u64) -> io::Result<Mess> {
        // A message that is in todo is as it was handed in, whatever is left in info.
        let head = self.todo.get(&number).or(self.info.get(&number)).ok_or(io::ErrorKind::NotFound)?;
        let mut all = records(&read(head)?);
        if !self.todo.contains_key(&number) {
            for path in self.channels.iter().filter_map(|channel| channel.get(&number)) {
                all.extend(records(&read(path)?));
            }
        }
        let of = |letter: u8| move |record: &&Vec<u8>| record.first() == Some(&letter);
        let sender = all.iter().find(of(b'F')).ok_or_else(|| io::Error::other("it has no sender"))?;
        let path = self.mess.get(&number).ok_or_else(|| io::Error::other("its text is missing"))?;
        Ok(Mess {
            number,
            birth: seconds(head)?,
            sender: sender[1..].to_vec(),
            recipients: all.iter().filter(of(b'T')).map(|record| record[1..].to_vec()).collect(),
            path: path.clone(),
            bounce: self.bounce.join(number.to_string()),
        })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.len() {
        length if length > ENVELOPE_MAX => Err(io::Error::other("its envelope is too long")),
        _ => fs::read(path),
    }
}

fn seconds(path: &Path) -> io::Result<u64> {
    let touched = fs::metadata(path)?.modified()?;
    Ok(touched.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs()))
}

/// Where each file lies: in `folder`, or in one of the numbered folders that it is split into.
fn places(folder: &Path) -> io::Result<HashMap<u64, PathBuf>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(places(&entry.path())?);
        } else if let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.insert(number, entry.path());
        }
    }
    Ok(found)
}
