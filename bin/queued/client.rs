//! One connection: packets in, a message in the queue, one answer for each.
//!
//! A fault in the middle is kept and told at the commit: a client that is still sending would not
//! hear it earlier.

use std::io;
use std::time::Duration;

use queue::{Bad, Draft, Head, Intake, Record, Steering};
use sys::Packets;
use sys::packet::{MAX, Peer};
use wire::Fate;

use crate::house::House;

/// A message that is not complete after this is given up: its file may be swept away soon.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Longest token that is kept, in octets.
const TOKEN_MAX: usize = 200;
/// After so many octets of a message the disk is looked at again.
const STRIDE: u64 = 1 << 20;
/// Memory for a message that is kept for the next.
const ROOM: usize = 300 * 1024;

/// Serves a connection until its client hangs up.
pub(crate) fn serve(house: &House, packets: &Packets, peer: Peer) {
    let mut client = Client::new(house, peer);
    let mut buffer = vec![0; MAX];
    loop {
        let length = match packets.recv_into(&mut buffer) {
            Ok((length, _)) => length,
            Err(error) => {
                sys::log!("queued: warning: can't read from uid {} pid {}: {error}", peer.uid, peer.pid);
                return;
            }
        };
        let Some((letter, rest)) = buffer[..length].split_first() else { return };
        if *letter != b'.' {
            client.take(*letter, rest);
            continue;
        }
        let (fate, id) = client.commit();
        let told = packets.send(&fate.to_bytes(), &[]);
        if let Some(id) = id {
            house.ring(id);
        }
        if told.is_err() {
            return;
        }
    }
}

struct Client<'h> {
    house: &'h House,
    peer: Peer,
    token: Vec<u8>,
    draft: Option<Draft<'h>>,
    intake: Intake,
    /// When the message began.
    began: Duration,
    /// How large it was when the disk was last looked at, in octets.
    looked: u64,
    /// Envelope addresses have come; no more of the message may.
    envelope: bool,
    /// The message is to be held once it is in the queue.
    held: bool,
    /// It may leave by TLS only.
    requiretls: bool,
    /// What is wrong with the message.
    fault: Option<Fate>,
    room: Vec<u8>,
}

impl<'h> Client<'h> {
    fn new(house: &'h House, peer: Peer) -> Client<'h> {
        Client {
            house,
            peer,
            token: Vec::new(),
            draft: None,
            intake: Intake::new(),
            began: Duration::ZERO,
            looked: 0,
            envelope: false,
            held: false,
            requiretls: false,
            fault: None,
            room: Vec::new(),
        }
    }

    /// Takes a packet of the message.
    fn take(&mut self, letter: u8, rest: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        let taken = match letter {
            b'L' => self.name(rest),
            b'M' => self.text(rest),
            b'E' => self.addresses(rest),
            b'R' if !self.envelope => {
                self.requiretls = true;
                Ok(())
            }
            b'H' => {
                self.held = true;
                Ok(())
            }
            _ => Err(MANGLED),
        };
        if let Err(fault) = taken {
            self.draft = None;
            self.fault = Some(fault);
        }
    }

    fn name(&mut self, token: &[u8]) -> Result<(), Fate> {
        let clean = token.iter().copied().filter(u8::is_ascii_graphic).take(TOKEN_MAX);
        self.token = clean.collect();
        Ok(())
    }

    fn text(&mut self, piece: &[u8]) -> Result<(), Fate> {
        if self.envelope {
            return Err(MANGLED);
        }
        let began = self.began;
        let draft = self.draft()?;
        if sys::monotonic().saturating_sub(began) > PATIENCE && !began.is_zero() {
            return Err(Fate::later(3, 0, "The message took more than a day"));
        }
        draft.message(piece).map_err(|error| refused(&error))
    }

    fn addresses(&mut self, piece: &[u8]) -> Result<(), Fate> {
        let mut intake = std::mem::take(&mut self.intake);
        let fed = intake.feed(piece, |record| self.address(record).map_err(Refusal));
        self.intake = intake;
        self.envelope = true;
        fed.map_err(|refusal| refusal.0)
    }

    fn address(&mut self, record: Record<'_>) -> Result<(), Fate> {
        let (peer, token, requiretls) = (self.peer, self.token.clone(), self.requiretls);
        let draft = self.draft()?;
        let written = match record {
            Record::Sender(sender) => {
                let arrival = sys::unix_micros();
                draft.envelope(&Head {
                    arrival,
                    uid: peer.uid,
                    pid: peer.pid,
                    token,
                    requiretls,
                    sender: sender.to_vec(),
                })
            }
            Record::Recipient(address) => draft.recipient(address),
        };
        written.map_err(|error| refused(&error))
    }

    /// The message's draft, begun with its Received line if need be.
    fn draft(&mut self) -> Result<&mut Draft<'h>, Fate> {
        let size = self.draft.as_ref().map(Draft::size);
        if size.is_none_or(|size| size >= self.looked + STRIDE) {
            if !self.house.has_room(size.is_some()) {
                return Err(Fate::later(3, 1, "The queue's disk is nearly full"));
            }
            self.looked = size.unwrap_or(0);
        }
        if self.draft.is_none() {
            let id = self.house.ids.next(sys::unix_micros()).map_err(|error| refused(&error))?;
            let mut draft = Draft::new(self.house.queue, id, std::mem::take(&mut self.room));
            let now = sys::unix_seconds() as i64;
            let line = message::received(self.house.origin(self.peer).as_bytes(), now);
            draft.message(&line).map_err(|error| refused(&error))?;
            self.draft = Some(draft);
            self.began = sys::monotonic();
        }
        self.draft.as_mut().ok_or(MANGLED)
    }

