//! `fulmar check`: everything that is wrong with a home, at once, each with its cure.

mod house;
mod reading;
mod sending;
mod theirs;

use std::path::PathBuf;

use clap::Args;
use control::{Home, Problem, Role, Severity, Uids};
use serde_json::{Value, json};
use sys::Stop;

use crate::show::{Shape, print};

#[derive(Args)]
pub(crate) struct Options {
    /// A control folder of another qmail: says what of it is used here, ignored, different, dangerous
    #[arg(long, value_name = "DIR")]
    control: Option<PathBuf>,
}

pub(crate) fn run(home: &Home, options: &Options, shape: Shape) -> Result<(), Stop> {
    if let Some(folder) = &options.control {
        return theirs::run(folder, shape);
    }
    if !home.path().is_dir() {
        let path = home.path().display();
        return Err(Stop::permanent(format_args!("there is no home at {path}; make one with: fulmar init")));
    }
    let mut problems = control::check(home);
    // That control/uids is broken has been told already.
    let lookup = Uids::read(home).and_then(|uids| uids.identity(Role::Users)).ok().flatten();
    problems.extend(users::check(&home.users(), lookup.as_ref()));
    problems.extend(house::check(home));
    problems.extend(sending::check(home));
    problems.extend(reading::check(home));
    match shape.json {
        true => shape.table(HEADS, &problems.iter().map(row).collect::<Vec<_>>())?,
        false => print(&problems.iter().map(sentence).collect::<String>())?,
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match errors {
        0 if problems.is_empty() && !shape.json => print("no trouble found\n"),
        0 => Ok(()),
        _ => Err(Stop(100)),
    }
}

const HEADS: &[&str] = &["severity", "file", "line", "problem", "cure"];

fn row(problem: &Problem) -> Vec<Value> {
    let Problem { severity, file, line, problem, cure } = problem;
    vec![json!(severity.name()), json!(file), json!(line), json!(problem), json!(cure)]
}

fn sentence(problem: &Problem) -> String {
    let line = problem.line.map_or(String::new(), |line| format!("line {line}: "));
    let Problem { severity, file, problem, cure, .. } = problem;
    format!("{}: {file}: {line}{problem}\n    cure: {cure}\n", severity.name())
}
