//! Answers of name servers to one question of each kind.

use dns::message::{MOST_RECORDS, Reply, name, question, reply};
use dns::{Kind, Record, is_host};

pub(crate) fn run(data: &[u8]) {
    let asked = name("x.example").unwrap();
    for kind in [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Ptr, Kind::Txt, Kind::Tlsa] {
        let question = question(7, &asked, kind, true);
        // As it came, and with the head and the question that make it an answer.
        let mut answer = question.as_slice()[..27].to_vec();
        answer.extend_from_slice(data.get(27..).unwrap_or_default());
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        answer[7] = data.first().copied().unwrap_or_default();
        for packet in [data, &answer] {
            let Reply::Answer(answer) = reply(packet, &question, kind) else { continue };
            assert!((1..=MOST_RECORDS).contains(&answer.records.len()) && answer.records.is_sorted());
            assert!(answer.records.iter().all(|record| match record {
                Record::Host(host) => is_host(host),
                Record::Exchange(_, host) => host.is_empty() || is_host(host),
                Record::Address(_) | Record::Certificate(..) => true,
                Record::Text(text) => text.bytes().all(|b| matches!(b, b' '..=b'~')),
            }));
        }
    }
}
