//! The domains under `users/` as they are at this moment, kept open for speed.
//!
//! Each question costs one stat ([`at_once`]); a file that has been replaced is opened anew, and kept in memory if it is
//! small. A domain that was never
//! compiled is read from its texts. What cannot be read is an error for its domain and for no other.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use cdb::{Cdb, Held};
use control::Broken;
use sys::Seen;
use sys::durable::{Folder, open_any};

use crate::account::{Account, Settings};
use crate::compile::{COMPILED, SOURCE, is_whole};
use crate::record::{self, Entry, Key, garbled};
use crate::{name, text};

/// Most domains that are kept open.
const OPEN_MAX: usize = 1000;
/// A compiled file of no more octets is kept in memory.
const SMALL: u64 = 64 * 1024;
/// How often a compiled domain is compared with its texts.
const COMPARE: Duration = Duration::from_secs(5);

thread_local! {
    /// What this thread's question has met; `None`: there is no question.
    static MET: RefCell<Option<Met>> = const { RefCell::new(None) };
}

/// Domains, each with the address of its store.
type Met = Vec<(usize, Arc<Book>)>;

/// All that `question` asks of a domain is answered by the domain's state at its first look. For questions that change
/// nothing; not to be nested.
pub fn at_once<T>(question: impl FnOnce() -> T) -> T {
    /// A question that ends in a panic ends, too.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            MET.set(None);
        }
    }
    MET.set(Some(Vec::new()));
    let _end = End;
    question()
}

/// Who answers questions about users: the folder `users/`, and databases later. Names are in lower
/// case and have been checked. An error means "later".
pub trait Source {
    /// The settings of a domain; `None`: it is not ours.
    fn settings(&self, domain: &str) -> Result<Option<Arc<Settings>>, Broken>;
    /// Where mail for exactly this name goes.
    fn entry(&self, domain: &str, local: &str) -> Result<Option<Entry>, Broken>;
    /// The account of exactly this name, whatever routes or aliases say.
    fn account(&self, domain: &str, name: &str) -> Result<Option<Account>, Broken>;
    /// The kept form of an account's password.
    fn password(&self, domain: &str, name: &str) -> Result<Option<Vec<u8>>, Broken>;
}

/// The folder `users/`.
#[derive(Debug)]
pub struct Store {
    users: PathBuf,
    /// Compiled files are passed over.
    texts: bool,
    open: RwLock<HashMap<String, Arc<Book>>>,
    defaults: Mutex<Option<(Seen, Arc<Settings>)>>,
    warned: Mutex<HashSet<String>>,
}

/// One open domain.
#[derive(Debug)]
struct Book {
    domain: String,
    form: Form,
    settings: Arc<Settings>,
    compared: Mutex<Duration>,
}

#[derive(Debug)]
enum Form {
    /// With how its file was, if that tells it from every other.
    Compiled(Cdb<Held>, Option<Seen>, Vec<u8>),
    Text(BTreeMap<Vec<u8>, Vec<u8>>, String),
}

impl Store {
    /// The store in the folder `users`. Nothing is read yet.
    pub fn new(users: impl Into<PathBuf>) -> Store {
        Store {
            users: users.into(),
            texts: false,
            open: RwLock::default(),
            defaults: Mutex::default(),
            warned: Mutex::default(),
        }
    }

    /// What the texts in the folder `users` say, compiled or not.
    pub(crate) fn of_texts(users: &Path) -> Store {
        Store { texts: true, ..Store::new(users) }
    }

    /// The folder.
    pub fn users(&self) -> &Path {
        &self.users
    }

