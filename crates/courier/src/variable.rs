//! The variables that a delivery sets for its programs.

use std::os::unix::ffi::OsStringExt;

use sys::Stop;

/// The value of the variable `name`; 100 if it is not set: this is no delivery.
pub fn variable(name: &str) -> Result<Vec<u8>, Stop> {
    let value = std::env::var_os(name).map(OsStringExt::into_vec);
    value
        .ok_or_else(|| Stop::permanent(format_args!("{name} is not set; this is a program for .qmail files")))
}

/// The value of `name` as one line with its LF, such as DTLINE: whatever it holds, it begins no
/// second line.
pub fn line(name: &str) -> Result<Vec<u8>, Stop> {
    variable(name).map(one_line)
}

fn one_line(value: Vec<u8>) -> Vec<u8> {
    let text = value.strip_suffix(b"\n").unwrap_or(&value);
    let mut line: Vec<u8> = text.iter().map(|b| if b.is_ascii_control() { b'_' } else { *b }).collect();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        // D02
        assert_eq!(one_line(b"Delivered-To: a@b\n".to_vec()), b"Delivered-To: a@b\n");
        assert_eq!(one_line(b"Delivered-To: a@b".to_vec()), b"Delivered-To: a@b\n");
        assert_eq!(one_line(b"A: b\nBcc: c\r\n\n".to_vec()), b"A: b_Bcc: c__\n");
    }
}
