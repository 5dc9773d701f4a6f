//! dot-qmail(5) and qmail-local(8), statement by statement.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::case::{Outcome, case};

/// Each is a delivery and what must have come of it.
type Statements = &'static [fn() -> Outcome];

fn all(statements: Statements) {
    statements.iter().for_each(|statement| drop(statement()));
}

fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn first_the_home_is_entered_and_looked_at() {
    // L10
    all(&[
        || {
            case("files are made with umask 077").run().did(1, 0, 0).check(|home| {
                let file = fs::read_dir(home.join("Maildir/new")).unwrap().next().unwrap().unwrap();
                assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            })
        },
        || {
            case("programs have that umask")
                .file(".qmail", "|umask >u\n")
                .run()
                .did(0, 0, 1)
                .holds("u", "0077\n")
        },
        || case("and that folder").file(".qmail", "|pwd >p\n").run().did(0, 0, 1).holds("p", "…/home\n"),
        || case("a home that is missing").at_home("/no/such/home").run().code(111).err("/no/such/home"),
        || case("is writable by others").home_mode(0o702).run().code(111).err("writable").mail("Maildir", 0),
        || case("sticky").home_mode(0o1700).run().code(111).err("being edited").mail("Maildir", 0),
        || case("of another user").at_home("/root").run().code(111),
    ]);
}

#[test]
fn mail_that_was_here_before_is_looping() {
    // L14
    all(&[
        || {
            let text = "Received: x\nDelivered-To: joe@lists.example.test\n\nx\n";
            case("our own line in the header").message(text).run().code(100).err("looping").mail("Maildir", 0)
        },
        || {
            case("even in a file without body")
                .message("Delivered-To: joe@lists.example.test\n")
                .run()
                .code(100)
        },
        || case("another's line").message("Delivered-To: joan@lists.example.test\n\nx\n").run().did(1, 0, 0),
        || case("in the body").message("\nDelivered-To: joe@lists.example.test\n").run().did(1, 0, 0),
        || case("a part of it").message("X-Delivered-To: joe@lists.example.test\n\n").run().did(1, 0, 0),
        || {
            let text = "Delivered-To: joe@lists.example.test\n\n";
            let case = case("nothing at all is done").file(".qmail", "|touch no\n&a@b.test\n").message(text);
            case.run().code(100).lacks("no").not_queued()
        },
    ]);
}

#[test]
fn the_file_that_fits_best_decides() {
    // D05
    all(&[
        || case("exact").ext("list").file(".qmail-list", "./m\n").run().did(1, 0, 0).holds("m", "From …"),
        || {
            let case = case("exact before default").ext("list").file(".qmail-list", "#\n");
            case.file(".qmail-default", "./m\n").run().did(0, 0, 0).lacks("m")
        },
        || case("in small letters").ext("LiSt").file(".qmail-list", "#\n").run().did(0, 0, 0),
        || case("dots are colons").ext("a.b").file(".qmail-a:b", "#\n").run().did(0, 0, 0),
        || {
            let case =
                case("each dash from the last").ext("a-b-c").file(".qmail-a-default", "|echo $DEFAULT >d\n");
            case.file(".qmail-default", "|touch no\n").run().did(0, 0, 1).holds("d", "b-c\n").lacks("no")
        },
        || {
            let case =
                case("a dash at the end").ext("a-").file(".qmail-a-default", "|echo \"<$DEFAULT>\" >d\n");
            case.run().did(0, 0, 1).holds("d", "<>\n")
        },
        || {
            let case = case("DEFAULT as it was written")
                .ext("Foo.Bar")
                .file(".qmail-default", "|echo $DEFAULT >d\n");
            case.run().did(0, 0, 1).holds("d", "Foo.Bar\n")
        },
        || {
            let case =
                case("not set for an exact file").ext("a").file(".qmail-a", "|echo ${DEFAULT-none} >d\n");
            case.run().did(0, 0, 1).holds("d", "none\n")
        },
        || {
            let text = "|echo ${DEFAULT-none} >d\n";
            case("set for one called default")
                .ext("a-default")
                .file(".qmail-a-default", text)
                .run()
                .holds("d", "default\n")
        },
        || case("without a dash even this").file(".qmaildefault", "#\n").run().did(0, 0, 0),
        || case("but not that").file(".qmail-default", "#\n").run().did(1, 0, 0).mail("Maildir", 1),
        || case("no name leads out").ext("../x").file(".qmail-::/x", "#\n").run().did(0, 0, 0),
        || {
            case("nor is too long a crash")
                .ext("x".repeat(300).leak())
                .file(".qmail-default", "#\n")
                .run()
                .did(0, 0, 0)
        },
    ]);
}

