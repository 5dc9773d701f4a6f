//! TLS for mail programs: STARTTLS, STLS, and from the first octet; real clients, wrong ones, and what must not happen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use tests::{House, PASSWORD, PATIENCE, Pop3, Smtp, message, tool};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A client of OpenSSL that says `input` and then hangs up.
fn openssl(address: SocketAddr, options: &[&str], input: &str) -> Option<String> {
    let openssl = tool("openssl")?;
    let mut command = Command::new("timeout");
    command
        .arg("30")
        .arg(openssl)
        .args(["s_client", "-quiet", "-connect", &address.to_string()])
        .args(options);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have been refused already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Some(said(&child.wait_with_output().unwrap()))
}

#[test]
fn curl_sends_and_fetches_by_tls_begun_early_and_late() {
    let Some(curl) = tool("curl") else { return };
    let house = House::start();
    let certificate = house.path("control/tls/default.crt");
    let curl = |words: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["-sS", "--ssl-reqd", "--user", &format!("alice@example.test:{PASSWORD}")]);
        command.arg("--cacert").arg(&certificate).args(words).output().unwrap()
    };
    let letter = house.path("letter");
    std::fs::write(&letter, message("secret").replace('\n', "\r\n")).unwrap();
    let letter = letter.to_str().unwrap();
    for url in [
        format!("smtp://{}", house.submission()),
        format!("smtp://{}", house.smtp()),
        format!("smtps://{}", house.submissions()),
    ] {
        let output = curl(&[
            "--mail-from",
            "alice@example.test",
            "--mail-rcpt",
            "bob@example.test",
            "-T",
            letter,
            &url,
        ]);
        assert!(output.status.success(), "{url}: {}", said(&output));
    }
    let mail = house.await_mail("bob", 3);
    for text in &mail {
        let text = String::from_utf8_lossy(text);
        assert!(text.contains("with ESMTPSA (version=TLSv1.3 cipher=TLS_"), "{text}");
    }
    house.send("bob@example.test", "alice@example.test", &message("for alice"));
    house.await_mail("alice", 1);
    for url in [format!("pop3://{}/1", house.pop3()), format!("pop3s://{}/1", house.pop3s())] {
        let output = curl(&[&url]);
        assert!(
            output.status.success() && said(&output).contains("Subject: for alice"),
            "{url}: {}",
            said(&output)
        );
    }
}

