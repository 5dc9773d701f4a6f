//! The base subject: what is left of a subject without the marks of answers and lists. RFC 5256 §2.1.

/// The base subject of a decoded and folded subject, and whether it had the mark of an answer or a forwarded message.
/// Linear: each mark is looked at once.
pub(crate) fn base_subject(subject: &str) -> (String, bool) {
    let line = one_blank(subject);
    let mut rest = line.as_str();
    let mut reply = false;
    loop {
        rest = without_trailers(rest, &mut reply);
        rest = without_leaders(rest, &mut reply);
        // Step 6.
        match rest.strip_prefix("[fwd:").and_then(|inside| inside.strip_suffix(']')) {
            Some(inside) => (rest, reply) = (inside, true),
            None => return (rest.to_owned(), reply),
        }
    }
}

/// Step 1: each run of blanks is one.
fn one_blank(subject: &str) -> String {
    let mut line = String::with_capacity(subject.len());
    for letter in subject.chars() {
        match letter {
            ' ' | '\t' | '\r' | '\n' if line.ends_with(' ') => {}
            ' ' | '\t' | '\r' | '\n' => line.push(' '),
            _ => line.push(letter),
        }
    }
    line
}

/// Step 2.
fn without_trailers<'a>(mut subject: &'a str, reply: &mut bool) -> &'a str {
    loop {
        subject = subject.trim_end_matches(' ');
        match subject.strip_suffix("(fwd)") {
            Some(rest) => (subject, *reply) = (rest, true),
            None => return subject,
        }
    }
}

/// Steps 3 to 5.
fn without_leaders<'a>(mut subject: &'a str, reply: &mut bool) -> &'a str {
    loop {
        subject = subject.trim_start_matches(' ');
        let mut after_blobs = subject;
        // What follows the first of the blobs that are looked at; the last one is kept if nothing follows it.
        let mut kept = subject;
        while let Some(rest) = after_blob(after_blobs) {
            kept = if rest.is_empty() { after_blobs } else { rest };
            after_blobs = rest;
        }
        match after_refwd(after_blobs) {
            Some(rest) => (subject, *reply) = (rest, true),
            // No mark after the blobs: step 4 takes them away one by one, and step 3 finds no mark after any.
            None => return kept,
        }
    }
}

/// `[...]` and blanks.
fn after_blob(subject: &str) -> Option<&str> {
    let inside = subject.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    inside[end..].strip_prefix(']').map(|rest| rest.trim_start_matches(' '))
}

/// `re:`, `fw:`, `fwd:`, with a blob before the colon perhaps.
fn after_refwd(subject: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| subject.strip_prefix(word))?;
    let rest = rest.trim_start_matches(' ');
    after_blob(rest).unwrap_or(rest).strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_answers_lists_and_forwarders_are_taken_away() {
        for (subject, base, reply) in [
            ("hello", "hello", false),
            ("re: hello", "hello", true),
            ("re:re: fwd:\thello (fwd) (fwd) ", "hello", true),
            ("[list] hello", "hello", false),
            ("[list] re: [x] fw [2] : hello", "hello", true),
            ("[a] [b] [c]", "[c]", false),
            ("[a]", "[a]", false),
            ("re: [a]", "[a]", true),
            ("[fwd: re: [x] hello]", "hello", true),
            ("[fwd: [fwd: a]]", "a", true),
            ("(fwd)", "", true),
            ("re:", "", true),
            ("", "", false),
            ("reply: x", "reply: x", false),
            ("a  b", "a b", false),
            ("[unclosed re: x", "[unclosed re: x", false),
            ("re[4]: x", "x", true),
        ] {
            assert_eq!(base_subject(subject), (base.to_owned(), reply), "{subject}");
        }
    }

    #[test]
    fn long_rows_of_marks_are_no_work() {
        for piece in ["[a]", "re:", "re", "[", "(fwd)", "[fwd:", "re[a", "[fwd:re:", "[] re "] {
            let many = piece.repeat(200_000);
            base_subject(&many);
            base_subject(&(many.clone() + &"]".repeat(200_000)));
        }
    }
}
