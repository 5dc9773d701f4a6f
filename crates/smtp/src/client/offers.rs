//! What the server offers. RFC 5321 §2.2.

/// From its answer to EHLO.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) starttls: bool,
    pub(super) requiretls: bool,
    pub(super) size: Option<u64>,
    /// All words, in upper case, if AUTH is among them: mechanisms are found by their names.
    pub(super) auth: Vec<String>,
}

impl Offers {
    /// From the words of the answer to EHLO. RFC 5321 §4.1.1.1: a line a keyword; lines have been joined,
    /// and no keyword that matters is an argument of another.
    pub(super) fn of(text: &str) -> Offers {
        let words: Vec<String> = text.split(' ').map(str::to_ascii_uppercase).collect();
        let has = |word: &str| words.iter().any(|found| found == word);
        let size = words.iter().position(|word| word == "SIZE");
        let size = size.map(|at| words.get(at + 1).and_then(|most| most.parse().ok()).unwrap_or(0));
        // `AUTH=LOGIN` is how servers of the nineties say it.
        let auth = has("AUTH") || words.iter().any(|word| word.starts_with("AUTH="));
        let bare = |word: &String| word.trim_start_matches("AUTH=").to_owned();
        Offers {
            pipelining: has("PIPELINING"),
            eight_bit: has("8BITMIME"),
            utf8: has("SMTPUTF8"),
            starttls: has("STARTTLS"),
            requiretls: has("REQUIRETLS"),
            size,
            auth: if auth { words.iter().map(bare).collect() } else { Vec::new() },
        }
    }
}
