//! May this client send mail from this sender to this recipient, and which line says so?
//!
//! One ordered table of rows; the first row that has an opinion decides, and when none has, nobody
//! is relayed for. Knows the order and the wording of refusals. Does not know where tables are kept
//! or how a question is put to `lookup`: that comes through [`Tables`]. What cannot be found out is
//! [`Unsure`]: the mail waits, it is neither relayed nor refused.

mod address;
mod rows;

pub use address::percenthack;
pub use rows::{decide, decide_aloud};

use core::net::IpAddr;

use message::address::Address;
use wire::Code;

/// What is judged. The recipient is the one after localiphost and percenthack.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub client: Client<'a>,
    /// The sender; `None`: the empty one.
    pub sender: Option<&'a Address>,
    /// The recipient.
    pub recipient: &'a Address,
}

/// What is known of the client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<'a> {
    /// Its address, known for sure. For an unknown client no grant counts.
    pub ip: Option<IpAddr>,
    /// Its name, if that leads back to its address.
    pub host: Option<&'a str>,
    /// RELAYCLIENT as the matching rule sets it: the client may relay, and this is appended to
    /// each recipient.
    pub relayclient: Option<&'a str>,
    /// Who it has proved to be by SMTP AUTH.
    pub login: Option<&'a str>,
    /// Mail addresses that its TLS certificate has proved.
    pub certificates: &'a [String],
    /// Ask the relay table for it: CHECKRELAY.
    pub checkrelay: bool,
}

/// The tables, however they are kept. Each method gives the line that matched.
pub trait Tables {
    /// The line of control table `name` for the whole `address`, else for its `@host`.
    fn address(&mut self, name: &'static str, address: &str) -> Result<Option<String>, Unsure>;
    /// The line of control table `name` for `domain`, else for the longest `.suffix`.
    fn domain(&mut self, name: &'static str, domain: &str) -> Result<Option<String>, Unsure>;
    /// The line of control table `name` for `ip`, else for the longest network that it is in, and what
    /// follows its colon.
    fn network(&mut self, name: &'static str, ip: IpAddr) -> Result<Option<(String, String)>, Unsure>;
    /// The line of control table `name` for `host`, else for the longest `.suffix`, and what follows its colon.
    fn host(&mut self, name: &'static str, host: &str) -> Result<Option<(String, String)>, Unsure>;
    /// May who has logged in as `login` send mail from `sender`?
    fn may_send(&mut self, login: &str, sender: &str) -> Result<bool, Unsure>;
    /// The login that lets whoever is at `ip` relay mail of `sender` (empty: the empty one), and how old it is.
    fn relay(&mut self, ip: IpAddr, sender: &str) -> Result<Option<String>, Unsure>;
    /// Does `lookup` have users in `domain`?
    fn ours(&mut self, domain: &str) -> Result<bool, Unsure>;
}

/// It could not be found out: the reply is 4xx. Holds the cause, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsure(pub String);

/// A verdict and what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// For the log: `control/rcpthosts:.example.test`, `RELAYCLIENT`, `lookup`, `no table`.
    pub by: String,
}

/// May the mail come?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is for a domain of ours (whether the user exists is another question).
    Accept,
    /// The client may send to everybody; `append` is glued to the recipient.
    Relay {
        /// The value of RELAYCLIENT, or what the table says.
        append: String,
    },
    /// No.
    Refuse(Refusal),
}

/// A refusal in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SMTP reply code.
    pub reply: u16,
    /// The enhanced status code.
    pub code: Code,
    /// What the client is told.
    pub sentence: &'static str,
}
