//! A server that says anything at all: each recipient gets one fate, what we send is whole lines, in bounds.

use smtp::client::{Client, Login, Parcel, Peer, Step, Tls};

pub(crate) fn run(data: &[u8]) {
    let kind = data.last().copied().unwrap_or_default();
    let login = Login { user: "bob".into(), password: "secret".into() };
    let peer = Peer {
        helo: "us.test".into(),
        host: "192.0.2.1".into(),
        tls: [Tls::No, Tls::May, Tls::Must, Tls::Begun][usize::from(kind % 4)],
        login: Some(login).filter(|_| kind & 4 != 0),
        private: kind & 16 != 0,
        random: [7; 16],
    };
    let parcel = Parcel {
        sender: "bob@example.test".into(),
        recipients: vec!["a@example.test".into(), "b@example.test".into()],
        size: 1000,
        eight_bit: data.first().is_some_and(|octet| octet % 2 == 0),
        requiretls: kind & 8 != 0,
    };
    let (mut client, mut out) = (Client::new(peer, parcel), Vec::new());
    for piece in data.chunks(97) {
        let step = client.feed(piece, &mut out);
        if step == Step::Secure {
            client.secured(&mut out);
        }
        if matches!(step, Step::Over | Step::Ready) {
            break;
        }
    }
    client.broken_off("hung up");
    assert!(out.is_empty() || out.ends_with(b"\r\n"));
    assert!(out.len() < 4000, "{} octets for one parcel", out.len());
    let outcome = client.outcome();
    assert_eq!(outcome.fates.len(), 2);
    for fate in outcome.fates {
        let text = fate.text().to_string();
        assert!(text.len() < 5000 && !text.bytes().any(|octet| octet < 32 || octet == 127), "{text:?}");
    }
}
