//! Mail goes where it may be trusted to go: DANE, MTA-STS, the admin's own word; and waits where something is forged
//! or stripped.

use tests::world::World;
use tests::{House, Smtp, message};

/// A house that may relay for us, in `world`.
fn sender(world: &World) -> House {
    let mut house = House::start();
    house.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n");
    house.well(&["cdb"]);
    world.let_in(&mut house);
    house
}

/// A house that has dora in each of these domains, and shows `certificate` of the world.
fn receiver(world: &World, domains: &[&str], certificate: &str) -> House {
    let mut house = House::start();
    for domain in domains {
        house.well(&["domain", "add", domain]);
        house.well(&["user", "add", &format!("dora@{domain}"), "--password", "x"]);
    }
    let folder = house.path("control/tls");
    for end in ["crt", "key"] {
        let bytes = std::fs::read(world.path(&format!("{certificate}.{end}"))).unwrap();
        // In place: it keeps its owner.
        std::fs::write(folder.join(format!("default.{end}")), bytes).unwrap();
    }
    house.services().stop("tlsd", nix::sys::signal::Signal::SIGTERM);
    house.run();
    house
}

fn send(house: &House, to: &str) {
    let reply = Smtp::connect(house.smtp()).send("bob@example.test", &[to], message("x").as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
}

/// What became of the mail for `to`: the letter of its fate and the text.
fn fate(house: &House, to: &str) -> String {
    send(house, to);
    let mark = format!(" recipient={to} text=");
    house.until(&format!("the fate of mail for {to}"), || {
        let log = house.log();
        let line = log.lines().find(|line| line.contains(&mark))?;
        let (before, text) = line.split_once(&mark)?;
        Some(format!("{} {text}", before.chars().last()?))
    })
}

#[test]
fn dane_and_mta_sts_are_honoured_and_what_is_forged_or_stripped_waits() {
    let base = House::empty();
    let Some(mut world) = World::around(&base) else { return };
    let key = world.certificate("mx", &["mx.sts.test", "mx.verify.test"]);
    names(&mut world, &key);
    let policy = |mode: &str, mx: &str| format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n");
    let policies = [
        ("sts.test", policy("enforce", "mx.sts.test")),
        ("othermx.test", policy("enforce", "*.elsewhere.test")),
        ("badname.test", policy("enforce", "mx.badname.test")),
        ("barests.test", policy("enforce", "mx.barests.test")),
        ("testing.test", policy("testing", "mx.testing.test")),
    ];
    world.policies(9, &policies.each_ref().map(|(domain, policy)| (*domain, policy.as_str())));
    let domains = ["good", "wrong", "unusable", "sts", "othermx", "badname", "verify"]
        .map(|name| format!("{name}.test"));
    let far = receiver(&world, &domains.each_ref().map(String::as_str), "mx");
    world.at(7, far.smtp());
    world.plain(8);
    let house = sender(&world);
    for (domain, letter, says) in [
        ("good", 'K', "accepted message"),
        ("wrong", 'Z', "as its DNS asks for (DANE): its certificate is none of those"),
        ("unusable", 'K', "accepted message"),
        ("stripped", 'Z', "does not begin TLS"),
        ("forged", 'Z', "DNS: the server failed"),
        ("hidden", 'Z', "_25._tcp.mx.hidden.test: DNS: the server failed"),
        ("nothing", 'K', "accepted message"),
        ("sts", 'K', "accepted message"),
        ("othermx", 'Z', "none of the servers of othermx.test's MTA-STS policy"),
        ("badname", 'Z', "as its domain asks for (MTA-STS): its certificate is for another host"),
        ("barests", 'Z', "does not begin TLS"),
        ("testing", 'K', "accepted message"),
    ] {
        let fate = fate(&house, &format!("dora@{domain}.test"));
        assert!(fate.starts_with(letter) && fate.contains(says), "{domain}: {fate}\n{}", house.log());
    }
    assert!(house.path("run/sts/sts.test").exists());
    noted(&house);
    admins_word(&house, &far, &key);
}

/// The DNS of all domains; `key` is that of the receiver's certificate.
fn names(world: &mut World, key: &str) {
    let (fulmar, plain, web) = (world.ip(7), world.ip(8), world.ip(9));
    let zeros = "00".repeat(32);
    let mut records = String::new();
    records += &host("good", &fulmar, Some(&format!("3 1 1 {key}")));
    records += &host("wrong", &fulmar, Some(&format!("3 1 1 {zeros}")));
    records += &host("unusable", &fulmar, Some(&format!("0 1 1 {zeros}")));
    records += &host("stripped", &plain, Some(&format!("3 1 1 {key}")));
    records += &host("forged", &plain, None);
    records += &host(
        "hidden",
        &plain,
        Some("3 1 1 1111111111111111111111111111111111111111111111111111111111111111"),
    );
    records += &host("nothing", &plain, None);
    records += &host("verify", &fulmar, None);
    for domain in ["sts", "othermx", "badname", "barests", "testing"] {
        let ip = if matches!(domain, "barests" | "testing") { &plain } else { &fulmar };
        records += &host(domain, ip, None);
        records += &format!("_mta-sts.{domain} TXT \"v=STSv1; id=1;\"\nmta-sts.{domain} A {web}\n");
    }
    let forged = [
        ("mx.forged.test.\t60\tIN\tA\t", "mx.forged.test.\t60\tIN\tA\t127.0.0.1 ; "),
        ("3 1 1 1111", "3 1 1 2222"),
    ];
    world.names(&records, &forged);
}

/// Records of a domain with one server.
fn host(domain: &str, ip: &str, tlsa: Option<&str>) -> String {
    let tlsa = tlsa.map(|tlsa| format!("_25._tcp.mx.{domain} TLSA {tlsa}\n")).unwrap_or_default();
    format!("{domain} MX 10 mx.{domain}\nmx.{domain} A {ip}\n{tlsa}")
}

/// What a report will be made of.
fn noted(house: &House) {
    let notes = &tests::files(&house.path("run/tlsrpt"))[0];
    let notes = std::fs::read_to_string(notes).unwrap();
    for (domain, kind, result) in [
        ("good.test", "tlsa", "ok"),
        ("wrong.test", "tlsa", "validation-failure"),
        ("stripped.test", "tlsa", "starttls-not-supported"),
        ("sts.test", "sts", "ok"),
        ("badname.test", "sts", "certificate-host-mismatch"),
        ("testing.test", "sts", "starttls-not-supported"),
        ("nothing.test", "no-policy-found", "starttls-not-supported"),
    ] {
        let found = notes.lines().any(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            fields[0] == domain && fields[1] == kind && fields[7] == result
        });
        assert!(found, "{domain}:\n{notes}");
    }
}

