//! One thread's work: an order's message copied once, then recipient by recipient.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use control::{Control, Home};
use orders::Order;
use owner::Owner;
use queue::{Stored, Trouble};
use wire::Fate;

use crate::homes::Homes;
use crate::lookup::Lookup;
use crate::programs;
use crate::turns::Turns;
use crate::workers::{Key, Workers};

/// What all threads share.
pub(crate) struct Shared {
    pub house: Home,
    pub workers: Workers,
    /// Whose turn it is where programs are run.
    pub turns: Turns,
    /// Longest time of a delivery.
    pub patience: Duration,
    /// `control/maxdeliveredto`.
    pub most_delivered_to: u64,
    /// Set when the program has been told to end.
    pub ending: AtomicBool,
    homes: Homes,
    /// Whom we run as.
    uid: u32,
}

/// What is delivered.
struct Message {
    /// A copy of just the message, never the envelope, that nobody can change.
    copy: OwnedFd,
    /// It may leave by TLS only.
    requiretls: bool,
}

impl Shared {
    /// `patience`: longest time of a delivery. `most`: deliveries at one time.
    pub(crate) fn new(house: Home, patience: Duration, most: usize) -> Shared {
        let workers = Workers::new(&house, patience, most);
        let most_delivered_to = Control::open(&house).number("maxdeliveredto").unwrap_or_else(|broken| {
            sys::log!("spawn: warning: {broken}");
            0
        });
        let at_once = Control::open(&house).number("concurrencylocal").unwrap_or(1);
        let at_once = usize::try_from(at_once).map_or(most, |number| number.min(most));
        let (turns, ending) = (Turns::new(at_once), AtomicBool::new(false));
        let homes = Homes::default();
        Shared { house, workers, turns, patience, most_delivered_to, ending, homes, uid: sys::uid() }
    }
}

/// Carries orders out, one after the other.
pub(crate) struct Carrier {
    shared: Arc<Shared>,
    lookup: Lookup,
}

impl Carrier {
    pub(crate) fn new(shared: Arc<Shared>) -> Carrier {
        let lookup = Lookup::new(shared.house.run("lookup-root"));
        Carrier { shared, lookup }
    }

    fn deliver(&mut self, order: &Order, message: &Message, recipient: &[u8]) -> Fate {
        let fate = match self.lookup.owner(recipient, &self.shared.ending) {
            Ok(owner) => self.deliver_to(order, message, &owner),
            Err(fate) => fate,
        };
        let word = match fate {
            Fate::Done(_) => "done",
            Fate::Later(_) => "later",
            Fate::Never(_) => "never",
        };
        let (id, recipient) = (String::from_utf8_lossy(&order.id), String::from_utf8_lossy(recipient));
        sys::log!("spawn: {id} {word} recipient={recipient} text={}", fate.text());
        fate
    }

    fn deliver_to(&self, order: &Order, message: &Message, owner: &Owner) -> Fate {
        if self.shared.uid != 0 && owner.identity.uid != self.shared.uid {
            let uid = owner.identity.uid;
            return Fate::later(
                3,
                5,
                format!("the mailbox belongs to uid {uid}, which only root can become"),
            );
        }
        if let Err(error) = self.shared.homes.ensure(&self.shared.house.mail(), owner) {
            return Fate::later(2, 1, format!("home folder {}: {error}", owner.home.display()));
        }
        let Some(_place) = self.shared.turns.place(&owner.home) else {
            return Fate::later(2, 1, "too many deliveries to this owner at once, and they do not end");
        };
        let key = Key { identity: owner.identity.clone(), home: owner.home.clone() };
        let packet = packet(order, owner, message.requiretls, self.shared.most_delivered_to);
        match self.shared.workers.deliver(&key, &packet, &message.copy) {
            Some(fate) => {
                if let Fate::Later(_) = fate {
                    self.shared.homes.doubt(owner);
                }
                fate
            }
            None => self.run_programs(order, owner),
        }
    }

    /// One delivery with programs at a time to one address: they need not be made for more.
    fn run_programs(&self, order: &Order, owner: &Owner) -> Fate {
        let Shared { house, patience, turns, .. } = &*self.shared;
        if !owner.programs {
            let (user, uid) = (&owner.user, owner.identity.uid);
            sys::log!(
                "spawn: warning: {user} may run no programs, nor write to files elsewhere, as others' mail \
                 belongs to uid {uid} too; if that may be, write {user} into control/programusers"
            );
            return Fate::later(7, 0, "this mailbox may not run programs");
        }
        let _turn = turns.take(&owner.local, &owner.domain);
        // A copy of its own: what programs leave running could move another's place in the message.
        match message(order, house) {
            Ok(message) => programs::deliver(house, order, owner, message.copy, *patience),
            Err(fate) => fate,
        }
    }
}

impl orders::Carrier for Carrier {
    fn carry_out(&mut self, order: &Order) -> Vec<Fate> {
        self.lookup.next_order();
        match message(order, &self.shared.house) {
            Ok(message) => {
                order.recipients.iter().map(|recipient| self.deliver(order, &message, recipient)).collect()
            }
            Err(fate) => vec![fate; order.recipients.len()],
        }
    }
}

/// What `local-deliver` gets to know.
fn packet(order: &Order, owner: &Owner, requiretls: bool, most_delivered_to: u64) -> Vec<u8> {
    let field = |key: &str, value: &[u8]| [key.as_bytes(), b"=", value].concat();
    let mut extra: Vec<Vec<u8>> =
        owner.instructions.iter().map(|line| field("do", line.as_bytes())).collect();
    extra.push(field("quota", owner.quota.to_string().as_bytes()));
    extra.push(field("id", &order.id));
    if requiretls {
        extra.push(field("requiretls", b"1"));
    }
    if most_delivered_to > 0 {
        extra.push(field("delivered-to", most_delivered_to.to_string().as_bytes()));
    }
    let home = owner.home.as_os_str().as_bytes();
    let names = [&owner.local, &owner.dash, &owner.ext, &owner.domain].map(|name| name.as_bytes());
    let mut fields = vec![owner.user.as_bytes(), home];
    fields.extend(names);
    fields.push(&order.sender);
    fields.extend(extra.iter().map(Vec::as_slice));
    wire::packet(&fields)
}

fn message(order: &Order, house: &Home) -> Result<Message, Fate> {
    let read = || -> Result<Message, Trouble> {
        let stored = Stored::whole(&order.file)?;
        let copy = stored.copy_message(&house.queue().join("tmp"))?;
        Ok(Message { copy, requiretls: stored.head()?.requiretls })
    };
    read().map_err(|trouble| {
        let id = String::from_utf8_lossy(&order.id);
        sys::log!("spawn: {id} warning: can't copy the message: {trouble}");
        Fate::later(3, 0, "the message can't be read from the queue")
    })
}
