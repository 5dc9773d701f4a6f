//! Shared mailboxes and whom they are shared with: the lines of `control/sharedfolders`.

/// What all shared mailboxes lie in, below `mail/`. No domain has this name.
pub(crate) const FOLDER: &str = "shared";

/// The group of a line `GROUP: MEMBER MEMBER...` if `login` is a member of it: by his address, `@domain` or `*`.
/// A line that is not in order grants nothing.
pub(crate) fn granted<'a>(line: &'a str, login: &str) -> Option<&'a str> {
    let (group, members) = line.split_once(':')?;
    let group = group.trim();
    let domain = login.rfind('@').map_or("", |at| &login[at..]);
    let is_he = |member: &str| {
        let named = [login, domain].iter().any(|name| name.eq_ignore_ascii_case(member));
        member == "*" || (named && !member.is_empty())
    };
    let mut members = members.split(|c: char| c.is_whitespace() || c == ',');
    (is_name(group) && members.any(is_he)).then_some(group)
}

/// It becomes the name of a folder, a word in an environment, and one level of a mailbox's name.
fn is_name(group: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    (1..=64).contains(&group.len()) && !group.starts_with('-') && group.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_shared_with_those_whom_its_line_names() {
        let granted = |line| granted(line, "ann@example.test");
        for line in [
            "sales: ann@example.test",
            "sales:bob@example.test, ANN@Example.test",
            "sales: *",
            "sales: @example.test",
        ] {
            assert_eq!(granted(line), Some("sales"), "{line}");
        }
        for line in
            ["sales:", "sales", "sales: ann", "sales: @example.tes @test", "sales: bob@example.test", ": *"]
        {
            assert_eq!(granted(line), None, "{line}");
        }
    }

    #[test]
    fn no_line_leads_out_of_the_folder_of_shared_mailboxes() {
        for group in ["..", ".", "../x", "a/b", "", "a b", "a=b", "a.b", "-x", "é", &"x".repeat(65)] {
            assert_eq!(granted(&format!("{group}: *"), "ann@example.test"), None, "{group}");
        }
        assert_eq!(granted("staff-de_1: *", "joe"), Some("staff-de_1"));
        assert_eq!(granted("staff: joe", "joe"), Some("staff"));
        assert_eq!(granted("staff: , ", "joe"), None);
    }
}
