//! Names of .qmail files: which are tried for an extension, and in what order.

/// A name to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The file's name.
    pub name: Vec<u8>,
    /// Where in the extension the part begins that stands for `default` in the name.
    pub default: Option<usize>,
}

/// Names in the order in which they are tried: the exact one, then for each dash in the extension, from
/// the last to the first, what stands before it with `default`, at last `default` alone.
pub fn candidates(dash: &[u8], ext: &[u8]) -> Vec<Candidate> {
    let safe = safe(ext);
    // A list's own address may be called -default: its program finds DEFAULT set all the same.
    let own = safe.ends_with(DEFAULT).then(|| safe.len() - DEFAULT.len());
    let mut found = vec![Candidate { name: file_name(dash, &safe), default: own }];
    for end in (0..=safe.len()).rev() {
        if end == 0 || safe[end - 1] == b'-' {
            let name = [&file_name(dash, &safe[..end]), DEFAULT].concat();
            found.push(Candidate { name, default: Some(end) });
        }
    }
    found
}

/// The files whose presence makes an address a list's: `...-owner`, `...-owner-default`.
pub fn owner_names(dash: &[u8], ext: &[u8]) -> [Vec<u8>; 2] {
    let owner = [&file_name(dash, &safe(ext)), &b"-owner"[..]].concat();
    let each = [&owner, &b"-default"[..]].concat();
    [owner, each]
}

const DEFAULT: &[u8] = b"default";

fn file_name(dash: &[u8], ext: &[u8]) -> Vec<u8> {
    [b".qmail", dash, ext].concat()
}

/// Lower case, and dots become colons: no extension leads out of the folder.
fn safe(ext: &[u8]) -> Vec<u8> {
    ext.iter().map(|b| if *b == b'.' { b':' } else { b.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dash: &str, ext: &str) -> Vec<String> {
        let found = candidates(dash.as_bytes(), ext.as_bytes());
        found.into_iter().map(|candidate| String::from_utf8(candidate.name).unwrap()).collect()
    }

    #[test]
    fn the_most_exact_file_is_tried_first() {
        assert_eq!(names("-", "a-b"), [".qmail-a-b", ".qmail-a-default", ".qmail-default"]);
        assert_eq!(names("-", "a-"), [".qmail-a-", ".qmail-a-default", ".qmail-default"]);
        assert_eq!(names("", ""), [".qmail", ".qmaildefault"]);
        assert_eq!(names("-", "default"), [".qmail-default", ".qmail-default"]);
    }

    #[test]
    fn default_is_the_rest_of_the_extension_as_it_was_written() {
        let defaults = |ext: &str| {
            let found = candidates(b"-", ext.as_bytes()).into_iter();
            found.map(|one| one.default.map(|at| ext[at..].to_owned())).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(defaults("A-B.c"), [None, some("B.c"), some("A-B.c")]);
        assert_eq!(defaults("a-Default"), [some("Default"), some("Default"), some("a-Default")]);
        assert_eq!(defaults(""), [None, some("")]);
    }

    #[test]
    fn an_extension_never_leads_out_of_the_home() {
        // D05
        assert_eq!(names("-", "../../etc/x")[0], ".qmail-::/::/etc/x");
        assert_eq!(names("-", "/etc/passwd")[0], ".qmail-/etc/passwd");
        assert_eq!(names("-", "A.B-C")[..2], [".qmail-a:b-c", ".qmail-a:b-default"]);
    }

    #[test]
    fn a_chain_of_dashes_is_tried_dash_by_dash() {
        // D05
        assert_eq!(names("-", &"-".repeat(300)).len(), 302);
    }

    #[test]
    fn a_list_is_known_by_the_file_of_its_owner() {
        let names = owner_names(b"-", b"My.List").map(|name| String::from_utf8(name).unwrap());
        assert_eq!(names, [".qmail-my:list-owner", ".qmail-my:list-owner-default"]);
    }
}
