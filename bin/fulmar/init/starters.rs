//! What others who start programs want of us: units for systemd, lines for inetd, cron and logrotate.
//!
//! They are only written here, below `etc/`; `scripts/install` puts them where they are read.

use control::Home;
use sys::Stop;

use super::services::Service;
use super::{folders, made};

const TEXT: u32 = 0o644;

/// The tables of databases, by engine and version, for those who make them by hand.
const SQL: [(&str, &str); 3] = [
    ("sqlite/1", include_str!("../../../etc/sql/sqlite/1.sql")),
    ("postgres/1", include_str!("../../../etc/sql/postgres/1.sql")),
    ("mysql/1", include_str!("../../../etc/sql/mysql/1.sql")),
];

/// Writes all of them.
pub(super) fn write(home: &Home, services: &[Service]) -> Result<(), Stop> {
    folders::make(home, "etc/systemd", 0o755)?;
    folders::make(home, "etc/sql", 0o755)?;
    let here = home.path().display().to_string();
    for service in services {
        let name = format!("etc/systemd/fulmar-{}.service", service.name);
        made::write(home, &name, &unit(&here, service), TEXT)?;
    }
    for (name, text) in SQL {
        let name = format!("etc/sql/{name}.sql");
        folders::make(home, name.rsplit_once('/').map_or("", |(folder, _)| folder), 0o755)?;
        made::write(home, &name, text, TEXT)?;
    }
    made::write(home, "etc/systemd/fulmar.target", &target(services), TEXT)?;
    made::write(home, "etc/inetd.conf", &inetd(&here), TEXT)?;
    let me = control::Control::open(home).me().unwrap_or_default();
    made::write(home, "etc/cron", &cron(&here, &me), TEXT)?;
    made::write(home, "etc/sysctl", SYSCTL, TEXT)?;
    made::write(home, "etc/logrotate", &logrotate(&here), TEXT)
}

/// An IMAP client that waits for mail holds an instance of inotify, which are counted by uid, and all virtual
/// accounts have one.
const SYSCTL: &str = "\
# For /etc/sysctl.d: as many IMAP clients as may come can wait for mail (IDLE).
fs.inotify.max_user_instances = 65536
fs.inotify.max_user_watches = 1048576
";

/// What is under way when a service is ended goes on by itself, as under daemontools: only the service
/// is told to end.
fn unit(home: &str, service: &Service) -> String {
    let Service { name, about, .. } = service;
    format!(
        "[Unit]\nDescription=Fulmar {name}: {about}\nPartOf=fulmar.target\nAfter=network.target\n\n\
         [Service]\nExecStart={home}/etc/run/{name}/run\nRestart=always\nRestartSec=1\n\
         KillMode=process\nLimitNOFILE=65536\nSyslogIdentifier=fulmar-{name}\n\n\
         [Install]\nWantedBy=fulmar.target\n"
    )
}

fn target(services: &[Service]) -> String {
    let wants: Vec<String> =
        services.iter().map(|service| format!("fulmar-{}.service", service.name)).collect();
    format!(
        "[Unit]\nDescription=Fulmar mail server\nWants=network-online.target {}\nAfter=network-online.target\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        wants.join(" ")
    )
}

/// Only what faces the network can be started by inetd: the others are needed all the time.
fn inetd(home: &str) -> String {
    format!(
        "# For inetd, in place of the services smtp, submission, pop3 and imap. tcp.smtp has no say then: nobody\n\
         # relays but by control files. A tcpserver is faster.\n\
         smtp        stream  tcp   nowait  root  {home}/bin/smtpd  smtpd\n\
         smtp        stream  tcp6  nowait  root  {home}/bin/smtpd  smtpd\n\
         submission  stream  tcp   nowait  root  {home}/bin/smtpd  smtpd submission\n\
         submissions stream  tcp   nowait  root  {home}/bin/smtpd  smtpd submissions\n\
         pop3s       stream  tcp   nowait  root  {home}/bin/gate   gate pop3d login pop3s\n\
         pop3        stream  tcp   nowait  root  {home}/bin/gate   gate pop3d login pop3\n\
         pop3        stream  tcp6  nowait  root  {home}/bin/gate   gate pop3d login pop3\n\
         imaps       stream  tcp   nowait  root  {home}/bin/gate   gate imapd login imaps\n\
         imap        stream  tcp   nowait  root  {home}/bin/gate   gate imapd login imap\n\
         imap        stream  tcp6  nowait  root  {home}/bin/gate   gate imapd login imap\n"
    )
}

fn cron(home: &str, me: &str) -> String {
    // An authority is not to be asked by all the world in the same minute.
    let minute = me.bytes().map(u32::from).sum::<u32>() % 60;
    format!(
        "# Once a day: is everything as it should be? What is not comes by mail.\n\
         MAILTO=postmaster\n\
         17 5 * * *  root  found=$({home}/bin/fulmar --home {home} check 2>&1) || echo \"$found\"\n\
         # Twice an hour: who has not fetched mail for an hour (control/relayminutes) relays no longer.\n\
         */30 * * * *  root  FULMAR_HOME={home} {home}/bin/relay-clear\n\
         # Certificates (control/acme) that will soon run out are renewed.\n\
         {minute} 3,15 * * *  root  FULMAR_HOME={home} {home}/bin/acme\n\
         # Tells domains that ask for it how TLS went with their servers.\n\
         20 1 * * *  root  FULMAR_HOME={home} {home}/bin/tlsrpt\n"
    )
}

/// multilog, s6-log, svlogd and journald keep their own measure.
fn logrotate(home: &str) -> String {
    format!(
        "# For logs that are written by cat, where there is no multilog, s6-log or svlogd.\n\
         {home}/log/*/current {{\n    weekly\n    rotate 8\n    missingok\n    notifempty\n    \
         copytruncate\n    compress\n}}\n"
    )
}
