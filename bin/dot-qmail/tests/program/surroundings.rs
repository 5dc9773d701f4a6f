//! The surroundings of a delivery: the queue that refuses, arguments that are none.

use std::fs;
use std::process::Command;

use crate::case::case;

fn refusing(code: i32) -> impl FnOnce(&std::path::Path) {
    move |home| fs::write(home.join("../catch"), format!("#!/bin/sh\ncat >/dev/null\nexit {code}\n")).unwrap()
}

#[test]
fn a_queue_that_refuses_forwards_decides_for_the_delivery() {
    for (code, expect) in
        [(0, 0), (11, 100), (31, 100), (53, 111), (71, 111), (81, 111), (91, 111), (99, 111)]
    {
        let case = case("by the queue's code").file(".qmail", "./m\n&a@b.test\n").with(refusing(code));
        let outcome = case.run().code(expect);
        // What came before is done; it will be done again with the next try, as in qmail.
        outcome.holds("m", "From …");
    }
}

#[test]
fn a_missing_queue_keeps_the_mail() {
    let case = case("no queue").file(".qmail", "&a@b.test\n");
    let case = case.with(|home| fs::remove_file(home.join("../catch")).unwrap());
    case.run().code(111);
}

#[test]
fn wrong_arguments_are_a_mistake_of_the_caller() {
    for args in
        [&[][..], &["-x"], &["joe", "/tmp", "joe"], &["joe", "not/absolute", "joe", "", "", "h", "s", "d"]]
    {
        let status = Command::new(env!("CARGO_BIN_EXE_dot-qmail")).args(args).output().unwrap().status;
        assert_eq!(status.code(), Some(100), "{args:?}");
    }
}
