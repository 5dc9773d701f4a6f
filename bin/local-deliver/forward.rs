//! Forwards: one message to all addresses, handed to `queued` in one piece or not at all.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use sys::Packets;
use wire::Fate;

use crate::order::Order;

/// Longest wait for `queued`.
const PATIENCE: Duration = Duration::from_secs(300);
const PIECE: usize = sys::packet::MAX - 1;

/// Submits `message` with `delivered_to` above it; gives its id in the queue. Nobody gets it
/// unless all will.
pub(crate) fn submit(
    house: &control::Home,
    order: &Order,
    sender: &[u8],
    recipients: &[Vec<u8>],
    delivered_to: &[u8],
    message: &File,
) -> Result<String, Fate> {
    let answer = exchange(house, order, &envelope(sender, recipients), delivered_to, message)
        .map_err(|error| Fate::later(3, 0, format!("unable to forward message: queue: {error}")))?;
    let told = |text: &wire::Text| format!("unable to forward message: {}", text.sentence);
    match Fate::parse(&answer) {
        Some(Fate::Done(text)) => Ok(text.sentence.trim().to_owned()),
        Some(Fate::Never(text)) => {
            let sentence = told(&text);
            Err(Fate::Never(wire::Text::new(text.code, sentence)))
        }
        Some(Fate::Later(text)) => {
            let sentence = told(&text);
            Err(Fate::Later(wire::Text::new(text.code, sentence)))
        }
        None => Err(Fate::later(3, 0, "unable to forward message: answer of queue mangled")),
    }
}

fn envelope(sender: &[u8], recipients: &[Vec<u8>]) -> Vec<u8> {
    let mut envelope = [b"F", sender, b"\0"].concat();
    for recipient in recipients {
        envelope.extend_from_slice(&[b"T", &recipient[..], b"\0"].concat());
    }
    envelope
}

fn exchange(
    house: &control::Home,
    order: &Order,
    envelope: &[u8],
    delivered_to: &[u8],
    message: &File,
) -> io::Result<Vec<u8>> {
    let queue = Packets::connect(&house.run("queue"))?;
    queue.set_timeout(PATIENCE)?;
    let mut failed = send_all(&queue, order, envelope, delivered_to, message).err();
    // A queue that refuses early hangs up after its answer; any other error is ours.
    let hung_up =
        |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
    if let Some(error) = failed.take_if(|error| !hung_up(error)) {
        return Err(error);
    }
    match queue.recv() {
        Ok(Some(answer)) => Ok(answer.bytes),
        Ok(None) => Err(failed.unwrap_or_else(|| ErrorKind::UnexpectedEof.into())),
        Err(error) => Err(failed.unwrap_or(error)),
    }
}

fn send_all(
    queue: &Packets,
    order: &Order,
    envelope: &[u8],
    delivered_to: &[u8],
    message: &File,
) -> io::Result<()> {
    // The new message's log begins with the name of the old one.
    if !order.id.is_empty() {
        queue.send(&[b"L", &order.id[..]].concat(), &[])?;
    }
    send_message(queue, delivered_to, message)?;
    for piece in envelope.chunks(PIECE) {
        queue.send(&[b"E", piece].concat(), &[])?;
    }
    queue.send(b".", &[])
}

fn send_message(queue: &Packets, delivered_to: &[u8], message: &File) -> io::Result<()> {
    let mut packet = [b"M", delivered_to].concat();
    let (mut filled, mut offset) = (packet.len(), 0);
    packet.resize(1 + PIECE, 0);
    loop {
        let count = match message.read_at(&mut packet[filled..], offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        if filled + count > 1 {
            queue.send(&packet[..filled + count], &[])?;
        }
        if count == 0 {
            return Ok(());
        }
        offset += count as u64;
        filled = 1;
    }
}
