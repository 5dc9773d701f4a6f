//! The mail programs that people and scripts fetch with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tests::{House, PASSWORD, Pop3, message, tool};

const BODY: &str = "From: bob@example.test\nTo: alice@example.test\nSubject: to be fetched\n\n\
                    .one dot\n..two\n.\nUmlaute \u{e4}\u{f6}\u{fc}\nlast line\n";

/// A house with one message for alice.
fn house() -> House {
    let house = House::start();
    house.send("bob@example.test", "alice@example.test", BODY);
    house.await_mail("alice", 1);
    house
}

pub(crate) fn well(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

fn is_the_message(fetched: &[u8]) {
    let text = String::from_utf8_lossy(fetched).replace("\r\n", "\n");
    assert!(text.trim_end().ends_with(BODY.trim_end()), "{text}");
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_was_sent_is_fetched_octet_for_octet_and_deleted_when_told() {
    let house = house();
    let mut pop3 = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    assert!(pop3.good("STAT").starts_with("1 "));
    let size: usize = pop3.good("LIST 1").split(' ').nth(1).unwrap().parse().unwrap();
    let fetched = pop3.fetch(1);
    assert!(fetched.ends_with(BODY.as_bytes()), "{}", String::from_utf8_lossy(&fetched));
    // The size that LIST tells is what goes over the wire, CR LF and no dots.
    assert_eq!(size, fetched.len() + fetched.iter().filter(|byte| **byte == b'\n').count());
    pop3.good("DELE 1");
    pop3.good("QUIT");
    assert!(house.mail("alice").is_empty());
}

#[test]
fn without_quit_nothing_is_deleted() {
    // P05
    let house = house();
    let mut pop3 = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    pop3.good("DELE 1");
    drop(pop3);
    let mut again = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    assert!(again.good("STAT").starts_with("1 "));
}

#[test]
fn the_user_may_write_a_number_sign_and_capitals() {
    let house = house();
    for user in ["alice#example.test", "Alice@Example.TEST"] {
        let mut pop3 = Pop3::login(house.pop3(), user, PASSWORD);
        assert!(pop3.good("STAT").starts_with("1 "), "{user}");
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    // P13
    let house = house();
    let answers = ["alice@example.test", "nobody@example.test", "root"].map(|user| {
        let mut pop3 = Pop3::connect(house.pop3());
        pop3.good(&format!("USER {user}"));
        pop3.command("PASS wrong")
    });
    assert!(answers[0].starts_with("-ERR"), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn curl_fetches() {
    let Some(curl) = tool("curl") else { return };
    let house = house();
    let url = format!("pop3://{}/1", house.pop3());
    let user = format!("alice@example.test:{PASSWORD}");
    is_the_message(&well(Command::new(&curl).args(["-sS", "--user", &user, &url])).stdout);
    // And by APOP, which needs a password kept readable.
    let apop = ["-sS", "--login-options", "AUTH=+APOP", "--user", &user, &url];
    is_the_message(&well(Command::new(&curl).args(apop)).stdout);
}

#[test]
fn poplib_fetches() {
    let Some(python) = tool("python3") else { return };
    let house = house();
    let script = format!(
        "import poplib, sys\n\
         p = poplib.POP3('127.0.0.1', {})\n\
         p.user('alice@example.test'); p.pass_('{PASSWORD}')\n\
         assert p.stat()[0] == 1, p.stat()\n\
         sys.stdout.buffer.write(b'\\n'.join(p.retr(1)[1]))\n\
         p.dele(1); p.quit()\n\
         p = poplib.POP3('127.0.0.1', {0})\n\
         p.apop('alice@example.test', '{PASSWORD}')\n\
         assert p.stat()[0] == 0, p.stat()\n",
        house.pop3().port()
    );
    is_the_message(&well(Command::new(python).args(["-c", &script])).stdout);
}

#[test]
fn fetchmail_fetches() {
    let Some(fetchmail) = tool("fetchmail") else { return };
    let house = house();
    let folder = tempfile::tempdir().unwrap();
    let (rc, mail) = (folder.path().join("rc"), folder.path().join("mail"));
    let port = house.pop3().port();
    write(
        &rc,
        &format!(
            "poll 127.0.0.1 protocol pop3 port {port} user \"alice@example.test\" password \"{PASSWORD}\" \
         fetchall sslproto '' mda \"cat >> {}\"\n",
            mail.display()
        ),
    );
    let mut command = Command::new(fetchmail);
    // Of root's there is else one at a time on a machine.
    command.arg("--pidfile").arg(folder.path().join("pid"));
    well(command.arg("-f").arg(&rc).arg("--nosyslog").env("FETCHMAILHOME", folder.path()));
    is_the_message(&fs::read(mail).unwrap());
    assert!(house.mail("alice").is_empty(), "fetchmail deletes what it has fetched");
}

#[test]
fn getmail_fetches() {
    let Some(getmail) = tool("getmail") else { return };
    let house = house();
    let folder = tempfile::tempdir().unwrap();
    let maildir = folder.path().join("Maildir");
    for name in ["", "new", "cur", "tmp"] {
        fs::create_dir(maildir.join(name)).unwrap();
    }
    let port = house.pop3().port();
    write(
        &folder.path().join("getmailrc"),
        &format!(
            "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {port}\n\
             username = alice@example.test\npassword = {PASSWORD}\n\
             [destination]\ntype = Maildir\npath = {}/\n\
             [options]\ndelete = true\nread_all = true\n",
            maildir.display()
        ),
    );
    // It refuses to deliver as root.
    let mut command = nobody(folder.path());
    well(command.arg(getmail).arg("--getmaildir").arg(folder.path()).env("HOME", folder.path()));
    let fetched = tests::files(&maildir.join("new"));
    assert_eq!(fetched.len(), 1);
    is_the_message(&fs::read(&fetched[0]).unwrap());
}

/// A command that runs what it is given as nobody, to whom all in `folder` then belongs;
/// as the tester, if that is not root.
pub(crate) fn nobody(folder: &Path) -> Command {
    if !nix::unistd::geteuid().is_root() {
        return Command::new("env");
    }
    well(Command::new("chown").args(["-R", "nobody"]).arg(folder));
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
    command
}

#[test]
fn two_who_fetch_at_once_do_each_other_no_harm() {
    // P15
    let house = house();
    house.send("bob@example.test", "alice@example.test", &message("the second"));
    house.await_mail("alice", 2);
    let mut one = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    let mut two = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    one.good("DELE 1");
    two.good("DELE 1");
    one.command("QUIT");
    two.command("QUIT");
    assert_eq!(house.mail("alice").len(), 1);
}
