//! The one table of control files. Readers, `fulmar check`, the folder `control/` and control(5)
//! all come from it; a file that is not in it cannot be read.

use crate::Default::{Me, None as Nothing, Value};
use crate::Entry::{Address, Domain, Network, Pattern, Route, Word};
use crate::Kind::{Flag, Folder, Foreign, Host, Line, List, Map, Text};
use crate::{Default, File, Kind};

/// The line of the table for the file `name`.
pub fn file(name: &str) -> Option<&'static File> {
    TABLE.iter().find(|file| file.name == name)
}

type Readers = &'static [&'static str];

/// No program reads it yet.
const LATER: Readers = &[];
const SMTPD: Readers = &["smtpd"];
const RECEPTION: Readers = &["smtpd", "qmtpd"];
const RECEPTIONS: Readers = &["smtpd", "qmtpd", "qmqpd"];
const SEND: Readers = &["send"];
const DOOR: Readers = &["smtpd", "qmtpd", "send", "lookup"];
const ROUTES: Readers = &["send", "lookup"];
const BOUNCE: Readers = &["bounce"];
const REMOTE: Readers = &["remote"];
const RELAYS: Readers = &["remote", "send"];
const INJECT: Readers = &["inject"];
/// `gate` lets a server program read what it is named for here.
const IMAP: Readers = &["imapd"];

/// A day, in seconds.
const DAY: u64 = 86_400;
/// No bound of its own: fits every signed 64-bit counter.
const ANY: u64 = i64::MAX as u64;

const fn number(unit: &'static str, min: u64, max: u64) -> Kind {
    Kind::Number { unit, min, max }
}

const BYTES: Kind = number("bytes", 0, ANY);
const TIMEOUT: Kind = number("seconds", 1, DAY);
const LIFETIME: Kind = number("seconds", 0, 3650 * DAY);
const DELIVERIES: Kind = number("deliveries", 0, 65_535);

const fn of(
    name: &'static str,
    kind: Kind,
    default: Default,
    readers: Readers,
    sentence: &'static str,
) -> File {
    File { name, kind, default, readers, sentence }
}

