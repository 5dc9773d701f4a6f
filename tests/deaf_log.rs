//! Nobody reads the log, or there is no room for it: mail goes its way.

use std::fs::File;

use tests::{House, PASSWORD, Pop3, message};

fn mail_goes_its_way(house: &House) {
    for number in 0..50 {
        house.send("bob@example.test", "alice@example.test", &message(&format!("number {number}")));
    }
    house.await_mail("alice", 50);
    house.await_empty_queue();
    Pop3::login(house.pop3(), "alice@example.test", PASSWORD).good("QUIT");
}

#[test]
fn a_full_log_stops_no_mail() {
    // X05
    let mut house = House::start();
    house.services().kill_all();
    house.services().log_to(File::options().write(true).open("/dev/full").unwrap());
    house.run();
    mail_goes_its_way(&house);
}

#[test]
fn a_log_that_nobody_reads_stops_no_mail() {
    // X05
    let mut house = House::start();
    house.services().kill_all();
    let (_never_read, pipe) = std::io::pipe().unwrap();
    fill(&pipe);
    house.services().log_to(pipe);
    house.run();
    mail_goes_its_way(&house);
}

/// Leaves no room in the pipe.
fn fill(pipe: &std::io::PipeWriter) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL).unwrap());
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    for size in [4096, 1] {
        while nix::unistd::write(pipe, &vec![b'x'; size]).is_ok() {}
    }
    fcntl(pipe, FcntlArg::F_SETFL(flags)).unwrap();
}