    /// Ends the message; the answer, and its number when it is in the queue. Stands before the next
    /// message then.
    fn commit(&mut self) -> (Fate, Option<u64>) {
        let fault = self.fault.take();
        let complete = self.intake.end();
        let draft = self.draft.take();
        let token = std::mem::take(&mut self.token);
        (self.intake, self.envelope) = (Intake::new(), false);
        let held = std::mem::take(&mut self.held);
        self.requiretls = false;
        let (fault, draft) = match (fault, complete, draft) {
            (None, Ok(()), Some(draft)) => (None, Some(draft)),
            (fault, ..) => (Some(fault.unwrap_or(MANGLED)), None),
        };
        let saved = match draft {
            Some(draft) => self.save(draft, &token, held),
            None => Err(fault.unwrap_or(MANGLED)),
        };
        match saved {
            Ok(id) => (Fate::done(id.to_string()), Some(id)),
            Err(fate) => {
                let (Fate::Done(text) | Fate::Later(text) | Fate::Never(text)) = &fate;
                let (uid, pid) = (self.peer.uid, self.peer.pid);
                let token = String::from_utf8_lossy(&token);
                sys::log!("queued: refuse uid={uid} pid={pid} token={token} cause={text}");
                (fate, None)
            }
        }
    }

    fn save(&mut self, mut draft: Draft<'h>, token: &[u8], held: bool) -> Result<u64, Fate> {
        match self.house.extra_recipient() {
            Ok(Some(extra)) => draft.recipient(&extra).map_err(|error| refused(&error))?,
            Ok(None) => {}
            Err(()) => return Err(Fate::later(3, 5, "control/extraqueue can't be read")),
        }
        if !self.house.begin_commit() {
            return Err(Fate::later(3, 2, "The queue is closing"));
        }
        let (id, size) = (draft.id(), draft.message_length());
        let saved = self.decide(id, held).and_then(|()| self.save_durably(draft, id));
        self.house.end_commit();
        saved.map_err(|error| refused(&error))?;
        let token = String::from_utf8_lossy(token);
        sys::log!(
            "queued: {id} accept uid={} pid={} token={token} bytes={size}",
            self.peer.uid,
            self.peer.pid
        );
        Ok(id)
    }

    /// What `send` is to find when it finds the message.
    fn decide(&self, id: u64, held: bool) -> io::Result<()> {
        match held {
            true => self.house.queue.steer(id, &Steering { held, route: None }),
            false => Ok(()),
        }
    }

    fn save_durably(&mut self, draft: Draft<'h>, id: u64) -> io::Result<()> {
        let room = draft.save()?;
        if room.capacity() <= ROOM {
            self.room = room;
        }
        let synced = self.house.sync(id);
        if synced.is_err() {
            // It has not been accepted, so it must not be delivered either, if that can be helped.
            let _ = self.house.queue.remove(id);
        }
        synced
    }
}

const MANGLED: Fate = Fate::Never(wire::Text {
    code: wire::Code(5, 6, 0),
    sentence: std::borrow::Cow::Borrowed("Envelope or packets mangled"),
});

/// A fault found while the envelope is read.
struct Refusal(Fate);

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Refusal {
        Refusal(match bad {
            Bad::TooLong => Fate::never(1, 3, "An envelope address is too long"),
            Bad::Malformed => MANGLED,
        })
    }
}

fn refused(error: &io::Error) -> Fate {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    sys::log!("queued: warning: can't write the message: {error}");
    match error.kind() {
        StorageFull | QuotaExceeded => Fate::later(3, 1, "The queue's disk is full"),
        _ => Fate::later(3, 0, "The message can't be written to the queue"),
    }
}
