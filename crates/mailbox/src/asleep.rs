//! A mailbox whose messages have not been read yet, since nothing has happened after the end of its index was
//! written: that end tells all that SELECT tells. The rest is read when it is asked for, or when something happens.
//!
//! Until then the mailbox writes nothing. What is read later is what the index held when it was opened, so that a
//! client who has been told of so many messages is not told of others: changes since then come after it.

use imap::{Trouble, Uid};

use crate::index::Index;
use crate::mailbox::Mailbox;
use crate::place::boot;
use crate::state::State;

impl Mailbox {
    /// Opens the index without reading the messages. False: it has to be read.
    pub(crate) fn fall_asleep(&mut self) -> Result<bool, Trouble> {
        if self.seen.is_some() {
            return Ok(false);
        }
        let Some((index, facts)) = Index::open_at_end(&self.folders.index, self.writable) else {
            return Ok(false);
        };
        let keywords = self.own_keywords()?;
        // Of messages that are recent, there would be something to record.
        let told = facts.seen >= facts.next && facts.recent == 0;
        let ours = facts.boot == boot() && boot() != 0;
        if !told || !ours || facts.keywords as usize != keywords.len() {
            return Ok(false);
        }
        (self.uid_validity, self.id) = (index.head.uid_validity, index.head.id);
        self.index = Some(index);
        self.state = State::default();
        (self.state.keywords, self.state.facts) = (keywords, facts);
        self.recent_from = facts.next;
        self.open_cache();
        // Where there is no cache, one is to be made.
        self.asleep = (self.cache.is_there() || !self.writable) && !self.stirs()?;
        if !self.asleep {
            (self.index, self.state, self.recent_from) = (None, State::default(), Uid::MAX);
            self.uid_validity = 0;
        }
        Ok(self.asleep)
    }

    /// Has anything happened since?
    pub(crate) fn stirs(&mut self) -> Result<bool, Trouble> {
        self.drain();
        let news = self.index.as_ref().is_none_or(|index| index.has_news(&self.folders.index));
        Ok(self.must_look()? || news)
    }

    /// Reads the messages, as they were when the mailbox was opened. An index that turns out to be damaged is made
    /// anew: then there may be others, and [`Trouble::MailboxGone`] says that UIDs changed their meaning.
    pub(crate) fn wake_up(&mut self) -> Result<(), Trouble> {
        if self.asleep {
            self.read_messages()?;
            self.asleep = false;
        }
        Ok(())
    }

    fn read_messages(&mut self) -> Result<(), Trouble> {
        let mut state = State::default();
        let read = self.index.as_mut().map(|index| index.read_passed_over(&mut state));
        if read.transpose().map_err(|error| self.cant("read", &error))? != Some(true) {
            // Where nothing can be written, nothing but the list of UIDs is left.
            self.index = self.index.take().filter(|_| self.writable);
            return self.load(None);
        }
        state.count();
        let counted = state.facts == self.state.facts;
        self.state = state;
        if !counted {
            self.count_anew();
        }
        Ok(())
    }

    /// Whoever comes next is to be told better. What fails here is done by him.
    fn count_anew(&mut self) {
        if self.writable
            && let Ok(held) = self.lock()
            && self.catch_up(Some(&held)).is_ok()
        {
            let _ = self.write_index(&held, sys::unix_micros());
        }
    }
}

#[cfg(test)]
#[path = "asleep_tests.rs"]
mod tests;
