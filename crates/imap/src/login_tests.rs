use super::*;

/// Lets joe in with `pw`, by LOGIN, PLAIN, and X-TWO, which challenges.
#[derive(Default)]
struct Porter {
    tls: bool,
    asked: Vec<String>,
}

impl Door for Porter {
    fn mechanisms(&mut self) -> Vec<&'static str> {
        vec!["PLAIN", "X-TWO", "X-ENDLESS"]
    }
    fn reserve_tls(&mut self) -> bool {
        self.tls
    }
    fn password(&mut self, user: &str, password: &[u8]) -> Step {
        self.asked.push(format!("{user}/{}", password.escape_ascii()));
        match (user, password) {
            ("joe", b"pw") => Step::Welcome,
            ("later", _) => Step::Later,
            _ => Step::Refused,
        }
    }
    fn begin(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Step {
        match (mechanism, initial) {
            (_, None) => Step::Challenge(Vec::new()),
            ("X-TWO", Some(_)) => Step::Challenge(b"and?".to_vec()),
            (_, Some(message)) => self.go_on(message),
        }
    }
    fn go_on(&mut self, message: &[u8]) -> Step {
        match message {
            b"\0joe\0pw" | b"two" => Step::Welcome,
            b"" => Step::Malformed,
            b"more" => Step::Challenge(b"more".to_vec()),
            _ => Step::Refused,
        }
    }
}

fn session(encryption: Encryption) -> Login<Porter> {
    Login::new(Porter { tls: true, ..Porter::default() }).with(encryption)
}

fn talk(session: &mut Login<Porter>, said: &str) -> (String, Flow) {
    let mut out = Vec::new();
    let flow = session.feed(said.as_bytes(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), flow)
}

/// What a new session answers.
fn answers(said: &str) -> (String, Flow) {
    talk(&mut session(Encryption::default()), said)
}

