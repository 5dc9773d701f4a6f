//! What the admin wants done with a message: a file `ask/ID.verb`, which `send` carries out and removes.
//!
//! Whoever asks never touches the message itself, so a wish meets a delivery under way in one place
//! only: in `send`. A wish may come twice, and when `send` does not run it waits.

use std::io::{self, Read};

use crate::Queue;
use crate::store::id;

/// Octets of a wish that are read.
const TEXT_MAX: u64 = 64 << 10;

/// One wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Try it now.
    Retry,
    /// Do not try it until it is released.
    Hold,
    /// No longer hold it.
    Release,
    /// Remove it; nobody is told.
    Delete,
    /// Give it up now; its sender is told.
    Bounce,
    /// Hand its remote recipients to this relay (`host:port`); `None`: where control files say.
    Route(Option<String>),
    /// Consider these recipients, addresses as they were handed in, as done.
    Drop(Vec<Vec<u8>>),
}

impl Wish {
    /// The word that names it.
    pub fn verb(&self) -> &'static str {
        match self {
            Wish::Retry => "retry",
            Wish::Hold => "hold",
            Wish::Release => "release",
            Wish::Delete => "delete",
            Wish::Bounce => "bounce",
            Wish::Route(_) => "route",
            Wish::Drop(_) => "drop",
        }
    }

    /// The wish that this one takes back.
    fn opposite(&self) -> Option<&'static str> {
        match self {
            Wish::Hold => Some("release"),
            Wish::Release => Some("hold"),
            _ => None,
        }
    }

    fn text(&self) -> Vec<u8> {
        match self {
            Wish::Route(Some(relay)) => format!("{relay}\n").into_bytes(),
            // An address may hold a newline, never a NUL.
            Wish::Drop(addresses) => addresses.join(&0),
            _ => Vec::new(),
        }
    }

    fn read(verb: &str, text: &[u8]) -> Option<Wish> {
        Some(match verb {
            "retry" => Wish::Retry,
            "hold" => Wish::Hold,
            "release" => Wish::Release,
            "delete" => Wish::Delete,
            "bounce" => Wish::Bounce,
            "route" => Wish::Route(relay(text)?),
            "drop" => Wish::Drop(text.split(|octet| *octet == 0).map(<[u8]>::to_vec).collect()),
            _ => return None,
        })
    }
}

/// A relay as it is kept in a file: one word on a line. The outer `None`: garbled; the inner: none is named.
pub(crate) fn relay(text: &[u8]) -> Option<Option<String>> {
    let relay = std::str::from_utf8(text).ok()?.trim_end_matches('\n');
    let is_word = relay.bytes().all(|octet| octet.is_ascii_graphic());
    is_word.then(|| Some(relay.to_owned()).filter(|relay| !relay.is_empty()))
}

impl Queue {
    /// Leaves a wish for message `id`, durably; in place of an earlier one of the same kind.
    pub fn wish(&self, id: u64, wish: &Wish) -> io::Result<()> {
        if let Some(opposite) = wish.opposite() {
            let _ = self.ask.remove(format!("{id}.{opposite}"));
        }
        // The folder is closed to strangers; the file must be readable for the queue's uid, whoever asks.
        self.ask.replace(format!("{id}.{}", wish.verb()), &wish.text(), 0o644)
    }

    /// Is this wish still there?
    pub fn is_wished(&self, id: u64, wish: &Wish) -> bool {
        self.ask.stat(format!("{id}.{}", wish.verb())).is_ok()
    }

    /// All wishes, by message. What is garbled is removed.
    pub fn wishes(&self) -> io::Result<Vec<(u64, Wish)>> {
        let mut names = Vec::new();
        self.ask.each_name(|name| names.push(String::from_utf8_lossy(name).into_owned()))?;
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        Ok(names.iter().filter_map(|name| self.read_wish(name).or_else(|| self.drop_wish(name))).collect())
    }

    fn read_wish(&self, name: &str) -> Option<(u64, Wish)> {
        let (number, verb) = name.split_once('.')?;
        let mut text = Vec::new();
        self.ask.read(name).ok()?.take(TEXT_MAX).read_to_end(&mut text).ok()?;
        Some((id(number.as_bytes())?, Wish::read(verb, &text)?))
    }

    fn drop_wish<T>(&self, name: &str) -> Option<T> {
        let _ = self.ask.remove(name);
        None
    }

    /// The wish has been carried out.
    pub fn fulfilled(&self, id: u64, wish: &Wish) -> io::Result<()> {
        self.ask.remove(format!("{id}.{}", wish.verb()))
    }
}