fn admins_word(house: &House, far: &House, key: &str) {
    for (n, (policy, letter, says)) in [
        ("encrypt".to_owned(), 'K', "accepted"),
        ("verify".to_owned(), 'K', "accepted"),
        ("verify mx.verify.test".to_owned(), 'K', "accepted"),
        (
            "verify mx.other.test".to_owned(),
            'Z',
            "as this host's configuration asks for: its certificate is for another",
        ),
        (format!("fingerprint {key}"), 'K', "accepted"),
        (format!("fingerprint {}", "00".repeat(32)), 'Z', "has none of the fingerprints"),
        ("dane".to_owned(), 'Z', "has no TLSA record"),
        ("none".to_owned(), 'K', "accepted"),
        ("most secret".to_owned(), 'Z', "out of order"),
    ]
    .iter()
    .enumerate()
    {
        house.write("control/tlspolicy", &format!("verify.test:{policy}\n"));
        let user = format!("u{n}@verify.test");
        far.well(&["user", "add", &user, "--password", "x"]);
        let fate = fate(house, &user);
        assert!(fate.starts_with(*letter) && fate.contains(says), "{policy}: {fate}");
        if policy == "none" {
            let mail = far.path(&format!("mail/verify.test/u{n}/Maildir/new"));
            let mail = far.until("mail", || tests::files(&mail).pop());
            let text = std::fs::read_to_string(mail).unwrap();
            assert!(text.contains("with ESMTP") && !text.contains("with ESMTPS"), "{text}");
        }
    }
    let log = house.log();
    assert!(log.contains("control/tlspolicy") && log.contains("`most secret` is no level"), "{log}");
}

