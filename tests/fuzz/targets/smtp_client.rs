//! A server that says anything at all: each recipient gets one fate, what we send is whole lines, in bounds.

use smtp::client::{Client, Parcel, Step};

pub(crate) fn run(data: &[u8]) {
    let parcel = Parcel {
        helo: "us.test".into(),
        sender: "bob@example.test".into(),
        recipients: vec!["a@example.test".into(), "b@example.test".into()],
        size: 1000,
        eight_bit: data.first().is_some_and(|octet| octet % 2 == 0),
        host: "192.0.2.1".into(),
        tls: data.last().is_some_and(|octet| octet % 2 == 0),
    };
    let (mut client, mut out) = (Client::new(parcel), Vec::new());
    for piece in data.chunks(97) {
        let step = client.feed(piece, &mut out);
        if step == Step::Secure {
            client.secured(&mut out);
        }
        if step == Step::Over {
            break;
        }
    }
    client.broken_off("hung up");
    assert!(out.is_empty() || out.ends_with(b"\r\n"));
    assert!(out.len() < 1000, "{} octets for one transaction", out.len());
    let outcome = client.outcome();
    assert_eq!(outcome.fates.len(), 2);
    for fate in outcome.fates {
        let text = fate.text().to_string();
        assert!(text.len() < 5000 && !text.bytes().any(|octet| octet < 32 || octet == 127), "{text:?}");
    }
}
