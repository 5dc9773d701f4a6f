//! What a session needs of the mail: an account ([`Store`]) and an open mailbox ([`Folder`]).
//! One implementation in `bin/imapd`, one in memory for tests.

use std::io::{self, Read};

use crate::flags::Flags;
use crate::progress::Progress;
use crate::syntax::Change;

/// A message's UID.
pub type Uid = u32;

/// Why something can't be done. Its mapping to `NO [CODE] text` stands in `reply.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such mailbox. `[NONEXISTENT]`
    NoMailbox,
    /// There is one of this name already. `[ALREADYEXISTS]`
    Exists,
    /// It can't be done with this mailbox or name, whoever asks; the reason is for the user. `[CANNOT]`
    Cannot(&'static str),
    /// This user may not. `[NOPERM]`
    NotAllowed,
    /// `[OVERQUOTA]`
    OverQuota,
    /// Too many of something; the reason is for the user. `[LIMIT]`
    Limit(&'static str),
    /// A message or a value is too large. `[TOOBIG]`
    TooBig,
    /// The message is gone; the client has not been told yet. `[EXPUNGEISSUED]`
    Gone,
    /// The mailbox is gone while it is open: the session ends. `BYE`
    MailboxGone,
    /// Disk, permission, a file that can't be read: the text is for the log, the store has written it there.
    /// `[UNAVAILABLE]`
    Unavailable(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Unavailable(error.to_string())
    }
}

/// A mailbox as LIST shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its whole name, UTF-8, with the store's separator. The inbox is `INBOX`.
    pub name: String,
    /// It holds other mailboxes but no messages; or it is only subscribed and not there (`missing`).
    pub no_select: bool,
    /// It is not there: a name in the list of subscriptions.
    pub missing: bool,
    /// RFC 6154 attribute, such as `\Sent`.
    pub special: Option<&'static str>,
    /// It is in the list of subscriptions.
    pub subscribed: bool,
    /// There is mail that nobody has noticed; `None`: that would be costly to know.
    pub marked: Option<bool>,
}

/// A part of the tree of names. RFC 2342.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// What its names begin with: empty, or such as `Shared.`.
    pub prefix: String,
    /// Whose mailboxes these are.
    pub kind: NamespaceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum NamespaceKind {
    Personal,
    Other,
    Shared,
}

/// What STATUS and SELECT tell of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Messages in it.
    pub messages: u32,
    /// Of these, new to everybody. RFC 3501.
    pub recent: u32,
    /// Of these, without `\Seen`.
    pub unseen: u32,
    /// Of these, with `\Deleted`.
    pub deleted: u32,
    /// Octets of all; 0 unless asked for.
    pub size: u64,
    /// Octets of those with `\Deleted`; 0 unless asked for.
    pub deleted_size: u64,
    /// The UID that the next message gets, at least.
    pub uid_next: Uid,
    /// RFC 9051 §2.3.1.1.
    pub uid_validity: u32,
    /// RFC 7162.
    pub highest_modseq: u64,
    /// RFC 8474: stays when the mailbox is renamed.
    pub id: String,
}

/// A message of an open mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its UID.
    pub uid: Uid,
    /// Its system flags.
    pub flags: Flags,
    /// Its keywords: bit n is the n-th of [`Folder::keywords`].
    pub keywords: u64,
    /// When it was last changed. RFC 7162.
    pub modseq: u64,
    /// When it came into this mailbox, seconds since 1970. RFC 8514.
    pub saved: i64,
}

/// New flags for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// System flags.
    pub flags: Flags,
    /// Keywords by name.
    pub keywords: Vec<String>,
}

/// A message that is to be appended.
#[derive(Debug)]
pub struct Letter<D> {
    /// Its text.
    pub draft: D,
    /// Its flags.
    pub marks: Marks,
    /// Its internal date, seconds since 1970; `None`: now.
    pub date: Option<i64>,
}

/// Where messages have got to: RFC 4315.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// The target's.
    pub uid_validity: u32,
    /// UID here (0 for an append) and there, ascending there.
    pub uids: Vec<(Uid, Uid)>,
}

/// A quota root and its use: RFC 9208.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaRoot {
    /// Its name.
    pub name: String,
    /// Octets in use, and the limit.
    pub storage: (u64, Option<u64>),
    /// Messages, and the limit.
    pub messages: (u64, Option<u64>),
}

