//! Which .qmail file decides, and what its lines do.

use crate::house::{self, House};
use std::os::unix::fs::symlink;

const MESSAGE: &[u8] = b"Subject: hello\n\nHello.\n";

fn forwards(text: &str) -> (House, house::Submission) {
    let house = House::new();
    let queue = house.queue(b"K1795248000000001");
    house.qmail(".qmail", text);
    let result = house.call().run(MESSAGE);
    assert_eq!(result.code, Some(0), "{result:?}");
    assert!(result.out.ends_with("\nqp 1795248000000001\n"), "{}", result.out);
    let submission = queue.recv().unwrap();
    (house, submission)
}

#[test]
fn all_forwards_leave_in_one_message_after_everything_else() {
    let (house, submission) = forwards("&bob@x.test\n./Maildir/\ncarol@x.test\n");
    assert_eq!(house.mail().len(), 1);
    assert_eq!(submission.recipients(), [b"bob@x.test", b"carol@x.test" as &[u8]]);
    assert_eq!(submission.sender(), b"bob@x.test");
    assert_eq!(submission.message, [b"Delivered-To: alice@example.test\n", MESSAGE].concat());
}

#[test]
fn a_maildir_that_fails_stops_all_forwards() {
    let house = House::new();
    let queue = house.queue(b"K1");
    house.qmail(".qmail", "&bob@x.test\n./missing/\n");
    assert_eq!(house.call().run(MESSAGE).code, Some(111));
    assert!(queue.try_recv().is_err());
}

#[test]
fn a_list_of_forwards_is_taken_whole_or_not_at_all() {
    // D06
    let (_house, submission) = forwards(&"&bob@x.test\n".repeat(10_000));
    assert_eq!(submission.recipients().len(), 10_000);
    for bad in ["&", "&bob @x.test", "Bob <bob@x.test>"] {
        let house = House::new();
        let queue = house.queue(b"K1");
        house.qmail(".qmail", format!("&good@x.test\n./Maildir/\n{bad}\n"));
        let result = house.call().run(MESSAGE);
        assert_eq!(result.code, Some(111));
        assert!(result.err.contains("line 3 of .qmail file"), "{}", result.err);
        assert!(queue.try_recv().is_err() && house.mail().is_empty());
    }
}

#[test]
fn the_queues_refusal_is_passed_on_and_its_absence_defers() {
    // D06
    for (answer, code) in [(&b"Z4.3.1 full"[..], 111), (b"D5.3.4 too big", 100), (b"?", 111)] {
        let house = House::new();
        let _queue = house.queue(answer);
        house.qmail(".qmail", "&bob@x.test\n");
        let result = house.call().run(MESSAGE);
        assert_eq!((result.code, &result.out[..]), (Some(code), ""));
        assert!(result.err.contains("unable to forward message"), "{}", result.err);
    }
    let house = House::new();
    house.qmail(".qmail", "&bob@x.test\n");
    assert_eq!(house.call().run(MESSAGE).code, Some(111));
}

#[test]
fn a_large_message_is_forwarded_octet_by_octet_and_may_be_refused_half_way() {
    let message: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let house = House::new();
    let queue = house.queue(b"K1");
    house.qmail(".qmail", "&bob@x.test\n");
    assert_eq!(house.call().run(&message).code, Some(0));
    assert!(queue.recv().unwrap().message.ends_with(&message));

    let house = House::new();
    house.qmail(".qmail", "&bob@x.test\n");
    let listener = sys::Listener::bind(&house.path("run/queue"), 0o600).unwrap();
    let early = std::thread::spawn(move || {
        let client = listener.accept().unwrap();
        client.recv().unwrap();
        client.send(b"D5.3.4 message is too big", &[]).unwrap();
    });
    let result = house.call().run(&message);
    assert_eq!(result.code, Some(100));
    assert!(result.err.contains("too big"), "{}", result.err);
    early.join().unwrap();
}

