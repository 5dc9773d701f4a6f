//! The small programs for .qmail files and scripts, each as a delivery would run it: message on
//! descriptor 0, the delivery's variables, what goes into the queue caught by a QMAILQUEUE program.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tests::{program, tool};

const MESSAGE: &str = "Received: x\nSubject: hello\nNotice-Requested-Upon-Delivery-To: bob@x.y\n\nbody\n";
const CATCH: &str =
    "#!/bin/sh\nexec 3<&1\ncat >text && cat <&3 | tr '\\0' '|' >envelope\nexit ${QUEUE_SAYS-0}\n";

struct Delivery {
    home: tempfile::TempDir,
}

impl Delivery {
    fn new() -> Delivery {
        let home = tempfile::tempdir().unwrap();
        let catch = home.path().join("catch");
        fs::write(&catch, CATCH).unwrap();
        fs::set_permissions(&catch, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(home.path().join("message"), MESSAGE).unwrap();
        fs::create_dir(home.path().join("control")).unwrap();
        fs::write(home.path().join("control/me"), "host.test\n").unwrap();
        Delivery { home }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// A command of this delivery; `variables` as `NAME=value` over the usual ones, `NAME` unset.
    fn command(&self, name: &Path, args: &[&str], variables: &[&str]) -> Command {
        let mut command = Command::new(name);
        command
            .args(args)
            .env_clear()
            .current_dir(self.home.path())
            .stdin(File::open(self.path("message")).unwrap());
        command
            .env("PATH", "/usr/bin:/bin")
            .env("QMAILQUEUE", self.path("catch"))
            .env("FULMAR_HOME", self.home.path());
        for (variable, value) in [
            ("SENDER", "al@a.b"),
            ("NEWSENDER", "bob-owner@x.y"),
            ("RECIPIENT", "bob@x.y"),
            ("DTLINE", "Delivered-To: bob@x.y\n"),
            ("RPLINE", "Return-Path: <al@a.b>\n"),
            ("UFLINE", "From al@a.b Sat Nov 21 08:00:00 2026\n"),
        ] {
            command.env(variable, value);
        }
        for variable in variables {
            match variable.split_once('=') {
                Some((name, value)) => command.env(name, value),
                None => command.env_remove(variable),
            };
        }
        command
    }

    fn run(&self, name: &str, args: &[&str], variables: &[&str]) -> Output {
        self.command(&program(name), args, variables).output().unwrap()
    }

    fn code(&self, name: &str, args: &[&str], variables: &[&str]) -> i32 {
        let output = self.run(name, args, variables);
        output.status.code().unwrap_or_else(|| panic!("{name} {args:?}: {output:?}"))
    }

    /// What went into the queue, text and envelope; gone then.
    fn queued(&self) -> Option<(String, String)> {
        let pair =
            (fs::read_to_string(self.path("text")).ok()?, fs::read_to_string(self.path("envelope")).ok()?);
        for name in ["text", "envelope"] {
            fs::remove_file(self.path(name)).unwrap();
        }
        Some(pair)
    }
}

#[test]
fn forward_sends_the_message_on_from_newsender() {
    let delivery = Delivery::new();
    assert_eq!(delivery.code("forward", &["c@d.e", "o'x y`id`@f"], &[]), 0);
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(text, format!("Delivered-To: bob@x.y\n{MESSAGE}"));
    assert_eq!(envelope, "Fbob-owner@x.y|Tc@d.e|To'x y`id`@f||");
    for (args, variables, code) in [
        (&["c@d"][..], &["NEWSENDER"][..], 100),
        (&["c@d"], &["DTLINE"], 100),
        (&["c\nd@e"], &[], 100),
        (&[""], &[], 100),
        (&[], &[], 100),
        (&["c@d"], &["QUEUE_SAYS=31"], 100),
        (&["c@d"], &["QUEUE_SAYS=53"], 111),
        (&["c@d"], &["QMAILQUEUE=/no/such/program"], 111),
        (&["c@d"], &["QMAILQUEUE"], 111),
    ] {
        assert_eq!(delivery.code("forward", args, variables), code, "{args:?} {variables:?}");
    }
}

#[test]
fn a_delivery_line_of_the_environment_stays_one_line() {
    // D02
    let delivery = Delivery::new();
    assert_eq!(
        delivery.code("forward", &["c@d"], &["DTLINE=Delivered-To: x\nBcc: y\n\nz", "NEWSENDER=() { :;}; x"]),
        0
    );
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(text, format!("Delivered-To: x_Bcc: y__z\n{MESSAGE}"));
    assert_eq!(envelope, "F() { :;}; x|Tc@d||");
}

#[test]
fn condredirect_goes_by_the_programs_exit_code() {
    let delivery = Delivery::new();
    for (script, code, sent) in [
        ("exit 0", 99, true),
        ("exit 111", 111, false),
        ("exit 1", 0, false),
        ("exit 99", 0, false),
        ("exit 100", 0, false),
        ("kill -9 $$", 111, false),
    ] {
        let seen =
            delivery.code("condredirect", &["c@d", "sh", "-c", &format!("cat >/dev/null; {script}")], &[]);
        assert_eq!((seen, delivery.queued().is_some()), (code, sent), "{script}");
    }
    assert_eq!(delivery.code("condredirect", &["c@d", "grep", "-q", "^Subject: hello$"], &[]), 99);
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(text, format!("Delivered-To: bob@x.y\n{MESSAGE}"), "all of it, though grep has read it");
    assert_eq!(envelope, "Fbob-owner@x.y|Tc@d||");
    assert_eq!(delivery.code("condredirect", &["c@d", "true"], &["QUEUE_SAYS=53"]), 111);
    assert_eq!(delivery.code("condredirect", &["c@d", "true"], &["QUEUE_SAYS=31"]), 100);
    assert_eq!(delivery.code("condredirect", &["c@d", "true"], &["NEWSENDER"]), 100);
    assert_eq!(delivery.code("condredirect", &["c@d", "/no/such/program"], &[]), 111);
    assert_eq!(delivery.code("condredirect", &["c@d"], &[]), 100);
    let pipe = ["-c", "cat message | \"$0\" c@d cat >/dev/null", program("condredirect").to_str().unwrap()]
        .map(str::to_owned);
    let pipe = pipe.each_ref().map(String::as_str);
    delivery.queued();
    assert_eq!(
        delivery.command(Path::new("/bin/sh"), &pipe, &[]).status().unwrap().code(),
        Some(111),
        "a pipe is read once"
    );
}

#[test]
fn bouncesaying_and_except_go_by_the_programs_exit_code() {
    let delivery = Delivery::new();
    for (words, bouncesaying, except) in [
        (&["true"][..], 100, 100),
        (&["false"], 0, 0),
        (&["sh", "-c", "exit 111"], 111, 111),
        (&["sh", "-c", "exit 100"], 0, 0),
        (&["sh", "-c", "kill -9 $$"], 111, 111),
        (&["/no/such/program"], 111, 111),
        (&["grep", "-q", "hello"], 100, 100),
        (&["grep", "-q", "$(touch evil)"], 0, 0),
    ] {
        let output = delivery.run("bouncesaying", &[&["Go `away` $HOME."], words].concat(), &[]);
        assert_eq!(output.status.code(), Some(bouncesaying), "{words:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr).ends_with("Go `away` $HOME.\n"),
            bouncesaying == 100
        );
        assert_eq!(delivery.code("except", words, &[]), except, "{words:?}");
    }
    assert_eq!(delivery.code("bouncesaying", &["Always."], &[]), 100);
    assert_eq!(delivery.code("bouncesaying", &[], &[]), 100);
    assert_eq!(delivery.code("except", &[], &[]), 100);
    let nested = ["Closed.", program("except").to_str().unwrap(), "grep", "-q", "^X-Pass: swordfish$"]
        .map(str::to_owned);
    assert_eq!(
        delivery.code("bouncesaying", &nested.each_ref().map(String::as_str), &[]),
        100,
        "without the word it bounces"
    );
    assert!(!delivery.path("evil").exists());
}

#[test]
fn preline_puts_the_lines_above_and_ends_as_the_program_does() {
    let delivery = Delivery::new();
    let (from, path, to) =
        ("From al@a.b Sat Nov 21 08:00:00 2026\n", "Return-Path: <al@a.b>\n", "Delivered-To: bob@x.y\n");
    for (options, above) in [
        (&[][..], [from, path, to].concat()),
        (&["-f"], [path, to].concat()),
        (&["-d", "-r"], from.to_owned()),
        (&["-dfr", "--"], String::new()),
    ] {
        let output = delivery.run("preline", &[options, &["cat"]].concat(), &[]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), above + MESSAGE, "{options:?}");
    }
    for (words, code) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["true"], 0),
        (&["sh", "-c", "kill -9 $$"], 111),
        (&["/no/such"], 111),
        (&[], 100),
        (&["-x", "cat"], 100),
    ] {
        assert_eq!(delivery.code("preline", words, &[]), code, "{words:?}");
    }
    assert_eq!(delivery.code("preline", &["cat"], &["RPLINE"]), 100);
    assert_eq!(delivery.code("preline", &["-r", "true"], &["RPLINE"]), 0);
}

