//! An IMAP client for tests: straight, strict, and with every octet of an answer at hand.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Octets both ways.
pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// An IMAP session.
pub struct Imap {
    stream: BufReader<Box<dyn Stream>>,
    /// For time limits.
    socket: TcpStream,
    tags: u32,
    /// Written next to each tag of this session.
    letter: char,
}

/// Untagged responses, in their order, and the tagged one.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Without the `* ` and the last CR LF, literals included as they came.
    pub untagged: Vec<Vec<u8>>,
    /// Without the tag.
    pub tagged: String,
}

/// A value of a response.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Value {
    Nil,
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    List(Vec<Value>),
}

/// The items of one FETCH response by name, in upper case up to a bracket.
pub type Items = BTreeMap<String, Value>;

impl Imap {
    /// Connects and reads the greeting.
    pub fn try_connect(address: SocketAddr) -> io::Result<Imap> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        Imap::over(socket.try_clone()?, socket)
    }

    /// Begins a session on `stream`, beneath which is `socket`.
    pub fn over(stream: impl Stream + 'static, socket: TcpStream) -> io::Result<Imap> {
        socket.set_read_timeout(Some(super::PATIENCE))?;
        let mut imap = Imap { stream: BufReader::new(Box::new(stream)), socket, tags: 0, letter: 'a' };
        let greeting = imap.response()?;
        match greeting.starts_with(b"* OK") || greeting.starts_with(b"* PREAUTH") {
            true => Ok(imap),
            false => Err(io::Error::other(String::from_utf8_lossy(&greeting).into_owned())),
        }
    }

    /// Connects and logs in, or says why not.
    pub fn try_login(address: SocketAddr, user: &str, password: &str) -> io::Result<Imap> {
        let mut imap = Imap::try_connect(address)?;
        let answer = imap.try_command(&format!("LOGIN {} {}", quoted(user), quoted(password)))?;
        match answer.is_ok() {
            true => Ok(imap),
            false => Err(io::Error::other(answer.tagged)),
        }
    }

    /// As [`Imap::try_login`]; must go well.
    pub fn login(address: SocketAddr, user: &str, password: &str) -> Imap {
        Imap::try_login(address, user, password).unwrap()
    }

    /// Leaves, and waits until the server's process has let go of everything.
    pub fn log_out(mut self) {
        let _ = self.say(b"bye LOGOUT\r\n");
        while self.response().is_ok() {}
    }

    /// How long an answer may take.
    pub fn patience(&self, limit: Duration) {
        self.socket.set_read_timeout(Some(limit)).unwrap();
    }

    /// Gives one command; gives its answer.
    pub fn command(&mut self, line: &str) -> Answer {
        self.try_command(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Gives one command, which must be answered with OK.
    pub fn good(&mut self, line: &str) -> Answer {
        let answer = self.command(line);
        assert!(answer.is_ok(), "{line}: {}", answer.tagged);
        answer
    }

    /// As [`Imap::command`], for tests in which servers die.
    pub fn try_command(&mut self, line: &str) -> io::Result<Answer> {
        let tag = self.tag();
        self.say(format!("{tag} {line}\r\n").as_bytes())?;
        self.answer(&tag)
    }

    /// As [`Imap::try_command`], but only the tagged answer is kept: for very long ones.
    pub fn try_pass_over(&mut self, line: &str) -> io::Result<String> {
        let tag = self.tag();
        self.say(format!("{tag} {line}\r\n").as_bytes())?;
        loop {
            let response = self.response()?;
            if let Some(rest) = response.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(b" "))
            {
                return Ok(String::from_utf8_lossy(rest).into_owned());
            }
        }
    }

    /// A command with literals: each text is followed by its literal, `last` ends the line. Waits for the server's
    /// leave before each literal; a refusal instead of it is the answer.
    pub fn try_literals(&mut self, pieces: &[(&str, &[u8])], last: &str) -> io::Result<Answer> {
        let tag = self.tag();
        self.say(format!("{tag} ").as_bytes())?;
        let mut untagged = Vec::new();
        for (text, literal) in pieces {
            self.say(format!("{text}{{{}}}\r\n", literal.len()).as_bytes())?;
            if let Some(tagged) = self.leave(&tag, &mut untagged)? {
                return Ok(Answer { untagged, tagged });
            }
            self.say(literal)?;
        }
        self.say(format!("{last}\r\n").as_bytes())?;
        let mut answer = self.answer(&tag)?;
        answer.untagged.splice(0..0, untagged);
        Ok(answer)
    }

    /// APPEND of a message with CR LF line ends; `options` such as ` (\Seen)`.
    pub fn try_append(&mut self, mailbox: &str, options: &str, text: &[u8]) -> io::Result<Answer> {
        self.try_literals(&[(&format!("APPEND {mailbox}{options} "), text)], "")
    }

    /// APPEND with a literal that waits for nothing (RFC 7888).
    pub fn try_append_at_once(&mut self, mailbox: &str, options: &str, text: &[u8]) -> io::Result<Answer> {
        let tag = self.tag();
        let mut line = format!("{tag} APPEND {mailbox}{options} {{{}+}}\r\n", text.len()).into_bytes();
        line.extend(text);
        line.extend(b"\r\n");
        self.say(&line)?;
        self.answer(&tag)
    }

    /// Begins IDLE; gives its tag and what came before the server's word.
    pub fn try_idle(&mut self) -> io::Result<(String, Vec<Vec<u8>>)> {
        let tag = self.tag();
        self.say(format!("{tag} IDLE\r\n").as_bytes())?;
        let mut before = Vec::new();
        match self.leave(&tag, &mut before)? {
            None => Ok((tag, before)),
            Some(refusal) => Err(io::Error::other(refusal)),
        }
    }

    /// Waits for one untagged response, at most so long.
    pub fn try_news(&mut self, limit: Duration) -> io::Result<Option<Vec<u8>>> {
        if self.stream.buffer().is_empty() {
            self.socket.set_read_timeout(Some(limit.max(Duration::from_millis(1))))?;
            let came = match self.stream.fill_buf() {
                Ok([]) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => Ok(true),
                Err(error) if is_timeout(&error) => Ok(false),
                Err(error) => Err(error),
            };
            self.socket.set_read_timeout(Some(super::PATIENCE))?;
            if !came? {
                return Ok(None);
            }
        }
        let line = self.response()?;
        untagged(&line).map(|rest| Some(rest.to_vec()))
    }

    /// Waits until an untagged response begins with one of `starts` after its number; gives all up to it.
    pub fn await_news(&mut self, wanted: &str) -> Vec<Vec<u8>> {
        let (deadline, mut all) = (Instant::now() + super::PATIENCE, Vec::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(line) = self.try_news(left).unwrap() else { panic!("waited in vain for {wanted}") };
            let found = String::from_utf8_lossy(&line).contains(wanted);
            all.push(line);
            if found {
                return all;
            }
        }
    }

    /// Ends IDLE.
    pub fn try_done(&mut self, tag: &str) -> io::Result<Answer> {
        self.say(b"DONE\r\n")?;
        self.answer(tag)
    }

    /// Says octets as they are.
    pub fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)?;
        self.stream.get_mut().flush()
    }

    /// Reads up to the response with this tag.
    pub fn answer(&mut self, tag: &str) -> io::Result<Answer> {
        let mut all = Vec::new();
        loop {
            let line = self.response()?;
            match line.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(b" ")) {
                Some(rest) => {
                    return Ok(Answer { untagged: all, tagged: String::from_utf8_lossy(rest).into_owned() });
                }
                None => all.push(untagged(&line)?.to_vec()),
            }
        }
    }

    /// `None`: the server waits for more.
    fn leave(&mut self, tag: &str, seen: &mut Vec<Vec<u8>>) -> io::Result<Option<String>> {
        loop {
            let line = self.response()?;
            if line.starts_with(b"+") {
                return Ok(None);
            }
            if let Some(rest) = line.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(b" ")) {
                return Ok(Some(String::from_utf8_lossy(rest).trim().to_owned()));
            }
            seen.push(untagged(&line)?.to_vec());
        }
    }

    fn tag(&mut self) -> String {
        self.tags += 1;
        format!("{}{}", self.letter, self.tags)
    }

    /// A whole response with its literals, without the last CR LF.
    pub fn response(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let from = line.len();
            self.stream.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\r\n") {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match announced(&line[from..]) {
                None => {
                    line.truncate(line.len() - 2);
                    return Ok(line);
                }
                Some(size) => {
                    let start = line.len();
                    line.resize(start + size, 0);
                    self.stream.read_exact(&mut line[start..])?;
                }
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn untagged(line: &[u8]) -> io::Result<&[u8]> {
    line.strip_prefix(b"* ")
        .ok_or_else(|| io::Error::other(format!("not a response: {}", line.escape_ascii())))
}

/// The size of the literal that follows a line.
fn announced(line: &[u8]) -> Option<usize> {
    let inside = line.strip_suffix(b"}\r\n")?;
    let open = inside.iter().rposition(|byte| *byte == b'{')?;
    let before = &inside[..open];
    std::str::from_utf8(&inside[open + 1..]).ok()?.parse().ok().filter(|_| !ends_in_quotes(before))
}

/// Text that happens to end in braces within a quoted string is none of ours: quotes are open.
fn ends_in_quotes(before: &[u8]) -> bool {
    let (mut open, mut escaped) = (false, false);
    for byte in before {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if open => escaped = true,
            b'"' => open = !open,
            _ => {}
        }
    }
    open
}

