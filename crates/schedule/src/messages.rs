//! All messages, by number. A million of them wait in little memory: a table of places, and the messages side by side.

use std::collections::HashMap;

use crate::message::Message;

/// Room that is kept for those to come.
const KEPT: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct Messages {
    places: HashMap<u64, u32>,
    room: Vec<Option<Message>>,
    free: Vec<u32>,
}

impl Messages {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.places.contains_key(&number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Message> {
        let place = *self.places.get(&number)?;
        self.room.get(place as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Message> {
        let place = *self.places.get(&number)?;
        self.room.get_mut(place as usize)?.as_mut()
    }

    /// A message that was there already is replaced.
    pub(crate) fn insert(&mut self, number: u64, message: Message) {
        self.remove(number);
        let full = Some(message);
        let place = match self.free.pop() {
            Some(place) => {
                self.room[place as usize] = full;
                place
            }
            None => {
                self.room.push(full);
                (self.room.len() - 1) as u32
            }
        };
        self.places.insert(number, place);
    }

    pub(crate) fn remove(&mut self, number: u64) {
        let Some(place) = self.places.remove(&number) else { return };
        self.room[place as usize] = None;
        self.free.push(place);
        if self.places.is_empty() && self.room.len() > KEPT {
            *self = Messages::default();
        }
    }

    /// In no order.
    pub(crate) fn for_each(&mut self, mut act: impl FnMut(u64, &mut Message)) {
        for (number, place) in &self.places {
            if let Some(message) = self.room.get_mut(*place as usize).and_then(Option::as_mut) {
                act(*number, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_leads_to_its_own_message_whatever_has_come_and_gone() {
        let mut all = Messages::default();
        for round in 0..3 {
            for number in 0..100 {
                all.insert(number * 7, Message::new(number as i64 + round, 0, 0));
            }
            for number in (0..100).step_by(3) {
                all.remove(number * 7);
            }
            all.remove(5);
            let mut seen = 0;
            all.for_each(|number, message| seen += usize::from(message.birth == number as i64 / 7 + round));
            assert_eq!((all.len(), seen), (66, 66));
            for number in 0..100u64 {
                let birth = all.get(number * 7).map(|message| message.birth);
                assert_eq!(birth, (number % 3 != 0).then_some(number as i64 + round));
                assert_eq!(all.get_mut(number * 7).is_some(), all.contains(number * 7));
            }
            assert!(all.room.len() <= 100);
        }
        (0..2 * KEPT as u64).for_each(|number| all.insert(number, Message::new(0, 0, 0)));
        (0..2 * KEPT as u64).for_each(|number| all.remove(number));
        assert!(all.is_empty() && all.room.capacity() == 0, "nothing is kept for the next million");
    }

    #[test]
    fn a_message_that_waits_takes_no_more_room_than_it_needs() {
        assert!(size_of::<Option<Message>>() <= 80);
    }
}