fn greeting(mut session: Login<Porter>) -> String {
    let mut out = Vec::new();
    assert_eq!(session.greet(&mut out).unwrap(), Flow::More);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_greeting_says_what_can_be_done() {
    let always = "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE";
    let open = session(Encryption::default());
    assert_eq!(greeting(open), format!("{always} AUTH=PLAIN AUTH=X-TWO AUTH=X-ENDLESS] IMAP ready\r\n"));
    let shut = session(Encryption { offered: true, before_login: true });
    assert_eq!(greeting(shut), format!("{always} STARTTLS LOGINDISABLED] IMAP ready\r\n"));
}

#[test]
fn a_login_hands_over_with_its_tag_and_what_follows() {
    for said in
        ["t1 LOGIN joe pw\r\n", "t1 login \"joe\" {2+}\r\npw\r\n", "t1 AUTHENTICATE PLAIN AGpvZQBwdw==\r\n"]
    {
        let mut session = session(Encryption::default());
        assert_eq!(
            talk(&mut session, &format!("{said}t2 SELECT INBOX\r\n")),
            (String::new(), Flow::Handover)
        );
        assert_eq!((session.tag(), session.unread()), (&b"t1"[..], &b"t2 SELECT INBOX\r\n"[..]));
    }
    let mut session = session(Encryption::default());
    assert_eq!(talk(&mut session, "a LOGIN {3}\r\n").0, "+ Go on\r\n");
    assert_eq!(talk(&mut session, "joe {2}\r\n").0, "+ Go on\r\n");
    assert_eq!(talk(&mut session, "pw\r\n"), (String::new(), Flow::Handover));
    let mut out = Vec::new();
    session.stranded(&mut out).unwrap();
    assert!(out.starts_with(b"a NO [UNAVAILABLE] ") && out.ends_with(b"\r\n* BYE Good bye\r\n"));
}

#[test]
fn an_exchange_goes_through_challenges() {
    assert_eq!(answers("a AUTHENTICATE PLAIN\r\nAGpvZQBwdw==\r\n"), ("+ \r\n".into(), Flow::Handover));
    assert_eq!(answers("a AUTHENTICATE x-two =\r\ndHdv\r\n"), ("+ YW5kPw==\r\n".into(), Flow::Handover));
    let wrong = "+ \r\na NO [AUTHENTICATIONFAILED] Wrong user name or password\r\nb OK Nothing done\r\n";
    assert_eq!(answers("a AUTHENTICATE PLAIN\r\nAHgAeQ==\r\nb NOOP\r\n").0, wrong);
    let (said, _) = answers(&format!("a AUTHENTICATE X-ENDLESS\r\n{}", "bW9yZQ==\r\n".repeat(7)));
    assert!(said.ends_with("a BAD That is no message of this mechanism\r\n"), "{said}");
}

#[test]
fn a_broken_exchange_leaves_the_next_one_alone() {
    let long = "A".repeat(100_000);
    for (line, answer) in [
        ("*", "a BAD The login is called off"),
        ("!!!", "a BAD That is no base64"),
        ("", "a BAD That is no message of this mechanism"),
        (&long, "a BAD The line is too long"),
    ] {
        let said = format!("a AUTHENTICATE PLAIN\r\n{line}\r\nb AUTHENTICATE PLAIN\r\nAGpvZQBwdw==\r\n");
        assert_eq!(answers(&said), (format!("+ \r\n{answer}\r\n+ \r\n"), Flow::Handover));
    }
    assert_eq!(answers("a AUTHENTICATE NTLM\r\n").0, "a NO [CANNOT] This mechanism is not offered here\r\n");
    assert_eq!(answers("a AUTHENTICATE PLAIN !\r\n").0, "a BAD That is no base64\r\n");
}

#[test]
fn a_name_is_text_and_a_password_without_nul() {
    let mut session = session(Encryption::default());
    for (said, answer) in [
        ("a LOGIN \"\" x\r\n", "a NO [AUTH"),
        ("a LOGIN {3}\r\na\nb x\r\n", "+ Go on\r\na NO [AUTH"),
        ("a LOGIN joe {2+}\r\np\0\r\n", "a BAD "),
        ("a LOGIN later x\r\n", "a NO [UNAVAILABLE] "),
        ("a LOGIN joe \"\"\r\n", "a NO [AUTH"),
    ] {
        let (said, flow) = talk(&mut session, said);
        assert!(said.starts_with(answer) && flow == Flow::More, "{said}");
    }
    assert_eq!(session.door().asked, ["later/x", "joe/"]);
}

#[test]
fn what_wears_on_patience_has_an_end() {
    let (said, flow) = answers(&"x\r\n".repeat(10_000));
    assert_eq!((said.matches("x BAD ").count(), flow), (20, Flow::Close));
    assert!(said.ends_with("* BYE Enough for now\r\n"));
    let (said, flow) = answers(&"a LOGIN joe no\r\n".repeat(10));
    assert_eq!((said.matches("a NO ").count(), flow), (5, Flow::Close));
    assert!(said.ends_with("* BYE Enough for now\r\n"));
}

#[test]
fn literals_are_small_here_and_what_is_refused_is_no_command() {
    for number in ["4294967295", "99999999999999999999", "10000"] {
        let (said, flow) = answers(&format!("a LOGIN {{{number}}}\r\nb NOOP\r\n"));
        assert_eq!(said, "a NO [TOOBIG] The literal is too large here\r\nb OK Nothing done\r\n");
        assert_eq!(flow, Flow::More);
    }
    for bad in ["{-1}", "{abc}", "{1"] {
        assert!(answers(&format!("a LOGIN {bad}\r\n")).0.starts_with("a BAD "));
    }
    let (said, flow) = answers("a LOGIN {10000000+}\r\nb NOOP\r\n");
    assert_eq!(flow, Flow::Close);
    assert_eq!(said, "a NO [TOOBIG] The literal is too large here\r\n* BYE That is far too much\r\n");
    let (said, flow) = answers(&format!("a LOGIN {{10000+}}\r\n{:10000}\r\nb NOOP\r\n", "c NOOP\r\n"));
    assert_eq!(flow, Flow::More);
    assert_eq!(said, "a NO [TOOBIG] The literal is too large here\r\nb OK Nothing done\r\n");
}

#[test]
fn hostile_lines_are_refused_without_being_said_back() {
    let parentheses = format!("a {}\r\n", "(".repeat(100_000));
    assert_eq!(answers(&parentheses).0, "a BAD The line is too long\r\n");
    for said in [
        "\r\n",
        "* NOOP\r\n",
        "+ NOOP\r\n",
        "\x1b[2J NOOP\r\n",
        "a\0 NOOP\r\n",
        &format!("{}\r\n", "t".repeat(100_000)),
    ] {
        assert!(answers(said).0.starts_with("* BAD "), "{}", answers(said).0);
    }
    assert_eq!(answers("a SELECT INBOX\r\n").0, "a BAD Log in first\r\n");
    assert_eq!(answers("a FROB\r\n").0, "a BAD There is no such command\r\n");
}

#[test]
fn tls_comes_first_where_it_has_to_and_nothing_slips_in_before_it() {
    let tls = Encryption { offered: true, before_login: true };
    let mut login = session(tls);
    let refused = "a NO [PRIVACYREQUIRED] No password without TLS: STARTTLS first\r\n";
    assert_eq!(talk(&mut login, "a LOGIN joe pw\r\n").0, refused);
    assert_eq!(talk(&mut login, "a AUTHENTICATE PLAIN AGpvZQBwdw==\r\n").0, refused);
    assert_eq!(talk(&mut login, "a STARTTLS\r\n"), ("a OK Begin TLS now\r\n".into(), Flow::Secure));
    login.secured();
    assert!(talk(&mut login, "b CAPABILITY\r\n").0.ends_with("AUTH=X-ENDLESS\r\nb OK That is all\r\n"));
    assert_eq!(talk(&mut login, "c STARTTLS\r\n").0, "c BAD TLS has begun already\r\n");
    assert_eq!(talk(&mut login, "d LOGIN joe pw\r\n"), (String::new(), Flow::Handover));
    assert!(login.door().asked == ["joe/pw"]);
    let (said, flow) = talk(&mut session(tls), "a STARTTLS\r\nb LOGIN joe pw\r\n");
    let injected = "a BAD Nothing may follow STARTTLS before its answer\r\n* BYE Good bye\r\n";
    assert_eq!((said.as_str(), flow), (injected, Flow::Close));
    assert_eq!(answers("a STARTTLS\r\n").0, "a BAD STARTTLS is not offered here\r\n");
}

#[test]
fn good_byes_are_said() {
    let bye = "* BYE Good bye\r\na OK Logged out\r\n";
    assert_eq!(answers("a LOGOUT\r\nb NOOP\r\n"), (bye.into(), Flow::Close));
    assert_eq!(answers("a ID NIL\r\n").0, "* ID (\"name\" \"Fulmar\")\r\na OK Pleased to meet you\r\n");
    let mut out = Vec::new();
    session(Encryption::default()).timed_out(&mut out).unwrap();
    assert_eq!(out, b"* BYE Silent for too long\r\n");
}