#[test]
fn preline_can_feed_a_program_that_reads_little_of_much() {
    let delivery = Delivery::new();
    fs::write(delivery.path("message"), "x".repeat(10_000_000)).unwrap();
    assert_eq!(delivery.code("preline", &["head", "-c", "1"], &[]), 0);
    let output = delivery.run("preline", &["-dfr", "wc", "-c"], &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "10000000");
}

#[test]
fn qreceipt_answers_who_has_asked() {
    let delivery = Delivery::new();
    assert_eq!(delivery.code("qreceipt", &["Bob@x.y"], &[]), 0);
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(envelope, "F|Tal@a.b||");
    assert!(text.contains("\nTo: <al@a.b>\nSubject: success notice\n"), "{text}");
    for (address, variables, code) in [
        ("other@x.y", &[][..], 0),
        ("bob@x.y", &["SENDER="], 0),
        ("bob@x.y", &["SENDER=#@[]"], 0),
        ("bob@x.y", &["SENDER"], 100),
    ] {
        assert_eq!(delivery.code("qreceipt", &[address], variables), code);
        assert_eq!(delivery.queued(), None, "{address} {variables:?}");
    }
    assert_eq!(delivery.code("qreceipt", &[], &[]), 100);
}

#[test]
fn maildirmake_makes_maildirs_and_never_twice() {
    let delivery = Delivery::new();
    assert_eq!(delivery.code("maildirmake", &["box", "box/.sub", "a b"], &[]), 0);
    for folder in ["box/tmp", "box/new", "box/cur", "box/.sub/new", "a b/cur"] {
        let seen = fs::metadata(delivery.path(folder)).unwrap();
        assert_eq!((seen.is_dir(), seen.permissions().mode() & 0o777), (true, 0o700), "{folder}");
    }
    for (args, code) in [(&["box"][..], 111), (&["no/such/place"], 111), (&[], 100), (&["-q", "box"], 100)] {
        assert_eq!(delivery.code("maildirmake", args, &[]), code, "{args:?}");
    }
}

