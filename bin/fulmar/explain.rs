//! `fulmar explain`: what would be answered to a recipient, step by step, and where its mail would go.
//!
//! Nothing is sent. The steps are those of `smtpd` (crate `reception`), `send` (crate `route`), `lookup` and
//! `dot-qmail` themselves.

mod connection;
mod delivery;

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::AsFd;

use clap::Args;
use control::{Control, Home};
use message::address::Address;
use policy::Unsure;
use reception::{Facts, Files, Judge, Lookup, Refused, Rules, Taken};
use serde_json::json;
use sys::{Env, Stop};
use wire::Fate;

use crate::show::Shape;

#[derive(Args)]
pub(crate) struct Options {
    /// The envelope sender; empty or <>: the empty one, of bounces
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    from: String,
    /// The recipient
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// Where the client comes from
    #[arg(long, value_name = "IP", default_value = "192.0.2.1")]
    ip: IpAddr,
    /// The client's name, as if it led back to its address
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// What it calls itself; nothing depends on that
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// As whom it has logged in
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// The port it has come to
    #[arg(long, default_value_t = 25)]
    port: u16,
}

/// What has been found out: about what, and what it says.
#[derive(Default)]
pub(crate) struct Story(Vec<(String, String)>);

impl Story {
    fn tell(&mut self, about: impl Into<String>, says: impl Into<String>) {
        self.0.push((about.into(), says.into()));
    }
}

pub(crate) fn run(home: &Home, options: &Options, shape: Shape) -> Result<(), Stop> {
    let mut story = Story::default();
    told(home, options, &mut story)?;
    let rows: Vec<_> = story.0.iter().map(|(about, says)| vec![json!(about), json!(says)]).collect();
    shape.table(&["step", "says"], &rows)
}

fn told(home: &Home, options: &Options, story: &mut Story) -> Result<(), Stop> {
    let sender = match options.from.trim_matches(['<', '>']) {
        "" => None,
        from => Some(address(from)?),
    };
    let recipient = address(options.to.trim_matches(['<', '>']))?;
    if let Some(helo) = &options.helo {
        story.tell("helo", format!("`{helo}`: nothing depends on it"));
    }
    let Some((env, submission)) = connection::environment(home, options, story)? else { return Ok(()) };
    let facts = facts(&env, options).map_err(Stop::temporary)?;
    if facts.login_required.unwrap_or(submission) && facts.login.is_none() {
        story.tell("answer", "530 Log in first: this port takes mail of who has logged in alone");
        return Ok(());
    }
    let rules = Files::of(home).rules_for(facts.relayclients.as_deref());
    let Ok(rules) = rules.inspect_err(|broken| story.tell("answer", format!("421 for everybody: {broken}")))
    else {
        return Ok(());
    };
    match judged(home, &rules, &facts, (sender.as_ref(), &recipient), story) {
        Err(Unsure(cause)) => story.tell("answer", format!("451 later: {cause}")),
        Ok(Err(refused)) => story.tell("answer", refusal(&refused)),
        Ok(Ok(taken)) => {
            let what = if taken.relayed { "taken, and relayed for this client" } else { "taken" };
            story.tell("answer", format!("250 {what}, by {}", taken.by));
            delivery::tell(home, &options.from, &taken.address, story)?;
        }
    }
    Ok(())
}

fn address(text: &str) -> Result<Address, Stop> {
    let whole = Address::parse_or_complete(text.as_bytes(), message::address::Letters::Utf8, "");
    whole.map_err(|fault| Stop::permanent(format_args!("`{}` {fault}", text.escape_debug())))
}

fn facts(env: &Env, options: &Options) -> Result<Facts, String> {
    let null = std::fs::File::open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
    let mut facts = Facts::read(env, null.as_fd())?;
    facts.host_checked |= options.host.is_some();
    facts.login.clone_from(&options.login);
    Ok(facts)
}

fn judged(
    home: &Home,
    rules: &Rules,
    facts: &Facts,
    (sender, recipient): (Option<&Address>, &Address),
    story: &mut Story,
) -> Result<Result<Taken, Refused>, Unsure> {
    let mut lookup = Lookup::at(home.run("admin"));
    let control = Control::open(home);
    let mut hear = |row: &str, by: Option<&str>| {
        story.tell(
            row,
            by.map_or_else(|| "says nothing".to_owned(), |by| format!("decides: {}", line(&control, by))),
        );
    };
    let mut judge = Judge { rules, facts, lookup: &mut lookup, domains: &mut HashMap::new() };
    judge.judge_aloud(sender, recipient, &mut hear)
}

/// A compiled table does not know the line; its text does.
fn line(control: &Control, by: &str) -> String {
    let found = by
        .strip_prefix("control/")
        .and_then(|rest| rest.split_once(':'))
        .and_then(|(name, key)| control.line_of(name, key.as_bytes()).filter(|_| !key.contains(" line=")));
    found.map_or_else(|| by.to_owned(), |line| format!("{by} line={line}"))
}

fn refusal(refused: &Refused) -> String {
    let (code, text) = (refused.reply, refused.fate.text());
    let code = match (&refused.fate, code) {
        (_, Some(code)) => code,
        (Fate::Later(_), None) => 451,
        _ => 550,
    };
    format!("{code} {text}, by {}", refused.by)
}
