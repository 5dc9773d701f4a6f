//! From texts to the compiled file of a domain, and its check sum.
//!
//! A text with a wrong line is not compiled: what was compiled before stays in force. The file is a
//! cdb with twelve more octets behind its end: a mark and the CRC-32 of all before, so that a damaged
//! one is an error for everybody instead of "no such user" for some.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use control::Broken;
use sys::durable::{Folder, open_any};

use crate::lock::Lock;
use crate::text;

/// The name of the compiled file.
pub(crate) const COMPILED: &str = "cdb";
/// The key of the stamps of the texts.
pub(crate) const SOURCE: &[u8] = b"\0source";
const MARK: [u8; 8] = *b"fulmar\0\x01";

/// Compiles the texts of `domain` under `users` (the folder `users/`). Waits for other writers.
/// Errors are the wrong lines; the old compiled file is untouched then.
pub fn compile(users: &Path, domain: &str) -> Result<(), Vec<Broken>> {
    let _lock = Lock::take(users).map_err(|broken| vec![broken])?;
    locked(users, domain)
}

/// What became of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Its name.
    pub domain: String,
    /// The wrong lines; empty when it was compiled.
    pub problems: Vec<Broken>,
}

/// Compiles all domains.
pub fn compile_all(users: &Path) -> Result<Vec<Compiled>, Broken> {
    let one = |domain: String| {
        let problems = compile(users, &domain).err().unwrap_or_default();
        Compiled { domain, problems }
    };
    Ok(crate::store::domains(users)?.into_iter().map(one).collect())
}

/// As [`compile`], by who has the lock.
pub(crate) fn locked(users: &Path, domain: &str) -> Result<(), Vec<Broken>> {
    let folder = Folder::open(&users.join(domain));
    into(&folder.map_err(|error| vec![Broken::io(format!("users/{domain}"), &error)])?, domain)
}

/// Compiles the texts in `folder`, which is the domain's or will be.
pub(crate) fn into(folder: &Folder, domain: &str) -> Result<(), Vec<Broken>> {
    let one = |broken: Broken| vec![broken];
    let sheet = text::read(folder, domain).map_err(one)?;
    if !sheet.problems.is_empty() {
        return Err(sheet.problems);
    }
    let stamp = (SOURCE.to_vec(), sheet.stamp.into_bytes());
    let shown = format!("users/{domain}/{COMPILED}");
    let built = cdb::build(std::iter::once(stamp).chain(sheet.records));
    let built = built.map_err(|error| one(Broken::new(&shown, error.to_string(), "split the domain")))?;
    write(folder, COMPILED, &sealed(built), 0o600).map_err(|error| one(Broken::io(shown, &error)))
}

/// Writes a file durably and atomically, owned by whom its folder belongs to: the admin's root must
/// not lock `lookup` out.
pub(crate) fn write(folder: &Folder, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    if !sys::is_root() {
        return folder.replace(name, bytes, mode);
    }
    let owner = folder.stat(".")?;
    let new = format!(".{name}.new.tmp");
    let _ = folder.remove(&new);
    folder.replace(&new, bytes, mode)?;
    folder.give(&new, owner.st_uid, owner.st_gid)?;
    folder.rename(&new, folder, name)?;
    folder.sync()
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&MARK);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// Reads all of a compiled file once: is it as it was written?
pub(crate) fn is_whole(file: &File) -> io::Result<bool> {
    let size = file.metadata()?.size();
    let Some(length) = size.checked_sub(12) else { return Ok(false) };
    let mut end = [0; 12];
    file.read_exact_at(&mut end, length)?;
    let (mark, sum) = end.split_at(8);
    if mark != MARK {
        return Ok(false);
    }
    let mut hash = crc32fast::Hasher::new();
    let (mut from, mut buffer) = (file.take(length), vec![0; 128 << 10]);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hash.finalize().to_le_bytes() == sum),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Opens the folder `users/`.
pub(crate) fn folder(users: &Path) -> Result<Folder, Broken> {
    open_any(users).map_err(|error| Broken::io("users", &error))
}
