//! `fulmar explain` says what smtpd would say, and why: one matrix of every permission, asked of both.

use nix::sys::signal::Signal;
use tests::{House, PASSWORD, Pop3, Smtp};

/// The reply to RCPT of a client at 127.0.0.1 as whom nobody, or alice, has logged in.
fn answered(house: &House, login: bool, from: &str, to: &str) -> String {
    let mut smtp = Smtp::connect(house.smtp());
    if login {
        let message = format!("\0alice@example.test\0{PASSWORD}");
        let reply = smtp.command(&format!("AUTH PLAIN {}", data_encoding::BASE64.encode(message.as_bytes())));
        if !reply.starts_with("235") {
            return reply;
        }
    }
    smtp.command(&format!("MAIL FROM:<{from}>"));
    smtp.command(&format!("RCPT TO:<{to}>"))
}

fn explained(house: &House, login: bool, from: &str, to: &str) -> String {
    let port = house.smtp().port().to_string();
    let mut words = vec!["explain", "--ip", "127.0.0.1", "--port", &port, "--from", from, "--to", to];
    if login {
        words.extend(["--login", "alice@example.test"]);
    }
    house.well(&words)
}

/// The word of both, which has to be the same, and the explanation.
fn both(house: &House, login: bool, from: &str, to: &str) -> (String, String) {
    let (real, told) = (answered(house, login, from, to), explained(house, login, from, to));
    let line = told.lines().find_map(|line| line.strip_prefix("answer ")).unwrap_or_else(|| panic!("{told}"));
    assert_eq!(line.trim()[..3], real[..3], "{from} {to}: {real}\n{told}");
    (real[..3].to_owned(), told)
}

const OURS: &str = "bob@example.test";
const FOREIGN: &str = "dan@example.net";

/// A way to be allowed: its name, what makes it match, what makes it not match, what breaks it, what decides.
struct Way {
    name: &'static str,
    file: &'static str,
    matching: &'static str,
    other: &'static str,
    broken: &'static str,
    login: bool,
    by: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        name: "rule",
        file: "etc/tcp.smtp",
        matching: "# one\n127.:allow,RELAYCLIENT=\"\"\n",
        other: "192.0.2.:allow,RELAYCLIENT=\"\"\n:allow\n",
        broken: "127.:allow,RELAYCLIENT=\u{201d}\u{201d}\n",
        login: false,
        by: "RELAYCLIENT",
    },
    Way {
        name: "client",
        file: "control/relayclients",
        matching: "# one\n\n127.0.0.:\n",
        other: "192.0.2.1:\n",
        broken: "",
        login: false,
        by: "control/relayclients:127.0.0. line=3",
    },
    Way {
        name: "sender",
        file: "control/relaymailfrom",
        matching: "@example.test\n",
        other: "@example.com\n",
        broken: "",
        login: false,
        by: "control/relaymailfrom:@example.test line=1",
    },
    Way {
        name: "login",
        file: "control/authsender",
        matching: ":any\n",
        other: ":own\n",
        broken: ":everything\n",
        login: true,
        by: "login alice@example.test",
    },
    Way {
        name: "relay table",
        file: "control/relaytable",
        matching: "address\n",
        other: "off\n",
        broken: "sometimes\n",
        login: false,
        by: "relay table: alice@example.test",
    },
];

