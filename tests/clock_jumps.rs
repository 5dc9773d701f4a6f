//! The clock is set back or ahead by ten years while the house is switched off. Nobody can set a clock for one test
//! alone, so it is the other way round: all that the house has written has the times of another clock.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use queue::{Draft, Head, Queue};
use tests::{DOMAIN, House, Imap, PASSWORD, Pop3, give, message};

const TEN_YEARS: i64 = 10 * 365 * 86_400;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Puts a message into the queue as `queued` would have when its clock showed `seconds`; gives its ID.
fn queued_at(house: &House, seconds: u64, to: &str, subject: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let queue = Queue::open(&house.path("queue")).unwrap();
    let owner = fs::metadata(house.path("queue/tmp")).unwrap();
    let id = seconds * 1_000_000;
    let mut draft = Draft::new(&queue, id, Vec::new());
    draft.message(message(subject).as_bytes()).unwrap();
    let sender = format!("bob@{DOMAIN}").into_bytes();
    draft.envelope(&Head { arrival: id, sender, ..Head::default() }).unwrap();
    draft.recipient(to.as_bytes()).unwrap();
    draft.save_for(Some((owner.uid(), owner.gid()))).unwrap();
    set_time(&house.path("queue/mess").join((id % queue::SPLIT).to_string()).join(id.to_string()), seconds);
    queue.remember("ids", &format!("{}\n", id + 60_000_000)).unwrap();
    queue.remember("clock", &format!("{seconds}\n")).unwrap();
    for name in ["ids", "clock"] {
        std::os::unix::fs::chown(house.path("queue/lock").join(name), Some(owner.uid()), Some(owner.gid()))
            .unwrap();
    }
    id
}

fn set_time(path: &Path, seconds: u64) {
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
        .unwrap();
}

/// A message that was delivered to alice at that time.
fn delivered_at(house: &House, seconds: u64, subject: &str) {
    let maildir = house.path("mail").join(DOMAIN).join("alice/Maildir");
    let file = maildir.join("new").join(format!("{seconds}.M1P1Q0R0123456789abcdef.mail"));
    fs::write(&file, message(subject)).unwrap();
    give(&file, &maildir);
    set_time(&file, seconds);
}

fn house_whose_clock_was_wrong_by(seconds: i64) -> (House, u64, u64) {
    let mut house = House::start();
    // Alice's Maildir is made with her first message.
    house.send(&format!("bob@{DOMAIN}"), &format!("alice@{DOMAIN}"), &message("first"));
    house.await_mail("alice", 1);
    house.await_empty_queue();
    house.services().kill_all();
    let then = now().saturating_add_signed(seconds);
    let id = queued_at(&house, then, &format!("alice@{DOMAIN}"), "waiting");
    delivered_at(&house, then, "old mail");
    house.run();
    (house, then, id)
}

/// Mail goes on as if nothing had happened.
fn works(house: &mut House) -> Vec<Vec<u8>> {
    for number in 0..3 {
        house.send(&format!("bob@{DOMAIN}"), &format!("alice@{DOMAIN}"), &message(&format!("new {number}")));
    }
    house.flush();
    let mail = house.mail("alice");
    assert_eq!(mail.len(), 6);
    for subject in ["first", "waiting", "old mail", "new 0", "new 1", "new 2"] {
        let subject = format!("Subject: {subject}\n");
        let found = mail.iter().filter(|text| String::from_utf8_lossy(text).contains(&subject)).count();
        assert_eq!(found, 1, "{subject}");
    }
    assert!(house.mail("bob").is_empty(), "bounced");
    let mut imap = Imap::login(house.imap(), &format!("alice@{DOMAIN}"), PASSWORD);
    imap.good("SELECT INBOX");
    let uids: Vec<u64> = imap
        .good("UID FETCH 1:* INTERNALDATE")
        .fetches()
        .iter()
        .map(|(_, items)| items["UID"].number().unwrap())
        .collect();
    assert!(uids.len() == 6 && uids.is_sorted() && uids[0] > 0, "{uids:?}");
    let answer = imap.try_append("INBOX", "", message("appended").replace('\n', "\r\n").as_bytes()).unwrap();
    let new: u64 = answer.code("APPENDUID").unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(new > uids[5], "{new} {uids:?}");
    mail
}

/// The IDs that the log has told.
fn ids(house: &House) -> Vec<u64> {
    let log = house.log();
    let ids = log.lines().filter_map(|line| line.split_once("end msg ")?.1.trim().parse().ok());
    ids.collect()
}

#[test]
fn a_clock_that_was_set_back_gives_no_id_twice_and_mail_goes_on() {
    let (mut house, _, id) = house_whose_clock_was_wrong_by(TEN_YEARS);
    works(&mut house);
    let told = ids(&house);
    let new: Vec<&u64> = told.iter().filter(|told| **told > id).collect();
    // Those of the new messages come after the one that was there.
    assert_eq!(new.len(), 3, "{told:?} {id}");
}

#[test]
fn a_clock_that_was_set_ahead_bounces_nothing_that_waits_and_mail_goes_on() {
    let (mut house, _, _) = house_whose_clock_was_wrong_by(-TEN_YEARS);
    works(&mut house);
    // One that can't be delivered now is not given up, although it seems to be ten years old.
    house.services().kill_all();
    house.write("control/smtproutes", &format!("later.test:127.0.0.1:{}\n", house.spare_port()));
    let id = queued_at(&house, now().saturating_add_signed(-TEN_YEARS), "x@later.test", "later");
    house.run();
    let tried = format!("msg {id} to remote");
    house.until("a try", || {
        (house.log().contains(&tried) && house.log().contains("deferral: 4.4.1")).then_some(())
    });
    assert_eq!(house.queued(), 1);
    assert!(house.mail("bob").is_empty());
}

#[test]
fn a_login_from_the_time_before_the_clock_was_set_back_still_relays_and_a_new_one_counts() {
    let mut house = House::to_strangers();
    let relays = |house: &House| {
        let mut smtp = tests::Smtp::connect(house.smtp());
        smtp.command("MAIL FROM:<alice@example.test>");
        smtp.command("RCPT TO:<x@elsewhere.test>").starts_with('2')
    };
    assert!(!relays(&house));
    drop(Pop3::login(house.pop3(), &format!("alice@{DOMAIN}"), PASSWORD));
    house.until("the login's row", || relays(&house).then_some(()));
    // The row is of a clock ten years ahead: it lasts until then, and a login of now does not shorten it.
    house.services().stop("lookup", Signal::SIGTERM);
    for row in tests::files(&house.path("relay")).iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(row).unwrap();
        let login = text.split_once(' ').map_or("-\n", |(_, login)| login).to_owned();
        fs::write(row, format!("{} {login}", now() + TEN_YEARS as u64)).unwrap();
    }
    house.run();
    assert!(relays(&house));
    drop(Pop3::login(house.pop3(), &format!("alice@{DOMAIN}"), PASSWORD));
    assert!(relays(&house));
    // And one of a clock ten years behind is none.
    house.services().stop("lookup", Signal::SIGTERM);
    for row in tests::files(&house.path("relay")).iter().filter(|path| path.is_file()) {
        fs::write(row, format!("{} alice@{DOMAIN}\n", now().saturating_add_signed(-TEN_YEARS))).unwrap();
    }
    house.run();
    assert!(!relays(&house));
    drop(Pop3::login(house.pop3(), &format!("alice@{DOMAIN}"), PASSWORD));
    house.until("the login's row", || relays(&house).then_some(()));
}
