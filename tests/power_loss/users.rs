//! Changes to users, aliases, domains and the rules for clients, and the power failing at any step of them: what is read
//! afterwards is all of the old or all of the new, and what was answered with "done" is the new.

use tests::{DOMAIN, House, PASSWORD, Pop3};
use users::{Resolution, Source, Store, resolve};

use super::cut::{State, states};
use super::disk::{Act, Disk};
use super::seed;
use super::trace::{self, Recorder, can_record};

/// A change, and how each of the two worlds looks.
struct Change {
    words: Vec<&'static str>,
    address: &'static str,
    before: &'static str,
    after: &'static str,
}

fn changes() -> Vec<Change> {
    let change = |words: &[&'static str], address, before, after| Change {
        words: words.to_vec(),
        address,
        before,
        after,
    };
    vec![
        change(
            &["user", "add", "carol@example.test", "--plain", "--password", "one"],
            "carol@example.test",
            "nobody",
            "account one",
        ),
        change(
            &["user", "passwd", "carol@example.test", "--plain", "--password", "two"],
            "carol@example.test",
            "account one",
            "account two",
        ),
        change(
            &["alias", "add", "all@example.test", "alice@example.test", "carol@example.test"],
            "all@example.test",
            "nobody",
            "to alice@example.test carol@example.test",
        ),
        change(&["domain", "add", "new.test"], "x@new.test", "not ours", "nobody"),
        change(
            &["user", "add", "dora@new.test", "--plain", "--password", "three"],
            "dora@new.test",
            "nobody",
            "account three",
        ),
        change(
            &["alias", "del", "all@example.test"],
            "all@example.test",
            "to alice@example.test carol@example.test",
            "nobody",
        ),
        change(&["user", "del", "carol@example.test"], "carol@example.test", "account two", "nobody"),
    ]
}

/// What `address` is, in a word or two.
fn seen(store: &Store, address: &str) -> String {
    match resolve(store, address) {
        Resolution::Account(hit) => {
            let (domain, name) = (&hit.address.domain, &hit.address.local);
            let kept = store.password(domain, name).unwrap().unwrap_or_default();
            format!("account {}", String::from_utf8_lossy(&kept).replace("{PLAIN}", ""))
        }
        Resolution::Forward { targets, .. } => format!("to {}", targets.join(" ")),
        Resolution::NoSuchUser => "nobody".into(),
        Resolution::NotOurs => "not ours".into(),
        Resolution::Disabled(why) => format!("disabled {why}"),
        Resolution::Later(broken) => format!("later: {broken}"),
    }
}

/// What is in force of a change: `done`: it has been acknowledged; `begun`: and all before it have.
fn right(change: &Change, done: bool, begun: bool, seen: &str) -> bool {
    match (done, begun) {
        (true, _) => seen == change.after,
        (false, true) => seen == change.before || seen == change.after,
        // A change of the same address before this one decides.
        (false, false) => true,
    }
}

/// The act that tells of each change's end.
fn ends(disk: &Disk, changes: &[Change]) -> Vec<usize> {
    let log = |change: &Change| format!("admin {}-{} {}", change.words[0], change.words[1], change.words[2]);
    let mut from = 0;
    let mut ends = Vec::new();
    for change in changes {
        let end = (from..disk.acts.len()).find(|at| match &disk.acts[*at] {
            Act::Said(said) => String::from_utf8_lossy(said).contains(&log(change)),
            _ => false,
        });
        from = end.unwrap_or_else(|| panic!("lookup does not tell of {:?}", change.words)) + 1;
        ends.push(from);
    }
    ends
}

fn wrong(disk: &Disk, state: &State, changes: &[Change], ends: &[usize]) -> Option<String> {
    let home = tempfile::tempdir_in("/dev/shm").unwrap();
    state.write(disk, "users", home.path());
    let store = Store::new(home.path());
    for (number, change) in changes.iter().enumerate() {
        // A later change of the same address has the last word as soon as it may have begun.
        let later = (number + 1..changes.len()).find(|later| changes[*later].address == change.address);
        if later.is_some_and(|later| ends[later - 1] <= state.after) {
            continue;
        }
        let done = ends[number] <= state.after;
        let begun = number == 0 || ends[number - 1] <= state.after;
        let seen = seen(&store, change.address);
        if !right(change, done, begun, &seen) {
            return Some(format!("{:?} (done: {done}): {} is {seen}", change.words, change.address));
        }
    }
    None
}