#[test]
fn mailsubj_predate_and_datemail_send_through_inject() {
    let delivery = Delivery::new();
    fs::write(delivery.path("message"), "text\n").unwrap();
    assert_eq!(
        delivery.code("mailsubj", &["Hello: $x\nBcc: evil@x", "a@b.c", "D <d@e.f>"], &["USER=bob"]),
        0
    );
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(envelope, "Fbob@host.test|Ta@b.c|Td@e.f||");
    assert!(text.contains("\nSubject: Hello: $x Bcc: evil@x\nTo: a@b.c,\n  D <d@e.f>\n\ntext\n"), "{text}");
    assert_eq!(delivery.code("mailsubj", &["Hello"], &[]), 100);
    assert_eq!(delivery.code("mailsubj", &["Hello", "a@b", "\"c"], &[]), 100, "inject's answer");

    let output = delivery.run("predate", &["cat"], &["TZ=XYZ-5:30"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("Date: ") && text.ends_with(" +0530\ntext\n"), "{text}");
    assert_eq!(delivery.code("predate", &["sh", "-c", "exit 3"], &[]), 3);
    assert_eq!(delivery.code("predate", &[], &[]), 100);

    fs::write(delivery.path("message"), "To: a@b.c\n\ntext\n").unwrap();
    assert_eq!(delivery.code("datemail", &["-t", "-oi", "-fme@x.y"], &["TZ=XYZ5", "USER=bob"]), 0);
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(
        (text.matches("Date: ").count(), text.matches(" -0500\n").count(), &envelope[..]),
        (1, 1, "Fme@x.y|Ta@b.c||")
    );
}

#[test]
fn a_closed_descriptor_or_an_empty_message_is_never_sent() {
    // X04
    let delivery = Delivery::new();
    let sh = |line: &str, name: &str| {
        let path = program(name);
        let args = ["-c", line, path.to_str().unwrap()];
        delivery.command(Path::new("/bin/sh"), &args, &["USER=bob"]).output().unwrap().status.code().unwrap()
    };
    for (line, name) in [
        ("exec \"$0\" c@d <&-", "forward"),
        ("exec \"$0\" c@d <&- >&- 2>&-", "forward"),
        ("exec \"$0\" c@d </dev/null", "forward"),
        ("false | \"$0\" c@d", "forward"),
        ("exec \"$0\" c@d true <&-", "condredirect"),
        ("exec \"$0\" text true <&- 2>&-", "bouncesaying"),
        ("exec \"$0\" false <&-", "except"),
        ("exec \"$0\" cat <&-", "preline"),
        ("exec \"$0\" bob@x.y <&-", "qreceipt"),
        ("exec \"$0\" x a@b <&-", "mailsubj"),
        ("exec \"$0\" a@b <&-", "datemail"),
        ("exec \"$0\" c@d <.", "forward"),
    ] {
        assert_eq!((sh(line, name), delivery.queued()), (111, None), "{name} {line}");
    }
    // D04: a program is not hurt by its parent's descriptors, signals and umask.
    assert_eq!(
        sh("trap '' TERM HUP; umask 0; exec \"$0\" c@d sh -c 'kill -TERM $$' 2>&-", "condredirect"),
        111
    );
}

#[test]
fn a_disk_that_is_full_is_a_reason_to_try_again() {
    // L04
    let delivery = Delivery::new();
    assert_eq!(delivery.code("preline", &["sh", "-c", "cat >/dev/full || exit 111"], &[]), 111);
    let full =
        ["-c", "\"$0\" -n a@b <message >/dev/full", program("inject").to_str().unwrap()].map(str::to_owned);
    assert_eq!(
        delivery
            .command(Path::new("/bin/sh"), &full.each_ref().map(String::as_str), &[])
            .status()
            .unwrap()
            .code(),
        Some(111)
    );
}

#[test]
fn spamc_reads_through_preline_and_forward_sends_what_it_gives() {
    let (Some(spamc), Some(python)) = (tool("spamc"), tool("python3")) else { return };
    let delivery = Delivery::new();
    fs::write(delivery.path("spamd.py"), SPAMD).unwrap();
    let mut spamd =
        Command::new(python).arg(delivery.path("spamd.py")).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(spamd.stdout.take().unwrap()), &mut port)
        .unwrap();
    let line = format!("\"$0\" -f \"$1\" -d 127.0.0.1 -p {} | \"$2\" filtered@x.y", port.trim());
    let paths = [program("preline"), spamc, program("forward")].map(|path| path.to_str().unwrap().to_owned());
    let args = ["-c", &line, &paths[0], &paths[1], &paths[2]];
    assert_eq!(delivery.command(Path::new("/bin/sh"), &args, &[]).status().unwrap().code(), Some(0));
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(envelope, "Fbob-owner@x.y|Tfiltered@x.y||");
    let scanned = "Delivered-To: bob@x.y\nX-Spam-Flag: YES\nReturn-Path: <al@a.b>\n";
    assert!(text.starts_with(scanned) && text.ends_with("\n\nbody\n"), "{text}");
    spamd.wait().unwrap();
}

