//! What other domains say of TLS, and what the admin writes of it: whole or not at all, in bounds.

use sasl::client::{Exchange, Login, Mechanism};
use secrecy::report::{Note, Place, places};
use secrecy::sts::{Mode, Policy, id};
use secrecy::{Level, Tlsa};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(policy) = Policy::parse(&text) {
        assert!(policy.mode == Mode::None || !policy.mx.is_empty());
        assert!(policy.mx.len() <= 100 && policy.max_age <= 31_557_600);
        let again = Policy::parse(&policy.text.join("\n"));
        assert_eq!(again.as_ref(), Ok(&policy), "its lines are the policy");
    }
    let records: Vec<String> = text.lines().map(str::to_owned).collect();
    assert!(id(&records).is_none_or(|id| id.len() <= 32 && id.bytes().all(|b| b.is_ascii_alphanumeric())));
    for place in places(&records) {
        match place {
            Place::Mail(address) => {
                assert!(address.contains('@') && address.bytes().all(|b| b.is_ascii_graphic()))
            }
            Place::Web(url) => assert!(url.starts_with("https:")),
        }
    }
    for line in text.lines() {
        if let Some(note) = Note::parse(line) {
            assert_eq!(Note::parse(&note.line()).map(|again| again.line()), Some(note.line()));
        }
        let _ = Level::parse(line);
        if let Some(relay) = route::relay(line) {
            assert!(relay.port > 0 && relay.login.is_none_or(|login| !login.is_empty()));
        }
    }
    record(data);
    exchange(data);
}

fn record(data: &[u8]) {
    let [usage, selector, matching, rest @ ..] = data else { return };
    let record = Tlsa { usage: *usage, selector: *selector, matching: *matching, data: rest.to_vec() };
    let certificate = rustls::pki_types::CertificateDer::from(rest.to_vec());
    // Only the whole of what is shown can be what was meant, as it is.
    if record.matching != 0 {
        assert!(!record.means(&certificate));
    }
    let _ = secrecy::fingerprints(&certificate);
}

/// A server that says anything: what we answer never holds the password but where the mechanism tells it.
fn exchange(data: &[u8]) {
    let login = Login { user: "bob".into(), password: "S3CRET".into() };
    let offered = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"].map(str::to_owned);
    for mechanism in Mechanism::usable(&offered, false) {
        let mut exchange = Exchange::new(mechanism, login.clone(), [7; 16]);
        for piece in data.split(|b| *b == b'\n').take(4) {
            let Some(answer) = exchange.answer(piece) else { break };
            assert!(!answer.windows(6).any(|six| six == b"S3CRET"));
        }
        assert!(!exchange.is_whole(data) || matches!(mechanism, Mechanism::CramMd5));
    }
}
