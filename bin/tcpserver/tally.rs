//! How many connections each address has.

use std::collections::HashMap;
use std::net::IpAddr;

/// Counts connections by address; no address (a unix socket) is never over the limit.
#[derive(Debug)]
pub(crate) struct Tally {
    limit: Option<u32>,
    counts: HashMap<IpAddr, u32>,
}

/// A place in the tally, to be given back with [`Tally::leave`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Place(Option<IpAddr>);

impl Place {
    /// A place that takes up none.
    pub(crate) const NONE: Place = Place(None);

    /// The same place, for when the first may be lost; only one of them may be given back.
    pub(crate) fn spare(&self) -> Place {
        Place(self.0)
    }
}

impl Tally {
    pub(crate) fn new(limit: Option<u32>) -> Tally {
        Tally { limit, counts: HashMap::new() }
    }

    /// A place for one more connection from `address`; `None` when it has its fill.
    pub(crate) fn enter(&mut self, address: Option<IpAddr>) -> Option<Place> {
        let (Some(limit), Some(address)) = (self.limit, address) else { return Some(Place::NONE) };
        let count = self.counts.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Place(Some(address)))
    }

    /// The place for a connection that turns out to be from `address`, in exchange for `place`.
    pub(crate) fn settle(&mut self, place: Place, address: Option<IpAddr>) -> Option<Place> {
        if place.0 == address {
            return Some(place);
        }
        self.leave(place);
        self.enter(address)
    }

    /// Gives a place back.
    pub(crate) fn leave(&mut self, place: Place) {
        let Place(Some(address)) = place else { return };
        match self.counts.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.counts.remove(&address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let mut tally = Tally::new(Some(2));
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        let (one, two) = (tally.enter(address).unwrap(), tally.enter(address).unwrap());
        assert!(tally.enter(address).is_none());
        assert!(tally.enter(Some([192, 0, 2, 2].into())).is_some());
        tally.leave(one);
        let again = tally.enter(address).unwrap();
        tally.leave(two);
        tally.leave(again);
        assert_eq!(tally.counts.len(), 1);
    }
}