    /// What holds where neither account nor domain says anything: the file `users/defaults`.
    pub fn defaults(&self) -> Result<Arc<Settings>, Broken> {
        let path = self.users.join("defaults");
        let failed = |error: io::Error| text::unreadable_defaults(&error);
        let seen = match path.metadata() {
            Ok(seen) => Seen::of(&seen),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut kept = self.defaults.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, settings)) = &*kept
            && *old == seen
        {
            return Ok(settings.clone());
        }
        let settings = Arc::new(text::defaults(&open_any(&self.users).map_err(failed)?)?);
        *kept = Some((seen, settings.clone()));
        Ok(settings)
    }

    /// The domain as it is now, or was when this question first met it.
    fn book(&self, domain: &str) -> Result<Option<Arc<Book>>, Broken> {
        let own = std::ptr::from_ref(self) as usize;
        let known = MET.with_borrow(|met| {
            let mut met = met.iter().flatten();
            met.find(|(store, book)| *store == own && book.domain == domain).map(|(_, book)| book.clone())
        });
        if known.is_some() {
            return Ok(known);
        }
        let book = self.book_now(domain)?;
        if let Some(book) = &book {
            MET.with_borrow_mut(|met| {
                if let Some(met) = met {
                    met.push((own, book.clone()));
                }
            });
        }
        Ok(book)
    }

    fn book_now(&self, domain: &str) -> Result<Option<Arc<Book>>, Broken> {
        let path = self.users.join(domain);
        let kept = self.open.read().unwrap_or_else(PoisonError::into_inner).get(domain).cloned();
        if let Some(book) = kept
            && (self.texts || book.is_fresh(&path))
        {
            self.compare(&book, &path);
            return Ok(Some(book));
        }
        let book = if self.texts { open_texts(&path, domain) } else { open(&path, domain) };
        let book = book?.map(Arc::new);
        match &book {
            Some(book) => self.compare(book, &path),
            // No domain at all is not the same as no such domain: a disk may be missing.
            None if !self.users.is_dir() => {
                let cure = "mount the disk, or make the folder";
                return Err(Broken::new("users", "there is no such folder", cure));
            }
            None => {}
        }
        let mut all = self.open.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(domain);
        if let Some(book) = &book {
            if all.len() >= OPEN_MAX {
                all.clear();
            }
            all.insert(domain.to_owned(), book.clone());
        }
        Ok(book)
    }

    /// Says once for each state of a domain that its texts have changed since they were compiled.
    fn compare(&self, book: &Book, path: &Path) {
        let Form::Compiled(_, _, stamp) = &book.form else { return };
        let now = sys::monotonic();
        {
            let mut compared = book.compared.lock().unwrap_or_else(PoisonError::into_inner);
            if now.saturating_sub(*compared) < COMPARE {
                return;
            }
            *compared = now;
        }
        let current = text::stamp_of(path);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_bytes() != stamp && warned.insert(format!("{}\n{current}", book.domain)) {
            let (program, domain) = (sys::logging::name(), &book.domain);
            sys::log!("{program}: warning: users/{domain}: its texts have been changed; run fulmar cdb");
        }
    }
}

impl Source for Store {
    fn settings(&self, domain: &str) -> Result<Option<Arc<Settings>>, Broken> {
        Ok(self.book(domain)?.map(|book| book.settings.clone()))
    }

    fn entry(&self, domain: &str, local: &str) -> Result<Option<Entry>, Broken> {
        let Some(book) = self.book(domain)? else { return Ok(None) };
        book.read(Key::Entry, local)
    }

    fn account(&self, domain: &str, name: &str) -> Result<Option<Account>, Broken> {
        let Some(book) = self.book(domain)? else { return Ok(None) };
        let found = match book.read(Key::Entry, name) {
            // A line that is wrong in `routes` or `aliases` is no reason not to let someone in.
            Ok(Some(Entry::Account(account))) => return Ok(Some(account)),
            other => other,
        };
        match book.read(Key::Account, name)? {
            Some(Entry::Account(account)) => Ok(Some(account)),
            _ => found.map(|_| None),
        }
    }

    fn password(&self, domain: &str, name: &str) -> Result<Option<Vec<u8>>, Broken> {
        let Some(book) = self.book(domain)? else { return Ok(None) };
        book.get(&record::key(Key::Password, name))
    }
}

