//! The same command line for our tcpserver and for Debian's: same environment, same log, same answers.

use std::process::Command;

use crate::server::{Client, DEBIANS, OURS, Rules, Server, command};

/// Runs `test` on both; what they give must be equal. Ports and process ids become words first.
fn same(args: &[&str], env: &[(&str, &str)], test: impl Fn(&mut Server) -> String) {
    if !std::path::Path::new(DEBIANS).exists() {
        eprintln!("SKIPPED: no ucspi-tcp here");
        return;
    }
    let results = [DEBIANS, OURS].map(|program| {
        let mut server = Server::start(command(program, &["-1"]).args(args).envs(env.iter().copied()));
        let answer = test(&mut server);
        let port = server.port.clone();
        let log = server.stop().join("\n");
        (answer.replace(&port, "PORT"), plain(&log).replace(&port, "PORT"))
    });
    assert_eq!(results[0].0, results[1].0, "answers differ; log {}", results[1].1);
    assert_eq!(results[0].1, results[1].1, "logs differ");
}

/// Process ids and the client's port as words.
fn plain(log: &str) -> String {
    let mut lines = Vec::new();
    for line in log.lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if matches!(words.get(1).map(String::as_str), Some("pid" | "ok" | "deny" | "end")) {
            words[2] = "PID".into();
        }
        if matches!(words.get(1).map(String::as_str), Some("ok" | "deny")) {
            let at = words[4].rfind(':').unwrap();
            words[4].truncate(at);
        }
        lines.push(words.join(" "));
    }
    lines.join("\n")
}

const SHOW: &str = "env | grep -E '^(TCP|PROTO|RELAY|DATABYTES|X)' | grep -v TCPREMOTEPORT | sort";

#[test]
fn environment_and_log_of_an_allowed_connection_are_ucspi_tcps() {
    let env = [("TCPREMOTEINFO", "old"), ("TCPREMOTEHOST", "old"), ("XYZ", "kept")];
    same(&["-vRHl", "0", "127.0.0.1", "0", "sh", "-c", SHOW], &env, |server| {
        let answer = server.fetch();
        server.log("status: 0/40");
        server.log("status: 0/40");
        assert!(answer.contains("TCPREMOTEIP=127.0.0.1\n") && !answer.contains("old"), "{answer}");
        answer
    });
}

#[test]
fn rules_set_variables_and_refuse_as_in_ucspi_tcp() {
    let rules = Rules::new(
        "127.0.0.2:allow,RELAYCLIENT=\"\",DATABYTES=\"10\"\n127.0.0.3:deny\n127.0.:allow,X=\"y\"\n:deny\n",
    );
    same(&["-vRHl", "x", "-x", &rules.text(), "127.0.0.1", "0", "sh", "-c", SHOW], &[], |server| {
        let mut all = String::new();
        for last in [2, 3, 4] {
            all += &server.connect_from([127, 0, 0, last]).rest();
            all += "--\n";
            server.log("end ");
            server.log("status: 0/40");
        }
        assert!(all.contains("RELAYCLIENT=\n") && all.contains("X=y\n"), "{all}");
        all
    });
}

#[test]
fn without_its_rules_a_server_drops_and_with_an_upper_case_x_it_serves() {
    // B02
    for (option, served) in [("-RHl0", false), ("-XRHl0", true)] {
        same(&[option, "-qx", "/no/such/rules.cdb", "127.0.0.1", "0", "echo", "hello"], &[], |server| {
            let answer = server.fetch();
            assert_eq!(answer == "hello\n", served);
            answer
        });
    }
}

#[test]
fn a_broken_table_never_lets_anyone_in() {
    // B02
    let rules = Rules::new("127.:allow,RELAYCLIENT=\"\"\n");
    let whole = std::fs::read(rules.path()).unwrap();
    for broken in [&b""[..], b"garbage", &whole[..whole.len() - 10], &[0xff; 3000]] {
        std::fs::write(rules.path(), broken).unwrap();
        let mut server = Server::ours(&["-vXRHl0", "-x", &rules.text(), "127.0.0.1", "0", "echo", "hello"]);
        assert_eq!(server.fetch(), "");
        server.log("dropping connection, unable to read");
        server.log("status 28416");
    }
}

#[test]
fn an_edited_table_is_live_at_the_next_connection() {
    // B02
    let rules = Rules::new(":deny\n");
    let server = Server::ours(&["-RHl0", "-x", &rules.text(), "127.0.0.1", "0", "echo", "hello"]);
    assert_eq!(server.fetch(), "");
    rules.compile(":allow\n");
    assert_eq!(server.fetch(), "hello\n");
}

#[test]
fn a_table_that_is_swapped_all_the_time_is_the_old_or_the_new_one_and_never_both() {
    // B02
    let rules = Rules::new("127.:allow,A=\"1\",B=\"1\"\n");
    let server =
        Server::ours(&["-RHl0", "-w2", "-x", &rules.text(), "127.0.0.1", "0", &crate::server::greeter()]);
    std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            for number in 0..40 {
                rules.compile(&format!("127.:allow,A=\"{number}\",B=\"{number}\"\n"));
            }
        });
        while !swapping.is_finished() {
            let env = server.connect().env();
            let value = |name: &str| env.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            assert!(value("A=").is_some() && value("A=") == value("B="), "{env:?}");
        }
    });
}

