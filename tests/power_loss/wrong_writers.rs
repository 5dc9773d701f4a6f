//! The same examiner at work on writers that are known to be wrong: it has to see what they lose.

use std::path::Path;

use super::cut::states;
use super::disk::Disk;
use super::seed;
use super::trace::{can_record, run};

/// Has a shell write a message and say so; gives how many states there are, and how many of them break the promise that
/// it is there once that was said, and never in part.
fn examined(script: &str) -> (usize, usize) {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("box");
    for folder in ["", "tmp", "new"] {
        std::fs::create_dir(place.join(folder)).unwrap();
    }
    let mut disk = Disk::of(&place);
    let trace = home.path().join("trace");
    let script = format!("cd {} && {script}", place.display());
    let (well, calls) = run(Path::new("/bin/sh"), &["-c", &script], &trace);
    assert!(well, "{script}");
    disk.replay(calls);
    disk.say("done");
    disk.check();
    let whole = "The whole message.\n".repeat(300);
    let mut wrong = 0;
    let all = states(&disk, seed(), |state| {
        let texts: Vec<_> =
            state.files(&disk, "new").iter().map(|(_, id)| state.text(&disk, *id).to_vec()).collect();
        let in_part = texts.iter().any(|text| text != whole.as_bytes());
        let lost = state.after == disk.acts.len() && texts.is_empty();
        wrong += usize::from(in_part || lost);
    });
    (all, wrong)
}

/// In two writes.
const WRITE: &str = "m=$(yes 'The whole message.' | head -300); { printf '%s\\n' \"$m\" | head -150; printf '%s\\n' \"$m\" | tail -150; } >tmp/1";

#[test]
fn a_writer_that_forgets_a_sync_is_caught_and_one_that_does_not_is_cleared() {
    if !can_record() {
        return;
    }
    let right = format!("{WRITE} && sync tmp/1 && mv tmp/1 new/1 && sync new");
    let (all, wrong) = examined(&right);
    assert!(all > 5 && wrong == 0, "{wrong} of {all}");
    for (what, script) in [
        ("no sync at all", format!("{WRITE} && mv tmp/1 new/1")),
        ("only the folder", format!("{WRITE} && mv tmp/1 new/1 && sync new")),
        ("only the file", format!("{WRITE} && sync tmp/1 && mv tmp/1 new/1")),
        ("the file, but too late", format!("{WRITE} && mv tmp/1 new/1 && sync new && sync new/1")),
        ("the wrong folder", format!("{WRITE} && sync tmp/1 && mv tmp/1 new/1 && sync tmp/.")),
        ("straight into its place", WRITE.replace("tmp/1", "new/1") + " && sync new/1 && sync new"),
    ] {
        let (all, wrong) = examined(&script);
        println!("{what}: {wrong} of {all} states are wrong");
        assert!(wrong > 0, "{what}: not seen in {all} states");
    }
}