/// A string in quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Answer {
    /// Was it OK?
    pub fn is_ok(&self) -> bool {
        self.tagged.starts_with("OK")
    }

    /// The untagged responses as text.
    pub fn lines(&self) -> Vec<String> {
        self.untagged.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    /// What stands behind `word` in the first untagged response that begins with it.
    pub fn after(&self, word: &str) -> Option<String> {
        self.lines().iter().find_map(|line| Some(line.strip_prefix(word)?.trim().to_owned()))
    }

    /// What stands behind `name` in a response code, tagged or not.
    pub fn code(&self, name: &str) -> Option<String> {
        let start = format!("[{name} ");
        self.lines().iter().chain([&self.tagged]).find_map(|line| {
            let inside = &line[line.find(&start)? + start.len()..];
            Some(inside[..inside.find(']')?].to_owned())
        })
    }

    /// A response code's number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.code(name)?.parse().ok()
    }

    /// The number of an untagged response such as EXISTS, the last one told.
    pub fn told(&self, word: &str) -> Option<u32> {
        self.untagged
            .iter()
            .rev()
            .find_map(|line| numbered(line).filter(|(_, what)| *what == word))
            .map(|(n, _)| n)
    }

    /// All FETCH responses.
    pub fn fetches(&self) -> Vec<(u32, Items)> {
        self.untagged.iter().filter_map(|line| fetched(line)).collect()
    }

    /// The numbers that SEARCH or SORT found.
    pub fn found(&self, word: &str) -> Vec<u32> {
        let text = self.after(word).unwrap_or_default();
        text.split(' ').filter_map(|number| number.parse().ok()).collect()
    }
}

