//! Lines of control files.

use std::io::BufReader;

use control::grammar::{Lines, entries, pair, single};

pub(crate) fn run(data: &[u8]) {
    let read = |room: usize| -> Vec<_> {
        let lines = Lines::new(BufReader::with_capacity(room, data));
        lines.map(|line| line.map_err(|fault| fault.to_string())).collect()
    };
    let lines = read(1 << 16);
    assert_eq!(read(3), lines, "cut into threes");
    for line in lines.iter().flatten() {
        assert!(!line.text.contains(&0) && !line.text.contains(&b'\n') && !line.text.ends_with(b" "));
        if let Some((key, value)) = pair(&line.text) {
            assert_eq!([key, b":", value].concat(), line.text);
        }
    }
    let _ = single(data);
    assert!(entries(data).flatten().all(|line| !line.text.is_empty() && !line.is_comment()));
}
