//! qmail-command(8): what programs see, and what their ends mean.

use crate::case::case;

#[test]
fn exit_codes_decide() {
    // D04
    for (code, expect) in [
        (0, 0),
        (1, 111),
        (2, 111),
        (63, 111),
        (64, 100),
        (65, 100),
        (66, 111),
        (70, 100),
        (71, 111),
        (75, 111),
        (76, 100),
        (77, 100),
        (78, 100),
        (79, 111),
        (98, 111),
        (99, 0),
        (100, 100),
        (101, 111),
        (111, 111),
        (112, 100),
        (126, 111),
        (127, 111),
        (137, 111),
        (255, 111),
    ] {
        let case = case("by its exit code").file(".qmail", &format!("|exit {code}\n"));
        case.run().code(expect);
    }
}

#[test]
fn a_crash_is_not_the_senders_fault() {
    // D03, D04
    for signal in ["KILL", "SEGV", "TERM", "ABRT"] {
        case("by its signal").file(".qmail", &format!("|kill -{signal} $$\n")).run().code(111).err("signal");
    }
    case("no such program").file(".qmail", "|/no/such/program\n").run().code(111);
}

#[test]
fn programs_find_what_qmail_command_tells() {
    let show = "|printf '%s\\n' \"$SENDER|$RECIPIENT|$USER|$HOST|$HOST2|$HOST3|$HOST4\" >1\n\
        |printf '%s\\n' \"$LOCAL|$EXT|$EXT2|$EXT3|$EXT4|$DEFAULT\" >2\n\
        |printf '%s' \"$DTLINE\" >3; printf '%s' \"$RPLINE\" >4; printf '%s' \"$UFLINE\" >5; echo $HOME >6\n";
    let delivery = case("the variables").ext("a-B.c-d").file(".qmail-a-default", show).run().did(0, 0, 3);
    delivery
        .holds(
            "1",
            "bob@x.test|joe-a-B.c-d@lists.example.test|joe|lists.example.test|lists.example|lists|lists\n",
        )
        .holds("2", "joe-a-B.c-d|a-B.c-d|B.c-d|d||B.c-d\n")
        .holds("3", "Delivered-To: joe-a-B.c-d@lists.example.test\n")
        .holds("4", "Return-Path: <bob@x.test>\n")
        .holds("5", "From bob@x.test …\n")
        .holds("6", "…/home\n");
}

#[test]
fn no_value_of_a_stranger_is_ever_run() {
    // D02
    for (sender, ext) in [
        ("() { :;}; touch evil", "x"),
        ("`touch evil`@x.test", "$(touch evil)"),
        ("\";touch evil;\"@x.test", ";touch evil;"),
        ("a\ntouch evil\n@x.test", "'|touch evil|'"),
        ("-e\u{1b}[0m@x.test", "-x"),
    ] {
        let text = "|test -n \"$SENDER\" && echo \"$SENDER\" >s; bash -c : ; : $EXT $LOCAL\n";
        let outcome = case("as data").ext(ext).sender(sender).file(".qmail-default", text).run();
        outcome.did(0, 0, 1).lacks("evil").holds("s", "…").check(|home| {
            let seen = std::fs::read_to_string(home.join("s")).unwrap();
            assert_eq!(seen.lines().count(), 1, "{seen}");
            assert!(!seen.contains('\u{1b}'), "{seen}");
        });
    }
}

#[test]
fn programs_may_leave_descriptor_0_alone_and_say_what_they_like() {
    // D03
    case("reads nothing").file(".qmail", "|true\n./m\n").message(vec![b'x'; 1 << 20]).run().did(1, 0, 1);
    case("closes it").file(".qmail", "|exec <&-\n|cat >got\n").run().did(0, 0, 2).holds("got", "…Hello.\n");
    case("its words are reported").file(".qmail", "|echo hello\n").run().out("hello\ndid 0+0+1\n");
    case("also bad ones").file(".qmail", "|echo no >&2; exit 100\n").run().code(100).err("no");
}
