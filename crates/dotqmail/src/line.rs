//! Lines in .qmail syntax, as values. dot-qmail(5).
//!
//! Knows the lines, not who wrote them, and does nothing: a file is read whole before its first
//! line is carried out, so that a bad line further down does not make the good ones above it be
//! carried out anew at every try.

use message::address::{Address, Letters};

/// Octets of an address in an envelope.
const ADDRESS_LIMIT: usize = 1003;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `./path/` or `/path/`: a Maildir.
    Maildir(Vec<u8>),
    /// `./path` or `/path`: an mbox file.
    Mbox(Vec<u8>),
    /// `|command`.
    Program(Vec<u8>),
    /// `&address` or `address`, in envelope form.
    Forward(Vec<u8>),
}

/// Why instructions can't be carried out. All of them are somebody's slip: the mail waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// qmail takes a blank first line for a sign that the file is being edited.
    BlankFirstLine,
    /// The owner's x bit is set (or `+list` came before), which allows forwards only.
    ForwardOnly(usize),
    /// Line such and such (from 1) forwards to something that is no address.
    NoAddress(usize),
    /// Line such and such holds a NUL.
    Nul(usize),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::BlankFirstLine => f.write_str("first line of .qmail file is blank"),
            Fault::ForwardOnly(line) => {
                write!(f, "line {line} of .qmail file delivers, but its x bit allows forwards only")
            }
            Fault::NoAddress(line) => write!(f, "line {line} of .qmail file forwards to what is no address"),
            Fault::Nul(line) => write!(f, "line {line} of .qmail file holds a NUL"),
        }
    }
}

/// Reads all lines of `text`. `forward_only`: the file's x bit is set.
pub fn read(text: &[u8], mut forward_only: bool) -> Result<Vec<Instruction>, Fault> {
    let mut instructions = Vec::new();
    for (place, line) in text.split(|b| *b == b'\n').enumerate() {
        let (line, number) = (trim_end(line), place + 1);
        if line.contains(&0) {
            return Err(Fault::Nul(number));
        }
        let instruction = match line {
            [] if place == 0 => return Err(Fault::BlankFirstLine),
            [] | [b'#', ..] => continue,
            [b'+', rest @ ..] => {
                forward_only |= rest == b"list";
                continue;
            }
            [b'.' | b'/', .., b'/'] | [b'/'] => Instruction::Maildir(line.to_vec()),
            [b'.' | b'/', ..] => Instruction::Mbox(line.to_vec()),
            [b'|', command @ ..] => Instruction::Program(command.to_vec()),
            [b'&', rest @ ..] => forward(rest, number)?,
            _ => forward(line, number)?,
        };
        if forward_only && !matches!(instruction, Instruction::Forward(_)) {
            return Err(Fault::ForwardOnly(number));
        }
        instructions.push(instruction);
    }
    Ok(instructions)
}

/// Blanks at a line's end do not count; nor does the CR of a file that was edited elsewhere.
fn trim_end(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t' | b'\r'] = line {
        line = rest;
    }
    line
}

fn forward(address: &[u8], line: usize) -> Result<Instruction, Fault> {
    envelope_form(address).map(Instruction::Forward).ok_or(Fault::NoAddress(line))
}

