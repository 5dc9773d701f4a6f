//! NUL-separated fields: the one framing inside packets.

/// The fields of a packet. An empty packet has one empty field.
pub fn fields(packet: &[u8]) -> Vec<&[u8]> {
    packet.split(|b| *b == 0).collect()
}

/// A packet of `fields`. The caller guarantees that no field holds a NUL; should one do, it is
/// dropped from the field, so that a field can never be passed off as two.
pub fn packet(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|f| f.len() + 1).sum());
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            bytes.push(0);
        }
        bytes.extend(field.iter().filter(|b| **b != 0));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_joined() {
        let parts: &[&[u8]] = &[b"owner", b"", b"alice@example.test"];
        assert_eq!(fields(&packet(parts)), parts);
    }

    #[test]
    fn a_nul_inside_a_field_never_makes_two_of_it() {
        assert_eq!(fields(&packet(&[b"a\0b", b"c"])), [&b"ab"[..], b"c"]);
    }
}