#[test]
fn what_is_no_file_is_passed_over_and_what_is_not_safe_waits() {
    // D01
    all(&[
        || {
            let case = case("a folder").ext("a").with(|home| fs::create_dir(home.join(".qmail-a")).unwrap());
            case.file(".qmail-default", "#\n").run().did(0, 0, 0)
        },
        || {
            let case = case("a FIFO").ext("a").with(|home| fifo(&home.join(".qmail-a")));
            case.file(".qmail-default", "#\n").run().did(0, 0, 0)
        },
        || {
            let case = case("a link to nowhere").ext("a");
            let case = case.with(|home| symlink("nowhere", home.join(".qmail-a")).unwrap());
            case.file(".qmail-default", "#\n").run().did(0, 0, 0)
        },
        || {
            let case = case("a link to a file is that file").ext("a").file("real", "./m\n");
            case.with(|home| symlink("real", home.join(".qmail-a")).unwrap()).run().did(1, 0, 0)
        },
        || {
            let case = case("may not be read").ext("a").mode(".qmail-a", 0o000, "#\n");
            case.file(".qmail-default", "#\n").run().code(111).err(".qmail-a")
        },
        || {
            let case = case("others may write to it").ext("a").mode(".qmail-a", 0o602, "#\n");
            case.file(".qmail-default", "#\n").run().code(111).err("writable")
        },
        || case("its group may").ext("a").mode(".qmail-a", 0o660, "#\n").run().code(111).err("writable"),
        || case("no newline at its end").file(".qmail", "./m").run().did(1, 0, 0).holds("m", "From …"),
        || {
            case("edited elsewhere")
                .file(".qmail", "./m\r\n&a@b.test\r\n")
                .run()
                .did(1, 1, 0)
                .holds("m", "…Hello.…")
        },
        || case("a NUL").file(".qmail", "./m\n./x\0y\n").run().code(111).lacks("m"),
        || {
            let case = case("is large").file(".qmail", &format!("{}./m\n", "# comment\n".repeat(10_000)));
            case.run().did(1, 0, 0)
        },
        || case("is endless").file(".qmail", &"# comment\n".repeat(200_000)).run().code(111),
    ]);
}

#[test]
fn without_a_file_the_default_or_nobody() {
    all(&[
        || case("with a dash nobody").ext("a").run().code(100).err("no mailbox here by that name"),
        || case("without one the default").default("./m\n&a@b.test").run().did(1, 1, 0).holds("m", "From …"),
        || case("an empty file").file(".qmail", "").default("./m").run().did(1, 0, 0).holds("m", "From …"),
        || case("also for an extension").ext("a").file(".qmail-a", "").run().did(1, 0, 0).mail("Maildir", 1),
        || {
            case("which its x bit does not bind")
                .mode(".qmail", 0o700, "")
                .run()
                .did(1, 0, 0)
                .mail("Maildir", 1)
        },
        || case("comments alone").file(".qmail", "# nothing\n#\n").run().did(0, 0, 0).mail("Maildir", 0),
        || case("a default that runs").default("|touch yes").run().did(0, 0, 1).holds("yes", ""),
        || case("an empty default").default("").run().code(111),
        || case("comments as default").default("#").run().did(0, 0, 0),
    ]);
}

#[test]
fn every_kind_of_line_does_its_own() {
    // D07
    all(&[
        || case("comment").file(".qmail", "#./m\n").run().did(0, 0, 0).lacks("m"),
        || case("program").file(".qmail", "|echo $0 >n\n").run().did(0, 0, 1).holds("n", "/bin/sh\n"),
        || {
            case("forward with &")
                .file(".qmail", "&a@b.test\n")
                .run()
                .did(0, 1, 0)
                .queued("Fbob@x.test|Ta@b.test||")
        },
        || case("without").file(".qmail", "a@b.test\n").run().did(0, 1, 0).queued("Fbob@x.test|Ta@b.test||"),
        || case("mbox").file(".qmail", "./m\n").run().did(1, 0, 0).holds("m", "From …"),
        || case("maildir").maildir("box").file(".qmail", "./box/\n").run().did(1, 0, 0).mail("box", 1),
        || case("maildir elsewhere").file(".qmail", "/no/such/\n").run().code(111).err("/no/such/"),
        || {
            case("blanks at the end")
                .file(".qmail", "./m \t \n&a@b.test\t\n")
                .run()
                .did(1, 1, 0)
                .holds("m", "…")
        },
        || case("blanks within").file(".qmail", "./my mail\n").run().did(1, 0, 0).holds("my mail", "From …"),
        || case("blank first line").file(".qmail", "\n./m\n").run().code(111).err("blank").lacks("m"),
        || case("blank line later").file(".qmail", "#\n\n./m\n\n").run().did(1, 0, 0).holds("m", "From …"),
        || case("+list").file(".qmail", "./m\n+list\n&a@b.test\n").run().did(1, 1, 0).holds("m", "From …"),
        || case("binds what follows").file(".qmail", "+list\n./m\n").run().code(111).lacks("m"),
        || case("an unknown +word").file(".qmail", "+other\n./m\n").run().did(1, 0, 0),
        || case("an empty forward").file(".qmail", "&\n").run().code(111).err("address").not_queued(),
        || case("a disk that is full").file(".qmail", "/dev/full\n").run().code(111).err("/dev/full"),
        || case("a mbox that is no file").file(".qmail", "/dev/null\n").run().did(1, 0, 0),
        || case("a mbox where a folder is").file(".qmail", "./Maildir\n").run().code(111).err("./Maildir"),
        || case("a maildir where none is").file(".qmail", "./m/\n").run().code(111).err("./m/").lacks("m"),
        || {
            let case = case("a maildir without new").with(|home| fs::create_dir(home.join("m")).unwrap());
            case.file(".qmail", "./m/\n").run().code(111)
        },
        || case("dots in a path").file(".qmail", "./Maildir/../m\n").run().did(1, 0, 0).holds("m", "From …"),
    ]);
}

