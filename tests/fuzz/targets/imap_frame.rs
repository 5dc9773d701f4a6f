//! IMAP commands out of octets: small literals are kept, larger ones spooled, those beyond refused.

use imap::{Frames, Limits, Refused, Taken};

const LIMITS: Limits = Limits { line: 100, kept: 60, literals: 4, skipped: 300 };

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut frames, mut heard, mut spooled) = (Frames::new(LIMITS), Vec::new(), Vec::new());
        for mut input in pieces.iter().copied() {
            while let Some(taken) = frames.take(&mut input) {
                match &taken {
                    Taken::Octets(octets) => spooled.extend_from_slice(octets),
                    Taken::Literal(announced) => {
                        let spool = (20..60).contains(&announced.octets);
                        let taken = if spool { frames.accept_spooled() } else { frames.accept() };
                        if !taken && frames.refuse() == Refused::HangUp {
                            return (heard, spooled);
                        }
                        heard.push(format!("{announced:?} {taken}"));
                    }
                    Taken::Command(frame) if frame.line.ends_with(b"IDLE") => frames.expect_line(),
                    Taken::Endless => return (heard, spooled),
                    other => heard.push(format!("{other:?}")),
                }
            }
            assert!(input.is_empty() && frames.head().line.len() <= LIMITS.line);
        }
        (heard, spooled)
    });
}
