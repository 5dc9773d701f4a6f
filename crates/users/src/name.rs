//! Names of domains and people, checked before they become a key or part of a path.
//!
//! All are kept in lower case as far as ASCII goes. Knows nothing of which ones exist.

use std::fmt;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing.
    Empty,
    /// Longer than mail allows: 64 octets before the `@`, 63 a label, 253 a domain.
    TooLong,
    /// A letter that has no place there.
    Letter,
    /// A dot or hyphen where none may be: at the start or end, or two dots in a row.
    Place,
    /// No `@`, so no domain.
    NoDomain,
    /// A word that means something else under `users/`.
    Reserved,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Empty => "the name is empty",
            Fault::TooLong => "the name is too long",
            Fault::Letter => "the name has a letter that is not allowed there",
            Fault::Place => "the name has a dot or hyphen in a wrong place",
            Fault::NoDomain => "the name has no domain: write user@domain",
            Fault::Reserved => "the name is reserved",
        })
    }
}

impl std::error::Error for Fault {}

/// Files that have other meanings in `users/`: ours, and those of qmail-newu and qmail-pw2u; and `mail/shared/`,
/// which is no domain's.
const RESERVED: &[&str] = &[
    "append",
    "assign",
    "cdb",
    "defaults",
    "exclude",
    "include",
    "mailnames",
    "shared",
    "simple",
    "subusers",
];

/// A domain: labels of letters, digits and inner hyphens; letters beyond ASCII as they are.
pub fn domain(text: &str) -> Result<String, Fault> {
    match text.len() {
        0 => return Err(Fault::Empty),
        254.. => return Err(Fault::TooLong),
        _ => {}
    }
    text.split('.').try_for_each(label)?;
    let name = text.to_ascii_lowercase();
    if RESERVED.contains(&name.as_str()) { Err(Fault::Reserved) } else { Ok(name) }
}

fn label(label: &str) -> Result<(), Fault> {
    match label.len() {
        0 => return Err(Fault::Place),
        64.. => return Err(Fault::TooLong),
        _ => {}
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(Fault::Place);
    }
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || beyond_ascii(c);
    if label.chars().all(fit) { Ok(()) } else { Err(Fault::Letter) }
}

/// A part before the `@` as mail may name it: RFC 5322's atoms and dots, without the slash.
pub fn local(text: &str) -> Result<String, Fault> {
    dotted(text, |c| c.is_ascii_alphanumeric() || "!#$%&'*+-=?^_`{|}~.".contains(c) || beyond_ascii(c))
}

/// The name of an account, which is that of a folder and stands in text files: letters, digits,
/// dots, `_ + = -`, the last not in front.
pub fn account(text: &str) -> Result<String, Fault> {
    if text.starts_with('-') {
        return Err(Fault::Place);
    }
    dotted(text, |c| c.is_ascii_alphanumeric() || "_+=-.".contains(c) || beyond_ascii(c))
}

fn dotted(text: &str, fit: impl Fn(char) -> bool) -> Result<String, Fault> {
    match text.len() {
        0 => return Err(Fault::Empty),
        65.. => return Err(Fault::TooLong),
        _ => {}
    }
    if text.starts_with('.') || text.ends_with('.') || text.contains("..") {
        return Err(Fault::Place);
    }
    if text.chars().all(fit) { Ok(text.to_ascii_lowercase()) } else { Err(Fault::Letter) }
}

/// Letters beyond ASCII, without those that cannot be seen or turn the line around.
fn beyond_ascii(c: char) -> bool {
    let unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}');
    !c.is_ascii() && !c.is_control() && !c.is_whitespace() && !unseen
}

/// An address of ours or of others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Before the last `@`.
    pub local: String,
    /// After it.
    pub domain: String,
}

impl Address {
    /// Splits at the last `@` and checks both halves.
    pub fn parse(text: &str) -> Result<Address, Fault> {
        let (local, domain) = text.rsplit_once('@').ok_or(Fault::NoDomain)?;
        Ok(Address { local: self::local(local)?, domain: self::domain(domain)? })
    }

    /// A login name: an address of which the local part is an account's, `#` standing for `@` if
    /// there is no `@`. Features 40 and 41: the full address, in whatever case.
    pub fn login(text: &str) -> Result<Address, Fault> {
        let text = text.trim_matches(' ');
        let (local, domain) = match text.rsplit_once('@') {
            Some(parts) => parts,
            None => text.rsplit_once('#').ok_or(Fault::NoDomain)?,
        };
        Ok(Address { local: account(local)?, domain: self::domain(domain)? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_in_any_case_and_kept_in_one() {
        assert_eq!(domain("Example.TEST"), Ok("example.test".into()));
        assert_eq!(account("Alice.B+c_d-e=f"), Ok("alice.b+c_d-e=f".into()));
        assert_eq!(account("müller"), Ok("müller".into()));
        assert_eq!(domain("münchen.example"), Ok("münchen.example".into()));
        assert_eq!(local("o'brien"), Ok("o'brien".into()));
        assert_eq!(Address::login("Alice#Example.test").unwrap().to_string(), "alice@example.test");
        assert_eq!(Address::login(" alice@example.test ").unwrap().to_string(), "alice@example.test");
    }

    // A01 P12 S21
    #[test]
    fn no_name_leads_out_of_its_folder_or_looks_like_an_option() {
        for text in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "x.",
            "a..b",
            "-rf",
            "a b",
            "a\nb",
            "a\0b",
            "a\tb",
            "a:b",
            "a,b",
            "\"a\"",
            "<a>",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{85}",
            "a%u%h",
            "' OR 1=1--",
            "x;id",
            "$(id)",
            "`id`",
            &"x".repeat(300),
            "a@b",
            "a\\b",
        ] {
            assert!(account(text).is_err(), "{text:?}");
            assert!(domain(text).is_err(), "{text:?}");
        }
        for text in [
            "..",
            "x;id",
            "-a",
            "a-",
            "a.-b",
            "a_b",
            "a..b",
            ".a",
            "a.",
            "[127.0.0.1]",
            "a/b",
            "cdb",
            "Defaults",
        ] {
            assert!(domain(text).is_err(), "{text:?}");
        }
        assert!(domain(&"a.".repeat(130)).is_err() && domain(&format!("{}.x", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_login_is_a_whole_address_of_an_account() {
        for text in ["alice", "alice@", "@example.test", "a b@example.test", "'x'@example.test", "#", "@"] {
            assert!(Address::login(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_taken_is_one_component_of_a_path(text: String) {
            for name in [account(&text), domain(&text)].into_iter().flatten() {
                let path = std::path::Path::new(&name);
                proptest::prop_assert_eq!(path.components().count(), 1);
                proptest::prop_assert_eq!(path.file_name().and_then(|n| n.to_str()), Some(&name[..]));
                proptest::prop_assert_eq!(account(&name).is_ok() || domain(&name).is_ok(), true);
            }
        }
    }
}