impl Book {
    fn is_fresh(&self, path: &Path) -> bool {
        let compiled = path.join(COMPILED).symlink_metadata();
        match (&self.form, compiled) {
            (Form::Compiled(_, seen, _), Ok(now)) => *seen == Some(Seen::of(&now)),
            (Form::Text(_, stamp), Err(error)) => {
                error.kind() == ErrorKind::NotFound && path.is_dir() && *stamp == text::stamp_of(path)
            }
            _ => false,
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        match &self.form {
            Form::Text(records, _) => Ok(records.get(key).cloned()),
            Form::Compiled(records, ..) => records.get(key).map_err(|error| damaged(&self.domain, &error)),
        }
    }

    fn read(&self, key: Key, name: &str) -> Result<Option<Entry>, Broken> {
        let value = self.get(&record::key(key, name))?;
        value.map(|value| record::entry(&value, &self.domain)).transpose()
    }
}

/// Opens a domain; `None`: there is no such folder.
fn open(path: &Path, domain: &str) -> Result<Option<Book>, Broken> {
    let Some(folder) = enter(path, domain)? else { return Ok(None) };
    let form = match folder.read(COMPILED) {
        Ok(file) => compiled(file, domain)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let sheet = text::read(&folder, domain)?;
            for problem in &sheet.problems {
                sys::log!("{}: warning: {problem}", sys::logging::name());
            }
            Form::Text(sheet.records, sheet.stamp)
        }
        Err(error) => return Err(text::unreadable(domain, COMPILED, &error)),
    };
    book(domain, form).map(Some)
}

/// As [`open`], from the texts alone; their wrong lines are told by who checks them.
fn open_texts(path: &Path, domain: &str) -> Result<Option<Book>, Broken> {
    let Some(folder) = enter(path, domain)? else { return Ok(None) };
    let sheet = text::read(&folder, domain)?;
    book(domain, Form::Text(sheet.records, sheet.stamp)).map(Some)
}

fn enter(path: &Path, domain: &str) -> Result<Option<Folder>, Broken> {
    match Folder::open(path) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(text::unreadable(domain, "", &error)),
    }
}

fn book(domain: &str, form: Form) -> Result<Book, Broken> {
    let mut book = Book {
        domain: domain.to_owned(),
        form,
        settings: Arc::default(),
        compared: Mutex::new(Duration::ZERO),
    };
    let settings = book.get(&record::key(Key::Settings, ""))?.ok_or_else(|| garbled(domain))?;
    book.settings = Arc::new(record::read_settings(&settings, domain)?);
    Ok(book)
}

fn compiled(file: File, domain: &str) -> Result<Form, Broken> {
    let failed = |error: io::Error| text::unreadable(domain, COMPILED, &error);
    let seen = Seen::of(&file.metadata().map_err(failed)?);
    if !is_whole(&file).map_err(failed)? {
        return Err(garbled(domain));
    }
    let held = Held::of(file, SMALL).map_err(failed)?;
    let records = Cdb::new(held).map_err(|error| damaged(domain, &error))?;
    let stamp = records.get(SOURCE).map_err(|error| damaged(domain, &error))?;
    Ok(Form::Compiled(records, Some(seen).filter(Seen::is_settled), stamp.ok_or_else(|| garbled(domain))?))
}

fn damaged(domain: &str, error: &cdb::Error) -> Broken {
    match error {
        cdb::Error::Io(error) => text::unreadable(domain, COMPILED, error),
        other => Broken::new(
            format!("users/{domain}/{COMPILED}"),
            other.to_string(),
            "make it anew from its texts: fulmar cdb",
        ),
    }
}

/// Has this domain's compiled file been made from its texts as they are? `None`: it has none.
pub(crate) fn is_current(users: &Path, domain: &str) -> Result<Option<bool>, Broken> {
    let path = users.join(domain);
    let Some(book) = open(&path, domain)? else { return Ok(None) };
    match &book.form {
        Form::Text(..) => Ok(None),
        Form::Compiled(_, _, stamp) => Ok(Some(text::stamp_of(&path).as_bytes() == stamp)),
    }
}

/// The names of all domains, sorted. What has no name of a domain is passed over.
pub fn domains(users: &Path) -> Result<Vec<String>, Broken> {
    let entries = std::fs::read_dir(users).map_err(|error| Broken::io("users", &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Broken::io("users", &error))?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if name::domain(&name).is_ok_and(|lower| lower == name) && entry.file_type().is_ok_and(|t| t.is_dir())
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
