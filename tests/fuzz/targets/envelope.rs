//! Envelopes as they are handed in.

use queue::{Bad, Intake, Record};

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut intake, mut seen) = (Intake::new(), Vec::new());
        for piece in pieces {
            let done = intake.feed(piece, |record| {
                let (Record::Sender(address) | Record::Recipient(address)) = &record;
                assert!(!address.contains(&0) && address.len() <= queue::ADDRESS_MAX);
                assert_eq!(matches!(record, Record::Sender(_)), seen.is_empty());
                seen.push(address.to_vec());
                Ok::<(), Bad>(())
            });
            if done.is_err() {
                return (seen, false); // which fault is found first may depend on the pieces
            }
        }
        (seen, intake.end().is_ok())
    });
}
