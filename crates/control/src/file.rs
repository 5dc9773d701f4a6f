//! What can be said of a control file without opening it.

/// One control file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its name in `control/`.
    pub name: &'static str,
    /// How it is to be read.
    pub kind: Kind,
    /// What holds when there is no such file.
    pub default: Default,
    /// The programs that read it. Empty: the name is known, no program uses it yet.
    pub readers: &'static [&'static str],
    /// What it is for.
    pub sentence: &'static str,
}

/// How a file is read, and what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line of text; may be empty.
    Line,
    /// One host name or address literal; not empty.
    Host,
    /// One whole number.
    Number {
        /// What is counted: `bytes`, `seconds`, ...
        unit: &'static str,
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
    },
    /// `1` or `0`.
    Flag,
    /// Entries, one a line.
    List(Entry),
    /// `key:value` lines.
    Map(Entry),
    /// A whole text.
    Text,
    /// A folder of files.
    Folder,
    /// Known from qmail or IndiMail; has no effect here, and its sentence says why.
    Foreign,
}

/// What an entry of a list, or a key of a map, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A domain, or `.suffix` for all names below it.
    Domain,
    /// `user@host`, or `@host` for all its users.
    Address,
    /// A domain, `.suffix`, `user@host`, or nothing for everything.
    Route,
    /// An IP address, a prefix ending in a dot, or a network with `/` and a length.
    Network,
    /// A shell pattern, or regular expression.
    Pattern,
    /// A word of its own kind.
    Word,
}

/// What holds without the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing: an empty list, an absent value.
    None,
    /// The value of `control/me`.
    Me,
    /// This value.
    Value(&'static str),
}

impl Kind {
    /// Are its entries, or keys, addresses and networks?
    pub fn is_of_networks(self) -> bool {
        matches!(self, Kind::List(Entry::Network) | Kind::Map(Entry::Network))
    }

    /// Can a cdb stand beside a file of this kind?
    pub fn compiles(self) -> bool {
        matches!(self, Kind::List(_) | Kind::Map(_))
    }

    /// Is there one value in it?
    pub fn is_single(self) -> bool {
        matches!(self, Kind::Line | Kind::Host | Kind::Number { .. } | Kind::Flag)
    }
}
