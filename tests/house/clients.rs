//! A mail program for tests: SMTP and POP3, straight and strict.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// A small message with a subject.
pub fn message(subject: &str) -> String {
    format!("From: bob@example.test\nTo: alice@example.test\nSubject: {subject}\n\nHello.\n")
}

struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    fn connect(address: SocketAddr) -> std::io::Result<Talk> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(super::PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Talk { stream: BufReader::new(stream) })
    }

    fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// One line, without its CR LF; an error at the end.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(text) => Ok(text.to_vec()),
            None => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn text(&mut self) -> std::io::Result<String> {
        Ok(String::from_utf8_lossy(&self.line()?).into_owned())
    }
}

/// An SMTP session.
pub struct Smtp(Talk);

impl Smtp {
    /// Connects and hears the greeting, says nothing.
    pub fn try_greeted(address: SocketAddr) -> std::io::Result<Smtp> {
        let mut smtp = Smtp(Talk::connect(address)?);
        let greeting = smtp.reply()?;
        if greeting.starts_with("220 ") { Ok(smtp) } else { Err(std::io::Error::other(greeting)) }
    }

    /// Connects and greets.
    pub fn connect(address: SocketAddr) -> Smtp {
        Smtp::try_connect(address).unwrap()
    }

    /// As [`Smtp::connect`], for tests in which servers die.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Smtp> {
        let mut smtp = Smtp::try_greeted(address)?;
        smtp.try_command("EHLO client.example.net")?;
        Ok(smtp)
    }

    /// Says one line; gives the last line of the reply.
    pub fn command(&mut self, line: &str) -> String {
        self.try_command(line).unwrap()
    }

    /// As [`Smtp::command`], for tests in which servers die.
    pub fn try_command(&mut self, line: &str) -> std::io::Result<String> {
        self.0.say(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends a message with LF line ends; gives the reply to it, or the first refusal.
    pub fn send(&mut self, from: &str, to: &[&str], text: &[u8]) -> String {
        self.try_send(from, to, text).unwrap()
    }

    /// As [`Smtp::send`], for tests in which servers die.
    pub fn try_send(&mut self, from: &str, to: &[&str], text: &[u8]) -> std::io::Result<String> {
        self.try_send_wired(from, to, &on_the_wire(text))
    }

    /// As [`Smtp::try_send`]; the text is [`on_the_wire`] already.
    pub fn try_send_wired(&mut self, from: &str, to: &[&str], text: &[u8]) -> std::io::Result<String> {
        let mut commands = vec![format!("MAIL FROM:<{from}>")];
        commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        for command in commands {
            let reply = self.try_command(&command)?;
            if !reply.starts_with('2') {
                return Ok(reply);
            }
        }
        let reply = self.try_command("DATA")?;
        if !reply.starts_with('3') {
            return Ok(reply);
        }
        self.0.say(text)?;
        self.reply()
    }

    fn reply(&mut self) -> std::io::Result<String> {
        loop {
            let line = self.0.text()?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }
}

/// A text with LF line ends as it follows DATA: CR LF, dots doubled, the last dot.
pub fn on_the_wire(text: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len() + 64);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend(line.strip_suffix(b"\n").unwrap_or(line));
        wire.extend(b"\r\n");
    }
    wire.extend(b".\r\n");
    wire
}

/// A POP3 session.
pub struct Pop3(Talk);

impl Pop3 {
    /// Connects and logs in; the answer to the password must be good.
    pub fn login(address: SocketAddr, user: &str, password: &str) -> Pop3 {
        let mut pop3 = Pop3::connect(address);
        pop3.good(&format!("USER {user}"));
        pop3.good(&format!("PASS {password}"));
        pop3
    }

    /// Connects and reads the greeting.
    pub fn connect(address: SocketAddr) -> Pop3 {
        let mut pop3 = Pop3(Talk::connect(address).unwrap());
        let greeting = pop3.0.text().unwrap();
        assert!(greeting.starts_with("+OK"), "{greeting}");
        pop3
    }

    /// Says one line; gives the first line of the answer.
    pub fn command(&mut self, line: &str) -> String {
        self.0.say(format!("{line}\r\n").as_bytes()).unwrap();
        self.0.text().unwrap()
    }

    /// Says one line that must be answered with `+OK`; gives the rest of that line.
    pub fn good(&mut self, line: &str) -> String {
        let answer = self.command(line);
        assert!(answer.starts_with("+OK"), "{line}: {answer}");
        answer[3..].trim().to_owned()
    }

    /// Fetches message `number`, with LF line ends.
    pub fn fetch(&mut self, number: usize) -> Vec<u8> {
        self.good(&format!("RETR {number}"));
        let mut text = Vec::new();
        loop {
            let line = self.0.line().unwrap();
            match line.as_slice() {
                b"." => return text,
                stuffed => text.extend(stuffed.strip_prefix(b".").unwrap_or(stuffed)),
            }
            text.push(b'\n');
        }
    }
}