#[test]
fn the_owner_s_x_bit_makes_it_a_list_of_forwards() {
    all(&[
        || case("forwards").mode(".qmail", 0o700, "&a@b.test\n#\nc@d.test\n").run().did(0, 2, 0),
        || case("program").mode(".qmail", 0o700, "|touch no\n").run().code(111).err("x bit").lacks("no"),
        || case("file").mode(".qmail", 0o700, "./m\n").run().code(111).lacks("m"),
        || case("maildir").mode(".qmail", 0o700, "&a@b.test\n./Maildir/\n").run().code(111).not_queued(),
        || case("the group's x bit").mode(".qmail", 0o610, "./m\n").run().did(1, 0, 0),
    ]);
}

#[test]
fn lines_in_their_order_and_forwards_at_last_in_one_message() {
    // D06
    all(&[
        || {
            let case = case("order")
                .file(".qmail", "|echo 1 >>o\n&a@b.test\n|echo 2 >>o\n./m\nc@d.test\n|echo 3 >>o\n");
            case.run().did(1, 2, 3).holds("o", "1\n2\n3\n").queued("Fbob@x.test|Ta@b.test|Tc@d.test||")
        },
        || {
            let case =
                case("the first failure is the end").file(".qmail", "&a@b.test\n|exit 100\n|touch no\n");
            case.run().code(100).lacks("no").not_queued()
        },
        || {
            let case = case("what was done stays done").file(".qmail", "./m\n|exit 111\n&a@b.test\n");
            case.run().code(111).holds("m", "From …").not_queued()
        },
        || {
            let case =
                case("99 ends it well").file(".qmail", "&a@b.test\n|exit 99\n|touch no\n&c@d.test\n./m\n");
            case.run().did(0, 1, 1).lacks("no").lacks("m").queued("Fbob@x.test|Ta@b.test||")
        },
        || {
            let case =
                case("a bad line is seen before anything is done").file(".qmail", "./m\n|touch no\n&\n");
            case.run().code(111).lacks("m").lacks("no")
        },
        || {
            let case = case("ten thousand").file(".qmail", &"&a@b.test\n".repeat(10_000));
            case.run().did(0, 10_000, 0).queued(&format!("Fbob@x.test{}||", "|Ta@b.test".repeat(10_000)))
        },
        || {
            case("the report")
                .file(".qmail", "./m\n&a@b.test\n|true\n")
                .run()
                .did(1, 1, 1)
                .out("did 1+1+1\nqp …\n")
        },
    ]);
}

