//! users/assign: whatever is compiled can be asked for, and nobody is root by accident of reading.

use assign::{Assigned, Options, pw2u};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // What is made of a passwd that others have written is either refused or readable.
    let made = pw2u(&text, &Options::default(), |_| Some(1000));
    for text in [Some(data.to_vec()), made.ok().map(String::into_bytes)].into_iter().flatten() {
        let Ok(table) = assign::compile(&text) else { continue };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), table).unwrap();
        let assigned = Assigned::open(file.path()).unwrap();
        for line in String::from_utf8_lossy(&text).lines().take(10) {
            let name = line.trim_start_matches(['=', '+']).split(':').next().unwrap_or_default();
            let _ =
                assigned.find(name).map(|found| found.map(|person| assert!(person.home.starts_with('/'))));
        }
    }
}
