//! Many sessions do random things to one mailbox, while other programs move its files, sessions are killed, and
//! indexes get damaged. Each session's view is checked with every response, and in the end every promise.
//!
//! `FULMAR_STRESS_SECONDS` (of each test; 4) and `FULMAR_STRESS_SEED` may be set. With `FULMAR_TEST_IMAP=dovecot` the
//! same is done to Dovecot.

#[path = "imap_stress/foreign.rs"]
mod foreign;
#[path = "imap_stress/truth.rs"]
mod truth;
#[path = "imap_stress/view.rs"]
mod view;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::imap::numbers;
use tests::{ImapServer, PATIENCE};

use truth::{Dice, Place, Truth, text_of};
use view::View;

const SESSIONS: usize = 6;
const MAILBOXES: [&str; 2] = ["INBOX", "Other"];
/// Messages at the beginning.
const FIRST: usize = 30;

/// What happens besides.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Weather {
    /// Another program adds, marks and removes files.
    files: bool,
    /// Sessions are killed.
    kills: bool,
    /// Indexes are removed, cut, overwritten: all but the lists of UIDs and keywords, or these too.
    indexes: bool,
    uid_lists: bool,
}

type Deed<'a> = fn(&Storm<'a>, &mut View<'_>, usize, &mut Dice) -> std::io::Result<()>;

struct Storm<'a> {
    server: &'a ImapServer,
    truth: &'a Truth,
    weather: Weather,
    over: &'a AtomicBool,
}

fn seed() -> u64 {
    std::env::var("FULMAR_STRESS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn limit() -> Duration {
    let seconds = std::env::var("FULMAR_STRESS_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

fn storm(weather: Weather) {
    let Some(server) = ImapServer::start() else { return };
    let (truth, over) = (Truth::default(), AtomicBool::new(false));
    let storm = Storm { server: &server, truth: &truth, weather, over: &over };
    storm.begin();
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|number| {
                scope.spawn({
                    let storm = &storm;
                    move || storm.session(number)
                })
            })
            .collect();
        let others = [
            weather.files.then(|| scope.spawn(|| foreign::files(&server, &truth, &over, seed()))),
            weather.kills.then(|| scope.spawn(|| foreign::kills(&server, &over, seed()))),
            weather
                .indexes
                .then(|| scope.spawn(|| foreign::indexes(&server, &over, seed(), weather.uid_lists))),
        ];
        let end = Instant::now() + limit();
        while Instant::now() < end && !sessions.iter().any(|thread| thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::SeqCst);
        sessions.into_iter().chain(others.into_iter().flatten()).for_each(|thread| thread.join().unwrap());
    });
    storm.end();
    eprintln!("seed {}: {:?}", seed(), truth.facts().done);
}

impl<'a> Storm<'a> {
    fn begin(&self) {
        let mut imap = self.server.login("alice");
        imap.good("CREATE Other");
        for mailbox in MAILBOXES {
            for _ in 0..FIRST {
                let identity = self.truth.new_identity();
                assert!(imap.try_append(mailbox, "", text_of(identity).as_bytes()).unwrap().is_ok());
                self.truth.promise(identity);
            }
        }
    }