#[test]
fn small_packets_leave_at_once_unless_told_otherwise_and_dead_peers_are_noticed() {
    for (option, shown) in [
        ("-D", "(Ok(true), Ok(true))\n"),
        ("-d", "(Ok(false), Ok(true))\n"),
        ("-w1", "(Ok(true), Ok(true))\n"),
    ] {
        let server = Server::ours(&["-RHl0", option, "127.0.0.1", "0", &crate::server::greeter()]);
        let mut client = server.connect();
        client.greeting();
        client.say("socket");
        assert_eq!(client.rest(), shown, "{option}");
    }
}

#[test]
fn every_option_of_ucspi_tcp_is_taken() {
    let server = Server::ours(&[
        "-UXpPhHrRoOdDqQvPO",
        "-c",
        "3",
        "-x",
        "/no/such.cdb",
        "-B",
        "220 x\r\n",
        "-b",
        "9",
        "-l",
        "0",
        "-t",
        "5",
        "127.0.0.1",
        "0",
        "echo",
        "hello",
    ]);
    assert_eq!(server.fetch(), "220 x\r\nhello\n");
}

#[test]
fn how_much_is_told_is_as_in_ucspi_tcp() {
    for option in ["-qRHl0", "-QRHl0", "-vqRHl0", "-vQRHl0", "-RHl0"] {
        same(&[option, "127.0.0.1", "0", "echo", "hello"], &[], |server| server.fetch());
    }
}

#[test]
fn a_banner_comes_first() {
    same(&["-RHl0", "-B", "220 early\r\n", "127.0.0.1", "0", "echo", "late"], &[], |server| {
        let answer = server.fetch();
        assert_eq!(answer, "220 early\r\nlate\n");
        answer
    });
}

#[test]
fn an_exit_code_is_logged_as_a_wait_status() {
    for script in ["exit 1", "exit 111", "kill -9 $$"] {
        same(&["-vRHl0", "127.0.0.1", "0", "sh", "-c", script], &[], |server| {
            let answer = server.fetch();
            server.log("end ");
            server.log("status: 0/40");
            answer
        });
    }
}

#[test]
fn a_program_starts_with_the_same_signals_and_limits() {
    // X04
    let show = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; ulimit -a";
    same(&["-RHl0", "127.0.0.1", "0", "/bin/bash", "-c", show], &[], |server| {
        let answer = server.fetch();
        assert!(answer.contains("SigBlk:\t0000000000000000\n"), "{answer}");
        answer
    });
}

#[test]
fn root_gives_its_rights_up() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("SKIPPED: needs root");
        return;
    }
    let by_number = ["-u", "64123", "-g", "64124"];
    let show = ["-RHl0", "127.0.0.1", "0", "sh", "-c", "id -u; id -g; id -G"];
    same(&[&by_number[..], &show].concat(), &[], |server| server.fetch());
    let env = [("UID", "64123"), ("GID", "64124")];
    same(&[&["-U"][..], &show].concat(), &env, |server| {
        let answer = server.fetch();
        assert_eq!(answer, "64123\n64124\n64124\n");
        answer
    });
    let server = Server::ours(&[&["-u", "nobody"][..], &show].concat());
    assert!(server.fetch().starts_with("65534\n65534\n"));
}

#[test]
fn wrong_calls_end_with_ucspi_tcps_exit_codes() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let calls: &[(&[&str], i32)] = &[
        (&[], 100),
        (&["0"], 100),
        (&["0", "0"], 100),
        (&["-Z", "0", "0", "true"], 100),
        (&["127.0.0.1", "no-such-service", "true"], 111),
        (&["127.0.0.1", &port, "true"], 111),
    ];
    for (args, code) in calls {
        for program in [DEBIANS, OURS] {
            let output = Command::new(program).args(*args).output().unwrap();
            assert_eq!(output.status.code(), Some(*code), "{program} {args:?}");
            assert!(!output.stderr.is_empty());
        }
    }
}

#[test]
fn a_server_that_is_told_to_stop_leaves_its_children_alone() {
    // S59
    same(&["-RHl0", "127.0.0.1", "0", "sh", "-c", "echo begun; read x; echo $x"], &[], |server| {
        let mut client = server.connect();
        let mut all = client.line();
        server.signal(nix::sys::signal::Signal::SIGTERM);
        crate::server::until("refused", || std::net::TcpStream::connect(server.address()).is_err());
        client.say("still here");
        all += &client.rest();
        assert_eq!(all, "begunstill here\n");
        all
    });
}

#[test]
fn recordio_runs_under_our_server() {
    let mut server =
        Server::ours(&["-RHl0", "127.0.0.1", "0", "/usr/bin/recordio", "sh", "-c", "read x; echo got $x"]);
    let mut client = server.connect();
    client.say("one");
    assert_eq!(client.rest(), "got one\n");
    server.log("< one");
    server.log("> got one");
}

#[test]
fn our_greeter_runs_under_debians_server() {
    let server =
        Server::start(&mut command(DEBIANS, &["-1RHl0", "127.0.0.1", "0", &crate::server::greeter()]));
    let env = server.connect().env();
    assert!(env.contains(&"PROTO=TCP".to_owned()), "{env:?}");
}

#[test]
fn a_thousand_connections_are_served_one_after_the_other() {
    let mut server = Server::ours(&["-vRHl0", "-c", "10", "127.0.0.1", "0", "echo", "hello"]);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let address = server.address();
            std::thread::spawn(move || {
                for _ in 0..250 {
                    let stream = std::net::TcpStream::connect(address).unwrap();
                    assert_eq!(Client::new(stream).rest(), "hello\n");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    for _ in 0..1000 {
        server.log(" end ");
    }
    let log = server.stop();
    for word in [" pid ", " ok ", " end "] {
        assert_eq!(log.iter().filter(|line| line.contains(word)).count(), 1000, "{word}");
    }
}
