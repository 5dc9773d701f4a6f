//! `fulmar check --control DIR`: what becomes of another qmail's control files, and of what stands beside.

use std::path::Path;

use control::{Judged, Verdict};
use serde_json::json;
use sys::Stop;

use crate::show::{Shape, print};

const HEADS: &[&str] = &["verdict", "file", "words"];

/// What a qmail has beside its control folder, and how it comes along.
const BESIDE: &[(&str, &str)] = &[
    ("users/assign", "copy it to users/assign and compile it: qmail-newu"),
    ("alias", "stays: its .qmail files are the user alias's, wherever his home is"),
    ("queue/mess", "stop qmail-send, then take the messages over: fulmar import-queue"),
    ("rc", "the default delivery in it, such as ./Maildir/, belongs into control/defaultdelivery"),
    ("bin/qmail-queue", "scripts that name it by its path: link it to ours, bin/qmail-queue"),
];

pub(super) fn run(folder: &Path, shape: Shape) -> Result<(), Stop> {
    let judged = control::judge(folder).map_err(Stop::permanent)?;
    let beside = beside(folder);
    if shape.json {
        let all = judged.iter().map(|one| vec![json!(one.verdict.name()), json!(one.file), json!(one.words)]);
        shape.table(HEADS, &all.collect::<Vec<_>>())?;
    } else {
        print(&judged.iter().map(line).collect::<String>())?;
        print(
            &beside.iter().map(|(name, words)| format!("beside     {name}: {words}\n")).collect::<String>(),
        )?;
    }
    match judged.iter().any(|one| one.verdict <= Verdict::Broken) {
        true => Err(Stop(100)),
        false => Ok(()),
    }
}

fn line(one: &Judged) -> String {
    format!("{:10} {}: {}\n", one.verdict.name(), one.file, one.words)
}

fn beside(folder: &Path) -> Vec<(String, &'static str)> {
    let Some(parent) = folder.parent() else { return Vec::new() };
    let there = BESIDE.iter().map(|(name, words)| (parent.join(name), *words));
    there.filter(|(path, _)| path.exists()).map(|(path, words)| (path.display().to_string(), words)).collect()
}
