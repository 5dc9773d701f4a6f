//! What somebody could do who had taken a program over: in each of them, as it runs in the house and waits for its
//! client, the calls are made that he would try. The table here is the one of docs/security.md.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::signal::Signal;
use tests::intruder::Intruder;
use tests::{House, Imap, PASSWORD, Pop3, message, program};

use crate::two_hosts::write_key;

/// What a program keeps of what is tried here.
#[derive(Clone, Copy, PartialEq)]
enum Keeps {
    /// Nothing.
    Nothing,
    /// Sockets of this machine.
    Local,
    /// The same, and reading /etc.
    LocalAndEtc,
    /// The Internet, and reading /etc, which says where name servers are.
    Internet,
}
use Keeps::{Internet, Local, LocalAndEtc, Nothing};

/// Every program that is confined.
const CONFINED: &[(&str, Keeps)] = &[
    ("acme", Internet),
    ("bounce", Local),
    ("imapd", Nothing),
    ("local-deliver", Local),
    ("login", Local),
    ("lookup", LocalAndEtc),
    ("pop3d", Nothing),
    ("qmqpd", Local),
    ("qmtpd", Local),
    ("queued", Local),
    ("remote", Internet),
    ("send", LocalAndEtc),
    ("smtpd", Local),
    ("tlsd", Local),
    ("tlsrpt", Internet),
    ("usher", Nothing),
];
/// Those that pass on what they have to programs of others, and therefore must not give anything up.
const FREE: &[&str] = &["spawn", "tcpserver"];

