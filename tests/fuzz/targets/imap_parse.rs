//! IMAP commands out of what a client sends: whatever it is, the answer is one clean line.

use imap::{Frames, Limits, Taken, appending, parse};

pub(crate) fn run(data: &[u8]) {
    for utf8 in [false, true] {
        let (mut frames, mut input) = (Frames::new(Limits::AFTER_LOGIN), data);
        while let Some(taken) = frames.take(&mut input) {
            match taken {
                Taken::Command(frame) => match parse(&frame, utf8) {
                    Ok(command) => assert!(frame.line.starts_with(command.tag.as_bytes())),
                    Err(fault) => assert!(fault.line().bytes().all(|octet| (b' '..=b'~').contains(&octet))),
                },
                Taken::Literal(_) => {
                    let spool = appending(frames.head(), utf8).is_some();
                    if !(if spool { frames.accept_spooled() } else { frames.accept() }) {
                        frames.refuse();
                    }
                }
                Taken::Endless => return,
                _ => {}
            }
        }
    }
}