/// A row that is there gives nobody more time than the row that was written.
fn wrong_rows(disk: &Disk, state: &State) -> Option<String> {
    let time = |text: &[u8]| {
        String::from_utf8_lossy(text).lines().filter_map(|line| line.split(' ').next()?.parse().ok()).max()
    };
    state.files(disk, "relay").into_iter().find_map(|(name, id)| {
        let (there, written): (Option<u64>, Option<u64>) = (time(state.text(disk, id)), time(disk.text(id)));
        (there > written).then(|| format!("relay/{name} is good until {there:?}, not {written:?}"))
    })
}

#[test]
fn users_and_relay_rows_are_the_old_or_the_new_ones_whenever_the_power_fails() {
    // A20
    if !can_record() {
        return;
    }
    let mut house = House::start();
    let mut disk = Disk::of(&house.path(""));
    let trace = tempfile::NamedTempFile::new().unwrap();
    let pids: Vec<i32> = house.processes().into_iter().map(|(pid, _)| pid).collect();
    let recorder = Recorder::attach(&pids, trace.path());
    let changes = changes();
    for change in &changes {
        house.well(&change.words);
        drop(Pop3::login(house.pop3(), &format!("alice@{DOMAIN}"), PASSWORD));
    }
    house.services().kill_all();
    disk.replay(recorder.end());
    disk.check();
    let (ends, mut found) = (ends(&disk, &changes), Vec::new());
    let count = states(&disk, seed(), |state| {
        let how = wrong(&disk, &state, &changes, &ends).or_else(|| wrong_rows(&disk, &state));
        found.extend(
            how.map(|how| format!("after {} of {} ({}): {how}", state.after, disk.acts.len(), state.how)),
        );
    });
    assert!(
        found.is_empty(),
        "{} of {count} states; the first: {:#?}",
        found.len(),
        &found[..found.len().min(5)]
    );
    println!("{} changes on disk, {count} states read", disk.acts.len());
}

#[test]
fn a_compiled_table_is_the_old_or_the_new_one_whenever_the_power_fails() {
    // A20
    if !can_record() {
        return;
    }
    let mut house = House::start();
    house.services().kill_all();
    let rules = |text: &str| house.write("etc/tcp.smtp", text);
    rules("127.:allow,WORLD=\"old\"\n:deny\n");
    house.well(&["cdb"]);
    rules("127.:allow,WORLD=\"new\"\n:deny\n");
    let mut disk = Disk::of(&house.path(""));
    let trace = tempfile::NamedTempFile::new().unwrap();
    let home = house.path("").display().to_string();
    let (well, calls) = trace::run(&tests::program("fulmar"), &["--home", &home, "cdb"], trace.path());
    assert!(well);
    disk.replay(calls);
    disk.say("done");
    disk.check();
    let table = |state: &State| {
        let files = state.files(&disk, "etc");
        let (_, id) = files.iter().find(|(name, _)| name == "tcp.smtp.cdb").expect("a table");
        state.text(&disk, *id).to_vec()
    };
    let (old, new, mut seen) = (std::cell::RefCell::new(None), table(&State::last(&disk)), [0; 2]);
    let count = states(&disk, seed(), |state| {
        let text = table(&state);
        // The first state is that before any change.
        let old = old.borrow_mut().get_or_insert_with(|| text.clone()).clone();
        let acknowledged = state.after == disk.acts.len();
        assert!(text == new || text == old && !acknowledged, "after {} ({})", state.after, state.how);
        seen[usize::from(text == new)] += 1;
    });
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    println!("{} changes on disk, {count} states read", disk.acts.len());
}
