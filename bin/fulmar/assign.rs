//! `qmail-newu` and `qmail-pw2u`: the table of the system's users who get mail.

use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, lchown};

use ::assign::{Homes, Options};
use control::{Broken, Home};
use sys::Stop;

use crate::show::print;

const USAGE: &str = "qmail-pw2u [-ohHuUC] [-c char] < /etc/passwd";

/// Compiles `users/assign`, if there is one.
pub(crate) fn compile(home: &Home) -> Result<(), Stop> {
    let path = home.users().join("assign");
    match std::fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => newu(home),
    }
}

/// `qmail-newu`. With a mistake in the text the old table stays.
pub(crate) fn newu(home: &Home) -> Result<(), Stop> {
    let (text, table) = (home.users().join("assign"), home.users().join("cdb"));
    let read = std::fs::read(&text).map_err(|error| Broken::io("users/assign", &error));
    let bytes = read.and_then(|text| ::assign::compile(&text)).map_err(Stop::permanent)?;
    let failed = |error| Stop::temporary(format_args!("{}: {error}", table.display()));
    sys::durable::replace(&table, &bytes, 0o644).map_err(failed)?;
    // It is lookup's, like all in its folder; where whoever owns that has put a link, no file elsewhere is.
    if let (true, Ok(folder)) = (sys::is_root(), home.users().metadata()) {
        lchown(&table, Some(folder.uid()), Some(folder.gid())).map_err(failed)?;
    }
    Ok(())
}

/// `qmail-pw2u`: passwd on descriptor 0, the text for `users/assign` on 1.
pub(crate) fn pw2u(home: &Home, words: &[String]) -> Result<(), Stop> {
    let mut options = options(words)?;
    files(home, &mut options).map_err(Stop::permanent)?;
    let mut passwd = Vec::new();
    std::io::stdin().read_to_end(&mut passwd).map_err(Stop::temporary)?;
    let owner = |home: &str| std::fs::metadata(home).ok().map(|seen| seen.uid());
    let text = ::assign::pw2u(&String::from_utf8_lossy(&passwd), &options, owner);
    print(&text.map_err(Stop::permanent)?)
}

fn options(words: &[String]) -> Result<Options, Stop> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-') else { return Err(Stop::usage(USAGE)) };
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            match letter {
                'o' => options.homes = Homes::Owned,
                'h' => options.homes = Homes::Existing,
                'H' => options.homes = Homes::Any,
                'u' => options.capitals = true,
                'U' => options.capitals = false,
                'C' => options.dash = None,
                'c' => {
                    let rest: String = letters.by_ref().collect();
                    let value =
                        if rest.is_empty() { words.next().cloned().unwrap_or_default() } else { rest };
                    options.dash = Some(value.chars().next().ok_or_else(|| Stop::usage(USAGE))?);
                }
                _ => return Err(Stop::usage(USAGE)),
            }
        }
    }
    Ok(options)
}

/// The files beside `users/assign` that have a say.
fn files(home: &Home, options: &mut Options) -> Result<(), Broken> {
    let text = |name: &str| match std::fs::read_to_string(home.users().join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Broken::io(format!("users/{name}"), &error)),
    };
    let names = |text: String| text.lines().map(|line| line.trim_end().to_owned()).collect::<HashSet<_>>();
    options.include = text("include")?.map(names);
    options.exclude = text("exclude")?.map(names).unwrap_or_default();
    for line in text("mailnames")?.unwrap_or_default().lines() {
        let mut fields = line.split(':').filter(|field| !field.is_empty()).map(str::to_owned);
        if let Some(user) = fields.next() {
            options.mailnames.insert(user, fields.collect());
        }
    }
    for line in text("subusers")?.unwrap_or_default().lines() {
        if let [sub, user, pre, ..] = line.split(':').collect::<Vec<_>>()[..] {
            options.subusers.push((sub.to_owned(), user.to_owned(), pre.to_owned()));
        }
    }
    options.append = text("append")?.unwrap_or_default();
    Ok(())
}
