//! What clients do while calls fail: a message by SMTP, one that bounces, a session of IMAP, one of POP3, a change of a
//! user. Clients of a failing server are patient but not for long, and write down what they were told.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tests::imap::Imap;
use tests::{DOMAIN, House, PASSWORD};

/// How long a client waits for an answer.
const LIMIT: Duration = Duration::from_secs(15);

/// All that was promised so far.
#[derive(Default)]
pub(crate) struct Promises {
    next: usize,
    /// Messages that SMTP has taken, and those of them that must bounce.
    accepted: Vec<usize>,
    bouncing: Vec<usize>,
    /// Messages by their number, and what was said to be done with them.
    appended: BTreeMap<usize, Done>,
    /// UIDLs that POP3 said it has removed.
    deleted: Vec<String>,
    /// Passwords: those that may be in force.
    passwords: Vec<String>,
}

#[derive(Default)]
struct Done {
    copied: bool,
    moved: bool,
}

struct Line(BufReader<TcpStream>);

impl Line {
    fn to(address: SocketAddr) -> io::Result<Line> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Line(BufReader::new(stream)))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())
    }

    /// Reads up to a line that is the last of an answer.
    fn hear(&mut self, last: impl Fn(&str) -> bool) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if last(&line) {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}

pub(crate) fn mark(number: usize) -> String {
    format!("X-Number: {number};")
}

pub(crate) fn text(number: usize) -> String {
    format!(
        "Subject: {number}\r\n{}\r\n\r\n{}The end.\r\n",
        mark(number),
        "All of it counts.\r\n".repeat(number % 90 * 40)
    )
}

impl Promises {
    /// A house with the users that all this needs.
    pub(crate) fn settle(house: &House) -> Promises {
        for name in ["carol", "dora", "eve"] {
            house.user(name, &[]);
        }
        house.user("dead", &["--forward", &format!("nobody@{DOMAIN}")]);
        Promises { passwords: vec![PASSWORD.to_owned()], ..Promises::default() }
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    /// Does all of it once; what has not been done, and why.
    pub(crate) fn try_all(&mut self, house: &House) -> Vec<String> {
        let mut refused = Vec::new();
        let mut note =
            |what: &str, how: io::Result<()>| refused.extend(how.err().map(|how| format!("{what}: {how}")));
        note("smtp", self.send(house, &["bob", "carol"]));
        note("smtp dead", self.send(house, &["dead"]));
        note("imap", self.imap(house));
        note("pop3", self.pop3(house));
        note("fulmar", self.passwd(house));
        refused
    }

    fn send(&mut self, house: &House, to: &[&str]) -> io::Result<()> {
        let number = self.number();
        let mut line = Line::to(house.smtp())?;
        let last = |line: &str| line.as_bytes().get(3) == Some(&b' ');
        line.hear(last).and_then(|reply| well(reply, "2"))?;
        let mut lines = vec!["EHLO client.test\r\n".to_owned(), format!("MAIL FROM:<dora@{DOMAIN}>\r\n")];
        lines.extend(to.iter().map(|to| format!("RCPT TO:<{to}@{DOMAIN}>\r\n")));
        lines.push("DATA\r\n".to_owned());
        for one in lines {
            line.say(&one)?;
            line.hear(last).and_then(|reply| well(reply, "23"))?;
        }
        line.say(&format!("{}.\r\n", text(number)))?;
        line.hear(last).and_then(|reply| well(reply, "2"))?;
        if to == ["dead"] {
            self.bouncing.push(number)
        } else {
            self.accepted.push(number)
        }
        Ok(())
    }

    fn imap(&mut self, house: &House) -> io::Result<()> {
        let number = self.number();
        let mut line = Line::to(house.imap())?;
        line.hear(|line| line.starts_with("* OK") || line.starts_with("* BYE"))?;
        let mut command = |tag: usize, words: &str| -> io::Result<String> {
            line.say(&format!("a{tag} {words}\r\n"))?;
            let answer =
                line.hear(|line| line.starts_with(&format!("a{tag} ")) || line.starts_with("* BYE"))?;
            match answer.split(' ').nth(1) {
                Some("OK") => Ok(answer),
                _ => Err(io::Error::other(answer)),
            }
        };
        command(1, &format!("LOGIN alice@{DOMAIN} \"{PASSWORD}\""))?;
        let text = text(number);
        let answer = command(2, &format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()))?;
        self.appended.insert(number, Done::default());
        let uid = answer
            .split(['[', ']'])
            .nth(1)
            .and_then(|code| code.rsplit(' ').next())
            .unwrap_or_default()
            .to_owned();
        command(3, "SELECT INBOX")?;
        let done = self.appended.entry(number).or_default();
        let copied = command(4, &format!("UID COPY {uid} Archive"));
        done.copied = copied.is_ok();
        let moved = command(5, &format!("UID MOVE {uid} Junk"));
        done.moved = moved.is_ok();
        copied.and(moved)?;
        command(6, "SELECT Junk")?;
        command(7, "UID STORE 1:* +FLAGS (\\Flagged $Work)")?;
        command(8, "LOGOUT").map(drop).or(Ok(()))
    }