#[test]
fn two_accounts_that_forward_to_each_other_stop_at_the_second_pass() {
    // L14
    let house = House::new();
    let queue = house.queue(b"K1");
    house.qmail(".qmail-a", "&alice-b@example.test\n");
    house.qmail(".qmail-b", "&alice-a@example.test\n");
    let mut message = MESSAGE.to_vec();
    let codes: Vec<Option<i32>> = [("alice-a", "a"), ("alice-b", "b"), ("alice-a", "a")]
        .into_iter()
        .map(|(local, ext)| {
            let mut call = house.call().ext(ext);
            call.local = local;
            let code = call.run(&message).code;
            if let Ok(submission) = queue.try_recv() {
                message = submission.message;
            }
            code
        })
        .collect();
    assert_eq!(codes, [Some(0), Some(0), Some(100)]);
}

#[test]
fn a_list_with_an_owner_takes_failures_itself() {
    let house = House::new();
    let queue = house.queue(b"K1");
    house.qmail(".qmail-list", "&bob@x.test\n");
    let mut call = house.call().ext("list");
    call.local = "alice-list";
    let sender = |call: &house::Call<'_>| {
        assert_eq!(call.run(MESSAGE).code, Some(0));
        queue.recv().unwrap().sender().to_vec()
    };
    assert_eq!(sender(&call), b"bob@x.test");
    house.qmail(".qmail-list-owner", "./Maildir/\n");
    assert_eq!(sender(&call), b"alice-list-owner@example.test");
    house.qmail(".qmail-list-owner-default", "./Maildir/\n");
    assert_eq!(sender(&call), b"alice-list-owner-@example.test-@[]");
    for bounce in ["", "#@[]"] {
        call.sender = bounce;
        assert_eq!(sender(&call), bounce.as_bytes());
    }
}

#[test]
fn the_file_that_fits_best_decides() {
    let house = House::new();
    let show = |ext: &str| {
        let mut call = house.call().ext(ext);
        call.options = vec!["-n"];
        let result = call.run(b"");
        (result.code, result.out)
    };
    assert_eq!(show("x"), (Some(100), String::new()));
    house.qmail(".qmail-default", "&default@x.test\n");
    house.qmail(".qmail-a-default", "&a-default@x.test\n");
    house.qmail(".qmail-a-b:c", "&exact@x.test\n");
    for (ext, address) in [("A-B.C", "exact"), ("a-x", "a-default"), ("b-x", "default"), ("a", "default")] {
        assert_eq!(show(ext), (Some(0), format!("forward {address}@x.test\ndid 0+1+0\n")), "{ext}");
    }
}

#[test]
fn no_extension_is_a_way_out_of_the_home_or_a_crash() {
    // D05
    let house = House::new();
    house.qmail(".qmail-default", "&default@x.test\n");
    std::fs::write(house.path("outside"), "&evil@x.test\n").unwrap();
    let long = "x".repeat(300);
    let dashes = "-".repeat(120);
    for ext in ["../outside", "/../../outside", "..", "/", &long, &dashes, "\u{c4}\u{d6}"] {
        let mut call = house.call().ext(ext);
        call.options = vec!["-n"];
        let result = call.run(b"");
        assert_eq!(result.out, "forward default@x.test\ndid 0+1+0\n", "{ext}: {}", result.err);
    }
}

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    let house = House::new();
    house.qmail(".qmail", "# x\n./Maildir/ \n./mbox\n|cat >/tmp/x\n&bob@x.test\n");
    let mut call = house.call();
    call.options = vec!["-n"];
    let result = call.run(MESSAGE);
    let expect = "maildir ./Maildir/\nmbox ./mbox\nprogram cat >/tmp/x\nforward bob@x.test\ndid 2+1+1\n";
    assert_eq!((result.code, &result.out[..]), (Some(0), expect));
    assert!(house.mail().is_empty());
}

#[test]
fn programs_and_files_elsewhere_are_dot_qmails_and_nothing_is_done_without_it() {
    for line in ["|true", "/dev/null", "/dev/full", "./../mbox"] {
        let house = House::new();
        let queue = house.queue(b"K1");
        house.qmail(".qmail", format!("./Maildir/\n&bob@x.test\n{line}\n"));
        // Where no dot-qmail lies beside it.
        let alone = house.path("local-deliver");
        std::fs::copy(env!("CARGO_BIN_EXE_local-deliver"), &alone).unwrap();
        let result = house.call().of(&alone).run(MESSAGE);
        assert_eq!(result.code, Some(111));
        assert!(result.err.contains("dot-qmail"), "{}", result.err);
        assert!(house.mail().is_empty() && queue.try_recv().is_err());
    }
}

