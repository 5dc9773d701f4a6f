//! What a session needs from the world, and what it is told at its start.

use core::net::IpAddr;

use message::address::Address;

use crate::{MailParameters, Reply, Step};

/// The one door between a session and the world. `bin/smtpd` has the real one, tests a fake.
pub trait House: 'static {
    /// Seconds since 1970, for the trace line and the reply to a message.
    fn now(&mut self) -> i64;

    /// May mail come from `sender` (`None`: the empty one)? A refusal is the reply to MAIL.
    fn sender(&mut self, sender: Option<&Address>, parameters: &MailParameters) -> Result<(), Reply>;

    /// May mail go to `recipient`? Gives the address as the envelope shall have it.
    fn recipient(&mut self, recipient: &Address) -> Result<String, Reply>;

    /// May TLS begin? Reserves what that takes; false: not now.
    fn reserve_tls(&mut self) -> bool;

    /// Begins an exchange that proves who the client is: one of the mechanisms that the settings name, and
    /// the client's first message if it came with the command.
    fn authenticate(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Step;

    /// The client's next message of the exchange.
    fn answer(&mut self, message: &[u8]) -> Step;

    /// A message is about to come. A refusal is the reply to DATA or BDAT.
    fn open(&mut self) -> Result<(), Reply>;

    /// The next piece of the opened message. Trouble is kept until [`House::commit`].
    fn write(&mut self, part: &[u8]);

    /// The message is complete: make it durable, then give its id.
    fn commit(&mut self, envelope: &Envelope) -> Result<String, Reply>;

    /// The opened message is not wanted. Also called when none is open.
    fn abort(&mut self);

    /// The client did something wrong for the `count`th time: log it, perhaps let it wait.
    fn fault(&mut self, fault: Fault, count: u32, reply: &Reply);
}

/// What kind of thing a client did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Against the protocol.
    Protocol,
    /// It named a recipient that was refused for good, or none at all.
    Recipient,
    /// Its message was refused for what it is (line ends, size, hops).
    Message,
}

/// Sender and recipients, in the form that goes into the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `local@domain`, or empty.
    pub sender: String,
    /// `local@domain` each, in the order given.
    pub recipients: Vec<String>,
    /// It may go on by TLS only (RFC 8689).
    pub requiretls: bool,
}

/// Who is at the other end, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: Option<IpAddr>,
    /// Its name by reverse DNS.
    pub host: Option<String>,
    /// What its ident server says.
    pub info: Option<String>,
}

/// What a server offers, and asks for, of TLS. RFC 3207.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// STARTTLS is there.
    pub offered: bool,
    /// Nobody logs in without TLS.
    pub before_login: bool,
    /// Nobody does anything without it.
    pub required: bool,
}

/// Names and limits of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Follows 220 and EHLO's 250; begins with the host name.
    pub greeting: String,
    /// Our name in trace lines.
    pub host: String,
    /// Given to addresses that have no domain.
    pub domain: String,
    /// Marks everything of this connection in the log; `id` in trace lines.
    pub token: String,
    /// The other end.
    pub client: Client,
    /// Speak LMTP (RFC 2033): a reply for each recipient at the end of a message.
    pub lmtp: bool,
    /// What of TLS is offered and asked for.
    pub encryption: Encryption,
    /// Ways to log in, in capital letters; none: AUTH is not offered.
    pub mechanisms: Vec<String>,
    /// By TLS REQUIRETLS is offered (RFC 8689): what the house does with it is its affair.
    pub requiretls: bool,
    /// No mail is taken from who has not logged in.
    pub login_required: bool,
    /// Octets of a message on the wire; 0: no limit.
    pub max_size: u64,
    /// Recipients of one message.
    pub max_recipients: u32,
    /// Messages of one connection.
    pub max_messages: u32,
    /// Trace lines with which a message is taken to be going in circles.
    pub max_hops: u32,
    /// Protocol errors after which the session ends.
    pub max_faults: u32,
    /// Refused recipients after which the session ends.
    pub max_refused: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            greeting: "localhost".to_owned(),
            host: "localhost".to_owned(),
            domain: "localhost".to_owned(),
            token: "0".to_owned(),
            client: Client::default(),
            lmtp: false,
            encryption: Encryption::default(),
            mechanisms: Vec::new(),
            requiretls: false,
            login_required: false,
            max_size: 0,
            max_recipients: 1000,
            max_messages: 10_000,
            max_hops: 100,
            max_faults: 20,
            max_refused: 50,
        }
    }
}