    fn pop3(&mut self, house: &House) -> io::Result<()> {
        let mut line = Line::to(house.pop3())?;
        let mut command = |words: &str| -> io::Result<String> {
            if !words.is_empty() {
                line.say(&format!("{words}\r\n"))?;
            }
            line.hear(|_| true).and_then(|reply| well(reply, "+"))
        };
        for words in ["", &format!("USER carol@{DOMAIN}"), &format!("PASS {PASSWORD}")] {
            command(words)?;
        }
        let count = command("STAT")?;
        if count.starts_with("+OK 0 ") {
            return command("QUIT").map(drop);
        }
        let name = command("UIDL 1")?.rsplit(' ').next().unwrap_or_default().to_owned();
        command("DELE 1")?;
        command("QUIT")?;
        self.deleted.push(name);
        Ok(())
    }

    fn passwd(&mut self, house: &House) -> io::Result<()> {
        let password = format!("word {}", self.number());
        let words = ["user", "passwd", &format!("eve@{DOMAIN}"), "--plain", "--password", &password];
        let output = house.fulmar(&words);
        if output.status.success() {
            self.passwords = vec![password];
            return Ok(());
        }
        self.passwords.push(password);
        assert_eq!(output.status.code(), Some(111), "{}", String::from_utf8_lossy(&output.stderr));
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Everything is there that has to be; all clients can look.
    pub(crate) fn check(&self, house: &mut House) -> String {
        house.run();
        // What `send` could not look at it would look at again a minute later.
        std::fs::write(house.path("queue/lock/rescan"), "").unwrap();
        house.flush();
        let (bob, dora) = (house.mail("bob"), house.mail("dora"));
        let numbers = |mail: &[Vec<u8>]| mail.iter().flat_map(|text| number_of(text)).collect::<Vec<usize>>();
        for text in bob.iter().chain(&house.mail("carol")) {
            assert!(text.ends_with(b"The end.\n"), "in part: {}", text.escape_ascii());
        }
        let (delivered, bounced) = (numbers(&bob), numbers(&dora));
        let lost: Vec<_> = self.accepted.iter().filter(|number| !delivered.contains(number)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let silent: Vec<_> = self.bouncing.iter().filter(|number| !bounced.contains(number)).collect();
        assert!(silent.is_empty(), "neither delivered nor bounced: {silent:?}");
        assert!(delivered.iter().all(|number| !bounced.contains(number)), "delivered and bounced");
        self.check_imap(house);
        self.check_pop3(house);
        let eve = format!("eve@{DOMAIN}");
        assert!(self.passwords.iter().any(|password| Imap::try_login(house.imap(), &eve, password).is_ok()));
        let twice = delivered.len() - delivered.iter().collect::<std::collections::BTreeSet<_>>().len();
        format!("{} accepted, {twice} came twice", self.accepted.len() + self.bouncing.len())
    }

    fn check_imap(&self, house: &House) {
        let mut imap = Imap::login(house.imap(), &format!("alice@{DOMAIN}"), PASSWORD);
        let [inbox, archive, junk] = ["INBOX", "Archive", "Junk"].map(|mailbox| {
            imap.good(&format!("SELECT {mailbox}"));
            let mut numbers = Vec::new();
            for (_, items) in imap.good("FETCH 1:* BODY.PEEK[]").fetches() {
                let text =
                    items.values().map(|value| value.word()).find(|word| word.contains("X-Number")).unwrap();
                assert!(text.ends_with("The end.\r\n"), "in part: {text}");
                numbers.extend(number_of(text.as_bytes()));
            }
            numbers
        });
        for (number, done) in &self.appended {
            let (here, there) = (inbox.contains(number), junk.contains(number));
            assert!(
                if done.moved { there && !here } else { here || there },
                "{number} is lost, or not moved"
            );
            assert!(!done.copied || archive.contains(number), "the copy of {number} is lost");
        }
    }

    fn check_pop3(&self, house: &House) {
        let maildir = house.path("mail").join(DOMAIN).join("carol/Maildir");
        let left = ["new", "cur"].map(|folder| tests::files(&maildir.join(folder))).concat();
        let names: Vec<String> =
            left.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        for deleted in &self.deleted {
            assert!(!names.iter().any(|name| name.starts_with(deleted.as_str())), "{deleted} has come back");
        }
    }
}

/// What begins otherwise is a refusal, and never one for good.
fn well(reply: String, good: &str) -> io::Result<String> {
    assert!(!reply.starts_with('5'), "for good: {reply}");
    if reply.starts_with(|first| good.contains(first)) { Ok(reply) } else { Err(io::Error::other(reply)) }
}

fn number_of(text: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(text);
    text.split("X-Number: ").nth(1)?.split(';').next()?.parse().ok()
}
