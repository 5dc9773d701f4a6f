//! Users of the system, as qmail serves them: mail by their .qmail files, the alias user, users/assign,
//! logins with the passwords of /etc/shadow, the classical chain of POP3 programs.
//!
//! Needs root: `lookup` is shown an /etc/passwd of its own.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tests::people::{HERE, await_new, maildir, start, write};
use tests::{House, PASSWORD, Pop3, Smtp, message, program, tool};

fn send(house: &House, local: &str) {
    house.send("guest@elsewhere.example", &format!("{local}@{HERE}"), &message(local));
}

#[test]
fn mail_for_a_user_of_the_system_goes_where_his_qmail_files_say() {
    let Some(house) = start() else { return };
    for folder in ["Maildir", "lists", "rest"] {
        maildir(&house, "ann", folder);
    }
    maildir(&house, "joe-smith", "Maildir");
    write(&house, "ann", ".qmail-list-default", "./lists/\n");
    write(&house, "ann", ".qmail-default", "|cat >prog.out\n./rest/\n");
    // Control/defaultdelivery, for whoever has no .qmail.
    send(&house, "ann");
    send(&house, "Joe-Smith");
    send(&house, "ann-list-qmail");
    send(&house, "ann-anything");
    let text = &await_new(&house, "ann", "Maildir", 1)[0];
    assert!(text.contains(&format!("\nDelivered-To: ann@{HERE}\n")), "{text}");
    let text = &await_new(&house, "joe-smith", "Maildir", 1)[0];
    assert!(text.contains(&format!("\nDelivered-To: Joe-Smith@{HERE}\n")), "{text}");
    assert!(await_new(&house, "ann", "lists", 1)[0].contains("\nSubject: ann-list-qmail\n"));
    assert!(await_new(&house, "ann", "rest", 1)[0].contains("\nSubject: ann-anything\n"));
    let run = fs::metadata(house.path("people/ann/prog.out")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&run), 64_501, "programs run as the user");
}

#[test]
fn what_is_nobody_s_is_the_alias_user_s_and_else_refused_at_rcpt() {
    let Some(house) = start() else { return };
    maildir(&house, "alias", "info");
    maildir(&house, "alias", "rootmail");
    write(&house, "alias", ".qmail-info", "./info/\n");
    write(&house, "alias", ".qmail-root", "./rootmail/\n");
    write(&house, "alias", ".qmail-owner:x", "./info/\n");
    send(&house, "Info");
    send(&house, "root");
    send(&house, "owner.x");
    await_new(&house, "alias", "info", 2);
    await_new(&house, "alias", "rootmail", 1);
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<guest@elsewhere.example>");
    for nobody in ["nobody-here", "gone", "joe", "ann/joe-smith"] {
        let reply = smtp.command(&format!("RCPT TO:<{nobody}@{HERE}>"));
        assert!(reply.starts_with("550 5.1.1"), "{nobody}: {reply}");
    }
    assert!(smtp.command(&format!("RCPT TO:<ann@{HERE}>")).starts_with("250"));
}

#[test]
fn users_assign_comes_first_and_a_mistake_in_it_leaves_the_old_table() {
    let Some(house) = start() else { return };
    maildir(&house, "ann", "sales");
    maildir(&house, "joe-smith", "Maildir");
    write(&house, "ann", ".qmail-sales-default", "./sales/\n");
    let (ann, joe) = (house.path("people/ann"), house.path("people/joe-smith"));
    let text = format!(
        "=boss:joe-smith:64502:64502:{}:::\n+shop-:ann:64501:64501:{}:-:sales-:\n+trash:::::::\n",
        joe.display(),
        ann.display()
    )
    .replace("+trash:::::::", "+trash::64504:64504:/:::");
    house.write("users/assign", &format!("{text}.\n"));
    let newu = |house: &House| {
        let mut command = Command::new(house.path("bin/qmail-newu"));
        command.env("FULMAR_HOME", house.path("")).stdin(Stdio::null()).output().unwrap()
    };
    let done = newu(&house);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    send(&house, "boss");
    send(&house, "shop-socks");
    await_new(&house, "joe-smith", "Maildir", 1);
    await_new(&house, "ann", "sales", 1);
    send(&house, "trashed");
    house.await_empty_queue();
    house.write("users/assign", "=boss:joe-smith:64502:\n.\n");
    let done = newu(&house);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && said.contains("users/assign: line 1"), "{said}");
    send(&house, "boss");
    await_new(&house, "joe-smith", "Maildir", 2);
    house.write("users/cdb", "cut");
    let reply = Smtp::connect(house.smtp()).send("a@b.example", &[&format!("boss@{HERE}")], b"x\n");
    assert!(reply.starts_with("451 4."), "a damaged table is no reason to refuse: {reply}");
}