/// An address as RFC 5321 writes it, or as qmail's envelopes do (a long VERP address, one without a
/// domain), as long as nothing in it can be taken for anything else.
fn envelope_form(address: &[u8]) -> Option<Vec<u8>> {
    if let Ok(parsed) = Address::parse(address, Letters::Utf8) {
        return Some(parsed.envelope().into_bytes());
    }
    let harmless = |b: &u8| (b.is_ascii_graphic() && !b"<>()\",;:\\".contains(b)) || *b >= 0x80;
    let good = !address.is_empty() && address.len() <= ADDRESS_LIMIT && !address.ends_with(b"@");
    (good && !address.starts_with(b"@") && address.iter().all(harmless)).then(|| address.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Instruction::{Forward, Maildir, Mbox, Program};

    #[test]
    fn every_kind_of_line_is_told_apart() {
        let text =
            b"# comment\n./Maildir/ \t\n/var/x/\n./mbox\n|cat >x \n&bob@x.test\nal@x.test\n\npostmaster\r\n/";
        let expect = [
            Maildir(b"./Maildir/".to_vec()),
            Maildir(b"/var/x/".to_vec()),
            Mbox(b"./mbox".to_vec()),
            Program(b"cat >x".to_vec()),
            Forward(b"bob@x.test".to_vec()),
            Forward(b"al@x.test".to_vec()),
            Forward(b"postmaster".to_vec()),
            Maildir(b"/".to_vec()),
        ];
        assert_eq!(read(text, false).unwrap(), expect);
    }

    #[test]
    fn a_blank_first_line_is_a_file_being_edited() {
        for text in [&b"\n./Maildir/\n"[..], b"  \t\n", b"\r\n", b""] {
            assert_eq!(read(text, false), Err(Fault::BlankFirstLine));
        }
        assert_eq!(read(b"#\n\n\n", false), Ok(vec![]));
    }

    #[test]
    fn the_x_bit_and_the_word_list_allow_forwards_only() {
        assert_eq!(read(b"&a@b\n./Maildir/\n", true), Err(Fault::ForwardOnly(2)));
        assert_eq!(read(b"&a@b\n|x\n", true), Err(Fault::ForwardOnly(2)));
        assert!(read(b"&a@b\nc@d\n", true).is_ok());
        assert_eq!(read(b"./a/\n+list\n./b/\n", false), Err(Fault::ForwardOnly(3)));
        assert!(read(b"./a/\n+lists\n./b/\n", false).is_ok());
    }

    #[test]
    fn what_is_no_address_is_never_forwarded_to() {
        // D06
        for line in [
            "&",
            "& ",
            "&bob @x",
            "bob@x # who",
            "&Bob <bob@x>",
            "&a,b@x",
            "&a\x01@x",
            "&@x",
            "&x@",
            "a\"b@x",
        ] {
            let text = format!("#\n{line}\n");
            assert_eq!(read(text.as_bytes(), false), Err(Fault::NoAddress(2)), "{line}");
        }
        let long = [b'x'; ADDRESS_LIMIT + 1];
        assert_eq!(read(&long, false), Err(Fault::NoAddress(1)));
        assert_eq!(read(b"#\n&a\0b@x", false), Err(Fault::Nul(2)));
    }

    #[test]
    fn addresses_are_kept_in_envelope_form() {
        let forward = |text: &[u8]| read(text, false).unwrap().remove(0);
        assert_eq!(forward(b"&\"al ice\"@x.test"), Forward(b"al ice@x.test".to_vec()));
        assert_eq!(forward(b"&list-owner-@x.test-@[]"), Forward(b"list-owner-@x.test-@[]".to_vec()));
        let long = [&[b'l'; 200][..], b"@x.test"].concat();
        assert_eq!(forward(&long), Forward(long));
    }

    #[test]
    fn ten_thousand_forwards_are_ten_thousand() {
        // D06
        let text = "&bob@x.test\n".repeat(10_000);
        assert_eq!(read(text.as_bytes(), true).unwrap().len(), 10_000);
    }

    #[test]
    fn no_octets_at_all_make_a_forward_that_could_break_an_envelope() {
        const OCTETS: &[u8] = b"&&&ab@@..\"\\<> \t\r\n\n\n\0\x01\x7f\x80\xff+#|/-";
        let mut random = 88_172_645_463_325_252u64;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..40)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    OCTETS[random as usize % OCTETS.len()]
                })
                .collect();
            for instruction in read(&text, false).unwrap_or_default() {
                if let Forward(address) = instruction {
                    assert!(!address.is_empty() && !address.iter().any(u8::is_ascii_control), "{text:?}");
                }
            }
        }
    }
}