/// Every control file, in the order of the alphabet.
#[rustfmt::skip]
pub const TABLE: &[File] = &[
    of("accesslist", List(Pattern), Nothing, LATER, "Who may write to whom: `from:sender:rcpt` lets a sender write only to that recipient, `rcpt:sender:rcpt` lets only that sender write to the recipient."),
    of("acme", List(Word), Nothing, &["tlsd", "acme"], "Certificates to be had from an authority by ACME, a line each: the names it is for, with blanks between. Who writes a line agrees to the authority's terms."),
    of("acmechallenge", Line, Value("http-01"), &["acme"], "How acme proves that a name is ours: `http-01`, at port 80, or `tls-alpn-01`, at port 443."),
    of("acmecontact", Line, Nothing, &["acme"], "Address that the authority may write to."),
    of("acmeserver", Line, Value("https://acme-v02.api.letsencrypt.org/directory"), &["acme"], "The authority's ACME directory."),
    of("atrnaccess", Map(Word), Nothing, LATER, "Domains that a user may fetch by ATRN, as `user:domain, domain`."),
    of("auth.envrules", Map(Pattern), Nothing, LATER, "Environment by login name, as `pattern:VAR=value,...`."),
    of("authdomains", List(Domain), Nothing, LATER, "Sender domains whose users must log in, whatever the recipient."),
    of("authsender", Map(Route), Nothing, &["lookup"], "Senders that who has logged in may use, `login:policy` or `domain:policy`, `:policy` for all others: `any`; `own`, his address and aliases that lead to it; `domain`, all of his domain. Who is not named: own."),
    of("badext", List(Word), Nothing, LATER, "Endings of attachment names that are refused."),
    of("badextpatterns", List(Pattern), Nothing, LATER, "Patterns of attachment names that are refused."),
    of("badhelo", List(Pattern), Nothing, LATER, "HELO names that are refused where BADHELOCHECK is set."),
    of("badhost", List(Domain), Nothing, LATER, "Names of clients that are put off where BADHOSTCHECK is set."),
    of("badip", List(Network), Nothing, LATER, "Addresses of clients that are put off where BADIPCHECK is set."),
    of("badmailfrom", List(Address), Nothing, RECEPTION, "Senders that are refused, at each RCPT."),
    of("badmailpatterns", List(Pattern), Nothing, LATER, "Patterns of senders that are refused; `!` exempts."),
    of("badrcptpatterns", List(Pattern), Nothing, LATER, "Patterns of recipients that are refused; `!` exempts."),
    of("badrcptto", List(Address), Nothing, RECEPTION, "Recipients that are refused."),
    of("batvkey", Line, Nothing, LATER, "Key that signs bounce addresses (BATV)."),
    of("batvkeystale", number("days", 1, 3650), Value("7"), LATER, "How long a signed bounce address is good."),
    of("batvnosignlocals", List(Domain), Nothing, LATER, "Sender domains whose bounce addresses are not signed."),
    of("batvnosignremote", List(Domain), Nothing, LATER, "Recipient domains to which bounce addresses are not signed."),
    of("bindroutes", Map(Network), Nothing, REMOTE, "Own address to send from, by the other host's address; asked before domainbindings."),
    of("blackholedpatterns", List(Pattern), Nothing, LATER, "Patterns of senders whose mail is accepted and thrown away."),
    of("blackholedrcpt", List(Address), Nothing, LATER, "Recipients whose mail is accepted and thrown away."),
    of("blackholedrcptpatterns", List(Pattern), Nothing, LATER, "Patterns of recipients whose mail is accepted and thrown away."),
    of("blackholedsender", List(Address), Nothing, LATER, "Senders whose mail is accepted and thrown away."),
    of("bodycheck", Map(Pattern), Nothing, LATER, "Expressions that no line of a message may match, with a comment each."),
    of("bounce.envrules", Map(Pattern), Nothing, LATER, "Environment by recipient of a bounce, as `pattern:VAR=value,...`."),
    of("bouncefrom", Line, Value("MAILER-DAEMON"), BOUNCE, "Local part of the From address of bounces."),
    of("bouncehost", Host, Me, BOUNCE, "Host part of the From address of bounces."),
    of("bouncelifetime", LIFETIME, Value("604800"), SEND, "How long a bounce is tried."),
    of("bouncemaxbytes", BYTES, Value("50000"), BOUNCE, "How much of a message a bounce gives back."),
    of("bouncemessage", Text, Nothing, BOUNCE, "Text of bounces, in place of the usual one."),
    of("bouncesubject", Line, Value("failure notice"), BOUNCE, "Subject of bounces."),
    of("cachelifetime", Foreign, Nothing, LATER, "Answers about users are not kept over a change of the users."),
    of("certs", Folder, Nothing, LATER, "Certificates and keys of our services and of other hosts."),
    of("chkrcptdomains", List(Domain), Nothing, LATER, "Domains whose recipients are checked; all when missing."),
    of("chksenderdomains", List(Domain), Nothing, LATER, "Domains whose senders are checked; all when missing."),
    of("clientcipherlist", Foreign, Nothing, LATER, "TLS versions and ciphers are those of the TLS library."),
    of("clientciphersuite", Foreign, Nothing, LATER, "TLS versions and ciphers are those of the TLS library."),
    of("concurrencylocal", DELIVERIES, Value("10"), &["send", "spawn"], "Local deliveries at one time; 0 holds them."),
    of("concurrencyremote", DELIVERIES, Value("20"), &["send", "remote"], "Remote deliveries at one time; 0 holds them."),
    of("databytes", BYTES, Value("0"), &["smtpd", "qmtpd", "qmqpd", "imapd"], "Most bytes in a message, 0 for no limit; DATABYTES in the environment wins."),
    of("defaultdelivery", Line, Value("./Maildir/"), &["lookup"], "What is done for a user of this system who has no .qmail file."),
    of("defaultdomain", Line, Me, INJECT, "Appended to a host without a dot."),
    of("defaulthost", Line, Me, INJECT, "Appended to an address without a host."),
    of("digestlogins", Flag, Value("0"), &["lookup", "smtpd"], "1: offer logins by digest (APOP, CRAM-MD5, SCRAM), which only accounts with a password kept in a form for it can use."),
    of("dkimkeys", Map(Domain), Nothing, LATER, "Key that signs mail, by domain."),
    of("dnsbllist", List(Word), Nothing, LATER, "DNS block lists that are asked about clients."),
    of("domainbindings", Map(Route), Nothing, REMOTE, "Own address to send from, by the sender: its address, its domain, `.suffix`, or nothing for all; two addresses with a blank between for IPv4 and IPv6."),
    of("domainqueue", Foreign, Nothing, LATER, "There is one queue; it is fair between destinations."),
    of("doublebouncehost", Host, Me, &["bounce", "smtpd"], "Host part of the address that double bounces go to, and mail to the postmaster of a `me` without users."),
    of("doublebouncemessage", Text, Nothing, BOUNCE, "Text of double bounces, in place of the usual one."),
    of("doublebouncesubject", Line, Value("failure notice"), BOUNCE, "Subject of double bounces."),
    of("doublebounceto", Line, Value("postmaster"), &["bounce", "smtpd"], "Local part of the address that double bounces go to."),
    of("earlytalkerdroptime", number("seconds", 0, 300), Value("0"), LATER, "Drop clients that talk before the greeting, which waits this long."),
    of("envheaders", List(Word), Nothing, LATER, "Header fields that programs see in the environment."),
    of("envnoathost", Host, Me, DOOR, "Host of addresses without `@`."),
    of("etrnhosts", List(Domain), Nothing, LATER, "Domains for which ETRN and ATRN are answered."),
    of("extraqueue", Line, Nothing, &["queued"], "Recipient that is added to every message."),
    of("filterargs", Map(Word), Nothing, LATER, "Program around deliveries, as `domain:program`."),
    of("from.envrules", Map(Pattern), Nothing, LATER, "Environment by sender when mail comes in, as `pattern:VAR=value,...`."),
    of("fromd.envrules", Map(Pattern), Nothing, LATER, "Environment by sender when mail is delivered, as `pattern:VAR=value,...`."),
    of("fulltext", Flag, Value("1"), IMAP, "1: keep an index of words, with which IMAP finds text in large mailboxes at once."),
    of("globalspamredirect", Line, Nothing, LATER, "Where spam for every domain goes."),
    of("goodrcptpatterns", List(Pattern), Nothing, LATER, "Patterns of recipients that are exempt from recipient checks."),
    of("goodrcptto", List(Address), Nothing, LATER, "Recipients that are exempt from recipient checks."),
    of("greetdelay", number("seconds", 0, 300), Value("0"), LATER, "Wait before the greeting."),
    of("greylist.white", List(Network), Nothing, LATER, "Clients that are exempt from greylisting."),
    of("helohost", Host, Me, REMOTE, "HELO name towards other hosts."),
    of("helohostbyip", Map(Network), Nothing, REMOTE, "HELO name by own address that a connection goes out from; helohost where none fits."),
    of("holdlocal", Flag, Value("0"), SEND, "1: queue local mail and do not deliver it."),
    of("holdremote", Flag, Value("0"), SEND, "1: queue remote mail and do not deliver it."),
    of("hostaccess", Map(Domain), Nothing, LATER, "Addresses from which mail of a sender domain may come."),
    of("hostkey", Line, Nothing, &["lookup"], "What hosts that serve one set of users know each other by: at least 32 characters that nobody can guess, the same on all of them. Only lookup may read it: one that everybody can read is refused. See usher."),
    of("idhost", Host, Me, INJECT, "Right side of Message-ID."),
    of("imapfolders", List(Word), Nothing, IMAP, "Mailboxes that an account has from its first login by IMAP on, a line each: the name, and behind a blank what it is for (RFC 6154), such as `Sent Mail \\Sent`. Missing: Drafts, Sent, Junk, Trash and Archive."),
    of("imapseparator", Line, Value("."), IMAP, "What stands between the levels of a mailbox's name for IMAP clients: `.` or `/`."),
    of("indexdir", Line, Nothing, &["gate"], "Folder for the indexes of mailboxes, such as one on a local disk where mail is on a server of files; each account gets a folder of its own in it. Missing: the index of a mailbox lies inside it."),
    of("localdomains", List(Domain), Nothing, LATER, "Sender domains from which users who wish so accept mail alone."),
    of("localiphost", Host, Me, RECEPTION, "Host that replaces this host's own address in `user@[address]`."),
    of("locals", List(Domain), Me, ROUTES, "Domains whose mail is delivered here; a file without entries means none."),
    of("logheaders", List(Word), Nothing, LATER, "Header fields that are logged when mail is queued."),
    of("mailarchive", Map(Pattern), Nothing, LATER, "Mailboxes that get a copy, as `type:pattern:mailbox`."),
    of("mailhosts", Map(Word), Nothing, &["lookup"], "Where the hosts are that the accounts' `host` names, if not by their names at the usual ports: `name:address imap=port pop3=port`; with `tls` it is spoken to by TLS at the ports 993 and 995, and its certificate has to be for its name, or with `tls=NAME` for that one, by an authority of the system or of tlsauthorities. Without: in plain text."),
    of("maxcmdlen", number("octets", 512, 1 << 20), Nothing, LATER, "Longest SMTP command line."),
    of("maxdeliveredto", number("lines", 0, 1000), Value("0"), &["spawn", "dot-qmail"], "Most Delivered-To lines, 0 for no limit."),
    of("maxhops", number("hops", 1, 10_000), Value("100"), RECEPTIONS, "Received and Delivered-To lines at which a message is taken for a loop."),
    of("maxrecipients", number("recipients", 0, 1_000_000), Value("0"), RECEPTIONS, "Most recipients of a message, 0 for the limit that is built in."),
    of("mcdinfo", Foreign, Nothing, LATER, "Databases of users are named in control/users."),
    of("me", Host, Nothing, &["smtpd", "qmtpd", "qmqpd", "send", "bounce", "queued", "spawn", "remote", "lookup", "login", "inject"], "Full name of this host; what many other files default to."),
    of("moreipme", List(Network), Nothing, REMOTE, "Further addresses that are this host."),
    of("morercpthosts", List(Domain), Nothing, RECEPTION, "More of rcpthosts; meant for many domains, and so for a cdb."),
    of("msgqueuelen", Foreign, Nothing, LATER, "There is one queue."),
    of("msgqueuesize", Foreign, Nothing, LATER, "There is one queue."),
    of("mysql_lib", Foreign, Nothing, LATER, "No database library is loaded at run time."),
    of("networks", Folder, Nothing, &["smtpd", "fulmar"], "A list of addresses and networks in each file; relayclients and etc/tcp.smtp name it `@FILE`."),
    of("nodnscheck", List(Word), Nothing, LATER, "Senders and HELO names that are exempt from DNS checks."),
    of("nosignaturedomains", List(Domain), Nothing, LATER, "Domains whose mail needs no DKIM signature."),
    of("notipme", List(Network), Nothing, REMOTE, "Addresses that are not this host, though it bears them; wins over moreipme."),
    of("notlshosts", List(Domain), Nothing, REMOTE, "Hosts, and domains of recipients, with which TLS is never tried, as with `none` in tlspolicy."),
    of("opt.smtp_auth_user_database", Flag, Value("0"), &["lookup"], "1: users of the table eng_smtp_auth_users__raw_db_access may log in to send."),
    of("originipfield", Line, Nothing, LATER, "Name of the header field that tells a relaying client's address."),
    of("outgoingip", List(Network), Nothing, REMOTE, "Own addresses to send from where nothing else is said: the first of the other host's kind (IPv4, IPv6)."),
    of("percenthack", List(Domain), Nothing, DOOR, "Domains in which `user%host@domain` becomes `user@host`."),
    of("plusdomain", Line, Me, INJECT, "Appended to a host that ends in `+`."),
    of("postmaster", Line, Nothing, LATER, "Address from which notices come and to which replies go."),
    of("programusers", List(Word), Nothing, &["lookup"], "Accounts, or `@domain` for all of a domain, that may run programs though they share a uid."),
    of("qcount", Foreign, Nothing, LATER, "There is one queue."),
    of("qmqpservers", List(Word), Nothing, &["qmqpc"], "QMQP servers, asked in this order: an IP address each, with `:port` if it is not 628."),
    of("qmtproutes", Map(Route), Nothing, LATER, "As smtproutes, for QMTP; asked first."),
    of("qregex", Flag, Value("0"), LATER, "1: patterns are regular expressions, not shell patterns."),
    of("quarantine", Line, Nothing, LATER, "Recipient that replaces all others; they are named in X-Quarantine-ID."),
    of("queue_base", Foreign, Nothing, LATER, "The queue stands in the house."),
    of("queuelifetime", LIFETIME, Value("604800"), SEND, "How long a message is tried."),
    of("ratecontrol", Folder, Nothing, LATER, "How fast mail leaves, by domain."),
    of("rcpt.envrules", Map(Pattern), Nothing, LATER, "Environment by recipient when mail is delivered, as `pattern:VAR=value,...`."),
    of("rcpthosts", List(Domain), Nothing, RECEPTION, "Domains for which mail is taken from everybody. Missing, no domain is taken on its account; never does it mean all."),
    of("realm", Line, Me, LATER, "Realm named to clients that log in."),
    of("recipientpause", number("seconds", 0, 3600), Value("0"), SEND, "Pause between two deliveries to one local recipient, which then gets one at a time."),
    of("recipients", List(Word), Nothing, LATER, "Where recipients are looked up: names of cdb files or of programs."),
    of("redirectremote", List(Address), Nothing, LATER, "Remote recipients that are taken as local."),
    of("rejectspam", List(Domain), Nothing, LATER, "Domains for which spam is refused."),
    of("relayclients", Map(Network), Nothing, RECEPTION, "Clients that may relay, as `address:`; what follows the colon is appended to recipients."),
    of("relaydomains", Map(Domain), Nothing, RECEPTION, "Checked names (tcpserver -p) of clients that may relay, as `domain:`; what follows the colon is appended to recipients."),
    of("relaymailfrom", List(Address), Nothing, RECEPTION, "Senders that may relay, without any proof of who they are."),
    of("relayminutes", number("minutes", 1, 525_600), Value("60"), &["lookup"], "How long a login by POP3 or IMAP lets its address relay where CHECKRELAY is set."),
    of("relaytable", List(Word), Nothing, &["lookup"], "Whom a login by POP3 or IMAP lets relay: `address`, the default, everybody at its address; `sender`, who sends from there in the name of who logged in; `off`, nobody. `database`: the rows are in the first database of control/users, not in relay/."),
    of("removeheaders", List(Word), Nothing, LATER, "Header fields that are removed when mail is queued."),
    of("resolvers", List(Word), Nothing, REMOTE, "Name servers that are asked instead of those of /etc/resolv.conf, as `address` or `address:port`. Only one on this host, at a loopback address, is believed that it has validated what it says (DNSSEC), as DANE needs."),
    of("senderroutes", Map(Address), Nothing, RELAYS, "As smtproutes, by sender: `user@host` or `@host`; asked where smtproutes has no line for the domain, before its line for all."),
    of("sendlimits", Map(Route), Nothing, &["lookup"], "How much who has logged in may send in an hour, `login:messages/recipients` or `domain:...`, `:...` for all others, 0 for no limit. What is beyond is accepted and held, and the postmaster told."),
    of("servercipherlist", Foreign, Nothing, LATER, "TLS versions and ciphers are those of the TLS library."),
    of("serverciphersuite", Foreign, Nothing, LATER, "TLS versions and ciphers are those of the TLS library."),
    of("servicedir.conf", Foreign, Nothing, LATER, "Supervision is up to the supervisor."),
    of("sharedfolders", Map(Word), Nothing, &["lookup"], "Shared mailboxes, `group:member member`, which lie in mail/shared/group (letters, digits, `-` and `_`): a member is the address of an account, `@domain` for all of its accounts, or `*` for everybody."),
    of("signaturedomains", List(Domain), Nothing, LATER, "Domains whose mail must bear a DKIM signature."),
    of("signatures", List(Word), Nothing, LATER, "First octets of encoded parts that are refused."),
    of("smtpgreeting", Line, Me, SMTPD, "Text after 220; its first word is the name of this host."),
    of("smtplogins", Map(Word), Nothing, REMOTE, "Logins for relays, `NAME:user:password`; smtproutes says which by `login=NAME`. Only remote may read it."),
    of("smtproutes", Map(Route), Nothing, RELAYS, "Host to which mail for a domain is handed, as `domain:relay:port`; behind a blank `smtps`, `starttls` or `notls`, and `login=NAME` of smtplogins."),
    of("spamfilter", Map(Word), Nothing, LATER, "Spam filter, as `domain:program`."),
    of("spamignore", List(Address), Nothing, LATER, "Senders that pass by the spam filter."),
    of("spamignorepatterns", List(Pattern), Nothing, LATER, "Patterns of senders that pass by the spam filter."),
    of("spamredirect", Map(Domain), Nothing, LATER, "Where spam goes, by domain."),
    of("spfbehavior", number("of severity", 0, 6), Value("0"), LATER, "What SPF leads to: 0 off, 6 strictest."),
    of("spfexp", Line, Nothing, LATER, "Text for who is refused by SPF."),
    of("spfguess", Line, Nothing, LATER, "SPF rules for domains that have none."),
    of("spfrules", Line, Nothing, LATER, "SPF rules that are tried before those of a domain."),
    of("srs_alwaysrewrite", Flag, Value("0"), LATER, "1: rewrite the senders of all forwarded mail."),
    of("srs_domain", Host, Nothing, LATER, "Domain of rewritten senders (SRS)."),
    of("srs_hashlength", number("characters", 4, 28), Value("4"), LATER, "Length of the proof in rewritten senders."),
    of("srs_hashmin", number("characters", 4, 28), Value("4"), LATER, "Least length of a proof that is accepted."),
    of("srs_maxage", number("days", 1, 3650), Value("7"), LATER, "How long a rewritten sender is good."),
    of("srs_secrets", List(Word), Nothing, LATER, "Secrets for rewritten senders: the first one signs, all verify."),
    of("srs_separator", Line, Value("="), LATER, "Character after SRS0 and SRS1."),
    of("surbldomain", List(Domain), Nothing, LATER, "DNS lists of addresses of web pages that are asked."),
    of("surbldomainwhite", List(Domain), Nothing, LATER, "Web domains that are never asked about."),
    of("surblrcpt", List(Address), Nothing, LATER, "Recipients whose mail is checked for web addresses."),
    of("tarpitcount", number("recipients", 0, 1_000_000), Value("0"), LATER, "Recipients after which a client is slowed, 0 for never."),
    of("tarpitdelay", number("seconds", 0, 300), Value("5"), LATER, "How much it is slowed."),
    of("timeoutconnect", TIMEOUT, Value("60"), REMOTE, "Patience with a host that does not take a connection."),
    of("timeoutread", Foreign, Nothing, LATER, "Time limits of lookup are built in."),
    of("timeoutremote", TIMEOUT, Value("1200"), REMOTE, "Patience with each read and write to another host."),
    of("timeoutsmtpd", TIMEOUT, Value("1200"), RECEPTIONS, "Patience with each read and write to a client."),
    of("timeoutwrite", Foreign, Nothing, LATER, "Time limits of lookup are built in."),
    of("tls", Folder, Nothing, &["tlsd"], "Certificates and keys, NAME.crt and NAME.key each; belongs to tlsd alone."),
    of("tlsa.white", List(Domain), Nothing, REMOTE, "Domains of recipients, and hosts, for which DANE is not asked."),
    of("tlsadomains", List(Domain), Nothing, LATER, "Domains for which DANE is asked, alone: here it is asked for all, see tlspolicy."),
    of("tlsauthorities", Text, Nothing, &["remote", "usher"], "Certificates (PEM) of authorities that may vouch for other servers, besides those that the system knows; remote reads it when it starts."),
    of("tlsclientmethod", Foreign, Nothing, LATER, "TLS versions and ciphers are those of the TLS library."),
    of("tlsclients", List(Address), Nothing, RECEPTION, "Addresses in certificates of clients that may relay, or `@domain`; the authorities that vouch for such certificates stand in tls/clients.pem."),
    of("tlspolicy", Map(Route), Nothing, REMOTE, "How secret mail for a domain, or to a relay, has to be: `auto` (DANE, MTA-STS, else as may), `none`, `may`, `encrypt`, `verify [NAME...]`, `dane`, or `fingerprint SHA256...`. Without a line: auto."),
    of("tlsservermethod", Foreign, Nothing, LATER, "TLS versions and ciphers are those of the TLS library."),
    of("todointerval", Foreign, Nothing, LATER, "New mail is taken up at once."),
    of("uids", Map(Word), Nothing, &["fulmar", "gate", "lookup", "queued", "send", "smtpd", "spawn"], "Who programs run as, `role:user` or `role:uid:gid`, for the roles fulmar-net, -tls, -users, -queue, -remote, -mail, -admin, -web, -log and -acme; the users of these names by default."),
    of("undelete", number("days", 0, 3650), Value("0"), &["imapd", "fulmar"], "How long mail that was expunged by IMAP can be brought back by fulmar restore; 0: not at all."),
    of("users", List(Word), Value("cdb"), &["lookup"], "Where users are kept: `cdb`, the folder users/, always asked first; `system`, users/assign and /etc/passwd, for locals and virtualdomains; `sqlite:PATH`, `postgres://user:password@host/database`, `mysql://...`, the tables of etc/sql/, in the order of the lines. lookup reads it when it starts, and does not start with any other; with a password in it nobody else should read it."),
    of("virtualdomains", Map(Route), Nothing, ROUTES, "Domains and addresses that one local user controls: `domain:prepend`, `user@domain:prepend`, `.suffix:prepend`, `:prepend` for all others; with nothing after the colon, an exception."),
];
