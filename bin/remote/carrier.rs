//! One thread's work: an order of `send` carried out, recipients who go the same way together.

use std::collections::HashMap;
use std::sync::Arc;

use control::{Control, Home};
use dns::Resolver;
use orders::{Carrier, Order};
use queue::Stored;
use wire::Fate;

use crate::delivery::{Way, deliver};
use crate::letter::Letter;
use crate::lines::Lines;
use crate::notes::Notes;
use crate::settings::Settings;
use crate::sts::Policies;
use crate::tcpto::Memory;
use crate::world::{World, broken};

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
        let stored = Stored::of(&order.file).map_err(|trouble| garbled(&trouble))?;
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
        Ok(by_way(&world, order, &letter))
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

/// Recipients who go the same way are served together: those of one domain, and all for whom one relay is named.
fn by_way(world: &World<'_>, order: &Order, letter: &Letter<'_>) -> Vec<Fate> {
    let no_text = || Fate::never(1, 3, "an address that is no UTF-8 can't be sent anywhere");
    let Ok(sender) = str::from_utf8(&order.sender) else { return vec![no_text(); order.recipients.len()] };
    let mut fates = vec![None; order.recipients.len()];
    // By domain, since a thousand recipients of one are asked for once.
    let mut ways: HashMap<Vec<u8>, Way> = HashMap::new();
    let mut shares: Vec<(Way, Vec<usize>)> = Vec::new();
    for (at, recipient) in order.recipients.iter().enumerate() {
        let domain = domain(recipient);
        let found = match (ways.get(&domain), str::from_utf8(&domain)) {
            (Some(way), _) => Ok(way.clone()),
            (None, Ok(name)) if str::from_utf8(recipient).is_ok() => Way::find(world, sender, name),
            _ => Err(no_text()),
        };
        match found {
            Err(fate) => fates[at] = Some(fate),
            Ok(way) => {
                match shares.iter_mut().find(|(known, _)| *known == way) {
                    Some((_, places)) => places.push(at),
                    None => shares.push((way.clone(), vec![at])),
                }
                ways.insert(domain, way);
            }
        }
    }
    for (way, places) in shares {
        let named = |at: &usize| String::from_utf8_lossy(&order.recipients[*at]).into_owned();
        let recipients: Vec<String> = places.iter().map(named).collect();
        let domain = domain(&order.recipients[places[0]]);
        let domain = String::from_utf8_lossy(&domain);
        let done = deliver(world, (&domain, &way), sender, &recipients, letter);
        places.iter().zip(done).for_each(|(at, fate)| fates[*at] = Some(fate));
    }
    fates.into_iter().map(|fate| fate.unwrap_or_else(no_text)).collect()
}

/// What follows the last `@`, in lower case.
fn domain(address: &[u8]) -> Vec<u8> {
    let at = address.iter().rposition(|b| *b == b'@').map_or(address.len(), |at| at + 1);
    address[at..].to_ascii_lowercase()
}