#[test]
fn what_each_gets_is_the_message_and_its_own_lines_above_it() {
    // L12, L13
    const FROM: &str =
        "From bob@x.test … … … … 20…\nReturn-Path: <bob@x.test>\nDelivered-To: joe@lists.example.test\n";
    all(&[
        || {
            case("a program the bare message")
                .file(".qmail", "|cat >got\n")
                .run()
                .holds("got", "Subject: hello\n\nHello.\n")
        },
        || {
            let text = "Delivered-To: joe@lists.example.test\nSubject: hello\n\nHello.\n";
            case("a forward one line").file(".qmail", "&a@b.test\n").run().did(0, 1, 0).text(text)
        },
        || {
            let outcome = case("a maildir two").run().did(1, 0, 0);
            let text =
                "Return-Path: <bob@x.test>\nDelivered-To: joe@lists.example.test\nSubject: hello\n\nHello.\n";
            assert_eq!(outcome.letters("Maildir"), [text], "{}", outcome.says());
            outcome
        },
        || {
            let case = case("a mbox three, quoted, and a blank line").file(".qmail", "./m\n");
            let case = case.message("Subject: x\n\nFrom here\n>From there\n>>From\nFrom\n From\nno end");
            let body = "Subject: x\n\n>From here\n>>From there\n>>From\nFrom\n From\nno end\n\n";
            case.run().did(1, 0, 0).holds("m", &format!("{FROM}{body}"))
        },
        || {
            let case = case("a second message below the first").file(".qmail", "./m\n./m\n");
            case.run().did(2, 0, 0).holds("m", &format!("{FROM}…Hello.\n\n{FROM}…Hello.\n\n"))
        },
        || {
            let case = case("stdin is rewound").file(".qmail", "|cat >1\n|head -1 >2\n|cat >3\n");
            case.run().did(0, 0, 3).holds("2", "Subject: hello\n").holds("3", "Subject: hello\n\nHello.\n")
        },
        || {
            case("of nothing nothing")
                .message("")
                .file(".qmail", "|wc -c >n\n")
                .run()
                .did(0, 0, 1)
                .holds("n", "0\n")
        },
        || {
            let outcome =
                case("a sender of two lines").sender("a\nX-Evil: \"yes\"@x.test").run().did(1, 0, 0);
            let letter = &outcome.letters("Maildir")[0];
            assert!(letter.starts_with("Return-Path: <") && !letter.contains("\nX-Evil"), "{letter}");
            outcome
        },
        || {
            case("none at all")
                .sender("")
                .file(".qmail", "./m\n")
                .run()
                .holds("m", "From MAILER-DAEMON …\nReturn-Path: <>\n…")
        },
    ]);
}

#[test]
fn a_list_with_an_owner_takes_failures_itself() {
    all(&[
        || {
            let case =
                case("owner").ext("list").file(".qmail-list", "&a@b.test\n").file(".qmail-list-owner", "");
            case.run().did(0, 1, 0).queued("Fjoe-list-owner@lists.example.test|Ta@b.test||")
        },
        || {
            let case =
                case("VERP").ext("list").file(".qmail-list", "&a@b.test\n").file(".qmail-list-owner", "");
            let case = case.file(".qmail-list-owner-default", "");
            case.run().did(0, 1, 0).queued("Fjoe-list-owner-@lists.example.test-@[]|Ta@b.test||")
        },
        || {
            let case = case("-owner-default alone").ext("list").file(".qmail-list", "&a@b.test\n");
            case.file(".qmail-list-owner-default", "").run().queued("Fbob@x.test|Ta@b.test||")
        },
        || {
            let case =
                case("of the address, not of the file").ext("l-x").file(".qmail-l-default", "&a@b.test\n");
            let case = case.file(".qmail-l-default-owner", "").file(".qmail-l-x-owner", "");
            case.run().queued("Fjoe-l-x-owner@lists.example.test|Ta@b.test||")
        },
        || {
            let case = case("of joe himself").file(".qmail", "&a@b.test\n").file(".qmail-owner", "");
            case.run().queued("Fjoe-owner@lists.example.test|Ta@b.test||")
        },
        || {
            let case = case("a bounce keeps its sender").ext("l").sender("").file(".qmail-l", "&a@b.test\n");
            case.file(".qmail-l-owner", "").run().queued("F|Ta@b.test||")
        },
        || {
            let case = case("so does a double one").ext("l").sender("#@[]").file(".qmail-l", "&a@b.test\n");
            case.file(".qmail-l-owner", "").run().queued("F#@[]|Ta@b.test||")
        },
        || {
            let case = case("programs see it").ext("l").file(".qmail-l", "|echo $SENDER $NEWSENDER >s\n");
            case.file(".qmail-l-owner", "").run().holds("s", "bob@x.test joe-l-owner@lists.example.test\n")
        },
    ]);
}

#[test]
fn with_n_it_is_said_and_not_done() {
    all(&[
        || {
            let case = case("-n").option("-n").file(".qmail", "#\n./m\n./Maildir/\n&a@b.test\n|touch no\n");
            case.run()
                .code(0)
                .out("…./m\n…./Maildir/\n…a@b.test\n…touch no\ndid 2+1+1\n")
                .lacks("m")
                .lacks("no")
                .not_queued()
        },
        || case("-N delivers").option("-N").run().did(1, 0, 0).mail("Maildir", 1),
        || case("-n for nobody").option("-n").ext("a").run().code(100),
        || case("-n of a bad file").option("-n").file(".qmail", "\n").run().code(111),
    ]);
}
