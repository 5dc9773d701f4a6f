//! Cuts what a client sends into commands: lines, and the literals they announce. RFC 9051 §4.3, RFC 7888, RFC 3516.
//!
//! Knows where a command ends, and what it may cost; what it means is the parser's affair. Nothing is set aside for a
//! literal when it is announced: memory grows with what has come.

mod announced;
#[cfg(test)]
mod tests;

pub use announced::Announced;

use std::mem;

/// What one command may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of its lines together, line ends and literals apart.
    pub line: usize,
    /// Octets of the literals that are kept in memory, together.
    pub kept: u64,
    /// Number of its literals, spooled ones too.
    pub literals: usize,
    /// Octets of a refused command that are passed over before the client is given up.
    pub skipped: u64,
}

impl Limits {
    /// For somebody who has not logged in.
    pub const BEFORE_LOGIN: Limits =
        Limits { line: 8 * 1024, kept: 8 * 1024, literals: 16, skipped: 256 * 1024 };
    /// For a user.
    pub const AFTER_LOGIN: Limits =
        Limits { line: 64 * 1024, kept: 1024 * 1024, literals: 1000, skipped: 256 * 1024 * 1024 };
}

/// A command as it came: its lines joined, `{n}` left where it stood, and what each of these announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The text, without line ends.
    pub line: Vec<u8>,
    /// The literals in their order.
    pub literals: Vec<Literal>,
}

/// A literal of a [`Frame`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Where in the line its announcement begins.
    pub at: usize,
    /// Where in the line the text after it begins.
    pub end: usize,
    /// `~{n}`: it may hold any octet. RFC 3516.
    pub binary: bool,
    /// What it said; `None`: it was spooled.
    pub text: Option<Vec<u8>>,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// A whole command.
    Command(Frame),
    /// A literal is announced; [`Frames::head`] is the command so far. The session answers by [`Frames::accept`],
    /// [`Frames::accept_spooled`] or [`Frames::refuse`].
    Literal(Announced),
    /// Octets of a literal that is spooled.
    Octets(&'a [u8]),
    /// The spooled literal is complete.
    LiteralEnd,
    /// The raw line that [`Frames::expect_line`] asked for.
    Line(Vec<u8>),
    /// A line is too long: its beginning, for its tag. What remains of it is passed over.
    TooLong(Vec<u8>),
    /// More came than is passed over: there is nothing but hanging up.
    Endless,
}

/// What a refusal comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The command is over, or what remains of it will be passed over in silence.
    Over,
    /// More is announced than is passed over: hang up.
    HangUp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In a line.
    #[default]
    Line,
    /// A literal awaits the session's answer.
    Asked(Announced),
    /// So many octets of a literal are still to be kept.
    Keeping(u64),
    /// So many are still to be spooled.
    Spooling(u64),
    /// So many are still to be passed over, of a literal whose command is over.
    Skipping(u64),
    /// In a line of a command that is over.
    Discarding,
    Endless,
}

/// Octets at the end of a line among which an announcement is looked for once the line is not kept.
const TAIL: usize = 64;
/// Octets of a line's beginning that [`Taken::TooLong`] gives.
const HEAD: usize = 256;

/// Commands out of octets.
#[derive(Debug)]
pub struct Frames {
    limits: Limits,
    state: State,
    frame: Frame,
    kept: u64,
    skipped: u64,
    raw: bool,
}

impl Frames {
    /// At the beginning of a command.
    pub fn new(limits: Limits) -> Frames {
        let (state, frame) = (State::default(), Frame::default());
        Frames { limits, state, frame, kept: 0, skipped: 0, raw: false }
    }

    /// The next line is no command: the end of IDLE, or an answer of AUTHENTICATE.
    pub fn expect_line(&mut self) {
        self.raw = true;
    }

    /// The command so far; after [`Taken::Literal`] its line ends with the announcement.
    pub fn head(&self) -> &Frame {
        &self.frame
    }

