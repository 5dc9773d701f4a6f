//! A message as a script writes it.

use message::{Manuscript, Part};

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut fields, mut body) = (Vec::new(), Vec::new());
        let mut each = |part: Part<'_>| match part {
            Part::Field(field) => fields.push(field.to_vec()),
            Part::Body(piece) => body.extend_from_slice(piece),
        };
        let mut manuscript = Manuscript::new();
        for piece in pieces {
            manuscript.feed(piece, &mut each).unwrap();
        }
        manuscript.end(&mut each).unwrap();
        for field in &fields {
            assert!(field.ends_with(b"\n") && field.contains(&b':') && !field.contains(&b'\r'));
            assert!(
                field[..field.len() - 1]
                    .split(|b| *b == b'\n')
                    .skip(1)
                    .all(|line| line.starts_with(b" ") || line.starts_with(b"\t"))
            );
        }
        assert!(
            !body.windows(2).any(|two| two == b"\r\n") || data.windows(3).any(|three| three == b"\r\r\n")
        );
        (fields, body)
    });
}
