//! The mailbox session: what is deleted, what is noted, and what is told when it can not be done.

use super::*;

#[test]
fn nothing_is_deleted_when_the_client_leaves_without_quit() {
    // P05
    let store = mailbox();
    let mut server = Server::logged_in(store.clone());
    server.say("DELE 1\r\nRETR 2\r\n");
    server.mailbox.timed_out(&mut server.out).unwrap();
    drop(server);
    assert_eq!(store.commits(), []);
}

#[test]
fn quit_removes_what_was_marked_and_notes_what_was_read() {
    let store = mailbox();
    let mut server = Server::logged_in(store.clone());
    server.say("RETR 1\r\nRETR 2\r\nTOP 3 0\r\nDELE 2\r\nQUIT\r\nDELE 1\r\n");
    assert_eq!(store.commits(), [(vec![1], vec![0])]);
}

#[test]
fn an_idle_client_is_left_without_a_word() {
    // P17, RFC 1939 §3
    let mut server = Server::logged_in(mailbox());
    server.heard();
    server.mailbox.timed_out(&mut server.out).unwrap();
    Login::new(FakeDoor { apop: true }).timed_out(&mut server.out).unwrap();
    assert_eq!(server.heard(), b"");
}

#[test]
fn quit_does_not_claim_what_it_could_not_do() {
    let store = mailbox();
    store.0.borrow_mut().stuck = true;
    let mut server = Server::logged_in(store);
    let heard = server.say("DELE 1\r\nQUIT\r\n");
    assert!(heard.ends_with("-ERR [SYS/TEMP] Some deleted messages could not be removed\r\n"));
    assert!(server.closed);
}

#[test]
fn a_message_that_vanished_does_not_end_the_session() {
    // P06
    let store = mailbox();
    let mut server = Server::logged_in(store.clone());
    server.say("LIST\r\n");
    store.take_away(1);
    let gone = "-ERR This message has been removed meanwhile\r\n";
    assert_eq!(server.say("RETR 2\r\n"), gone);
    assert_eq!(server.say("TOP 2 0\r\n"), gone);
    assert_eq!(server.say("DELE 2\r\n"), gone);
    assert_eq!(server.say("STAT\r\n"), "+OK 2 101\r\n");
    assert!(server.say("RETR 1\r\n").starts_with("+OK 57 octets\r\n"));
    assert_eq!(server.say("QUIT\r\n"), "+OK Good bye\r\n");
}

#[test]
fn a_message_that_breaks_off_is_never_ended_as_if_it_were_whole() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
            if piece[0] == b'x' {
                return Err(ErrorKind::TimedOut.into());
            }
            piece[0] = b'x';
            Ok(1)
        }
    }
    impl Store for Broken {
        type Text = Broken;
        fn count(&self) -> usize {
            1
        }
        fn size(&mut self, _: usize) -> io::Result<u64> {
            Ok(10)
        }
        fn name(&self, _: usize) -> Vec<u8> {
            b"1".to_vec()
        }
        fn open(&mut self, _: usize) -> io::Result<Broken> {
            Ok(Broken)
        }
        fn commit(&mut self, _: &[usize], _: &[usize]) -> usize {
            0
        }
    }
    let mut out = Vec::new();
    let error = Mailbox::new(Broken).feed(b"RETR 1\r\n", &mut out).unwrap_err();
    // Not the kind that makes the shell say something more.
    assert_eq!((error.kind(), &out[..]), (ErrorKind::Other, &b"+OK 10 octets\r\nx"[..]));
}
