//! An index of words, which narrows searches for substrings: it names messages that may hold a text, and those
//! it does not know; whoever asks looks at these.
//!
//! Words are runs of letters and digits of folded text. A needle's inner words are whole words of the text, its
//! first one ends a word, its last one begins one; so looking through the list of words finds all messages that
//! can match. The index lies in a folder of files, each about some thousand messages and never changed once it is
//! there: readers need no lock, and a file that is damaged or missing only makes its messages unknown.
//! Knows nothing of mail: numbers and texts.

mod hash;
mod needle;
mod segment;
mod terms;
mod words;

pub use segment::examine;
pub use terms::Terms;
pub use words::Words;