#[test]
fn nobody_becomes_root_by_a_slip_in_a_table() {
    let Some(house) = start() else { return };
    house.write("users/assign", "=slip:root:0:0:/root:::\n+slip-:root:0:0:/root:-::\n.\n");
    house.well(&["cdb"]);
    send(&house, "slip");
    house.until("a deferral", || house.log().contains("deferral:").then_some(()));
    assert_eq!(house.queued(), 1, "it waits for the table to be mended");
    assert!(!std::path::Path::new("/root/Maildir").exists());
}

#[test]
fn a_virtual_domain_of_a_user_is_his_with_every_name_in_it() {
    let Some(house) = start() else { return };
    maildir(&house, "ann", "club");
    write(&house, "ann", ".qmail-club-default", "./club/\n");
    house.write("control/virtualdomains", "club.test:ann-club\nvip@mixed.test:ann-club-vip\n");
    house.write("control/rcpthosts", "mixed.test\n");
    house.well(&["check"]);
    // By itself `send` would read the tables at HUP only; a domain accepted by the new ones makes it look.
    house.send("guest@elsewhere.example", "whoever@club.test", &message("club"));
    await_new(&house, "ann", "club", 1);
    house.send("guest@elsewhere.example", "vip@mixed.test", &message("vip"));
    let texts = await_new(&house, "ann", "club", 2);
    let told = |line: &str| texts.iter().any(|text| text.contains(line));
    assert!(told("\nDelivered-To: ann-club-whoever@club.test\n"), "{texts:?}");
    assert!(told("\nDelivered-To: ann-club-vip-vip@mixed.test\n"), "{texts:?}");
}

#[test]
fn users_of_the_system_log_in_with_their_system_s_passwords() {
    let Some(house) = start() else { return };
    maildir(&house, "ann", "Maildir");
    maildir(&house, "joe-smith", "Maildir");
    send(&house, "ann");
    await_new(&house, "ann", "Maildir", 1);
    for (name, mail) in [("ann", 1), ("ann@system.test", 1), ("joe-smith", 0)] {
        let mut pop3 = Pop3::login(house.pop3(), name, PASSWORD);
        assert!(pop3.good("STAT").starts_with(&format!("{mail} ")), "{name}");
        pop3.good("QUIT");
    }
    for (name, password) in
        [("ann", "wrong"), ("gone", "!"), ("alias", "*"), ("root", PASSWORD), ("ann@example.test", PASSWORD)]
    {
        let mut pop3 = Pop3::connect(house.pop3());
        pop3.good(&format!("USER {name}"));
        let answer = pop3.command(&format!("PASS {password}"));
        assert!(answer.starts_with("-ERR"), "{name}: {answer}");
    }
}

/// Debian's tcpserver with a chain of POP3 programs behind it.
struct Chain(Child, SocketAddr);