#[test]
fn every_way_of_permission_answers_as_explained_matching_or_not_missing_or_broken() {
    let mut house = House::to_strangers();
    for way in WAYS {
        let sender = if way.login { "someone@example.org" } else { "alice@example.test" };
        let allowed = |state: &str, wanted: &str| {
            let (code, told) = both(&house, way.login, sender, FOREIGN);
            assert_eq!(code, wanted, "{} {state}: {told}", way.name);
            let (code, told) =
                both(&house, way.login, if way.login { "alice@example.test" } else { sender }, OURS);
            assert!(code == "250" || wanted == "451", "{} {state}, our own domain: {told}", way.name);
            told
        };
        let set = |text: &str| {
            house.write(way.file, text);
            house.fulmar(&["cdb"]);
        };
        if way.name == "relay table" {
            Pop3::login(house.pop3(), "alice@example.test", PASSWORD).command("QUIT");
        }
        set(way.matching);
        allowed("matching", "250");
        let (_, told) = both(&house, way.login, sender, FOREIGN);
        assert!(told.contains(way.by), "{}: {told}", way.name);
        set(way.other);
        allowed("not matching", "553");
        if !way.broken.is_empty() {
            set(way.broken);
            // A rule that is refused leaves the table as it was.
            let wanted = if way.name == "rule" { "553" } else { "451" };
            let (code, told) = both(&house, way.login, sender, FOREIGN);
            assert_eq!(code, wanted, "{} broken: {told}", way.name);
        }
        if way.file.starts_with("control/") {
            std::fs::remove_file(house.path(way.file)).unwrap();
            house.well(&["relay", "expire", "0"]);
            allowed("missing", "553");
            std::fs::create_dir(house.path(way.file)).unwrap();
            let (code, _) = if way.file.contains("relayclients") || way.file.contains("relaymailfrom") {
                (connect_code(&house), String::new())
            } else {
                both(&house, way.login, sender, FOREIGN)
            };
            assert!(code.starts_with('4'), "{} unreadable: {code}", way.name);
            std::fs::remove_dir(house.path(way.file)).unwrap();
        }
        house.write("etc/tcp.smtp", ":allow,CHECKRELAY=\"\"\n");
        house.well(&["cdb"]);
    }
    house.services().stop("lookup", Signal::SIGKILL);
    assert_eq!(both(&house, false, "alice@example.test", FOREIGN).0, "451");
    assert_eq!(answered(&house, true, "alice@example.test", FOREIGN)[..3], *"454");
}

fn connect_code(house: &House) -> String {
    match Smtp::try_connect(house.smtp()) {
        Ok(_) => "220".into(),
        Err(error) => error.to_string()[..3].to_owned(),
    }
}

#[test]
fn an_explanation_goes_to_the_end_of_the_way() {
    let house = House::to_strangers();
    house.user("carl", &["--deliver", "forward", "--forward", "bob@example.test", "--forward", FOREIGN]);
    house.well(&["alias", "add", "sales@example.test", "carl@example.test"]);
    house.write("control/smtproutes", "# all\n.net:relay.example.org:2525\n");
    house.write("control/tlspolicy", "relay.example.org:verify\n");
    let told = house.well(&["explain", "--from", "x@example.org", "--to", "sales@example.test"]);
    for part in [
        "has none for 192.0.2.1|etc/tcp.smtp line 1: `:allow,CHECKRELAY=\"\"`",
        "control/badmailfrom",
        "says nothing",
        "250 taken, by lookup",
        "carl@example.test",
        "forward to dan@example.net",
        "dan@example.net: to relay.example.org port 2525, by control/smtproutes line 2",
        "verify, by control/tlspolicy line 1",
        "Maildir ",
        "mail/example.test/bob/Maildir",
    ] {
        assert!(part.split('|').any(|part| told.contains(part)), "{part}: {told}");
    }
    assert_eq!(house.queued(), 0, "nothing was sent");
    let told = house.well(&["explain", "--to", "nobody@example.test"]);
    assert!(told.contains("550 5.1.1 User unknown"), "{told}");
    let submission = house.submission().port().to_string();
    let told = house.well(&["explain", "--to", FOREIGN, "--port", &submission]);
    assert!(told.contains("530 Log in first") && told.contains("etc/run/submission serves"), "{told}");
    let told = house.well(&["explain", "--json", "--to", FOREIGN]);
    assert!(told.trim_start().starts_with('[') && told.contains("\"553 5.7.1"), "{told}");
    assert_eq!(house.fulmar(&["explain", "--to", "no address"]).status.code(), Some(100));
    house.write("etc/tcp.smtp", "192.0.2.1:deny\n");
    house.well(&["cdb"]);
    let told = house.well(&["explain", "--to", OURS]);
    assert!(told.contains("line 1: `192.0.2.1:deny`") && told.contains("closed at once"), "{told}");
}