    /// Is nothing of a command here yet?
    pub fn is_at_start(&self) -> bool {
        self.state == State::Line && self.frame.line.is_empty() && self.frame.literals.is_empty()
    }

    /// What came first in `input`, which moves past it; `None` if all of it is eaten.
    pub fn take<'a>(&mut self, input: &mut &'a [u8]) -> Option<Taken<'a>> {
        loop {
            let taken = match self.state {
                State::Line => self.line(input)?,
                State::Asked(_) => self.unanswered(),
                State::Keeping(left) => self.keep(input, left)?,
                State::Spooling(left) => return self.spool(input, left),
                State::Skipping(left) => self.skip(input, left)?,
                State::Discarding => self.discard(input)?,
                State::Endless => return (!mem::take(input).is_empty()).then_some(Taken::Endless),
            };
            if taken.is_some() {
                return taken;
            }
        }
    }

    /// The literal is to be kept in memory. False, and nothing is decided, if that is more than the limits allow.
    pub fn accept(&mut self) -> bool {
        let State::Asked(announced) = self.state else { return false };
        let kept = self.kept.saturating_add(announced.octets);
        if kept > self.limits.kept || self.frame.literals.len() >= self.limits.literals {
            return false;
        }
        self.kept = kept;
        self.begin(announced, Some(Vec::new()));
        self.state = State::Keeping(announced.octets);
        true
    }

    /// The literal's octets are to be given to the session as they come. False if there are too many literals, or no
    /// number was that large.
    pub fn accept_spooled(&mut self) -> bool {
        let State::Asked(announced) = self.state else { return false };
        if self.frame.literals.len() >= self.limits.literals || announced.octets == u64::MAX {
            return false;
        }
        self.begin(announced, None);
        self.state = State::Spooling(announced.octets);
        true
    }

    /// The literal is not wanted, and so the command is over; the session tells the client why. A client that
    /// has not waited for an answer has sent it all the same: it is passed over. RFC 7888 §4.
    pub fn refuse(&mut self) -> Refused {
        let octets = match self.state {
            State::Asked(announced) if announced.synchronizing => None,
            State::Asked(announced) => Some(announced.octets),
            State::Spooling(left) => Some(left),
            _ => return Refused::Over,
        };
        self.forget();
        if let Some(octets) = octets {
            self.pass_over(octets);
        }
        if self.state == State::Endless { Refused::HangUp } else { Refused::Over }
    }

    fn begin(&mut self, announced: Announced, text: Option<Vec<u8>>) {
        let literal =
            Literal { at: announced.at, end: self.frame.line.len(), binary: announced.binary, text };
        self.frame.literals.push(literal);
    }

    /// Who is asked and goes on reading does not want it.
    fn unanswered(&mut self) -> Option<Taken<'static>> {
        (self.refuse() == Refused::HangUp).then_some(Taken::Endless)
    }

    fn forget(&mut self) {
        self.frame = Frame::default();
        (self.kept, self.skipped, self.state) = (0, 0, State::Line);
    }

    fn pass_over(&mut self, octets: u64) {
        self.skipped = self.skipped.saturating_add(octets);
        let endless = self.skipped > self.limits.skipped;
        self.state = if endless { State::Endless } else { State::Skipping(octets) };
    }

    fn line(&mut self, input: &mut &[u8]) -> Option<Option<Taken<'static>>> {
        let all = *input;
        let (piece, ended) = next_piece(input)?;
        let room = self.limits.line.saturating_sub(self.frame.line.len());
        if piece.len() > room {
            self.frame.line.extend_from_slice(&all[..room]);
            *input = &all[room..];
            return Some(Some(self.too_long()));
        }
        self.frame.line.extend_from_slice(piece);
        if !ended {
            return None;
        }
        if self.frame.line.last() == Some(&b'\r') {
            self.frame.line.pop();
        }
        Some(Some(self.ended()))
    }

    fn ended(&mut self) -> Taken<'static> {
        if mem::take(&mut self.raw) {
            return Taken::Line(mem::take(&mut self.frame).line);
        }
        let from = self.frame.literals.last().map_or(0, |literal| literal.end);
        match Announced::at_end(&self.frame.line, from) {
            None => {
                let frame = mem::take(&mut self.frame);
                self.forget();
                Taken::Command(frame)
            }
            Some(announced) => {
                self.state = State::Asked(announced);
                Taken::Literal(announced)
            }
        }
    }

    fn too_long(&mut self) -> Taken<'static> {
        let mut line = mem::take(&mut self.frame.line);
        self.forget();
        self.frame.line = last(&line, TAIL);
        self.state = State::Discarding;
        line.truncate(HEAD);
        Taken::TooLong(line)
    }

    fn keep(&mut self, input: &mut &[u8], left: u64) -> Option<Option<Taken<'static>>> {
        let (octets, left) = next_octets(input, left)?;
        if let Some(Literal { text: Some(text), .. }) = self.frame.literals.last_mut() {
            text.extend_from_slice(octets);
        }
        self.state = if left == 0 { State::Line } else { State::Keeping(left) };
        Some(None)
    }

    fn spool<'a>(&mut self, input: &mut &'a [u8], left: u64) -> Option<Taken<'a>> {
        if left == 0 {
            self.state = State::Line;
            return Some(Taken::LiteralEnd);
        }
        let (octets, left) = next_octets(input, left)?;
        self.state = State::Spooling(left);
        Some(Taken::Octets(octets))
    }

    fn skip(&mut self, input: &mut &[u8], left: u64) -> Option<Option<Taken<'static>>> {
        let (_, left) = next_octets(input, left)?;
        self.state = if left == 0 { State::Discarding } else { State::Skipping(left) };
        Some(None)
    }

    fn discard(&mut self, input: &mut &[u8]) -> Option<Option<Taken<'static>>> {
        let (piece, ended) = next_piece(input)?;
        self.skipped = self.skipped.saturating_add(piece.len() as u64);
        if self.skipped > self.limits.skipped {
            self.state = State::Endless;
            return Some(Some(Taken::Endless));
        }
        self.frame.line.extend_from_slice(&piece[piece.len().saturating_sub(TAIL)..]);
        self.frame.line = last(&self.frame.line, TAIL);
        if !ended {
            return None;
        }
        self.discarded();
        Some((self.state == State::Endless).then_some(Taken::Endless))
    }

    /// A line of a command that is over has ended: so has the command, unless the client goes on unasked.
    fn discarded(&mut self) {
        let mut line = mem::take(&mut self.frame.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let raw = mem::take(&mut self.raw);
        match Announced::at_end(&line, 0) {
            Some(announced) if !announced.synchronizing && !raw => self.pass_over(announced.octets),
            _ => self.forget(),
        }
    }
}

/// What there is of a line, and whether it ends there. A line feed alone ends it too.
fn next_piece<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    if input.is_empty() {
        return None;
    }
    let all = *input;
    match memchr::memchr(b'\n', all) {
        Some(end) => {
            *input = &all[end + 1..];
            Some((&all[..end], true))
        }
        None => {
            *input = &[];
            Some((all, false))
        }
    }
}

/// What there is of a literal, and how much is to come. `None`: nothing is here, though more is to come.
fn next_octets<'a>(input: &mut &'a [u8], left: u64) -> Option<(&'a [u8], u64)> {
    if input.is_empty() && left > 0 {
        return None;
    }
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let (octets, rest) = input.split_at(count);
    *input = rest;
    Some((octets, left - count as u64))
}

fn last(line: &[u8], count: usize) -> Vec<u8> {
    line[line.len().saturating_sub(count)..].to_vec()
}
