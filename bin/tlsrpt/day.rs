//! What was noted on one day, and telling it.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use dns::{Kind, Record, Resolver};
use https::Https;
use secrecy::report::{Head, Note, Place, Report, places};
use submission::Submission;
use wire::Fate;

use crate::letter::{KIND, Letter, moment, packed};

/// Of a day.
pub(crate) const SECONDS: u64 = 86_400;
/// Days for which telling is tried.
const TRIES: u64 = 3;

/// A day's notes.
pub(crate) struct Day {
    /// Since 1970.
    pub(crate) number: u64,
    path: PathBuf,
}

/// Who tells, and how.
pub(crate) struct Teller {
    pub(crate) me: String,
    pub(crate) resolver: Resolver,
    pub(crate) https: Https,
    pub(crate) submission: Submission,
    /// Reports are shown, and nobody is told.
    pub(crate) print: bool,
}

impl Day {
    /// All in `folder`, the oldest first. Other files in it are left alone.
    pub(crate) fn all(folder: &Path) -> io::Result<Vec<Day>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let day = |entry: fs::DirEntry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some(Day { number, path: entry.path() })
        };
        let mut days: Vec<Day> = entries.filter_map(|entry| day(entry.ok()?)).collect();
        days.sort_by_key(|day| day.number);
        Ok(days)
    }

    /// Tells each domain that wants to know. Who could not be told stays in the file, for a while.
    pub(crate) fn tell(&self, teller: &mut Teller, today: u64) -> Result<(), String> {
        let at = |error| format!("{}: {error}", self.path.display());
        let text = String::from_utf8_lossy(&fs::read(&self.path).map_err(at)?).into_owned();
        let mut untold = Vec::new();
        for (domain, report) in Report::all(text.lines().filter_map(Note::parse)) {
            if let Err(cause) = teller.tell(&domain, &report, self.number) {
                sys::log!("tlsrpt: warning: {domain} can't be told: {cause}");
                untold.push(domain);
            }
        }
        if teller.print {
            return Ok(());
        }
        if untold.is_empty() || self.number + TRIES <= today {
            return fs::remove_file(&self.path).map_err(at);
        }
        let of_untold = |line: &&str| Note::parse(line).is_some_and(|note| untold.contains(&note.domain));
        let left: String = text.lines().filter(of_untold).map(|line| format!("{line}\n")).collect();
        sys::durable::replace(&self.path, left.as_bytes(), 0o644).map_err(at)
    }
}

impl Teller {
    fn tell(&mut self, domain: &str, report: &Report, day: u64) -> Result<(), String> {
        let (start, end) = (day * SECONDS, (day + 1) * SECONDS - 1);
        let id = format!("{day}.{domain}@{}", self.me);
        let contact = format!("postmaster@{}", self.me);
        let (from, to) = (moment(start), moment(end));
        let head = Head { organisation: &self.me, contact: &contact, id: &id, start: &from, end: &to };
        let json = report.json(domain, &head);
        if self.print {
            // A reader that has gone away wants no more.
            return writeln!(io::stdout(), "{json:#}").map_err(|error| error.to_string());
        }
        let packed = packed(json.to_string().as_bytes()).map_err(|error| error.to_string())?;
        for place in self.places(domain)? {
            match place {
                Place::Web(url) => self.https.post(&url, KIND, &packed)?,
                Place::Mail(to) => {
                    let letter = Letter {
                        me: &self.me,
                        to: &to,
                        domain,
                        id: &id,
                        span: (start, end),
                        packed: &packed,
                    };
                    let text = letter.text(sys::unix_seconds());
                    self.mail(&to, &text)?;
                }
            }
            sys::log!("tlsrpt: told {domain} of {}", &from[..10]);
        }
        Ok(())
    }

    /// Nobody, if the domain does not ask.
    fn places(&self, domain: &str) -> Result<Vec<Place>, String> {
        let text = |record| match record {
            Record::Text(text) => Some(text),
            _ => None,
        };
        match self.resolver.lookup(&format!("_smtp._tls.{domain}"), Kind::Txt) {
            Ok(answer) => Ok(places(&answer.records.into_iter().filter_map(text).collect::<Vec<_>>())),
            Err(dns::Error::NotFound) => Ok(Vec::new()),
            Err(later) => Err(later.to_string()),
        }
    }

    fn mail(&mut self, to: &str, text: &str) -> Result<(), String> {
        self.submission.open("tlsrpt").map_err(|error| error.to_string())?;
        self.submission.write(text.as_bytes());
        self.submission.sender(format!("postmaster@{}", self.me).as_bytes());
        self.submission.recipient(to.as_bytes());
        match self.submission.commit() {
            Fate::Done(_) => Ok(()),
            fate => Err(fate.text().to_string()),
        }
    }
}
