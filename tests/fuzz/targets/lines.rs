//! Lines, strict and lenient.

use wire::Lines;

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| read(Lines::strict(20), pieces));
    super::cut_anywhere(data, |pieces| read(Lines::lenient(20), pieces));
}

fn read(mut lines: Lines, pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let mut all = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while let Some(line) = lines.take(&mut rest) {
            if let wire::Line::Whole(line) = &line {
                assert!(line.len() <= 20 && !line.contains(&b'\n'));
            }
            all.push(format!("{line:?}"));
        }
    }
    (all, lines.is_empty())
}
