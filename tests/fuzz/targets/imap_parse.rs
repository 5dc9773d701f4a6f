//! IMAP commands out of what a client sends: a refusal is one clean line, a request can be said and read again.

use imap::{Fault, FaultKind, Frame, Frames, Limits, Request, Taken, appending, parse};

use super::imap_said::say;

fn frames(mut input: &[u8], utf8: bool) -> Vec<Frame> {
    let (mut frames, mut whole) = (Frames::new(Limits::AFTER_LOGIN), Vec::new());
    while let Some(taken) = frames.take(&mut input) {
        match taken {
            Taken::Command(frame) => whole.push(frame),
            Taken::Endless => break,
            Taken::Literal(_) => {
                let spool = appending(frames.head(), utf8).is_some();
                if !(if spool { frames.accept_spooled() } else { frames.accept() }) {
                    frames.refuse();
                }
            }
            _ => {}
        }
    }
    whole
}

/// Strings have been decoded: said again, they are UTF-8.
fn in_utf8(request: &mut Request) {
    match request {
        Request::Search { charset: Some(charset), .. }
        | Request::Sort { charset, .. }
        | Request::Thread { charset, .. } => *charset = "UTF-8".to_owned(),
        _ => {}
    }
}

fn keeps(mut request: Request, utf8: bool) {
    in_utf8(&mut request);
    let said = [b"t ", &say(&request, utf8)[..], b"\r\n"].concat();
    match parse(&frames(&said, utf8)[0], utf8) {
        Ok(again) => assert_eq!(again.request, request),
        // NEW and UNSEEN are spelled out, one level deeper.
        Err(Fault { kind, text, .. }) => assert!(kind == FaultKind::Bad && text.contains("deep"), "{text}"),
    }
}

pub(crate) fn run(data: &[u8]) {
    for utf8 in [false, true] {
        for frame in frames(data, utf8) {
            match parse(&frame, utf8) {
                Ok(command) => keeps(command.request, utf8),
                Err(fault) => assert!(fault.line().bytes().all(|octet| (b' '..=b'~').contains(&octet))),
            }
        }
    }
}
