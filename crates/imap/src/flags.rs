//! Flags: system flags as bits, keywords by name.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

/// System flags of a message, but `\Recent`. RFC 9051 §2.3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// `\Answered`
    pub const ANSWERED: Flags = Flags(1);
    /// `\Flagged`
    pub const FLAGGED: Flags = Flags(2);
    /// `\Deleted`
    pub const DELETED: Flags = Flags(4);
    /// `\Seen`
    pub const SEEN: Flags = Flags(8);
    /// `\Draft`
    pub const DRAFT: Flags = Flags(16);
    /// Each with its name, in the order in which they are written.
    pub const NAMES: &'static [(Flags, &'static str)] = &[
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::SEEN, "\\Seen"),
        (Flags::DRAFT, "\\Draft"),
    ];

    /// Are all of `other` set?
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Flags;
    fn bitand(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Flags;
    fn not(self) -> Flags {
        Flags(!self.0)
    }
}

/// A flag as a client names it: `\Recent` and unknown system flags never get this far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagWord {
    /// A system flag.
    System(Flags),
    /// A keyword (an atom), as written; its case makes no difference.
    Keyword(String),
}

impl fmt::Display for FlagWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlagWord::Keyword(name) => f.write_str(name),
            FlagWord::System(flags) => {
                let name = Flags::NAMES.iter().find(|(flag, _)| flag == flags);
                f.write_str(name.map_or("", |(_, name)| *name))
            }
        }
    }
}