#[test]
fn domains_that_ask_are_told_once_how_tls_went_and_others_are_not() {
    let base = House::empty();
    let Some(mut world) = World::around(&base) else { return };
    world.names(
        "_smtp._tls.asks TXT \"v=TLSRPTv1; rua=mailto:alice@example.test\"\n\
         _smtp._tls.silent TXT \"v=spf1 -all\"\n\
         _smtp._tls.forged TXT \"v=TLSRPTv1; rua=mailto:right@x.test\"\n",
        &[("mailto:right@", "mailto:wrong@")],
    );
    let house = sender(&world);
    let day = sys_seconds() / 86_400;
    let notes = |days: u64| house.path(&format!("run/tlsrpt/{}", day - days));
    let line = |domain: &str, result: &str| {
        format!(
            "{domain}\tsts\tversion: STSv1|mode: testing\tmx.{domain}\tmx.{domain}\t192.0.2.1\t192.0.2.2\t{result}\n"
        )
    };
    let told = [line("asks.test", "ok"), line("asks.test", "certificate-expired"), line("silent.test", "ok")];
    std::fs::write(notes(1), told.concat()).unwrap();
    std::fs::write(notes(0), line("asks.test", "ok")).unwrap();
    // A domain whose DNS is out of order waits.
    std::fs::write(notes(2), line("forged.test", "ok")).unwrap();
    let report = || {
        let mut command = std::process::Command::new(tests::program("tlsrpt"));
        command.env("FULMAR_HOME", house.path("")).output().unwrap()
    };
    let output = report();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mail = house.await_mail("alice", 1);
    let mail = String::from_utf8_lossy(&mail[0]).into_owned();
    assert!(mail.contains("\nTLS-Report-Domain: asks.test\n"), "{mail}");
    let parts: Vec<&str> = mail.split("\n\n").collect();
    let packed: String = parts[4].lines().take_while(|line| !line.starts_with("--")).collect();
    let packed = data_encoding::BASE64.decode(packed.as_bytes()).unwrap();
    std::fs::write(house.path("report.gz"), packed).unwrap();
    let json = std::process::Command::new("zcat").arg(house.path("report.gz")).output().unwrap().stdout;
    let json = String::from_utf8(json).unwrap();
    for part in [
        "\"total-successful-session-count\":1",
        "\"total-failure-session-count\":1",
        "\"result-type\":\"certificate-expired\"",
        "\"policy-domain\":\"asks.test\"",
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    assert!(!notes(1).exists() && notes(0).exists() && notes(2).exists(), "what could not be told is kept");
    assert!(report().status.success());
    house.await_empty_queue();
    assert_eq!(house.mail("alice").len(), 1, "once");
}

fn sys_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Hands a message in by STARTTLS, with REQUIRETLS.
fn send_required(house: &House, to: &str) {
    let python = tests::tool("python3").unwrap();
    let script = format!(
        "import smtplib, ssl\ns = smtplib.SMTP('127.0.0.1', {})\ns.starttls(context=ssl._create_unverified_context())\n\
         s.ehlo()\nassert s.has_extn('requiretls')\nprint(s.mail('bob@example.test', ['REQUIRETLS']), s.rcpt('{to}'))\n\
         print(s.data('Subject: secret\\n\\nx\\n'))\ns.quit()\n",
        house.smtp().port()
    );
    let output = std::process::Command::new(python).args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_requires_tls_stays_secret_to_the_end_and_comes_back_where_that_cannot_be() {
    let base = House::empty();
    let Some(mut world) = World::around(&base) else { return };
    let key = world.certificate("mx", &["mx.far.test"]);
    let records =
        host("far", &world.ip(7), Some(&format!("3 1 1 {key}"))) + &host("bare", &world.ip(8), None);
    world.names(&records, &[]);
    let mut far = receiver(&world, &["far.test"], "mx");
    far.well(&["alias", "add", "on@far.test", "dora@bare.test"]);
    world.let_in(&mut far);
    world.at(7, far.smtp());
    world.plain(8);
    let house = sender(&world);
    // Without TLS nothing is promised.
    let mut smtp = Smtp::connect(house.smtp());
    assert!(smtp.command("MAIL FROM:<bob@example.test> REQUIRETLS").starts_with("555 5.5.4"));
    send_required(&house, "dora@far.test");
    let new = far.path("mail/far.test/dora/Maildir/new");
    far.until("mail for dora", || (!tests::files(&new).is_empty()).then_some(()));
    send_required(&house, "dora@bare.test");
    let bounce = house.await_mail("bob", 1);
    let text = String::from_utf8_lossy(&bounce[0]).into_owned();
    assert!(text.contains("5.7.30") && text.contains("dora@bare.test"), "{text}");
    // A forward there, at the other house, keeps the promise.
    send_required(&house, "on@far.test");
    far.until("the refusal", || far.log().contains(" D recipient=dora@bare.test text=5.7.30").then_some(()));
    // What does not require it goes on as ever.
    send(&house, "on@far.test");
    far.until("the delivery", || far.log().contains(" K recipient=dora@bare.test").then_some(()));
}

#[test]
fn a_broken_file_of_authorities_keeps_no_mail_but_that_which_needs_them() {
    let mut house = House::start();
    house.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n");
    house.well(&["cdb"]);
    house.write("control/tlsauthorities", "-----BEGIN CERTIFICATE-----\ngarbage\n");
    house.services().stop("remote", nix::sys::signal::Signal::SIGTERM);
    house.run();
    let far = House::start();
    far.well(&["domain", "add", "far.test"]);
    far.well(&["user", "add", "dora@far.test", "--password", "x"]);
    house.write("control/smtproutes", &format!("far.test:127.0.0.1:{}\n", far.smtp().port()));
    assert!(fate(&house, "dora@far.test").starts_with('K'));
    assert!(house.log().contains("control/tlsauthorities"), "{}", house.log());
    house.write("control/tlspolicy", "far.test:verify localhost\n");
    let waits = fate(&house, "second@far.test");
    assert!(waits.starts_with('Z') && waits.contains("vouched for by nobody known here"), "{waits}");
}
