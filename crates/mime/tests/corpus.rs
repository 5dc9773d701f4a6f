//! The part trees of other people's test messages, compared with what another library (mail-parser) makes of them.
//!
//! The messages are those that come with that library in cargo's registry, and those of Python's tests where Debian's
//! `libpython3-testsuite` is installed. What is not there is told and passed over.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use mail_parser::{Message, MessageParser, PartType};
use mime::{Children, Part};

/// Where the two may differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("malformed/000.eml", "parts whose header a boundary cuts off are parts"),
    ("malformed/001.eml", "a line that is an outer boundary ends an inner part"),
    ("malformed/002.eml", "without its boundary a multipart is empty"),
    ("malformed/004.eml", "a boundary is the whole line"),
    ("malformed/007.eml", "a header goes on to its empty line"),
    ("malformed/008.eml", "a line that is an outer boundary ends an inner part"),
    ("malformed/009.eml", "a line that is an outer boundary ends an inner part"),
    ("malformed/011.eml", "the same"),
    ("malformed/012.eml", "the same"),
    ("malformed/013.eml", "a boundary at the end begins an empty part"),
    ("malformed/014.eml", "the same"),
    ("malformed/016.eml", "an outer boundary ends all inner parts"),
    ("malformed/020.eml", "of two types the first counts"),
    ("malformed/021.eml", "the same"),
    ("malformed/022.eml", "a message that is none is one all the same"),
    ("rfc/008.eml", "an encoded message is not looked into"),
    ("thirdparty/005.eml", "a boundary in the middle of a line is none"),
    ("thirdparty/015.eml", "a message without its boundary is a multipart that is empty"),
    ("data/msg_14.txt", "half a type is text/plain"),
    ("data/msg_17.txt", "without its boundary a multipart is empty"),
    ("data/msg_25.txt", "a multipart that names no boundary is text/plain"),
    ("data/msg_31.txt", "without its boundary a multipart is empty"),
    ("data/msg_37.txt", "parts without anything are parts"),
    ("data/msg_38.txt", "a line that is an outer boundary ends an inner part"),
    ("data/msg_41.txt", "a multipart that names no boundary is text/plain"),
    ("data/msg_42.txt", "nothing is left after the boundary that closes"),
];

fn ours(message: &[u8], part: &Part, depth: usize, out: &mut String) {
    line(out, depth, &part.kind, &part.subtype);
    match &part.children {
        Children::None => body(out, &message[part.body.clone()]),
        Children::Message(inner) => ours(message, inner, depth + 1, out),
        Children::Multipart(parts) => parts.iter().for_each(|part| ours(message, part, depth + 1, out)),
    }
}

fn theirs(message: &Message<'_>, part: u32, depth: usize, out: &mut String) {
    let part = &message.parts[part as usize];
    let headers =
        part.headers.iter().find(|header| header.name.as_str().eq_ignore_ascii_case("content-type"));
    let usual =
        if matches!(part.body, PartType::Message(_)) { ("message", "rfc822") } else { ("text", "plain") };
    let (kind, subtype) = headers.and_then(|header| header.value.as_content_type()).map_or(usual, |it| {
        let kind = it.c_type.as_ref();
        (kind, it.c_subtype.as_deref().unwrap_or_default())
    });
    line(out, depth, kind, subtype);
    match &part.body {
        PartType::Multipart(parts) => parts.iter().for_each(|part| theirs(message, *part, depth + 1, out)),
        PartType::Message(inner) => theirs(inner, 0, depth + 1, out),
        _ => body(out, &message.raw_message[part.offset_body as usize..part.offset_end as usize]),
    }
}

fn line(out: &mut String, depth: usize, kind: &str, subtype: &str) {
    *out += &format!("\n{}{kind}/{subtype}", "  ".repeat(depth)).to_ascii_lowercase();
}

fn body(out: &mut String, body: &[u8]) {
    let text: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\r').collect();
    *out += &format!(" [{}]", text.escape_ascii());
}

fn within(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(name))).collect()
}

fn corpora() -> Vec<PathBuf> {
    let home = env::var("CARGO_HOME").unwrap_or(env::var("HOME").unwrap_or_default() + "/.cargo");
    let sources = within(&Path::new(&home).join("registry/src"), "");
    let sources = sources.iter().flat_map(|registry| within(registry, "mail-parser-"));
    let mut folders: Vec<_> = sources.flat_map(|source| within(&source.join("resources/eml"), "")).collect();
    let libraries = within(Path::new("/usr/lib"), "python3");
    folders.extend(libraries.iter().map(|library| library.join("test/test_email/data")));
    folders.extend(env::var("MAIL_CORPUS").map(PathBuf::from));
    folders
}

#[test]
fn the_parts_are_those_that_another_library_finds() {
    let mut compared = 0;
    for path in corpora().iter().flat_map(|folder| within(folder, "")) {
        let name = path.to_string_lossy();
        if !(name.ends_with(".eml") || name.ends_with(".txt"))
            || DIFFERENT.iter().any(|(different, _)| name.ends_with(different))
        {
            continue;
        }
        let text = fs::read(&path).unwrap();
        let Some(parsed) = MessageParser::default().parse(&text[..]) else { continue };
        let (mut mine, mut other) = (String::new(), String::new());
        ours(&text, &mime::scan(&text), 0, &mut mine);
        theirs(&parsed, 0, 0, &mut other);
        assert_eq!(mine, other, "{name}");
        compared += 1;
    }
    println!("{compared} messages compared");
    if compared == 0 {
        eprintln!("SKIPPED: no corpus of messages is here; cargo's registry has no sources of mail-parser");
    }
}
