//! The run scripts: one folder a service, as s6, runit and daemontools want them.

use control::{Home, Role, Uids};
use sys::Stop;

use super::folders::{self, failed, identity};
use super::{made, starters};

/// All programs that a home holds.
pub(crate) const PROGRAMS: &[&str] = &[
    "acme",
    "bounce",
    "bouncesaying",
    "checkpassword",
    "condredirect",
    "datemail",
    "dot-qmail",
    "enqueue",
    "except",
    "forward",
    "fulmar",
    "gate",
    "imapd",
    "inject",
    "local-deliver",
    "login",
    "lookup",
    "maildir2mbox",
    "maildirmake",
    "mailsubj",
    "pop3d",
    "popup",
    "predate",
    "preline",
    "qmqpc",
    "qmqpd",
    "qmtpd",
    "qreceipt",
    "queued",
    "rblsmtpd",
    "recordio",
    "remote",
    "send",
    "smtpd",
    "spawn",
    "tcprules",
    "tcprulescheck",
    "tcpserver",
    "tlsd",
    "tlsrpt",
    "usher",
];

const SCRIPT: u32 = 0o755;

/// What the run lines are made of.
pub(super) struct Lines<'a> {
    /// The server's own name.
    pub(super) me: &'a str,
    /// Where to listen; `0`: everywhere.
    pub(super) address: &'a str,
    /// Added to every port.
    pub(super) base: u16,
    /// Whose uids to take.
    pub(super) uids: &'a Uids,
}

impl Lines<'_> {
    fn smtp(&self, workers: u16, port: u16, program: &str) -> Result<String, Stop> {
        let net = identity(self.uids, Role::Net)?;
        let whose = net.map_or(String::new(), |net| format!("-u {} -g {} ", net.uid, net.gid));
        let rules = format!("{whose}-X -x etc/tcp.smtp.cdb");
        Ok(self.listen(&rules, workers, port, program))
    }

    /// For connections that are soon over.
    fn listen(&self, more: &str, workers: u16, port: u16, rest: &str) -> String {
        self.at_most((200, 100), more, workers, port, rest)
    }

    /// For connections that last as long as a mail program runs, several for each.
    fn sessions(&self, more: &str, workers: u16, port: u16, rest: &str) -> String {
        self.at_most((10_000, 200), more, workers, port, rest)
    }

    /// At most so many connections, in all and from one address. Reverse DNS and ident are off (-H -R): they cost
    /// time at each connection and prove little.
    fn at_most(&self, most: (u32, u32), more: &str, workers: u16, port: u16, rest: &str) -> String {
        let (me, address, port, (all, each)) = (self.me, self.address, self.base + port, most);
        format!("tcpserver -v {more} -HR -l {me} -c {all} -C {each} -w {workers} {address} {port} {rest}")
    }

    fn all(&self) -> Result<Vec<Service>, Stop> {
        Ok(vec![
            Service::new("lookup", "Answers who exists here and checks passwords.", "lookup"),
            Service::new("tlsd", "Holds certificates and keys, and speaks TLS with clients.", "tlsd"),
            Service::new("queued", "Takes messages and makes them durable.", "queued"),
            Service::new("spawn", "Delivers to local mailboxes, as their owners.", "spawn"),
            Service::new("remote", "Delivers to other hosts.", "remote"),
            Service::new("send", "Decides what is delivered when.", "send"),
            Service::new("smtp", "Receives mail from everywhere.", self.smtp(8, 25, "smtpd")?),
            Service::new(
                "submission",
                "Receives mail from our own users, who log in.",
                self.smtp(2, 587, "smtpd submission")?,
            ),
            Service::new(
                "submissions",
                "The same, by TLS from the beginning.",
                self.smtp(2, 465, "smtpd submissions")?,
            ),
            Service::new(
                "pop3",
                "Lets users fetch their mail.",
                self.listen("-X -x etc/tcp.pop3.cdb", 4, 110, "gate pop3d login pop3"),
            ),
            Service::new(
                "pop3s",
                "The same, by TLS from the beginning.",
                self.listen("-X -x etc/tcp.pop3.cdb", 2, 995, "gate pop3d login pop3s"),
            ),
            Service::new(
                "imap",
                "Lets users read their mail on the server.",
                self.sessions("-X -x etc/tcp.imap.cdb", 4, 143, "gate imapd login imap"),
            ),
            Service::new(
                "imaps",
                "The same, by TLS from the beginning.",
                self.sessions("-X -x etc/tcp.imap.cdb", 4, 993, "gate imapd login imaps"),
            ),
        ])
    }
}

/// A service: a run script.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// A sentence.
    pub(super) about: &'static str,
    line: String,
}

impl Service {
    fn new(name: &'static str, about: &'static str, line: impl Into<String>) -> Service {
        Service { name, about, line: line.into() }
    }

    fn run(&self) -> String {
        let Service { about, line, .. } = self;
        format!(
            "#!/bin/sh\n# {about}\n\
             cd -P \"$(dirname \"$0\")/../../..\" || exit 111\n\
             exec env - FULMAR_HOME=\"$PWD\" PATH=\"$PWD/bin:/usr/local/bin:/usr/bin:/bin\" \\\n    {line} 2>&1\n"
        )
    }

    fn log(&self, logger: &str) -> String {
        let name = self.name;
        format!(
            "#!/bin/sh\n# Keeps the last ten megabytes of what {name} says in log/{name}, with the time.\n\
             cd -P \"$(dirname \"$0\")/../../../..\" || exit 111\n{logger}exec etc/log log/{name}\n"
        )
    }
}

/// Chooses a logger; run by every `log/run`.
const LOG: &str = "\
#!/bin/sh
# Writes standard input to the folder $1: ten files of a megabyte, each line with its time.
if command -v s6-log >/dev/null; then exec s6-log -b n10 s1000000 T \"./$1\"; fi
if command -v multilog >/dev/null; then exec multilog t n10 s1000000 \"$1\"; fi
if command -v svlogd >/dev/null; then
    printf 's1000000\\nn10\\n' >\"$1/config\"
    exec svlogd -tt \"$1\"
fi
exec cat >>\"$1/current\"
";

/// Writes the scripts.
pub(super) fn write(home: &Home, lines: &Lines<'_>) -> Result<(), Stop> {
    made::write(home, "etc/log", LOG, SCRIPT)?;
    let owner = identity(lines.uids, Role::Log)?;
    let become_owner = owner.as_ref().map_or(String::new(), |log| {
        let (uid, gid) = (log.uid, log.gid);
        format!("command -v setpriv >/dev/null && exec setpriv --reuid={uid} --regid={gid} --clear-groups etc/log log/")
    });
    let services = lines.all()?;
    starters::write(home, &services)?;
    for service in services {
        let name = service.name;
        folders::make(home, &format!("log/{name}"), 0o750)?;
        if let Some(log) = &owner {
            let path = home.join(format!("log/{name}"));
            std::os::unix::fs::chown(&path, Some(log.uid), Some(log.gid))
                .map_err(|error| failed(&path, &error))?;
        }
        folders::make(home, &format!("etc/run/{name}/log"), 0o755)?;
        let logger = if become_owner.is_empty() { String::new() } else { format!("{become_owner}{name}\n") };
        made::write(home, &format!("etc/run/{name}/run"), &service.run(), SCRIPT)?;
        made::write(home, &format!("etc/run/{name}/log/run"), &service.log(&logger), SCRIPT)?;
    }
    Ok(())
}
