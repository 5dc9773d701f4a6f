//! Questions and answers as octets. Pure: no socket, no clock; what comes in is hostile.

use std::net::IpAddr;
use std::str::FromStr;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message::RecordSection;
use domain::base::name::{Name, ParsedName, ToName};
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, MessageBuilder};
use domain::rdata::{A, Aaaa, Mx, Ptr, Txt};

use crate::names;

/// Most records that are kept of one answer.
pub const MOST_RECORDS: usize = 100;
/// Largest UDP answer asked for; goes through every path unfragmented.
const UDP_SIZE: u16 = 1232;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// The name of an address.
    Ptr,
    /// Text.
    Txt,
    /// What a server's certificate must be (RFC 6698).
    Tlsa,
}

impl Kind {
    fn rtype(self) -> Rtype {
        match self {
            Kind::A => Rtype::A,
            Kind::Aaaa => Rtype::AAAA,
            Kind::Mx => Rtype::MX,
            Kind::Ptr => Rtype::PTR,
            Kind::Txt => Rtype::TXT,
            Kind::Tlsa => Rtype::TLSA,
        }
    }
}

/// One record of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// From A or AAAA.
    Address(IpAddr),
    /// From PTR: a [host name](crate::is_host), lower case.
    Host(String),
    /// From MX: preference and host name; the empty name is the root (RFC 7505).
    Exchange(u16, String),
    /// From TXT: its strings joined, what is not printable ASCII replaced by `?`.
    Text(String),
    /// From TLSA: usage, selector, matching type, and the data (RFC 6698 §2.1).
    Certificate(u8, u8, u8, Vec<u8>),
}

/// The records asked for, at most [`MOST_RECORDS`]; none only where that was asked for (`Resolver::seek`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Sorted; records whose names are no host names are left out.
    pub records: Vec<Record>,
    /// The server says that it has validated them (AD bit).
    pub secure: bool,
}

/// What a packet is to the one who asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Not an answer to this question: wait on.
    Foreign,
    /// Cut short: ask again by TCP.
    Cut,
    /// Here it is.
    Answer(Answer),
    /// The name is an alias, and its target's records are not in this answer: ask for the target.
    Alias(Name<Vec<u8>>),
    /// There is no such name or no such record. The server says that it has validated this, or not.
    NotFound(bool),
    /// The server does not understand EDNS0: ask without.
    Plain,
    /// The server failed or refused, or its answer is garbled.
    Failed(&'static str),
}

/// `text` as a name to ask for; `None` if it can be none.
pub fn name(text: &str) -> Option<Name<Vec<u8>>> {
    if text.contains('\\') {
        return None;
    }
    Name::from_str(text).ok()
}

/// A question. `edns`: allow large answers.
pub fn question(id: u16, name: &Name<Vec<u8>>, kind: Kind, edns: bool) -> Message<Vec<u8>> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    builder.header_mut().set_ad(true); // RFC 6840 §5.7: tell me whether it was validated
    let mut question = builder.question();
    // A vector has room for a question; a failure leaves one that no server answers.
    let _ = question.push((name, kind.rtype()));
    let mut additional = question.additional();
    if edns {
        let _ = additional.opt(|opt| {
            opt.set_udp_payload_size(UDP_SIZE);
            Ok(())
        });
    }
    additional.into_message()
}

/// What `packet` answers to `question`, which asked for `kind`.
pub fn reply(packet: &[u8], question: &Message<Vec<u8>>, kind: Kind) -> Reply {
    let Ok(message) = Message::from_slice(packet) else { return Reply::Foreign };
    let header = message.header();
    if !header.qr() || header.id() != question.header().id() {
        return Reply::Foreign;
    }
    if matches!(header.rcode(), Rcode::FORMERR | Rcode::NOTIMP) {
        return if question.opt().is_some() { Reply::Plain } else { Reply::Failed("refused by the server") };
    }
    if !message.is_answer(question) {
        return Reply::Foreign;
    }
    match header.rcode() {
        _ if header.tc() => Reply::Cut,
        Rcode::NOERROR => records(message, kind),
        Rcode::NXDOMAIN => Reply::NotFound(header.ad()),
        Rcode::SERVFAIL => Reply::Failed("the server failed"),
        Rcode::REFUSED => Reply::Failed("refused by the server"),
        _ => Reply::Failed("the server gave an unknown error"),
    }
}

fn records(message: &Message<[u8]>, kind: Kind) -> Reply {
    let Ok(section) = message.answer() else { return Reply::Failed("the answer is garbled") };
    if section.into_iter().any(|record| record.is_err()) {
        return Reply::Failed("the answer is garbled");
    }
    let Some(canonical) = message.canonical_name() else {
        return Reply::Failed("aliases go round in circles");
    };
    let mut found = 0;
    let mut records = Vec::new();
    for record in of_kind(section, kind, &canonical) {
        found += 1;
        records.extend(record);
    }
    records.sort();
    records.dedup();
    records.truncate(MOST_RECORDS);
    let asked = message.first_question().is_some_and(|question| *question.qname() == canonical);
    match found {
        0 if asked => Reply::NotFound(message.header().ad()),
        0 => Reply::Alias(canonical.to_vec()),
        _ if records.is_empty() => Reply::NotFound(false), // names that no host can have
        _ => Reply::Answer(Answer { records, secure: message.header().ad() }),
    }
}

/// The records of `kind` that `owner` has; `None` for each that is of no use.
fn of_kind(section: RecordSection<'_, [u8]>, kind: Kind, owner: &ParsedName<&[u8]>) -> Vec<Option<Record>> {
    let ours = section
        .flatten()
        .filter(|r| r.rtype() == kind.rtype() && r.class() == Class::IN && r.owner().name_eq(owner));
    ours.map(|record| match kind {
        Kind::A => record.to_record::<A>().ok()?.map(|r| Record::Address(r.data().addr().into())),
        Kind::Aaaa => record.to_record::<Aaaa>().ok()?.map(|r| Record::Address(r.data().addr().into())),
        Kind::Mx => {
            let record = record.to_record::<Mx<_>>().ok()??;
            let host = names::host(record.data().exchange())?;
            Some(Record::Exchange(record.data().preference(), host))
        }
        Kind::Txt => {
            let text: Vec<u8> = record.to_record::<Txt<_>>().ok()??.data().text();
            Some(Record::Text(text.into_iter().map(printable).collect()))
        }
        Kind::Tlsa => {
            let record = record.to_record::<UnknownRecordData<_>>().ok()??;
            let [usage, selector, matching, data @ ..] = record.data().data() else { return None };
            Some(Record::Certificate(*usage, *selector, *matching, data.to_vec()))
        }
        Kind::Ptr => {
            let host = names::host(record.to_record::<Ptr<_>>().ok()??.data().ptrdname())?;
            (!host.is_empty()).then_some(Record::Host(host))
        }
    })
    .collect()
}

fn printable(byte: u8) -> char {
    if matches!(byte, b' '..=b'~') { byte.into() } else { '?' }
}
