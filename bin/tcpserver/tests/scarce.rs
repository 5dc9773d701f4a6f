//! A server that runs out of something: descriptors, processes, memory, room in the log, care of its parent.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::server::{Client, OURS, Server, greeter, until};

/// Ours, started by a shell that first does `before`.
fn after(before: &str, args: &[&str]) -> Server {
    let script = format!("{before}; exec \"$0\" \"$@\"");
    Server::start(Command::new("/bin/bash").args(["-c", &script, OURS, "-1RHl0"]).args(args))
}

#[test]
fn running_out_of_descriptors_is_a_pause_and_no_busy_loop() {
    // X01
    let mut server = after("ulimit -n 72", &["-w1", "-c100", "127.0.0.1", "0", &greeter()]);
    let mut clients: Vec<Client> = (0..90).map(|_| server.connect()).collect();
    server.log("unable to");
    let before = server.ticks();
    thread::sleep(Duration::from_millis(1000));
    assert!(server.ticks() - before < 30, "{} ticks in a second", server.ticks() - before);
    for client in &mut clients {
        client.greeting();
        client.say("");
        assert_eq!(client.rest(), "");
    }
    server.connect().greeting();
}

#[test]
fn running_out_of_processes_is_a_pause_and_no_lost_client() {
    // X01
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("SKIPPED: needs root");
        return;
    }
    for workers in [&["-D"][..], &["-w1"]] {
        let program = std::path::Path::new("/bin/sh").display().to_string();
        let script = "echo 220 $$; read x";
        let greeter = greeter();
        let mine: &[&str] = if workers == ["-w1"] { &[&greeter] } else { &[&program, "-c", script] };
        let args = [workers, &["-u64321", "-g64321", "127.0.0.1", "0"], mine].concat();
        let mut server = after("ulimit -u 4", &args);
        let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
        server.log("unable to");
        let before = server.ticks();
        thread::sleep(Duration::from_millis(1000));
        assert!(server.ticks() - before < 30);
        for client in &mut clients {
            client.greeting();
            client.say("");
            client.rest();
        }
    }
}

#[test]
fn a_storm_of_dying_children_is_survived() {
    // X01
    let server = after("true", &["-c200", "127.0.0.1", "0", "/bin/sh", "-c", "kill -9 $$"]);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let address = server.address();
            thread::spawn(move || {
                for _ in 0..100 {
                    assert_eq!(Client::new(std::net::TcpStream::connect(address).unwrap()).rest(), "");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    until("all are reaped", || server.children().is_empty());
}

#[test]
fn little_memory_is_enough() {
    // X03
    let server = after("ulimit -v 65536", &["-w2", "127.0.0.1", "0", &greeter()]);
    let mut clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| _ = client.greeting());
}

#[test]
fn a_careless_parent_does_no_harm() {
    // X04: signals ignored, umask 0, descriptors 3 to 9 open, no variables, no PATH
    let server = after(
        "trap '' TERM HUP CHLD USR1; umask 0; exec 3</dev/null 9</dev/null; unset PATH HOME",
        &["-w1", "127.0.0.1", "0", &greeter()],
    );
    server.connect().greeting();
    assert!(server.stop().is_empty()); // TERM is heard
}

#[test]
fn closed_standard_descriptors_are_never_taken_by_a_socket() {
    // X04
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("socket");
    let script = "exec \"$0\" \"$@\" <&- >&- 2>&-";
    let mut child = Command::new("/bin/sh")
        .args([
            "-c",
            script,
            OURS,
            "-RHv",
            &path.display().to_string(),
            "/bin/sh",
            "-c",
            "echo out; echo err >&2; ls -l /proc/self/fd/2",
        ])
        .spawn()
        .unwrap();
    until("it listens", || std::os::unix::net::UnixStream::connect(&path).is_ok());
    let mut text = String::new();
    std::os::unix::net::UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.starts_with("out\n") && text.contains("/dev/null"), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_empty_argument_vector_is_a_wrong_call() {
    // X04
    use std::os::unix::process::CommandExt;
    let output = Command::new(OURS).arg0("").output().unwrap();
    assert_eq!(output.status.code(), Some(100));
}

#[test]
fn a_log_that_nobody_reads_stops_no_mail() {
    // X05
    let mut child = Command::new(OURS)
        .args(["-1vRHl0", "-w1", "127.0.0.1", "0", &greeter()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _never_read = child.stderr.take().unwrap();
    let mut port = String::new();
    child.stdout.take().unwrap().read_to_string(&mut port).unwrap();
    nix::fcntl::fcntl(&_never_read, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    for _ in 0..40 {
        let stream = std::net::TcpStream::connect(format!("127.0.0.1:{}", port.trim())).unwrap();
        let mut client = Client::new(stream);
        client.greeting();
        client.say("");
        client.rest();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
