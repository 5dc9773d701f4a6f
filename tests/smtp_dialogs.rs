//! The SMTP dialogs on the real program, with the real services of a house behind it.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tests::{House, PATIENCE, program};

use crate::dialog::{dialogs, run_dialog, world};

/// A one-shot smtpd whose client is a stranger, and the client's end of the connection.
fn stranger(house: &House) -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    let output = OwnedFd::from(theirs.try_clone().unwrap());
    let mut command = Command::new(program("smtpd"));
    command
        .env("FULMAR_HOME", house.path(""))
        .env("PROTO", "TCP")
        .env("TCPREMOTEIP", "192.0.2.7")
        .env("TLS", "off");
    command.stdin(OwnedFd::from(theirs)).stdout(output).stderr(Stdio::null());
    (command.spawn().unwrap(), ours)
}

#[test]
fn every_smtp_dialog_goes_as_it_is_written() {
    // S01 to S33, S43 to S60
    let house = House::start();
    house.write("control/digestlogins", "0\n");
    house.well(&["user", "passwd", "alice@example.test", "--plain", "--password", "secret"]);
    let mut accepted = 0;
    for path in dialogs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("dialogs/smtp")) {
        let files = world(&path);
        files.iter().for_each(|(name, text)| house.write(&format!("control/{name}"), &format!("{text}\n")));
        let (mut smtpd, mut client) = stranger(&house);
        accepted += run_dialog(&path, &mut client);
        drop(client);
        assert!(smtpd.wait().unwrap().success(), "{}", path.display());
        files.iter().for_each(|(name, _)| fs::remove_file(house.path("control").join(name)).unwrap());
    }
    assert!(accepted > 0);
    house.await_mail("alice", accepted);
    house.await_empty_queue();
    assert_eq!(house.mail("alice").len(), accepted, "one message for each that was accepted, no more");
}
