//! The octets of qmail's files: envelopes, and noted failures.

/// Paragraphs of `<address>:`, then lines of reason, then an empty line.
pub(super) fn failures(text: &[u8]) -> Vec<(Vec<u8>, String)> {
    let text = String::from_utf8_lossy(text);
    let paragraphs = text.split("\n\n").filter_map(|paragraph| {
        let (address, why) = paragraph.trim_start_matches('\n').split_once(">:\n")?;
        let address = address.strip_prefix('<')?;
        Some((address.as_bytes().to_vec(), why.trim_end().replace('\n', "/")))
    });
    paragraphs.collect()
}

/// What an envelope file holds: a letter and an address each.
pub(super) fn records(text: &[u8]) -> Vec<Vec<u8>> {
    text.split(|octet| *octet == 0).filter(|record| !record.is_empty()).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_failures_are_read_paragraph_by_paragraph() {
        let text = b"<a@x.test>:\nSorry, no mailbox.\nTwo lines.\n\n<b@x.test>:\nno\n\nnonsense\n\n";
        let expect = [
            (b"a@x.test".to_vec(), "Sorry, no mailbox./Two lines.".to_owned()),
            (b"b@x.test".to_vec(), "no".to_owned()),
        ];
        assert_eq!(failures(text), expect);
    }
}