/// Answers one client as spamd does, with a field above the message.
const SPAMD: &str = r#"
import socket
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(60)
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
asked = client.makefile("rb")
assert asked.readline().startswith(b"PROCESS SPAMC/")
length = 0
while (line := asked.readline()) not in (b"\r\n", b""):
    if line.lower().startswith(b"content-length:"):
        length = int(line.split(b":")[1])
text = b"X-Spam-Flag: YES\n" + asked.read(length)
client.sendall(b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 9.0 / 5.0\r\n\r\n" % len(text) + text)
client.close()
"#;

#[test]
fn an_autoresponder_in_sh_answers_and_is_not_fooled_by_the_sender() {
    // D02
    let delivery = Delivery::new();
    let sendmail = delivery.path("sendmail");
    std::os::unix::fs::symlink(program("inject"), &sendmail).unwrap();
    let script = "#!/bin/sh\n\
        case $SENDER in ''|'#@[]'|*-bounces@*) exit 0;; esac\n\
        grep -qi '^precedence: *bulk' && exit 0\n\
        { echo \"Subject: I am away\"; echo; cat reply; } | \"$0.sendmail\" -f '' -- \"$SENDER\"\n";
    fs::write(delivery.path("respond"), script.replace("$0.sendmail", sendmail.to_str().unwrap())).unwrap();
    fs::write(delivery.path("reply"), "Back on Monday.\n").unwrap();
    for (sender, envelope, code) in [
        ("al@a.b", Some("F|Tal@a.b||"), 0),
        ("al smith`id`$(touch evil)@a.b", Some("F|Tal smith`id`$(touch evil)@a.b||"), 0),
        ("-t@a.b", Some("F|T-t@a.b||"), 0),
        ("v@x.y,w@x.y@a.b", None, 100),
        ("", None, 0),
        ("list-bounces@a.b", None, 0),
    ] {
        let variable = format!("SENDER={sender}");
        assert_eq!(
            delivery.code("preline", &["-dfr", "sh", "respond"], &[&variable, "USER=bob"]),
            code,
            "{sender}"
        );
        assert_eq!(delivery.queued().map(|pair| pair.1).as_deref(), envelope, "{sender}");
    }
    // As a .qmail file has it: away, the message goes on to the address that answers.
    let words = ["bob-away@x.y", "sh", "-c", "test -f reply"];
    assert_eq!(delivery.code("condredirect", &words, &[]), 99);
    assert_eq!(delivery.queued().unwrap().1, "Fbob-owner@x.y|Tbob-away@x.y||");
    fs::remove_file(delivery.path("reply")).unwrap();
    assert_eq!(delivery.code("condredirect", &words, &[]), 0);
    assert!(!delivery.path("evil").exists() && delivery.queued().is_none());
}

#[test]
fn mailsubj_to_a_strangers_address_writes_to_nobody_else() {
    let delivery = Delivery::new();
    assert_eq!(delivery.code("mailsubj", &["x", "al, bob@x.y"], &["USER=bob"]), 0);
    let (text, envelope) = delivery.queued().unwrap();
    assert_eq!(envelope, "Fbob@host.test|Tal, bob@x.y||");
    assert!(text.contains("\nTo: \"al, bob\"@x.y\n"), "{text}");
    assert_eq!(delivery.code("mailsubj", &["x", "v@x.y,w@x.y@a.b"], &[]), 100);
}