#[test]
fn swaks_and_python_use_starttls_and_stls() {
    let house = House::start();
    let mut sent = 0;
    if let Some(swaks) = tool("swaks") {
        let mut command = Command::new(swaks);
        command.args(["--server", &house.submission().to_string(), "--tls", "--auth", "CRAM-MD5"]);
        command.args(["--auth-user", "alice@example.test", "--auth-password", PASSWORD]);
        command.args(["--from", "alice@example.test", "--to", "bob@example.test"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        sent += 1;
    }
    if let Some(python) = tool("python3") {
        let script = format!(
            "import smtplib, poplib, ssl\nc = ssl._create_unverified_context()\n\
             s = smtplib.SMTP('127.0.0.1', {})\ns.starttls(context=c)\ns.login('alice@example.test', '{PASSWORD}')\n\
             s.sendmail('alice@example.test', ['bob@example.test'], 'Subject: x\\n\\nx\\n')\ns.quit()\n\
             p = poplib.POP3('127.0.0.1', {})\np.stls(context=c)\np.user('bob@example.test')\np.pass_('{PASSWORD}')\n\
             p.stat()\np.quit()\n\
             p = poplib.POP3_SSL('127.0.0.1', {}, context=c)\np.user('bob@example.test')\np.pass_('{PASSWORD}')\np.quit()\n",
            house.submission().port(),
            house.pop3().port(),
            house.pop3s().port()
        );
        let output = Command::new(python).args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        sent += 1;
    }
    house.await_mail("bob", sent);
}

#[test]
fn old_versions_are_refused_new_ones_and_tickets_are_taken() {
    let house = House::start();
    let quit = "QUIT\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        for (address, how) in [(house.smtp(), vec!["-starttls", "smtp"]), (house.submissions(), vec![])] {
            let Some(said) = openssl(address, &[&[version], &how[..]].concat(), quit) else { return };
            assert!(said.contains("221 2.0.0"), "{version} {how:?}: {said}");
        }
        let Some(said) = openssl(house.pop3(), &[version, "-starttls", "pop3"], quit) else { return };
        assert!(said.contains("+OK Good bye"), "{version}: {said}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let Some(said) = openssl(house.submissions(), &[version, "-cipher", "ALL:@SECLEVEL=0"], quit) else {
            return;
        };
        assert!(!said.contains("221 2.0.0"), "{version}: {said}");
    }
    let session = house.path("session");
    let session = session.to_str().unwrap();
    let mut house = house;
    for (option, wanted) in [("-sess_out", "New, "), ("-sess_in", "Reused, "), ("-sess_in", "Reused, ")] {
        if option == "-sess_in" {
            house.services().stop("tlsd", Signal::SIGKILL);
            house.run();
        }
        let mut command = Command::new("openssl");
        command.args(["s_client", "-tls1_2", "-connect", &house.submissions().to_string(), option, session]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(said(&output).contains(wanted), "{}", said(&output));
    }
}

#[test]
fn the_first_certificate_is_for_this_host_and_others_are_chosen_by_name() {
    let house = House::start();
    let certificate = house.path("control/tls/default.crt");
    let certificate = certificate.to_str().unwrap();
    for name in ["localhost", "mail.example.test"] {
        let options = ["-CAfile", certificate, "-verify_return_error", "-verify_hostname", name];
        let Some(said) = openssl(house.submissions(), &options, "QUIT\r\n") else { return };
        assert!(said.contains("221 2.0.0"), "{name}: {said}");
    }
    let said = openssl(
        house.submissions(),
        &["-CAfile", certificate, "-verify_return_error", "-verify_hostname", "x.test"],
        "QUIT\r\n",
    );
    assert!(!said.unwrap().contains("221 2.0.0"));
    house_takes_a_second_one(&house);
}

/// Put there while the server runs; and a broken one, which changes nothing.
fn house_takes_a_second_one(house: &House) {
    let mut open = Smtp::connect(house.smtp());
    let second = certificate(house, "second", "other.test");
    let second = second.to_str().unwrap();
    let options = [
        "-servername",
        "other.test",
        "-CAfile",
        second,
        "-verify_return_error",
        "-verify_hostname",
        "other.test",
    ];
    house.until("the new certificate", || {
        openssl(house.submissions(), &options, "QUIT\r\n").filter(|said| said.contains("221 2.0.0"))
    });
    house.write("control/tls/second.crt", "-----BEGIN CERTIFICATE-----\ngarbage");
    house.until("the word of tlsd", || house.log().contains("the old certificates stay").then_some(()));
    assert!(
        openssl(house.submissions(), &["-servername", "other.test"], "QUIT\r\n")
            .unwrap()
            .contains("221 2.0.0")
    );
    assert!(open.command("NOOP").starts_with("250"), "open sessions go on");
}

/// Makes a certificate, and gives its path.
fn certificate(house: &House, file: &str, name: &str) -> std::path::PathBuf {
    let [key, crt] = ["key", "crt"].map(|end| house.path(&format!("control/tls/{file}.{end}")));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]);
    command
        .args(["-addext", &format!("subjectAltName=DNS:{name}"), "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&crt);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let (uid, gid) = owner(house);
    std::os::unix::fs::chown(&key, Some(uid), Some(gid)).unwrap();
    crt
}

/// The uid and gid of tlsd, where it has one of its own.
fn owner(house: &House) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let seen = std::fs::metadata(house.path("control/tls")).unwrap();
    (seen.uid(), seen.gid())
}

