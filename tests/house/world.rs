//! The world outside, for a test: a signed DNS and a validating name server, an authority for certificates, a web
//! server for MTA-STS policies, and addresses at whose port 25 others answer. Needs root, unbound, ldns and OpenSSL.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::{House, tool};

/// Ended when dropped.
pub struct World {
    folder: tempfile::TempDir,
    net: [u8; 2],
    port: u16,
    children: Vec<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl World {
    /// A world with loopback addresses of its own, those of `house`. `None`: something is missing here.
    pub fn around(house: &House) -> Option<World> {
        for name in ["unbound", "ldns-signzone", "ldns-keygen", "openssl", "python3"] {
            tool(name)?;
        }
        let net = house.smtp().port().to_be_bytes();
        if TcpListener::bind((IpAddr::from([127, net[0], net[1], 1]), 25)).is_err() {
            eprintln!("SKIPPED: a world of one's own needs root, for port 25");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("fulmar-world-").tempdir().unwrap();
        let world = World { folder, net, port: house.spare_port() + 500, children: Vec::new() };
        world.run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=authority",
                "-keyout",
                "ca.key",
                "-out",
                "ca.crt",
            ],
        );
        Some(world)
    }

    fn run(&self, program: &str, words: &[&str]) -> Vec<u8> {
        let output = Command::new(program).args(words).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A file of this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Address number `n`.
    pub fn ip(&self, n: u8) -> String {
        format!("127.{}.{}.{n}", self.net[0], self.net[1])
    }

    /// Where its name server is.
    pub fn name_server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a house says of itself so that it may send to this world.
    pub fn let_in(&self, house: &mut House) {
        let ips: String = (1..20).map(|n| self.ip(n) + "\n").collect();
        house.write("control/notipme", &ips);
        house.write("control/resolvers", &format!("127.0.0.1:{}\n", self.port));
        house.write("control/tlsauthorities", &fs::read_to_string(self.path("ca.crt")).unwrap());
        house.services().stop("remote", nix::sys::signal::Signal::SIGTERM);
        house.run();
    }

    /// Makes NAME.crt and NAME.key (RSA: OpenSMTPD wants it) for these hosts, by the authority; gives the SHA-256 of its public key.
    pub fn certificate(&self, name: &str, hosts: &[&str]) -> String {
        let names: Vec<String> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
        fs::write(
            self.path("ext"),
            format!("subjectAltName={}\nextendedKeyUsage=serverAuth\n", names.join(",")),
        )
        .unwrap();
        let [key, csr, crt] = ["key", "csr", "crt"].map(|end| format!("{name}.{end}"));
        self.run(
            "openssl",
            &["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", &key, "-out", &csr],
        );
        self.run(
            "openssl",
            &[
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                "ca.crt",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "20",
                "-extfile",
                "ext",
                "-out",
                &crt,
            ],
        );
        self.key_print(&self.path(&crt))
    }

    /// Makes NAME.crt and NAME.key for a client with this mail address, by the authority.
    pub fn client(&self, name: &str, address: &str) {
        self.client_by(name, address, "ca");
    }

    /// The same, by an authority that has the name of ours alone.
    pub fn stranger(&self, name: &str, address: &str) {
        let words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=authority"];
        self.run("openssl", &[&words[..], &["-keyout", "false.key", "-out", "false.crt"]].concat());
        self.client_by(name, address, "false");
    }

    fn client_by(&self, name: &str, address: &str, authority: &str) {
        fs::write(self.path("ext"), format!("subjectAltName=email:{address}\nextendedKeyUsage=clientAuth\n"))
            .unwrap();
        let [key, csr, crt] = ["key", "csr", "crt"].map(|end| format!("{name}.{end}"));
        let words = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=client"];
        self.run("openssl", &[&words[..], &["-keyout", &key, "-out", &csr]].concat());
        let (by, by_key) = (format!("{authority}.crt"), format!("{authority}.key"));
        let words =
            ["x509", "-req", "-in", &csr, "-CA", &by, "-CAkey", &by_key, "-CAcreateserial", "-days", "20"];
        self.run("openssl", &[&words[..], &["-extfile", "ext", "-out", &crt]].concat());
    }

    /// The SHA-256 of the public key of a certificate, in hexadecimal digits.
    pub fn key_print(&self, certificate: &Path) -> String {
        let script = format!(
            "openssl x509 -in {} -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r",
            certificate.display()
        );
        let said = String::from_utf8(self.run("sh", &["-c", &script])).unwrap();
        said.split(' ').next().unwrap().to_owned()
    }

    /// Serves the zone `test.` with `records`, signed; then each pair of `forged` is put in place in what was signed.
    pub fn names(&mut self, records: &str, forged: &[(&str, &str)]) {
        let head = "$ORIGIN test.\n$TTL 60\n@ SOA ns.test. x.test. 1 3600 600 86400 60\n@ NS ns.test.\nns A 127.0.0.1\n";
        fs::write(self.path("zone"), format!("{head}{records}")).unwrap();
        let key = self.run("ldns-keygen", &["-a", "ECDSAP256SHA256", "-k", "test."]);
        let key = String::from_utf8(key).unwrap().trim().to_owned();
        self.run("ldns-signzone", &["-n", "-f", "signed", "zone", &key]);
        let mut signed = fs::read_to_string(self.path("signed")).unwrap();
        for (right, wrong) in forged {
            assert!(signed.contains(right), "{right} is not in the zone:\n{signed}");
            signed = signed.replace(right, wrong);
        }
        fs::write(self.path("signed"), signed).unwrap();
        let (folder, port) = (self.folder.path().display(), self.port);
        let conf = format!(
            "server:\n interface: 127.0.0.1@{port}\n port: {port}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n \
             directory: \"{folder}\"\n pidfile: \"\"\n use-syslog: no\n do-not-query-localhost: no\n \
             trust-anchor-file: \"{folder}/{key}.ds\"\n module-config: \"validator iterator\"\n \
             local-zone: \"test.\" nodefault\nremote-control:\n control-enable: no\nauth-zone:\n name: \"test.\"\n \
             zonefile: \"{folder}/signed\"\n for-upstream: yes\n for-downstream: no\n fallback-enabled: no\n"
        );
        fs::write(self.path("unbound.conf"), conf).unwrap();
        let mut unbound = Command::new(tool("unbound").unwrap());
        unbound.args(["-d", "-c", "unbound.conf"]).current_dir(self.folder.path());
        self.children.push(unbound.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        // A question for the root's name servers.
        let question = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, b't', b'e', b's', b't', 0, 0, 6, 0, 1];
        while socket.send_to(&question, ("127.0.0.1", port)).is_err() || socket.recv(&mut [0; 512]).is_err() {
        }
    }

    /// Serves MTA-STS policies at port 443 of address number `n`, for these domains.
    pub fn policies(&mut self, n: u8, policies: &[(&str, &str)]) {
        let hosts: Vec<String> = policies.iter().map(|(domain, _)| format!("mta-sts.{domain}")).collect();
        self.certificate("web", &hosts.iter().map(String::as_str).collect::<Vec<_>>());
        for (host, (_, policy)) in hosts.iter().zip(policies) {
            fs::write(self.path(host), policy).unwrap();
        }
        let script = format!(
            "import http.server, ssl\nclass H(http.server.BaseHTTPRequestHandler):\n def do_GET(self):\n  \
             body = open(self.headers['Host'], 'rb').read() if self.path == '/.well-known/mta-sts.txt' else b''\n  \
             self.send_response(200)\n  self.send_header('Content-Type', 'text/plain')\n  self.end_headers()\n  \
             self.wfile.write(body)\n def log_message(self, *a): pass\n\
             s = http.server.ThreadingHTTPServer(('{}', 443), H)\nc = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
             c.load_cert_chain('web.crt', 'web.key')\ns.socket = c.wrap_socket(s.socket, server_side=True)\n\
             print('up', flush=True)\ns.serve_forever()\n",
            self.ip(n)
        );
        let mut python = Command::new(tool("python3").unwrap());
        python.args(["-c", &script]).current_dir(self.folder.path()).stdout(Stdio::piped());
        let mut python = python.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(python.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.children.push(python);
        assert_eq!(line, "up\n");
    }

    /// Has `server` answer at port 25 of address number `n` too.
    pub fn at(&self, n: u8, server: SocketAddr) {
        let listener = TcpListener::bind((self.ip(n).parse::<IpAddr>().unwrap(), 25)).unwrap();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let (back, there) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pump(client, there));
                thread::spawn(move || pump(server, back));
            }
        });
    }

    /// A server at port 25 of address number `n` that takes everything and knows no TLS.
    pub fn plain(&self, n: u8) {
        let listener = TcpListener::bind((self.ip(n).parse::<IpAddr>().unwrap(), 25)).unwrap();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || plain_server(client));
            }
        });
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn plain_server(client: TcpStream) {
    let mut out = client.try_clone().unwrap();
    let mut lines = BufReader::new(client).lines().map_while(Result::ok);
    let _ = out.write_all(b"220 plain\r\n");
    while let Some(line) = lines.next() {
        let reply = match line.as_str() {
            "DATA" => "354 go\r\n",
            "QUIT" => return,
            _ => "250 plain\r\n",
        };
        if out.write_all(reply.as_bytes()).is_err() {
            return;
        }
        if line == "DATA" {
            let _ = lines.by_ref().find(|line| line == ".");
            let _ = out.write_all(b"250 taken\r\n");
        }
    }
}