#[test]
fn relayclients_of_another_file_and_named_networks_let_relay() {
    let house = House::to_strangers();
    std::fs::create_dir(house.path("control/networks")).unwrap();
    house.write("control/networks/office", "192.0.2.0/24\n127.0.0.1\n");
    house.write("control/relayclients", "10.1.1.:\n@office:\n");
    let (code, told) = both(&house, false, "x@example.org", FOREIGN);
    assert!(code == "250" && told.contains("control/relayclients:127.0.0.1 line=2"), "{told}");
    house.write("control/networks/office", "192.0.2.0/24\n");
    assert_eq!(both(&house, false, "x@example.org", FOREIGN).0, "553");
    house.write("control/others", "127.:\n");
    house.write("etc/tcp.smtp", ":allow,RELAYCLIENTS=\"others\"\n");
    house.well(&["cdb"]);
    assert_eq!(both(&house, false, "x@example.org", FOREIGN).0, "250");
    house.write("etc/tcp.smtp", "@office:deny\n:allow\n");
    house.well(&["cdb"]);
    let told = house.well(&["explain", "--to", OURS, "--ip", "192.0.2.77"]);
    assert!(told.contains("etc/tcp.smtp line 1: `192.0.2.:deny`"), "{told}");
    house.write("etc/tcp.smtp", ":allow,RELAYCLIENTS=\"../control/others\"\n");
    house.well(&["cdb"]);
    assert_eq!(connect_code(&house), "421", "no path leads out of control/");
}

#[test]
fn another_port_is_one_more_run_script_and_is_published() {
    let mut house = House::start();
    let spare = house.spare_port();
    let script = std::fs::read_to_string(house.path("etc/run/submission/run")).unwrap();
    let usual = format!(" {} smtpd", house.submission().port());
    std::fs::create_dir(house.path("etc/run/another")).unwrap();
    house.write("etc/run/another/run", &script.replace(&usual, &format!(" {spare} smtpd")));
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(house.path("etc/run/another/run"), executable).unwrap();
    house.services().start("another");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], spare));
    house.until("the port", || Smtp::try_connect(address).ok());
    assert!(Smtp::connect(address).command("MAIL FROM:<alice@example.test>").starts_with("530"));
    let told = house.well(&["explain", "--to", FOREIGN, "--port", &spare.to_string()]);
    assert!(told.contains("etc/run/another serves") && told.contains("530 Log in first"), "{told}");
    let zone = house.well(&["domain", "dns", "example.test"]);
    let submission = house.submission().port();
    for line in [
        "example.test.  IN MX   10 mail.example.test.".to_owned(),
        format!("_pop3._tcp.example.test.  IN SRV  0 1 {} mail.example.test.", house.pop3().port()),
        format!("_imaps._tcp.example.test.  IN SRV  0 1 {} mail.example.test.", house.imaps().port()),
        format!(
            "_submissions._tcp.example.test.  IN SRV  0 1 {} mail.example.test.",
            house.submissions().port()
        ),
    ] {
        assert!(zone.lines().any(|there| there == line), "{line}: {zone}");
    }
    assert!(
        zone.contains(&format!("SRV  0 1 {submission} ")) || zone.contains(&format!("SRV  0 1 {spare} ")),
        "{zone}"
    );
    for option in ["--autoconfig", "--autodiscover"] {
        let file = house.well(&["domain", "dns", "example.test", option]);
        let python = tests::tool("python3").expect("python3");
        let script = "import sys, xml.dom.minidom as x; x.parseString(sys.argv[1].encode())";
        assert!(
            std::process::Command::new(python).args(["-c", script, &file]).status().unwrap().success(),
            "{file}"
        );
    }
    assert_eq!(house.fulmar(&["domain", "dns", "no domain"]).status.code(), Some(100));
}