fn raw(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that was reset has nothing more to say either.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn no_plaintext_survives_the_upgrade_and_garbage_ends_one_session_alone() {
    // S34, S35, S36, P10
    let house = House::start();
    let mut stream = raw(house.smtp());
    stream.write_all(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\n").unwrap();
    let said = rest(stream);
    assert!(
        said.contains("501 5.5.1") && !said.contains("220 2.0.0") && !said.contains("Sender ok"),
        "{said}"
    );
    let mut stream = raw(house.pop3());
    stream.write_all(b"STLS\r\nUSER alice@example.test\r\n").unwrap();
    let said = rest(stream);
    assert!(said.ends_with("good bye\r\n") && !said.contains("Password"), "{said}");
    // The last ones: a hundred thousand records of TLS without anything in them, and the first octet of one.
    let empty = [0x16, 3, 1, 0, 0].repeat(100_000);
    let words = b"MAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\n";
    for garbage in [&words[..], &[0x16, 3, 1, 0xff, 0xff], &[0; 3000], &empty, &[0x16]] {
        let mut stream = raw(house.smtp());
        stream.write_all(b"STARTTLS\r\n").unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"Begin TLS now\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet).unwrap();
            heard.extend(octet);
        }
        // Who is hung up on in the middle of it can't say the rest.
        let _ = stream.write_all(garbage).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let said = rest(stream);
        assert!(!said.contains("250") && !said.contains("Sender ok"), "{said:?}");
        let mut stream = raw(house.submissions());
        let _ = stream.write_all(garbage).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        assert!(!rest(stream).contains("220"), "nothing is said in plain text there");
    }
    let mut smtp = Smtp::connect(house.smtp());
    assert!(smtp.command("NOOP").starts_with("250") && smtp.command("STARTTLS now").starts_with("501"));
    if let Some(said) = openssl(house.smtp(), &["-starttls", "smtp"], "STARTTLS\r\nEHLO x\r\nQUIT\r\n") {
        assert!(
            said.contains("503 5.5.1") && !said.contains("250-STARTTLS") && said.contains("250-AUTH"),
            "{said}"
        );
    }
}

#[test]
fn who_begins_tls_and_says_no_more_is_hung_up_on() {
    // S35, S46
    let house = House::start();
    let (mut silent, begun) = (raw(house.submissions()), std::time::Instant::now());
    silent.write_all(&[0x16]).unwrap();
    assert!(Smtp::connect(house.smtp()).command("NOOP").starts_with("250"), "others are served");
    assert_eq!(rest(silent), "");
    assert!(begun.elapsed() < PATIENCE, "tlsd waits for half a minute");
}

#[test]
fn where_tls_is_required_nothing_is_done_before_it_and_without_tlsd_it_stays_shut() {
    // S37
    let mut house = House::start();
    house.write("etc/tcp.smtp", ":allow,TLS=\"required\"\n");
    house.write("etc/tcp.pop3", ":allow,TLS=\"login\"\n");
    house.well(&["cdb"]);
    let mut smtp = Smtp::connect(house.smtp());
    for command in ["MAIL FROM:<x@example.org>", "AUTH PLAIN AGEAYg=="] {
        let reply = smtp.command(command);
        assert!(reply.starts_with("530 5.7.0 Must issue a STARTTLS"), "{command}: {reply}");
    }
    if let Some(said) = openssl(house.smtp(), &["-starttls", "smtp"], "MAIL FROM:<x@example.org>\r\nQUIT\r\n")
    {
        assert!(said.contains("250 2.1.0"), "{said}");
    }
    house.services().stop("tlsd", Signal::SIGKILL);
    let mut smtp = Smtp::connect(house.smtp());
    assert!(smtp.command("STARTTLS").starts_with("454 4.7.0"));
    assert!(smtp.command("MAIL FROM:<x@example.org>").starts_with("530"));
    let mut pop3 = Pop3::connect(house.pop3());
    assert!(pop3.command("STLS").starts_with("-ERR [SYS/TEMP]"));
    house.run();
    assert!(Smtp::connect(house.smtp()).command("STARTTLS").starts_with("220"));
    house.write("etc/tcp.smtp", ":allow,TLS=\"perhaps\"\n");
    house.well(&["cdb"]);
    let refused = Smtp::try_connect(house.smtp()).err().map(|error| error.to_string());
    assert!(
        refused.is_some_and(|text| text.starts_with("421")),
        "a word that means nothing is not guessed at"
    );
}

#[test]
fn keys_are_tlsds_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::start();
    house.until("the first certificate", || house.path("control/tls/default.crt").exists().then_some(()));
    let mode = |name: &str| std::fs::metadata(house.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("control/tls"), mode("control/tls/default.key")), (0o700, 0o600));
}

