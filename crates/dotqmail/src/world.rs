//! What programs of a .qmail file see: the environment of qmail-command(8), and the sender that
//! forwarded mail leaves with.

use message::{delivered_to, from_line, return_path};

/// One delivery, as programs are told of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct World<'a> {
    /// The mailbox's owner.
    pub user: &'a [u8],
    /// His home folder.
    pub home: &'a [u8],
    /// The recipient before the `@`.
    pub local: &'a [u8],
    /// The part of it that follows the owner's name and dash.
    pub ext: &'a [u8],
    /// The recipient after the `@`.
    pub domain: &'a [u8],
    /// The envelope sender.
    pub sender: &'a [u8],
    /// The envelope sender of what is forwarded: [`new_sender`].
    pub new_sender: &'a [u8],
    /// What stands for `default` in the name of the .qmail file.
    pub default: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub unix: i64,
}

impl World<'_> {
    /// The variables. Values are those of the envelope, but that control characters become `_`, and so
    /// does the first octet of a value that a shell might take for a function.
    pub fn environment(&self) -> Vec<(&'static str, Vec<u8>)> {
        let recipient = [self.local, b"@", self.domain].concat();
        let mut all = vec![
            ("SENDER", harmless(self.sender)),
            ("NEWSENDER", harmless(self.new_sender)),
            ("RECIPIENT", harmless(&recipient)),
            ("USER", harmless(self.user)),
            ("HOME", harmless(self.home)),
            ("HOST", harmless(self.domain)),
            ("LOCAL", harmless(self.local)),
            ("EXT", harmless(self.ext)),
            // These three are lines, with the newline that ends them.
            ("DTLINE", delivered_to(self.local, self.domain)),
            ("RPLINE", return_path(self.sender)),
            ("UFLINE", from_line(self.sender, self.unix)),
        ];
        let hosts = ["HOST2", "HOST3", "HOST4"].into_iter().zip(before_dots(self.domain));
        let exts = ["EXT2", "EXT3", "EXT4"].into_iter().zip(after_dashes(self.ext));
        all.extend(hosts.chain(exts).map(|(name, value)| (name, harmless(value))));
        all.extend(self.default.map(|value| ("DEFAULT", harmless(value))));
        all
    }
}

/// All that stands before the last dot, the last but one, and so on; where there is none, as much as
/// there was before.
fn before_dots(domain: &[u8]) -> [&[u8]; 3] {
    let mut rest = domain;
    [(); 3].map(|()| {
        rest = rest.iter().rposition(|b| *b == b'.').map_or(rest, |at| &rest[..at]);
        rest
    })
}

/// What follows the first dash, the second, the third; nothing where there is none.
fn after_dashes(ext: &[u8]) -> [&[u8]; 3] {
    let mut rest = ext;
    [(); 3].map(|()| {
        rest = rest.iter().position(|b| *b == b'-').map_or(b"", |at| &rest[at + 1..]);
        rest
    })
}

/// CVE-2014-6271: shells have taken values that begin like a function for code. A newline or an escape
/// sequence has no place in an address either; everything else is an address's good right, and a
/// command that quotes "$SENDER" is safe.
fn harmless(value: &[u8]) -> Vec<u8> {
    let mut value: Vec<u8> = value.iter().map(|b| if b.is_ascii_control() { b'_' } else { *b }).collect();
    if value.trim_ascii_start().starts_with(b"()") {
        value[0] = b'_';
    }
    value
}

