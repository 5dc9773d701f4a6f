//! An order from `send`: which message goes to whom.

use std::fs::File;

use sys::Packet;
use sys::packet::MAX;
use wire::Fate;

/// Octets of one fate that are passed on.
pub const TEXT_MAX: usize = 4096;

/// One message for some recipients.
#[derive(Debug)]
pub struct Order {
    /// `send`'s name for this order; goes back as it came.
    pub slot: Vec<u8>,
    /// The message's id.
    pub id: Vec<u8>,
    /// The relay that the admin has named for this message, `host:port`; empty: none.
    pub route: Vec<u8>,
    /// The envelope sender.
    pub sender: Vec<u8>,
    /// The recipients, at least one.
    pub recipients: Vec<Vec<u8>>,
    /// The queue file.
    pub file: File,
}

impl Order {
    /// Reads `slot NUL id NUL route NUL sender NUL recipient...`, which brings the queue file. Gives the slot of
    /// what is no order.
    pub fn from_packet(packet: Packet) -> Result<Order, Vec<u8>> {
        let fields = wire::fields(&packet.bytes);
        let slot = fields[0].to_vec();
        let [_, id, route, sender, recipients @ ..] = &fields[..] else { return Err(slot) };
        let recipients: Vec<Vec<u8>> = recipients.iter().map(|recipient| recipient.to_vec()).collect();
        if recipients.is_empty() || recipients.iter().any(Vec::is_empty) {
            return Err(slot);
        }
        let (id, route, sender) = (id.to_vec(), route.to_vec(), sender.to_vec());
        let Some(fd) = packet.fds.into_iter().next() else { return Err(slot) };
        Ok(Order { slot, id, route, sender, recipients, file: File::from(fd) })
    }
}

/// The answer packet: the slot, then one fate per recipient. However much they say, it is a packet
/// that can be sent: without an answer `send` would wait for ever.
pub(crate) fn answer(slot: &[u8], fates: &[Fate]) -> Vec<u8> {
    let room = MAX.saturating_sub(slot.len()) / fates.len().max(1);
    let most = room.saturating_sub(1).clamp(1, TEXT_MAX);
    let fates: Vec<Vec<u8>> = fates.iter().map(|fate| cut(fate.to_bytes(), most)).collect();
    let mut fields = vec![slot];
    fields.extend(fates.iter().map(Vec::as_slice));
    wire::packet(&fields)
}

/// At most `most` octets, and no half letter at the end.
fn cut(text: Vec<u8>, most: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(&text);
    text[..text.floor_char_boundary(most)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(bytes: &[u8]) -> Packet {
        Packet { bytes: bytes.to_vec(), fds: vec![tempfile::tempfile().unwrap().into()] }
    }

    #[test]
    fn an_order_names_a_message_and_its_recipients() {
        let order = Order::from_packet(packet(b"7\x00123\0\0\0a@x\0b@x")).unwrap();
        assert_eq!((&order.slot[..], &order.id[..], &order.sender[..]), (&b"7"[..], &b"123"[..], &b""[..]));
        assert_eq!(order.recipients, [b"a@x", b"b@x"]);
    }

    #[test]
    fn what_is_no_order_is_told_so_by_its_slot() {
        for bytes in
            [&b""[..], b"7", b"7\x00123", b"7\x00123\0\0s", b"7\x00123\0\0s\0", b"7\x00123\0\0s\0a\0"]
        {
            let slot = bytes.split(|b| *b == 0).next().unwrap();
            assert_eq!(Order::from_packet(packet(bytes)).unwrap_err(), slot, "{bytes:?}");
        }
        let without = Packet { bytes: b"7\x00123\0\0s\0a".to_vec(), fds: vec![] };
        assert_eq!(Order::from_packet(without).unwrap_err(), b"7");
    }

    #[test]
    fn the_answer_has_one_fate_per_recipient() {
        let fates = [Fate::done("did 1+0+0/"), Fate::never(1, 1, "no such user")];
        assert_eq!(answer(b"7", &fates), b"7\0Kdid 1+0+0/\0D5.1.1 no such user");
    }
}