#[test]
fn mail_to_another_server_goes_by_tls_where_that_is_offered() {
    let (here, there) = (House::start(), House::start());
    there.well(&["domain", "add", "there.test"]);
    there.well(&["user", "add", "dan@there.test", "--plain", "--password", PASSWORD]);
    here.write("control/smtproutes", &format!("there.test:127.0.0.1:{}\n", there.smtp().port()));
    let received = |count: usize| {
        let folder = there.path("mail/there.test/dan/Maildir/new");
        let files = || Some(tests::files(&folder)).filter(|files| files.len() == count);
        let files = there.until("mail for dan", files);
        files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    here.send("alice@example.test", "dan@there.test", &message("by tls"));
    let mail = received(1);
    assert!(mail[0].contains("with ESMTPS (version=TLSv1.3 cipher=TLS_"), "{}", mail[0]);
    here.write("control/notlshosts", "there.test\n");
    here.send("alice@example.test", "dan@there.test", &message("without"));
    let mail = received(2);
    assert!(mail.iter().any(|text| text.contains("with ESMTP id")), "{mail:?}");
    here.await_empty_queue();
}

/// A client with this certificate, who says `input` by STARTTLS.
fn with_certificate(house: &House, world: &tests::world::World, name: &str, input: &str) -> String {
    let [crt, key] = ["crt", "key"].map(|end| world.path(&format!("{name}.{end}")));
    let options = ["-starttls", "smtp", "-cert", crt.to_str().unwrap(), "-key", key.to_str().unwrap()];
    openssl(house.submission(), &options, input).unwrap()
}

#[test]
fn a_clients_certificate_logs_in_or_lets_relay_and_a_strangers_is_as_good_as_none() {
    let house = House::start();
    let Some(world) = tests::world::World::around(&house) else { return };
    world.client("alice", "alice@example.test");
    world.client("gate", "gateway@partner.test");
    house.write("etc/tcp.smtp", ":allow\n");
    house.well(&["cdb"]);
    let external = "EHLO x.test\r\nAUTH EXTERNAL =\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<x@far.test>\r\nQUIT\r\n";
    // Nobody is asked for a certificate yet.
    let said = with_certificate(&house, &world, "alice", external);
    assert!(!said.contains("EXTERNAL") && said.contains("504 ") && !said.contains("235 "), "{said}");
    let authority = std::fs::read(world.path("ca.crt")).unwrap();
    std::fs::write(house.path("control/tls/clients.pem"), authority).unwrap();
    let said = house.until("the authority to count", || {
        let said = with_certificate(&house, &world, "alice", external);
        said.contains("EXTERNAL").then_some(said)
    });
    assert!(said.contains("235 2.7.0") && said.contains("221 2.0.0"), "{said}");
    assert_eq!(said.matches("250 2.1.").count(), 2, "{said}");
    // As somebody else: no.
    let other = data_encoding::BASE64.encode(b"bob@example.test");
    let said =
        with_certificate(&house, &world, "alice", &format!("EHLO x\r\nAUTH EXTERNAL {other}\r\nQUIT\r\n"));
    assert!(said.contains("535 5.7.8"), "{said}");
    // Whose address is no account here: he may relay if he is listed, at port 25.
    let relay = "EHLO x.test\r\nMAIL FROM:<a@partner.test>\r\nRCPT TO:<x@far.test>\r\nQUIT\r\n";
    let at_25 = |name: &str| {
        let [crt, key] = ["crt", "key"].map(|end| world.path(&format!("{name}.{end}")));
        let options = ["-starttls", "smtp", "-cert", crt.to_str().unwrap(), "-key", key.to_str().unwrap()];
        openssl(house.smtp(), &options, relay).unwrap()
    };
    assert!(at_25("gate").contains("553 5.7.1"));
    house.write("control/tlsclients", "@partner.test\n");
    let said = at_25("gate");
    assert_eq!(said.matches("250 2.1.").count(), 2, "{said}");
    // The same name by an authority of his own.
    world.stranger("liar", "gateway@partner.test");
    let said = at_25("liar");
    assert!(said.contains("553 5.7.1") && said.contains("221 "), "{said}");
}

#[test]
fn gsasl_binds_its_proof_to_the_channel() {
    let Some(gsasl) = tool("gsasl") else { return };
    let house = House::start();
    house.well(&["user", "add", "kay@example.test", "--scram", "--password", PASSWORD]);
    let port = house.submission().port().to_string();
    let certificate = house.path("control/tls/default.crt");
    for mechanism in ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"] {
        let log_in = |user: &str, password: &str| {
            let mut command = Command::new(&gsasl);
            command.args(["--smtp", "--starttls", "--connect", &format!("localhost:{port}")]);
            command.arg("--x509-ca-file").arg(&certificate);
            command.args(["--mechanism", mechanism, "--authentication-id", user, "--password", password]);
            let output = command.args(["--authorization-id", ""]).output().unwrap();
            (output.status.success(), said(&output))
        };
        // Keys are kept for SHA-256 alone; alice's password is kept as it is.
        let user = if mechanism.contains("256") { "kay@example.test" } else { "alice@example.test" };
        let (good, text) = log_in(user, PASSWORD);
        println!("{mechanism}: {text}");
        assert!(text.contains("-PLUS"), "{text}");
        if user.starts_with("kay") {
            assert!(good, "{mechanism}: {text}");
        }
        assert!(!log_in(user, "wrong").0);
    }
    assert!(house.log().contains("method=SCRAM-SHA-256-PLUS"), "{}", house.log());
}