/// A folder that is none of the programs' business, open to everybody as far as permission bits go.
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    fn new() -> Elsewhere {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(folder.path().join("letter"), "mine").unwrap();
        open(folder.path(), 0o777);
        open(&folder.path().join("letter"), 0o666);
        Elsewhere(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

/// Tries everything in process `pid`; what came out otherwise than it should.
fn surprises(pid: i32, keeps: Keeps, elsewhere: &Elsewhere) -> Vec<String> {
    let intruder = Intruder::enter(pid);
    let (local, internet) = (keeps != Nothing, keeps == Internet);
    let mut tried = vec![
        ("reads /etc/passwd", intruder.open("/etc/passwd", libc::O_RDONLY), internet || keeps == LocalAndEtc),
        ("reads /etc/shadow", intruder.open("/etc/shadow", libc::O_RDONLY), false),
        ("reads a file elsewhere", intruder.open(&elsewhere.path("letter"), libc::O_RDONLY), false),
        ("writes a file elsewhere", intruder.open(&elsewhere.path("letter"), libc::O_WRONLY), false),
        (
            "makes a file elsewhere",
            intruder.open(&elsewhere.path("new"), libc::O_WRONLY | libc::O_CREAT),
            false,
        ),
        ("lists a folder", intruder.open("/", libc::O_RDONLY | libc::O_DIRECTORY), false),
        ("makes a unix socket", intruder.socket(libc::AF_UNIX, libc::SOCK_STREAM), local),
        ("makes a TCP socket", intruder.socket(libc::AF_INET, libc::SOCK_STREAM), internet),
        ("makes a UDP socket", intruder.socket(libc::AF_INET6, libc::SOCK_DGRAM), internet),
        ("makes a socket for raw frames", intruder.socket(libc::AF_PACKET, libc::SOCK_RAW), false),
        ("makes a socket for machines beside", intruder.socket(libc::AF_VSOCK, libc::SOCK_STREAM), false),
    ];
    if keeps == Nothing {
        // Of the folder that it stands in, which may well be its own.
        let here = intruder.put(b".\0");
        let changed = intruder.call(libc::SYS_fchmodat, &[libc::AT_FDCWD as u64, here, 0o700]);
        tried.push(("changes a mode by name", changed, false));
    }
    let shell = intruder.put(b"/bin/sh\0");
    tried.push(("starts a shell", intruder.call(libc::SYS_execve, &[shell]), false));
    for (what, call, arguments) in [
        ("becomes root", libc::SYS_setuid, [0, 0, 0]),
        ("traces its parent", libc::SYS_ptrace, [libc::PTRACE_ATTACH as u64, 1, 0]),
        ("reads another's memory", libc::SYS_process_vm_readv, [1, 0, 0]),
        ("makes a namespace", libc::SYS_unshare, [libc::CLONE_NEWUSER as u64, 0, 0]),
        ("makes a child in a namespace", libc::SYS_clone, [libc::CLONE_NEWUSER as u64, 0, 0]),
        ("mounts", libc::SYS_mount, [0; 3]),
        ("loads a program into the kernel", libc::SYS_bpf, [0; 3]),
        ("makes a ring of system calls", libc::SYS_io_uring_setup, [1, 0, 0]),
        ("asks for the kernel's keys", libc::SYS_keyctl, [0; 3]),
    ] {
        tried.push((what, intruder.call(call, &arguments), false));
    }
    let denied = [-i64::from(libc::EPERM), -i64::from(libc::EACCES)];
    let odd =
        tried.into_iter().filter(|(_, said, may)| if *may { *said < 0 } else { !denied.contains(said) });
    odd.map(|(what, said, _)| format!("{pid} {what}: {said}")).collect()
}

/// Both walls stand around each thread.
fn is_confined(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.flatten().all(|thread| {
        fs::read_to_string(thread.path().join("status"))
            .is_ok_and(|status| status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"))
    })
}

/// Is it a server that lets clients in, or was it one?
fn stands_at_gate(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|octet| *octet == 0).any(|word| word == b"--at-gate")
}

fn is_free(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.contains("Seccomp:\t0\n") && status.contains("NoNewPrivs:\t0\n")
}

/// Looks at each process of that name, once all are confined that have something to wait for.
fn look_at(processes: &[(i32, String)], name: &str, elsewhere: &Elsewhere) {
    let keeps = CONFINED.iter().find(|(known, _)| *known == name).unwrap().1;
    let pids: Vec<i32> = processes.iter().filter(|(_, known)| known == name).map(|(pid, _)| *pid).collect();
    assert!(!pids.is_empty(), "no {name} runs");
    for pid in pids {
        assert!(is_confined(pid), "{name} {pid} is not confined");
        let none: [String; 0] = [];
        assert_eq!(surprises(pid, keeps, elsewhere), none, "{name}");
        assert!(Path::new(&format!("/proc/{pid}")).exists(), "{name} goes on");
    }
}

/// A program that a test starts by itself; killed when dropped.
struct Alone(Child);

impl Alone {
    fn start(house: &House, name: &str, words: &[&str]) -> Alone {
        let mut command = Command::new(program(name));
        command.args(words).env("FULMAR_HOME", house.path("")).env("TCPREMOTEIP", "127.0.0.1");
        command.env("RELAYCLIENT", "");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Alone(command.spawn().unwrap())
    }

    /// Once it is confined. It has nothing to do but wait, since nobody says a word to it.
    fn look(&self, house: &House, name: &str, elsewhere: &Elsewhere) {
        let pid = self.0.id() as i32;
        house.until(&format!("the walls of {name}"), || is_confined(pid).then_some(()));
        look_at(&[(pid, name.to_owned())], name, elsewhere);
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_takes_over_a_running_program_cannot_do_what_it_need_not() {
    let (house, elsewhere) = (House::start(), Elsewhere::new());
    house.send("bob@example.test", "alice@example.test", &message("for the deliverer"));
    house.await_mail("alice", 1);
    house.await_empty_queue();
    // They are confined before they have heard a word.
    let _silent: Vec<TcpStream> = [house.smtp(), house.submission(), house.pop3(), house.imap()]
        .iter()
        .map(|at: &SocketAddr| TcpStream::connect(at).unwrap())
        .collect();
    let mut pop3 = Pop3::login(house.pop3(), "alice@example.test", PASSWORD);
    let mut imap = Imap::login(house.imap(), "alice@example.test", PASSWORD);
    imap.good("SELECT INBOX");
    for name in
        ["imapd", "local-deliver", "login", "lookup", "pop3d", "queued", "remote", "send", "smtpd", "tlsd"]
    {
        let of_name = || house.processes().into_iter().filter(|(_, known)| known == name).collect::<Vec<_>>();
        // Who stands at the gate has no client yet, and is root until he has; a deliverer is told by its first order
        // which home it is for.
        let home_of =
            |pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder != Path::new("/"));
        let has_one = |pid: i32| match name {
            "local-deliver" => home_of(pid),
            _ => is_confined(pid) || !stands_at_gate(pid),
        };
        let waiting = || of_name().into_iter().filter(|(pid, _)| has_one(*pid));
        let ready = || waiting().count() > 0 && waiting().all(|(pid, _)| is_confined(pid));
        house.until(&format!("the walls of {name}"), || ready().then_some(()));
        look_at(&waiting().collect::<Vec<_>>(), name, &elsewhere);
    }
    // All of them go on as before.
    assert!(pop3.good("STAT").starts_with("1 "));
    assert_eq!(imap.good("STATUS INBOX (MESSAGES)").lines(), ["STATUS INBOX (MESSAGES 1)"]);
    house.send("bob@example.test", "alice@example.test", &message("after all that"));
    house.await_mail("alice", 2);
    assert_eq!(fs::read_to_string(elsewhere.path("letter")).unwrap(), "mine");
    assert!(!Path::new(&elsewhere.path("new")).exists());
}

#[test]
fn who_takes_over_a_server_of_netstrings_cannot_do_what_it_need_not() {
    let (house, elsewhere) = (House::start(), Elsewhere::new());
    for name in ["qmtpd", "qmqpd"] {
        Alone::start(&house, name, &[]).look(&house, name, &elsewhere);
    }
}

#[test]
fn who_takes_over_the_writer_of_bounces_cannot_do_what_it_need_not() {
    let (mut house, elsewhere) = (House::start(), Elsewhere::new());
    house.services().stop("send", Signal::SIGTERM);
    house.send("bob@example.test", "alice@example.test", &message("never to be delivered"));
    let file = tests::files(&house.path("queue/mess")).iter().flat_map(|folder| tests::files(folder)).next();
    let id = file.unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    house.write(&format!("queue/bounce/{id}"), "\nalice@example.test\0D5.0.0 no\0\n");
    // It hands its letter to a queued that does not answer.
    house.services().stop("queued", Signal::SIGTERM);
    let silent = silent_packets(&house.path("run/queue"));
    Alone::start(&house, "bounce", &[&id]).look(&house, "bounce", &elsewhere);
    drop(silent);
}

/// Somebody who takes connections of packets and never says anything.
fn silent_packets(path: &Path) -> std::os::fd::OwnedFd {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
    let _ = fs::remove_file(path);
    let kind = SockType::SeqPacket;
    let listener = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(std::os::fd::AsRawFd::as_raw_fd(&listener), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(5).unwrap()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    listener
}

#[test]
fn who_takes_over_a_client_of_the_web_cannot_do_what_it_need_not() {
    let (house, elsewhere) = (House::start(), Elsewhere::new());
    // A name server and an authority that never answer.
    let (names, authority) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    house.write("control/resolvers", &format!("{}\n", names.local_addr().unwrap()));
    house.write(
        "control/acmeserver",
        &format!("https://127.0.0.1:{}/\n", authority.local_addr().unwrap().port()),
    );
    house.write("control/acme", "mail.example.test\n");
    house
        .until("tlsd's request", || house.path("acme/requests/mail.example.test.csr").exists().then_some(()));
    fs::create_dir_all(house.path("run/tlsrpt")).unwrap();
    let line = "asks.test\tsts\tversion: STSv1|mode: testing\tmx.asks.test\tmx.asks.test\t192.0.2.1\t192.0.2.2\tok\n";
    house.write("run/tlsrpt/20000", line);
    for (name, words) in [("acme", &["--listen", "127.0.0.1:0"][..]), ("tlsrpt", &[])] {
        Alone::start(&house, name, words).look(&house, name, &elsewhere);
    }
}

#[test]
fn who_takes_over_the_guide_to_another_host_cannot_do_what_he_need_not() {
    let (front, back, elsewhere) = (House::start(), House::start(), Elsewhere::new());
    back.write("control/me", "b.example.test\n");
    let mut back = back;
    back.services().stop("lookup", Signal::SIGTERM);
    back.run();
    for house in [&front, &back] {
        write_key(house, "0123456789abcdef0123456789abcdef\n");
        house.well(&["user", "set", "alice@example.test", "host=b.example.test"]);
    }
    let (imap, pop3) = (back.imap().port(), back.pop3().port());
    front.write("control/mailhosts", &format!("b.example.test:127.0.0.1 imap={imap} pop3={pop3}\n"));
    let mut client = Imap::login(front.imap(), "alice@example.test", PASSWORD);
    let ushers = || front.processes().into_iter().filter(|(_, name)| name == "usher").collect::<Vec<_>>();
    front.until("a confined usher", || ushers().iter().any(|(pid, _)| is_confined(*pid)).then_some(()));
    look_at(&ushers(), "usher", &elsewhere);
    assert!(client.good("NOOP").is_ok());
}

#[test]
fn what_users_programs_inherit_is_free_of_all_that() {
    let house = House::start();
    let processes = house.processes();
    for name in FREE {
        let pids = processes.iter().filter(|(_, known)| known == name).map(|(pid, _)| *pid);
        assert!(pids.clone().count() > 0 && pids.into_iter().all(is_free), "{name}");
    }
    let at_gate = processes.iter().filter(|(pid, _)| stands_at_gate(*pid));
    assert!(at_gate.clone().count() > 0 && at_gate.into_iter().all(|(pid, _)| is_free(*pid)), "at the gate");
}

#[test]
fn every_program_is_in_the_table_of_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    for folder in tests::files(&root.join("bin")).iter().filter(|folder| folder.join("Cargo.toml").exists()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(
            rows.iter().any(|row| row.split('|').nth(1).unwrap().contains(&format!("`{name}`"))),
            "{name}"
        );
        let main = fs::read_to_string(folder.join("main.rs")).unwrap();
        let confines = main.contains("Confine::") || main.contains("::confine(") || name == "remote";
        let known = CONFINED.iter().any(|(known, _)| *known == name);
        assert_eq!(confines, known, "{name} is confined and not tested, or the other way round");
    }
}

#[test]
fn on_a_kernel_without_landlock_mail_goes_its_way_and_each_program_says_once_what_is_missing() {
    let Some(strace) = tests::tool("strace") else { return };
    let mut house = House::empty();
    let without = "-e trace=landlock_create_ruleset -e inject=landlock_create_ruleset:error=ENOSYS";
    let strace = format!("exec {} -f --seccomp-bpf -qq -o /dev/null {without} \"$0\"", strace.display());
    house.services().before_each(&strace);
    house.run();
    house.well(&["domain", "add", tests::DOMAIN, "postmaster=alice@example.test"]);
    house.user("alice", &[]);
    house.send("bob@example.test", "alice@example.test", &message("over an old kernel"));
    house.await_mail("alice", 1);
    assert!(Pop3::login(house.pop3(), "alice@example.test", PASSWORD).good("STAT").starts_with("1 "));
    Imap::login(house.imap(), "alice@example.test", PASSWORD).log_out();
    let log = house.log();
    for name in ["queued", "send", "lookup", "remote", "tlsd"] {
        let line = format!("{name}: warning: this kernel has no Landlock");
        assert_eq!(log.matches(&line).count(), 1, "{name}:\n{log}");
    }
    for name in ["smtpd", "login", "local-deliver", "pop3d", "imapd"] {
        assert!(log.contains(&format!("{name}: warning: this kernel has no Landlock")), "{name}:\n{log}");
    }
}