#[test]
fn an_mbox_in_the_home_is_written_to_with_separator_trace_lines_and_quoting() {
    let house = House::new();
    house.qmail(".qmail", "./mbox\n./mbox\n");
    let result = house.call().run(b"Subject: x\n\nFrom here\n>From there\nno end");
    assert_eq!((result.code, &result.out[..]), (Some(0), "did 2+0+0\n"));
    let text = std::fs::read_to_string(house.home("mbox")).unwrap();
    let body = "Return-Path: <bob@x.test>\nDelivered-To: alice@example.test\nSubject: x\n\n>From here\n>>From there\nno end\n\n";
    let parts: Vec<&str> = text.split("From bob@x.test ").collect();
    assert_eq!(parts.len(), 3, "{text}");
    assert!(parts[1..].iter().all(|part| part.split_once('\n').unwrap().1 == body), "{text}");
}

#[test]
fn an_empty_file_means_the_default_and_comments_alone_mean_nothing() {
    let house = House::new();
    house.qmail(".qmail", "");
    house.mode(".qmail", 0o700);
    assert_eq!(house.call().run(MESSAGE).out, "did 1+0+0\n");
    house.qmail(".qmail", "# thrown away\n");
    assert_eq!(house.call().run(MESSAGE).out, "did 0+0+0\n");
    assert_eq!(house.mail().len(), 1);
    house.qmail(".qmail", "\n./Maildir/\n");
    assert_eq!(house.call().run(MESSAGE).code, Some(111));
}

#[test]
fn a_file_with_the_x_bit_forwards_only() {
    let house = House::new();
    house.qmail(".qmail", "./Maildir/\n");
    house.mode(".qmail", 0o700);
    assert_eq!(house.call().run(MESSAGE).code, Some(111));
    assert!(house.mail().is_empty());
}

#[test]
fn a_file_that_others_could_write_is_not_believed() {
    // D01
    let house = House::new();
    house.qmail(".qmail", "./Maildir/\n");
    for mode in [0o620, 0o602, 0o666] {
        house.mode(".qmail", mode);
        assert_eq!(house.call().run(MESSAGE).code, Some(111), "{mode:o}");
    }
    house.mode(".qmail", 0o600);
    if sys::is_root() {
        std::os::unix::fs::chown(house.home(".qmail"), Some(64_010), None).unwrap();
        assert_eq!(house.call().run(MESSAGE).code, Some(111));
    } else {
        eprintln!("SKIPPED: giving a file to another user needs root");
    }
    assert!(house.mail().is_empty());
}

#[test]
fn odd_files_neither_hang_nor_crash() {
    // D01: FIFO, folder and socket are passed over, a link is followed, CR and a missing last line end
    // do not matter; a NUL and a file beyond a megabyte defer.
    let house = House::new();
    sys::durable::make_fifo(&house.home(".qmail"), 0o600).unwrap();
    assert_eq!(house.call().run(MESSAGE).code, Some(0));
    std::fs::remove_file(house.home(".qmail")).unwrap();
    std::fs::create_dir(house.home(".qmail")).unwrap();
    assert_eq!(house.call().run(MESSAGE).code, Some(0));
    std::fs::remove_dir(house.home(".qmail")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(house.home(".qmail")).unwrap();
    assert_eq!(house.call().run(MESSAGE).code, Some(0));
    drop(socket);
    std::fs::remove_file(house.home(".qmail")).unwrap();
    house.qmail("elsewhere", "# only a comment\n");
    symlink("elsewhere", house.home(".qmail")).unwrap();
    assert_eq!(house.call().run(MESSAGE).out, "did 0+0+0\n");
    std::fs::remove_file(house.home(".qmail")).unwrap();
    symlink(".qmail", house.home(".qmail")).unwrap();
    assert_eq!(house.call().run(MESSAGE).code, Some(0));
    std::fs::remove_file(house.home(".qmail")).unwrap();
    house.qmail(".qmail", "./Maildir/\r\n./Maildir/");
    assert_eq!(house.call().run(MESSAGE).out, "did 2+0+0\n");
    for text in [b"./Maildir/\0\n".to_vec(), b"#\n".repeat(600_000)] {
        house.qmail(".qmail", text);
        assert_eq!(house.call().run(MESSAGE).code, Some(111));
    }
}