    /// One client. When it is cut off in bad weather it comes back.
    fn session(&self, number: usize) {
        let mut dice = Dice::new(seed() * 1000 + number as u64);
        let rough = self.weather.kills || self.weather.indexes;
        while !self.over.load(Ordering::SeqCst) {
            let result = self.work(number, &mut dice);
            self.truth.count("sessions");
            if let Err(error) = result {
                assert!(rough, "session {number} was cut off: {error}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn work(&self, number: usize, dice: &mut Dice) -> std::io::Result<()> {
        let imap = self.server.try_login("alice")?;
        let mut view = View::open(imap, MAILBOXES[dice.below(3) / 2], dice.one_in(3), self.truth)?;
        for _ in 0..200 {
            if self.over.load(Ordering::SeqCst) {
                break;
            }
            self.one_command(&mut view, number, dice)?;
        }
        view.command("LOGOUT", true).map(drop)
    }

    fn one_command(&self, view: &mut View<'_>, number: usize, dice: &mut Dice) -> std::io::Result<()> {
        let (what, deed): (&str, Deed<'a>) = match dice.below(100) {
            0..25 => ("fetch", Storm::fetch),
            25..45 => ("store", Storm::store),
            45..50 => ("expunge", Storm::expunge),
            50..55 => ("copy", Storm::copy),
            55..60 => ("move", Storm::relocate),
            60..72 => ("append", Storm::append),
            72..82 => ("search", Storm::search),
            82..90 => ("noop", |_, view, _, _| view.command("NOOP", true).map(drop)),
            90..95 => ("idle", Storm::idle),
            95..97 => ("check", |_, view, _, _| view.command("CHECK", true).map(drop)),
            _ => ("select", |_, view, _, dice| view.select(MAILBOXES[dice.below(3) / 2])),
        };
        self.truth.count(what);
        deed(self, view, number, dice)
    }

    fn fetch(&self, view: &mut View<'_>, _: usize, dice: &mut Dice) -> std::io::Result<()> {
        let items = [
            "(UID BODY.PEEK[])",
            "(UID FLAGS BODY[])",
            "(UID ENVELOPE RFC822.SIZE)",
            "(UID BODYSTRUCTURE BODY.PEEK[]<50.100> INTERNALDATE)",
            "(UID FLAGS BODY.PEEK[HEADER.FIELDS (X-IDENTITY)])",
        ][dice.below(5)];
        let Some((by_uid, set, _)) = some(view, dice, 5) else { return Ok(()) };
        let uid = if by_uid { "UID " } else { "" };
        view.command(&format!("{uid}FETCH {set} {items}"), by_uid).map(drop)
    }

    /// Flags of all, and a keyword that is this session's alone.
    fn store(&self, view: &mut View<'_>, number: usize, dice: &mut Dice) -> std::io::Result<()> {
        let silent = if dice.one_in(2) { ".SILENT" } else { "" };
        if dice.one_in(2) {
            let flag = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Common"][dice.below(5)];
            let Some((by_uid, set, _)) = some(view, dice, 10) else { return Ok(()) };
            let (uid, sign) = (if by_uid { "UID " } else { "" }, ["+", "-"][dice.below(2)]);
            return view.command(&format!("{uid}STORE {set} {sign}FLAGS{silent} ({flag})"), by_uid).map(drop);
        }
        let Some(uid) = one(view, dice) else { return Ok(()) };
        let (key, on) = ((view.place.clone(), uid, number), dice.one_in(2));
        self.truth.facts().keywords.insert(key.clone(), None);
        let sign = if on { "+" } else { "-" };
        let answer = view.command(&format!("UID STORE {uid} {sign}FLAGS{silent} (own{number})"), true)?;
        if answer.is_ok() {
            self.truth.facts().keywords.insert(key, Some(on));
        }
        Ok(())
    }

    fn expunge(&self, view: &mut View<'_>, _: usize, dice: &mut Dice) -> std::io::Result<()> {
        let Some(uid) = one(view, dice) else { return Ok(()) };
        if !self.doomed(view, uid)? {
            return Ok(());
        }
        view.command(&format!("UID STORE {uid} +FLAGS (\\Deleted)"), true)?;
        match dice.below(3) {
            0 => drop(view.command(&format!("UID EXPUNGE {uid}"), true)?),
            // Whatever else bears the mark has been doomed by whoever set it.
            _ => drop(view.command("EXPUNGE", true)?),
        }
        Ok(())
    }

    /// Notes that this message is about to be removed; false: it is not known which one it is.
    fn doomed(&self, view: &mut View<'_>, uid: u32) -> std::io::Result<bool> {
        view.command(&format!("UID FETCH {uid} (BODY.PEEK[])"), true)?;
        let identity = self.truth.identity(&view.place, uid);
        identity.iter().for_each(|identity| self.truth.doom(*identity));
        Ok(identity.is_some())
    }

    fn copy(&self, view: &mut View<'_>, _: usize, dice: &mut Dice) -> std::io::Result<()> {
        let target = MAILBOXES[dice.below(2)];
        let Some((by_uid, set, _)) = some(view, dice, 3) else { return Ok(()) };
        let uid = if by_uid { "UID " } else { "" };
        let answer = view.command(&format!("{uid}COPY {set} {target}"), true)?;
        self.copied(&view.place, target, &answer.code("COPYUID"));
        Ok(())
    }

    fn relocate(&self, view: &mut View<'_>, _: usize, dice: &mut Dice) -> std::io::Result<()> {
        let target = MAILBOXES[usize::from(view.place.0 == "INBOX")];
        let Some((by_uid, set, _)) = some(view, dice, 3) else { return Ok(()) };
        let uid = if by_uid { "UID " } else { "" };
        let answer = view.command(&format!("{uid}MOVE {set} {target}"), true)?;
        self.copied(&view.place, target, &answer.code("COPYUID"));
        Ok(())
    }

    /// COPYUID names the same messages here and there.
    fn copied(&self, from: &Place, target: &str, code: &Option<String>) {
        let Some(code) = code else { return };
        let words: Vec<&str> = code.split(' ').collect();
        let place = (target.to_owned(), words[0].parse().unwrap());
        let (here, there) = (numbers(words[1]), numbers(words[2]));
        assert_eq!(here.len(), there.len(), "{code}");
        for (here, there) in here.iter().zip(there) {
            if let Some(identity) = self.truth.identity(from, *here) {
                self.truth.is_named(&place, there, identity);
                self.truth.promise(identity);
            }
        }
    }

    fn append(&self, view: &mut View<'_>, _: usize, dice: &mut Dice) -> std::io::Result<()> {
        let target = MAILBOXES[dice.below(3) / 2];
        let identities: Vec<usize> = (0..1 + dice.below(2)).map(|_| self.truth.new_identity()).collect();
        let texts: Vec<String> = identities.iter().map(|identity| text_of(*identity)).collect();
        let options = ["", "(\\Seen) ", "(\\Flagged $Common) \"01-Jan-2026 10:00:00 +0100\" "][dice.below(3)];
        let first = format!("APPEND {target} {options}");
        let mut pieces = vec![(first.as_str(), texts[0].as_bytes())];
        pieces.extend(texts[1..].iter().map(|text| (" ", text.as_bytes())));
        let answer = view.imap.try_literals(&pieces, "")?;
        view.take(&answer, true, &first);
        let Some(code) = answer.code("APPENDUID") else {
            assert!(!answer.is_ok() && self.weather != Weather::default(), "{first}: {}", answer.tagged);
            return Ok(());
        };
        let (validity, uids) = code.split_once(' ').unwrap();
        let place = (target.to_owned(), validity.parse().unwrap());
        let uids = numbers(uids);
        assert_eq!(uids.len(), identities.len(), "{code}");
        for (uid, identity) in uids.iter().zip(identities) {
            self.truth.is_named(&place, *uid, identity);
            self.truth.promise(identity);
        }
        Ok(())
    }

    fn search(&self, view: &mut View<'_>, number: usize, dice: &mut Dice) -> std::io::Result<()> {
        match dice.below(3) {
            0 => {
                let answer = view.command(&format!("UID SEARCH KEYWORD own{number}"), true)?;
                let facts = self.truth.facts();
                for uid in answer.found("SEARCH") {
                    let known = facts.keywords.get(&(view.place.clone(), uid, number));
                    let wrong = known == Some(&Some(false)) && !self.weather.uid_lists;
                    assert!(!wrong, "UID {uid} does not bear own{number}");
                }
            }
            1 => {
                let Some(uid) = one(view, dice) else { return Ok(()) };
                let Some(identity) = self.truth.identity(&view.place, uid) else { return Ok(()) };
                let answer = view.command(&format!("UID SEARCH HEADER X-Identity {identity:08}"), true)?;
                for uid in answer.found("SEARCH") {
                    let found = self.truth.identity(&view.place, uid);
                    assert!(
                        found.is_none_or(|found| found == identity),
                        "UID {uid} is {found:?}, not {identity}"
                    );
                }
            }
            _ => {
                let answer = view.command("SEARCH OR UNSEEN TEXT \"line 7 of\"", false)?;
                let all = view.uids.len() as u32;
                let found = answer.found("SEARCH");
                assert!(found.iter().all(|number| (1..=all).contains(number)), "{found:?} of {all}");
            }
        }
        Ok(())
    }

    fn idle(&self, view: &mut View<'_>, _: usize, dice: &mut Dice) -> std::io::Result<()> {
        let (tag, before) = view.imap.try_idle()?;
        before.iter().for_each(|response| view.told(response, true, "IDLE"));
        let until = Instant::now() + Duration::from_millis(dice.below(60) as u64);
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let Some(response) = view.imap.try_news(left)? else { break };
            view.told(&response, true, "IDLE");
        }
        let answer = view.imap.try_done(&tag)?;
        view.take(&answer, true, "DONE");
        Ok(())
    }

    /// When all is quiet every promise has to have been kept.
    fn end(&self) {
        let facts = || self.truth.facts();
        let (mut seen, mut present) = (BTreeSet::new(), BTreeSet::new());
        for mailbox in MAILBOXES {
            // Whom the last kill has hit may have been given this very client.
            let imap = self.server.try_login("alice").unwrap_or_else(|_| self.server.login("alice"));
            let mut view = View::open(imap, mailbox, false, self.truth).unwrap();
            view.imap.patience(PATIENCE);
            view.command("UID FETCH 1:* (BODY.PEEK[] RFC822.SIZE ENVELOPE)", true).unwrap();
            view.command("NOOP", true).unwrap();
            // Who was killed while he renamed a file by way of a second name has left both. One goes when it is ten seconds old.
            let begun = Instant::now();
            while foreign::has_second_names(self.server, mailbox) {
                assert!(begun.elapsed() < PATIENCE, "{mailbox}: a second name stays");
                std::thread::sleep(Duration::from_millis(200));
                view.command("NOOP", true).unwrap();
            }
            let uids: Vec<u32> = view.uids.iter().map(|uid| uid.expect("a UID for each")).collect();
            let here =
                uids.iter().map(|uid| self.truth.identity(&view.place, *uid).expect("a text for each"));
            let here: Vec<usize> = here.collect();
            let mut on_disk = foreign::identities(self.server, mailbox);
            let mut told = here.clone();
            on_disk.sort_unstable();
            told.sort_unstable();
            assert_eq!(told, on_disk, "{mailbox}: what is told (left) is not what is on the disk");
            seen.extend(here);
            present.extend(uids.iter().map(|uid| (view.place.clone(), *uid)));
            self.keywords_are_kept(&mut view);
            flags_agree(self.server, &mut view);
        }
        let known = facts();
        if self.weather == Weather::default() {
            // Nobody else was there: what was told of and has not been told to be gone is there.
            let missing: Vec<_> = known
                .named
                .keys()
                .filter(|key| !present.contains(key) && !known.gone.contains(key))
                .collect();
            assert!(missing.is_empty(), "gone without a word: {missing:?}");
        }
        let lost: Vec<usize> = known
            .promised
            .iter()
            .filter(|one| !seen.contains(one) && !known.doomed.contains(one))
            .copied()
            .collect();
        assert!(lost.is_empty(), "promised, and lost: {lost:?}");
    }

    fn keywords_are_kept(&self, view: &mut View<'_>) {
        // Letters of files outlive the index; what they stand for is in a list that is damaged too.
        if self.weather.uid_lists {
            return;
        }
        for number in 0..SESSIONS {
            let answer = view.command(&format!("UID SEARCH KEYWORD own{number}"), true).unwrap();
            let bearers = answer.found("SEARCH");
            let facts = self.truth.facts();
            for uid in view.uids.iter().flatten() {
                if let Some(Some(on)) = facts.keywords.get(&(view.place.clone(), *uid, number)) {
                    assert_eq!(bearers.contains(uid), *on, "own{number} of UID {uid} in {:?}", view.place);
                }
            }
        }
    }
}

/// Two new sessions tell the same flags, and files bear them.
fn flags_agree(server: &ImapServer, view: &mut View<'_>) {
    let mut told = || {
        let answer = view.command("FETCH 1:* (UID FLAGS)", false).unwrap();
        answer.fetches().iter().map(|(_, items)| foreign::letters(&items["FLAGS"])).collect::<Vec<_>>()
    };
    let (mut once, again) = (told(), told());
    assert_eq!(once, again);
    once.sort();
    assert_eq!(once, foreign::letters_on_disk(server, &view.place.0), "{:?}", view.place);
}

/// A UID that the session knows.
fn one(view: &View<'_>, dice: &mut Dice) -> Option<u32> {
    let known: Vec<u32> = view.uids.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known[dice.below(known.len())])
}

/// Up to `most` messages that the session knows: by UID or not, the set, the UIDs.
fn some(view: &View<'_>, dice: &mut Dice, most: usize) -> Option<(bool, String, Vec<u32>)> {
    let known: Vec<(usize, u32)> =
        view.uids.iter().enumerate().filter_map(|(at, uid)| Some((at + 1, (*uid)?))).collect();
    if known.is_empty() {
        return None;
    }
    let by_uid = dice.one_in(2);
    let from = dice.below(known.len());
    let chosen = &known[from..(from + 1 + dice.below(most)).min(known.len())];
    let number = |one: &(usize, u32)| if by_uid { one.1.to_string() } else { one.0.to_string() };
    let set: Vec<String> = chosen.iter().map(number).collect();
    Some((by_uid, set.join(","), chosen.iter().map(|one| one.1).collect()))
}

#[test]
fn many_sessions_see_the_same_truth() {
    // I25
    storm(Weather::default());
}

#[test]
fn many_sessions_see_the_truth_though_other_programs_move_files() {
    // I26
    storm(Weather { files: true, ..Weather::default() });
}

#[test]
fn many_sessions_see_the_truth_though_some_are_killed() {
    // I27
    storm(Weather { files: true, kills: true, ..Weather::default() });
}

#[test]
fn many_sessions_see_the_truth_though_indexes_are_damaged() {
    // I27
    if !tests::peer_is_tested() {
        storm(Weather { files: true, kills: true, indexes: true, uid_lists: false });
    }
}

#[test]
fn many_sessions_see_the_truth_though_the_list_of_uids_is_damaged() {
    // I27
    if !tests::peer_is_tested() {
        storm(Weather { files: true, kills: true, indexes: true, uid_lists: true });
    }
}