/// Number and word of a response such as `3 EXPUNGE`.
pub fn numbered(line: &[u8]) -> Option<(u32, &str)> {
    let end = line.iter().position(|byte| *byte == b' ')?;
    let number = std::str::from_utf8(&line[..end]).ok()?.parse().ok()?;
    let word = &line[end + 1..];
    let end = word.iter().position(|byte| *byte == b' ').unwrap_or(word.len());
    Some((number, std::str::from_utf8(&word[..end]).ok()?))
}

/// Sequence number and items of a FETCH response.
pub fn fetched(line: &[u8]) -> Option<(u32, Items)> {
    let (number, word) = numbered(line)?;
    if word != "FETCH" {
        return None;
    }
    let open = line.iter().position(|byte| *byte == b'(')?;
    let Some(Value::List(list)) = values(&line[open..]).into_iter().next() else { return None };
    let pairs = list.chunks_exact(2).map(|pair| (pair[0].word().to_ascii_uppercase(), pair[1].clone()));
    Some((number, pairs.collect()))
}

impl Value {
    /// An atom's text; of others as good as it goes.
    pub fn word(&self) -> String {
        match self {
            Value::Nil => "NIL".into(),
            Value::Atom(text) => text.clone(),
            Value::Text(octets) => String::from_utf8_lossy(octets).into_owned(),
            Value::List(list) => list.iter().map(Value::word).collect::<Vec<_>>().join(" "),
        }
    }

    /// The number it is.
    pub fn number(&self) -> Option<u64> {
        self.word().parse().ok()
    }

    /// The values in it.
    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            _ => &[],
        }
    }

    /// The octets of a string.
    pub fn octets(&self) -> &[u8] {
        match self {
            Value::Text(octets) => octets,
            _ => &[],
        }
    }
}

/// A UID set such as `3:5,7`, each number by itself.
pub fn numbers(set: &str) -> Vec<u32> {
    let range = |piece: &str| {
        let (from, to) = piece.split_once(':').unwrap_or((piece, piece));
        let (from, to): (u32, u32) = (from.parse().unwrap_or(0), to.parse().unwrap_or(0));
        from.min(to)..=from.max(to)
    };
    set.trim().split(',').filter(|piece| !piece.is_empty()).flat_map(range).collect()
}

/// The values that a response consists of.
pub fn values(octets: &[u8]) -> Vec<Value> {
    let mut reader = Reader { octets, at: 0 };
    reader.list()
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn list(&mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(byte) = self.octets.get(self.at) {
            match byte {
                b' ' => self.at += 1,
                b')' => {
                    self.at += 1;
                    break;
                }
                b'(' => {
                    self.at += 1;
                    all.push(Value::List(self.list()));
                }
                b'"' => all.push(self.quoted()),
                b'{' | b'~' => all.push(self.literal()),
                _ => all.push(self.atom()),
            }
        }
        all
    }

    fn quoted(&mut self) -> Value {
        let mut text = Vec::new();
        self.at += 1;
        while let Some(byte) = self.octets.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    text.extend(self.octets.get(self.at));
                    self.at += 1;
                }
                _ => text.push(*byte),
            }
        }
        Value::Text(text)
    }

    fn literal(&mut self) -> Value {
        let rest = &self.octets[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |place| place + 1);
        let size = announced(&rest[..end]).unwrap_or(0).min(rest.len() - end);
        self.at += end + size;
        Value::Text(rest[end..end + size].to_vec())
    }

    /// Brackets hold spaces and parentheses.
    fn atom(&mut self) -> Value {
        let (start, mut depth) = (self.at, 0_usize);
        while let Some(byte) = self.octets.get(self.at) {
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                b' ' | b'(' | b')' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        let text = String::from_utf8_lossy(&self.octets[start..self.at]).into_owned();
        if text == "NIL" { Value::Nil } else { Value::Atom(text) }
    }
}