/// The sender that forwarded mail leaves with. A list (the file of its owner is there: `owner`) takes
/// failures itself; with a file for each subscriber's failures (`each`) every recipient's come back to
/// an address of its own (VERP). Bounces keep their sender.
pub fn new_sender(sender: &[u8], local: &[u8], domain: &[u8], owner: bool, each: bool) -> Vec<u8> {
    match (sender, owner, each) {
        (b"" | b"#@[]", ..) | (_, false, _) => sender.to_vec(),
        (_, true, false) => [local, b"-owner@", domain].concat(),
        (_, true, true) => [local, b"-owner-@", domain, b"-@[]"].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World<'static> {
        World {
            user: b"joe",
            home: b"/home/joe",
            local: b"joe-List-sub-a-b",
            ext: b"List-sub-a-b",
            domain: b"lists.example.co.test",
            sender: b"bob@x.test",
            new_sender: b"bob@x.test",
            default: Some(b"sub-a-b"),
            unix: 848_000_000,
        }
    }

    fn value(world: &World<'_>, name: &str) -> Option<String> {
        let mut all = world.environment().into_iter();
        all.find(|(found, _)| *found == name).map(|(_, value)| String::from_utf8(value).unwrap())
    }

    #[test]
    fn programs_see_qmail_locals_world() {
        let world = world();
        for (name, expect) in [
            ("SENDER", "bob@x.test"),
            ("NEWSENDER", "bob@x.test"),
            ("RECIPIENT", "joe-List-sub-a-b@lists.example.co.test"),
            ("USER", "joe"),
            ("HOME", "/home/joe"),
            ("HOST", "lists.example.co.test"),
            ("HOST2", "lists.example.co"),
            ("HOST3", "lists.example"),
            ("HOST4", "lists"),
            ("LOCAL", "joe-List-sub-a-b"),
            ("EXT", "List-sub-a-b"),
            ("EXT2", "sub-a-b"),
            ("EXT3", "a-b"),
            ("EXT4", "b"),
            ("DEFAULT", "sub-a-b"),
            ("DTLINE", "Delivered-To: joe-List-sub-a-b@lists.example.co.test\n"),
            ("RPLINE", "Return-Path: <bob@x.test>\n"),
            ("UFLINE", "From bob@x.test Thu Nov 14 19:33:20 1996\n"),
        ] {
            assert_eq!(value(&world, name).as_deref(), Some(expect), "{name}");
        }
        assert_eq!(value(&World { default: None, ..world }, "DEFAULT"), None);
        let short = World { domain: b"here", ext: b"", ..world };
        assert_eq!(value(&short, "HOST4").as_deref(), Some("here"));
        assert_eq!(value(&short, "EXT4").as_deref(), Some(""));
    }

    #[test]
    fn no_value_is_a_function_or_more_than_one_line() {
        // D02, L13
        for (sender, expect) in [
            ("() { :;}; touch /tmp/x", "_) { :;}; touch /tmp/x"),
            (" () { :;}", "_() { :;}"),
            ("()", "_)"),
            ("a\nb\r\x1b[2J@x", "a_b__[2J@x"),
            ("$(id)`id`;id|id@x", "$(id)`id`;id|id@x"),
        ] {
            let world = World { sender: sender.as_bytes(), new_sender: sender.as_bytes(), ..world() };
            assert_eq!(value(&world, "SENDER").as_deref(), Some(expect));
            assert_eq!(value(&world, "NEWSENDER").as_deref(), Some(expect));
        }
        let hostile = World { ext: b"() {\n", local: b"() {\n", domain: b"() {\n", ..world() };
        for (name, value) in hostile.environment() {
            assert!(!value.trim_ascii_start().starts_with(b"()"), "{name}");
            let line = value.strip_suffix(b"\n").unwrap_or(&value);
            assert!(!line.iter().any(u8::is_ascii_control), "{name}");
        }
    }

    #[test]
    fn a_list_takes_failures_itself_but_not_those_of_bounces() {
        let sender = |from: &str, owner, each| {
            String::from_utf8(new_sender(from.as_bytes(), b"list", b"h", owner, each)).unwrap()
        };
        assert_eq!(sender("a@x", false, false), "a@x");
        assert_eq!(sender("a@x", false, true), "a@x");
        assert_eq!(sender("a@x", true, false), "list-owner@h");
        assert_eq!(sender("a@x", true, true), "list-owner-@h-@[]");
        assert_eq!(sender("", true, true), "");
        assert_eq!(sender("#@[]", true, true), "#@[]");
    }
}