impl Chain {
    fn start(house: &House, rest: &[&str]) -> Option<Chain> {
        let tcpserver = tool("tcpserver")?;
        let address = SocketAddr::from(([127, 0, 0, 1], house.spare_port()));
        let path = format!("{}:/usr/bin:/bin", house.path("bin").display());
        let mut command = Command::new(tcpserver);
        command.args(["-HR", "-l", "pop.system.test", "127.0.0.1", &address.port().to_string()]);
        command.args([program("popup").to_str().unwrap(), "pop.system.test"]).args(rest);
        let child = command.env("PATH", path).env("FULMAR_HOME", house.path("")).spawn().unwrap();
        house.until("the chain", || std::net::TcpStream::connect(address).ok());
        Some(Chain(child, address))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[test]
fn the_classical_chain_serves_pop3_under_another_s_tcpserver() {
    let Some(house) = start() else { return };
    house.well(&["domain", "add", tests::DOMAIN]);
    house.user("carl", &[]);
    maildir(&house, "ann", "Maildir");
    send(&house, "ann");
    await_new(&house, "ann", "Maildir", 1);
    let (checkpassword, pop3d) = (program("checkpassword"), program("pop3d"));
    let rest = [checkpassword.to_str().unwrap(), pop3d.to_str().unwrap(), "Maildir"];
    let Some(chain) = Chain::start(&house, &rest) else { return };
    let mut pop3 = Pop3::login(chain.1, "ann", PASSWORD);
    assert!(pop3.good("STAT").starts_with("1 "));
    assert!(pop3.fetch(1).starts_with(b"Return-Path: <guest@elsewhere.example>\n"));
    pop3.good("QUIT");
    let mut pop3 = Pop3::login(chain.1, "carl@example.test", PASSWORD);
    assert!(pop3.good("STAT").starts_with("0 "));
    let mut pop3 = Pop3::connect(chain.1);
    pop3.good("USER ann");
    assert!(pop3.command("PASS nonsense").starts_with("-ERR [AUTH]"));
    let mut pop3 = Pop3::connect(chain.1);
    assert!(pop3.command("STAT").starts_with("-ERR"));
}

#[test]
fn the_classical_chain_works_with_the_checkpassword_of_somebody_else() {
    let Some(house) = start() else { return };
    maildir(&house, "ann", "Maildir");
    send(&house, "ann");
    await_new(&house, "ann", "Maildir", 1);
    let script = format!(
        "#!/bin/bash\nIFS= read -r -d '' name <&3; IFS= read -r -d '' password <&3; exec 3<&-\n\
         [ \"$name/$password\" = 'ann/open sesame' ] || exit 1\ncd {} || exit 111\n\
         export HOME=$PWD USER=ann\nexec setpriv --reuid 64501 --regid 64501 --clear-groups -- \"$@\"\n",
        house.path("people/ann").display()
    );
    let path = house.path("their-checkpassword");
    house.write("their-checkpassword", &script);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let rest = [path.to_str().unwrap(), program("pop3d").to_str().unwrap().to_owned().leak(), "Maildir"];
    let Some(chain) = Chain::start(&house, &rest) else { return };
    let mut pop3 = Pop3::login(chain.1, "ann", PASSWORD);
    assert!(pop3.good("STAT").starts_with("1 "));
    pop3.good("QUIT");
    let mut pop3 = Pop3::connect(chain.1);
    pop3.good("USER ann");
    assert!(pop3.command("PASS wrong").starts_with("-ERR [AUTH]"));
}

#[test]
fn qmail_pw2u_makes_the_table_of_an_existing_passwd() {
    let Some(house) = start() else { return };
    let mut command = Command::new(house.path("bin/qmail-pw2u"));
    command.env("FULMAR_HOME", house.path("")).stdin(fs::File::open(house.path("passwd")).unwrap());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let ann = house.path("people/ann").display().to_string();
    assert!(text.contains(&format!("=ann:ann:64501:64501:{ann}:::\n")), "{text}");
    assert!(text.contains(&format!("+ann-:ann:64501:64501:{ann}:-::\n")), "{text}");
    assert!(text.contains(":alias:64504:64504:") && text.ends_with("\n.\n"), "{text}");
    assert!(!text.contains("root:") && !text.contains("=gone:"), "{text}");
    house.write("users/assign", &text);
    house.well(&["cdb"]);
    maildir(&house, "ann", "Maildir");
    send(&house, "ann");
    await_new(&house, "ann", "Maildir", 1);
}
