//! `users/assign` made of a passwd file, as `qmail-pw2u` makes it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use control::Broken;

/// Whose homes count, which names come out.
#[derive(Clone, Debug)]
pub struct Options {
    /// What stands between a name and its extension; none: there are no extensions.
    pub dash: Option<char>,
    /// `-o`: homes must belong to their users. `-h`: they must exist. `-H`: neither.
    pub homes: Homes,
    /// `-u`: names with capital letters get mail, too, by their names in lower case.
    pub capitals: bool,
    /// Users that get mail: all, if there is no `users/include`.
    pub include: Option<HashSet<String>>,
    /// Users that get none.
    pub exclude: HashSet<String>,
    /// `user:name:name:` lines: the names under which a user gets mail, instead of his own.
    pub mailnames: HashMap<String, Vec<String>>,
    /// `sub:user:pre:` lines: a name of its own whose mail goes to the user with the extension `pre`.
    pub subusers: Vec<(String, String, String)>,
    /// Lines that are added as they are.
    pub append: String,
    /// Who gets what is nobody else's.
    pub alias: String,
}

/// Which homes let their users get mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Homes {
    /// Those that belong to their users.
    Owned,
    /// Those that exist; one that does not is an error.
    Existing,
    /// All.
    Any,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dash: Some('-'),
            homes: Homes::Owned,
            capitals: false,
            include: None,
            exclude: HashSet::new(),
            mailnames: HashMap::new(),
            subusers: Vec::new(),
            append: String::new(),
            alias: "alias".to_owned(),
        }
    }
}

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: &'a str,
    home: &'a str,
}

/// The text for the users of `passwd`. `owner` says whose a home is; `None`: there is none.
pub fn pw2u(passwd: &str, options: &Options, owner: impl Fn(&str) -> Option<u32>) -> Result<String, Broken> {
    let (mut out, mut known) = (String::new(), HashMap::new());
    let mut alias = None;
    for line in passwd.lines() {
        let Some(entry) = entry(line) else { continue };
        if entry.name == options.alias {
            alias = Some(format!("{}:{}:{}:{}", entry.name, entry.uid, entry.gid, entry.home));
        }
        if !gets_mail(&entry, options, &owner)? {
            continue;
        }
        let user = format!("{}:{}:{}:{}", entry.name, entry.uid, entry.gid, entry.home);
        let own = vec![entry.name.to_owned()];
        for name in options.mailnames.get(entry.name).unwrap_or(&own) {
            lines(&mut out, name, &user, options.dash, "");
        }
        known.insert(entry.name.to_owned(), user);
    }
    for (sub, user, pre) in &options.subusers {
        if let Some(user) = known.get(user) {
            lines(&mut out, sub, user, options.dash, pre);
        }
    }
    if let Some(alias) = alias {
        let _ = writeln!(out, "+:{alias}:-::");
    }
    out.push_str(&options.append);
    out.push_str(".\n");
    Ok(out)
}

/// Mail for the name itself, and for the name with an extension.
fn lines(out: &mut String, name: &str, user: &str, dash: Option<char>, pre: &str) {
    let _ = match pre {
        "" => writeln!(out, "={name}:{user}:::"),
        pre => writeln!(out, "={name}:{user}:-:{pre}:"),
    };
    let behind = if pre.is_empty() { String::new() } else { format!("{pre}-") };
    if let Some(dash) = dash {
        let _ = writeln!(out, "+{name}{dash}:{user}:-:{behind}:");
    }
}

fn entry(line: &str) -> Option<Entry<'_>> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
    Some(Entry { name, uid: uid.parse().ok()?, gid, home })
}

fn gets_mail(
    entry: &Entry<'_>,
    options: &Options,
    owner: &impl Fn(&str) -> Option<u32>,
) -> Result<bool, Broken> {
    let capitals = entry.name.bytes().any(|octet| octet.is_ascii_uppercase());
    let wanted = options.include.as_ref().is_none_or(|include| include.contains(entry.name));
    if entry.uid == 0 || !wanted || options.exclude.contains(entry.name) || (capitals && !options.capitals) {
        return Ok(false);
    }
    match (options.homes, owner(entry.home)) {
        (Homes::Any, _) | (Homes::Existing, Some(_)) => Ok(true),
        (Homes::Owned, whose) => Ok(whose == Some(entry.uid)),
        (Homes::Existing, None) => Err(Broken::new(
            "/etc/passwd",
            format!("{} has no home {}", entry.name, entry.home),
            "make it, or name the user in users/exclude",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nann:x:500:100:Ann:/home/ann:/bin/sh\n\
        Bob:x:501:100::/home/bob:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/false\nalias:x:7:8::/var/qmail/alias:\n";

    fn owner(home: &str) -> Option<u32> {
        match home {
            "/home/ann" => Some(500),
            "/home/bob" => Some(501),
            "/usr/sbin" => Some(0),
            _ => None,
        }
    }

    #[test]
    fn users_who_own_their_homes_get_their_names_and_extensions_and_alias_the_rest() {
        let text = pw2u(PASSWD, &Options::default(), owner).unwrap();
        let expect = "=ann:ann:500:100:/home/ann:::\n+ann-:ann:500:100:/home/ann:-::\n\
            +:alias:7:8:/var/qmail/alias:-::\n.\n";
        assert_eq!(text, expect);
        crate::compile(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_files_and_options_have_their_say() {
        let mut options = Options { capitals: true, dash: Some('+'), ..Options::default() };
        options.exclude.insert("ann".into());
        options.mailnames.insert("Bob".into(), vec!["bob".into(), "robert".into()]);
        options.subusers.push(("list".into(), "Bob".into(), "lists".into()));
        options.append = "=x:y:1:1:/y:::\n".into();
        let text = pw2u(PASSWD, &options, owner).unwrap();
        let bob = "Bob:501:100:/home/bob";
        let expect = format!(
            "=bob:{bob}:::\n+bob+:{bob}:-::\n=robert:{bob}:::\n+robert+:{bob}:-::\n\
             =list:{bob}:-:lists:\n+list+:{bob}:-:lists-:\n+:alias:7:8:/var/qmail/alias:-::\n=x:y:1:1:/y:::\n.\n"
        );
        assert_eq!(text, expect);
        let homeless = Options { homes: Homes::Existing, ..Options::default() };
        assert!(pw2u(PASSWD, &homeless, owner).is_err(), "alias has none");
        let any = Options { homes: Homes::Any, dash: None, ..Options::default() };
        assert!(pw2u(PASSWD, &any, owner).unwrap().contains("=daemon:"));
        let include = Options { include: Some(HashSet::new()), ..Options::default() };
        assert!(!pw2u(PASSWD, &include, owner).unwrap().contains("ann"));
    }
}