/// Text that is searched for, for the index that narrows a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needle<'a> {
    /// In the body's text parts. Folded as `mime::fold` does.
    Body(&'a str),
    /// In header or body. Folded.
    Text(&'a str),
}

/// An account. Names are UTF-8 with the separator; `INBOX` in any case is the inbox.
pub trait Store: 'static {
    /// An open mailbox.
    type Folder: Folder;
    /// A message's text that is being taken in: CR LF line ends as they come; the store turns them into LF.
    type Draft: io::Write;

    /// Between the levels of a name: `.` or `/`.
    fn separator(&self) -> char;
    /// The parts of the tree.
    fn namespaces(&self) -> Vec<Namespace>;
    /// All mailboxes, and names that are only subscribed, sorted by name, parents that hold no messages included.
    fn list(&mut self) -> Result<Vec<Listed>, Trouble>;
    /// Makes a mailbox, its parents too. `special`: RFC 6154 attributes it is to have. Gives its id (RFC 8474).
    fn create(&mut self, name: &str, special: &[String]) -> Result<String, Trouble>;
    /// Removes a mailbox and its mail.
    fn delete(&mut self, name: &str) -> Result<(), Trouble>;
    /// Gives another name to a mailbox and to all below it; of INBOX, moves its mail (RFC 9051 §6.3.6).
    fn rename(&mut self, from: &str, to: &str) -> Result<(), Trouble>;
    /// Puts a name into the list of subscriptions (which need not exist), or takes it out.
    fn subscribe(&mut self, name: &str, on: bool) -> Result<(), Trouble>;
    /// STATUS. `sizes`: the sizes are wanted.
    fn status(&mut self, name: &str, sizes: bool) -> Result<Status, Trouble>;
    /// Opens a mailbox.
    fn open(&mut self, name: &str, read_only: bool) -> Result<Self::Folder, Trouble>;
    /// As [`Store::open`], but the messages need not have been read: [`Folder::wake`] is asked for them.
    fn open_asleep(&mut self, name: &str, read_only: bool) -> Result<Self::Folder, Trouble> {
        self.open(name, read_only)
    }
    /// Largest message that is taken, octets; `None`: no limit. RFC 7889.
    fn append_limit(&self) -> Option<u64>;
    /// Is there such a mailbox, and may mail be put into it? Asked before a client sends much.
    fn accepts(&mut self, name: &str) -> Result<(), Trouble>;
    /// Begins to take a message in.
    fn draft(&mut self) -> Result<Self::Draft, Trouble>;
    /// Reads again what has been written into a draft that is to become a part of another (CATENATE, RFC 4469); its line
    /// ends may be LF or CR LF.
    fn reread(&mut self, draft: Self::Draft) -> Result<Box<dyn Read>, Trouble> {
        drop(draft);
        Err(Trouble::TooBig)
    }
    /// Makes all of `letters` messages of `name`, durably, or none.
    fn append(&mut self, name: &str, letters: Vec<Letter<Self::Draft>>) -> Result<Arrived, Trouble>;
    /// Takes away again what [`Store::append`] has just put into `name`, whatever this user may do there: what was to happen
    /// together with that can't be done.
    fn take_back(&mut self, name: &str, arrived: &Arrived) -> Result<(), Trouble>;
    /// Copies messages to `target`, with flags, dates and keywords; all or none.
    fn copy(
        &mut self,
        from: &mut Self::Folder,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble>;
    /// Moves them: afterwards each is in `target`, and no more here. RFC 6851.
    fn relocate(
        &mut self,
        from: &mut Self::Folder,
        uids: &[Uid],
        target: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Arrived, Trouble>;
    /// The quota roots that count what is in `name`.
    fn quota(&mut self, name: &str) -> Result<Vec<QuotaRoot>, Trouble>;
    /// Annotations of a mailbox (empty: the server): name and value, sorted. RFC 5464.
    fn metadata(&mut self, name: &str) -> Result<Vec<(String, Vec<u8>)>, Trouble>;
    /// Sets an annotation, or removes it.
    fn annotate(&mut self, name: &str, entry: &str, value: Option<&[u8]>) -> Result<(), Trouble>;
    /// What this user may do with `name`: letters of RFC 4314.
    fn rights(&mut self, name: &str) -> Result<String, Trouble>;
    /// Who may do what with `name`.
    fn acl(&mut self, name: &str) -> Result<Vec<(String, String)>, Trouble>;
    /// Sets what `who` may do; empty: takes him out.
    fn set_acl(&mut self, name: &str, who: &str, rights: &str) -> Result<(), Trouble>;
    /// NOTIFY: what has happened in mailboxes that are not open since this was last asked: names of mailboxes with
    /// new status, and of those that came or went. The first call begins the watch.
    fn news(&mut self) -> Result<Vec<News>, Trouble>;
    /// Days and clock: seconds since 1970.
    fn now(&self) -> i64;
    /// The client is silent: what only the last commands needed can be given back.
    fn rest(&mut self) {}
}

/// Something happened in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Its name.
    pub name: String,
    /// What.
    pub what: Happened,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Happened {
    Messages,
    Created,
    Removed,
}

/// An open mailbox. Its state changes only in [`Folder::refresh`] and in calls that change messages; a message that
/// another program removes or renames meanwhile is found by its new name, or [`Trouble::Gone`].
pub trait Folder {
    /// Reads from it like a file with LF line ends (or CR LF, if the message was stored so).
    type Text: Read;

    /// The facts; sizes are 0.
    fn status(&self) -> Status;
    /// Is it open for reading only?
    fn read_only(&self) -> bool;
    /// All messages, by ascending UID.
    fn messages(&self) -> &[Message];
    /// Of one opened by [`Store::open_asleep`], sees to it that `messages` gives what `status` has counted; without
    /// `always`, only if there is something that `refresh` would learn. False: nothing has been read yet, and until
    /// then `messages` gives none.
    fn wake(&mut self, always: bool) -> Result<bool, Trouble> {
        let _ = always;
        Ok(true)
    }
    /// The number of the first message without `\Seen`.
    fn first_unseen(&self) -> Option<u32> {
        first_unseen(self.messages())
    }
    /// The messages from this UID on are recent to this session (RFC 3501 §2.3.2).
    fn recent_from(&self) -> Uid;
    /// The names of keywords that have a bit.
    fn keywords(&self) -> &[String];
    /// May a client invent new ones?
    fn takes_new_keywords(&self) -> bool;
    /// Learns what others have done; true: something is different now.
    fn refresh(&mut self) -> Result<bool, Trouble>;
    /// UIDs that were removed after `modseq`, ascending ranges; `None`: that is no longer known so far back (then the
    /// client is told of all UIDs it may know that are not there). RFC 7162 §3.2.
    fn vanished_since(&self, modseq: u64) -> Option<Vec<(Uid, Uid)>>;
    /// Changes flags. `unchanged_since`: of those only whose modseq is at most that (RFC 7162); gives the UIDs that it
    /// kept from being changed. Messages that are gone are passed over.
    fn store(
        &mut self,
        uids: &[Uid],
        change: Change,
        marks: &Marks,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Uid>, Trouble>;
    /// Removes messages for good.
    fn expunge(&mut self, uids: &[Uid]) -> Result<(), Trouble>;
    /// As [`Folder::expunge`], but those stay from which somebody has taken `\Deleted` meanwhile.
    fn expunge_deleted(&mut self, uids: &[Uid]) -> Result<(), Trouble>;
    /// Internal date, seconds since 1970.
    fn date(&mut self, uid: Uid) -> Result<i64, Trouble>;
    /// Octets with CR LF line ends, if known without reading the message.
    fn size(&mut self, uid: Uid) -> Result<Option<u64>, Trouble>;
    /// The message has been read, and has so many octets with CR LF line ends, whatever [`Folder::size`] says.
    fn size_is(&mut self, _uid: Uid, _octets: u64) {}
    /// RFC 8474: stays when the message is copied or moved.
    fn email_id(&mut self, uid: Uid) -> Result<String, Trouble>;
    /// Octets on disk.
    fn octets(&mut self, uid: Uid) -> Result<u64, Trouble>;
    /// Opens a message.
    fn open(&mut self, uid: Uid) -> Result<Self::Text, Trouble>;
    /// Puts what was kept of a message by [`Folder::keep`] into `record` (emptied first); false: nothing is kept.
    fn kept(&mut self, uid: Uid, record: &mut Vec<u8>) -> Result<bool, Trouble>;
    /// Keeps a record of a message (see `digest.rs`) with the index; it may be forgotten at any time.
    fn keep(&mut self, uid: Uid, record: &[u8]);
    /// Reads each message whole (at most [`MOST_TEXT`] octets of it) and has `work` look at it, several at one time
    /// where there are processors for it; `done` gets the results, in any order. One that is gone is passed over.
    fn each_text<T: Send>(
        &mut self,
        uids: &[Uid],
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble>;
    /// As [`Folder::each_text`], but at most `most` octets of each.
    fn each_beginning<T: Send>(
        &mut self,
        uids: &[Uid],
        most: usize,
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        self.each_text(uids, &|uid, text: &[u8]| work(uid, &text[..most.min(text.len())]), done)
    }
    /// Messages that may hold the text: a superset, ascending; `None`: any may.
    fn narrow(&mut self, needle: Needle<'_>) -> Option<Vec<Uid>>;
    /// As [`Store::rest`].
    fn rest(&mut self) {}
}

/// The number of the first of these without `\Seen`.
pub fn first_unseen(messages: &[Message]) -> Option<u32> {
    let place = messages.iter().position(|message| !message.flags.has(Flags::SEEN))?;
    u32::try_from(place + 1).ok()
}

/// Of larger messages only so much is taken apart; BODY[] gives them whole all the same.
pub const MOST_TEXT: u64 = 64 * 1024 * 1024;
