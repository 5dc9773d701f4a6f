//! One thread's work: an order of `send` carried out, recipients of one domain together.

use std::sync::Arc;

use control::{Control, Home};
use dns::Resolver;
use orders::{Carrier, Order};
use queue::Stored;
use wire::Fate;

use crate::delivery::{World, deliver};
use crate::letter::Letter;
use crate::lines::Lines;
use crate::notes::Notes;
use crate::secrecy::broken;
use crate::settings::Settings;
use crate::sts::Policies;
use crate::tcpto::Memory;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) home: Home,
    pub(crate) memory: Memory,
    pub(crate) lines: Lines,
    pub(crate) policies: Policies,
    pub(crate) notes: Notes,
}

/// Carries orders out.
pub(crate) struct Courier(pub(crate) Arc<Shared>);

impl Courier {
    fn try_to(&self, order: &Order) -> Result<Vec<Fate>, Fate> {
        let shared = &*self.0;
        let control = Control::open(&shared.home);
        let settings = Settings::read(&control).map_err(broken)?;
        let resolver = Resolver::new(https::servers(&control).map_err(broken)?);
        let garbled = |error: &dyn std::fmt::Display| {
            sys::log!("remote: warning: msg {}: {error}", String::from_utf8_lossy(&order.id));
            Fate::later(3, 0, "the message can't be read from the queue")
        };
        let stored = order.file.try_clone().map_err(|error| garbled(&error))?;
        let stored = Stored::of(stored).map_err(|trouble| garbled(&trouble))?;
        stored.check_message().map_err(|trouble| garbled(&trouble))?;
        let requiretls = stored.head().map_err(|trouble| garbled(&trouble))?.requiretls;
        let mut letter =
            Letter::open(stored.file(), stored.message_length()).map_err(|error| garbled(&error))?;
        letter.requiretls = requiretls;
        let relay = Some(&order.route[..]).filter(|relay| !relay.is_empty());
        let world = World {
            settings: &settings,
            resolver: &resolver,
            memory: &shared.memory,
            lines: &shared.lines,
            policies: &shared.policies,
            notes: &shared.notes,
            id: &String::from_utf8_lossy(&order.id),
            relay,
        };
        Ok(by_domain(&world, order, &letter))
    }
}

impl Carrier for Courier {
    fn carry_out(&mut self, order: &Order) -> Vec<Fate> {
        let fates = self.try_to(order).unwrap_or_else(|fate| vec![fate; order.recipients.len()]);
        let id = String::from_utf8_lossy(&order.id);
        for (recipient, fate) in order.recipients.iter().zip(&fates) {
            let (letter, recipient) = (char::from(fate.letter()), String::from_utf8_lossy(recipient));
            sys::log!("remote: {id} {letter} recipient={recipient} text={}", fate.text());
        }
        fates
    }
}

/// `send` puts recipients of one domain into an order; whatever else comes is sorted out.
fn by_domain(world: &World<'_>, order: &Order, letter: &Letter<'_>) -> Vec<Fate> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let no_text = || Fate::never(1, 3, "an address that is no UTF-8 can't be sent anywhere");
    let Some(sender) = text(&order.sender) else { return vec![no_text(); order.recipients.len()] };
    let mut fates = vec![None; order.recipients.len()];
    while let Some(first) = fates.iter().position(Option::is_none) {
        let domain = domain(&order.recipients[first]);
        let same =
            |at: &usize| fates[*at].is_none() && crate::carrier::domain(&order.recipients[*at]) == domain;
        let places: Vec<usize> = (first..fates.len()).filter(same).collect();
        let named: Option<Vec<String>> = places.iter().map(|at| text(&order.recipients[*at])).collect();
        let (Some(named), Ok(host)) = (named, std::str::from_utf8(&domain)) else {
            places.iter().for_each(|at| fates[*at] = Some(no_text()));
            continue;
        };
        let done = deliver(world, host, &sender, &named, letter);
        places.iter().zip(done).for_each(|(at, fate)| fates[*at] = Some(fate));
    }
    fates.into_iter().flatten().collect()
}

/// What follows the last `@`, in lower case.
fn domain(address: &[u8]) -> Vec<u8> {
    let at = address.iter().rposition(|b| *b == b'@').map_or(address.len(), |at| at + 1);
    address[at..].to_ascii_lowercase()
}
