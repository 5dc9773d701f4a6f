//! Asking `lookup` for a change, or what it knows, over `run/admin`.

use std::time::Duration;

use control::Home;
use sys::{Packets, Stop};
use wire::Fate;

use crate::show::print;

/// A password to be hashed takes a moment, a large domain to be compiled some more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for a change; prints the sentence that says what was done.
pub(crate) fn tell(home: &Home, words: &[&str]) -> Result<(), Stop> {
    let (sentence, _) = exchange(home, words)?;
    print(&format!("{sentence}\n"))
}

/// Asks what is known; gives the fields of the answer.
pub(crate) fn ask(home: &Home, words: &[&str]) -> Result<Vec<String>, Stop> {
    exchange(home, words).map(|(_, fields)| fields)
}

/// As [`ask`], but nothing is said when `lookup` does not answer.
pub(crate) fn list(home: &Home, word: &str) -> Option<Vec<String>> {
    Packets::connect(&home.run("admin")).ok()?;
    ask(home, &[word]).ok()
}

fn exchange(home: &Home, words: &[&str]) -> Result<(String, Vec<String>), Stop> {
    let path = home.run("admin");
    let socket = Packets::connect(&path).map_err(|error| {
        Stop::temporary(format_args!(
            "no answer at {}: {error}. Is lookup running? Start it with {}",
            path.display(),
            home.path().join("etc/run/lookup/run").display()
        ))
    })?;
    let broken = |error: std::io::Error| Stop::temporary(format_args!("lookup gave no answer: {error}"));
    socket.set_timeout(PATIENCE).map_err(broken)?;
    let mut fields = Vec::new();
    let mut question: Vec<&[u8]> = vec![b"admin"];
    question.extend(words.iter().map(|word| word.as_bytes()));
    let mut answer = socket.ask(&wire::packet(&question)).map_err(broken)?;
    loop {
        if let Some(sentence) = collect(&answer.bytes, &mut fields)? {
            return Ok((sentence, fields));
        }
        let next = socket.recv().map_err(broken)?;
        answer = next.ok_or_else(|| Stop::temporary("lookup hung up in the middle of a list"))?;
    }
}

/// Takes the fields of one packet, and gives the sentence of the last one; `None`: more follow.
fn collect(packet: &[u8], fields: &mut Vec<String>) -> Result<Option<String>, Stop> {
    let mut parts = wire::fields(packet).into_iter();
    let head = parts.next().unwrap_or_default();
    let sentence = match Fate::parse(head) {
        _ if head == b"K+" => None,
        Some(Fate::Done(text)) => Some(text.to_string()),
        Some(Fate::Later(text)) => return Err(Stop::temporary(text)),
        Some(Fate::Never(text)) => return Err(Stop::permanent(text)),
        None => return Err(Stop::temporary("lookup gave an answer that is none")),
    };
    fields.extend(parts.map(|part| String::from_utf8_lossy(part).into_owned()));
    Ok(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_several_packets_is_one_list() {
        let mut fields = Vec::new();
        assert_eq!(collect(b"K+\0a\0b", &mut fields), Ok(None));
        assert_eq!(collect(b"Kdone\0c", &mut fields), Ok(Some("done".to_owned())));
        assert_eq!(fields, ["a", "b", "c"]);
    }

    #[test]
    fn refusals_keep_their_exit_code_and_garbage_is_worth_a_retry() {
        let mut fields = Vec::new();
        assert_eq!(collect(b"D5.1.1 no such domain", &mut fields), Err(Stop(100)));
        assert_eq!(collect(b"Z4.3.0 disk full", &mut fields), Err(Stop(111)));
        assert_eq!(collect(b"?", &mut fields), Err(Stop(111)));
        assert_eq!(collect(b"", &mut fields), Err(Stop(111)));
    }
}
