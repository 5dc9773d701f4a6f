//! What a client may ask, as values: the parser makes them, the commands take them.
//!
//! RFC 3501 and RFC 9051 §9, with the grammars of the extensions named at each type. Mailbox names are decoded
//! (UTF-8, separators as the client wrote them); numbers are checked; nothing has been looked up yet.

use crate::flags::FlagWord;
use crate::sequence::Set;

/// A whole command line, literals included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Comes back with the answer.
    pub tag: String,
    /// What is asked.
    pub request: Request,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the RFCs'.
pub enum Request {
    // In every state.
    Capability,
    Noop,
    Logout,
    /// RFC 2971.
    Id(Vec<(String, Option<String>)>),
    // Before the login; `login` serves these, the server after it refuses them.
    Starttls,
    /// Mechanism and initial response (RFC 4959).
    Authenticate {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    Login {
        user: Vec<u8>,
        password: Vec<u8>,
    },
    // After the login.
    /// RFC 5161: capability names in upper case.
    Enable(Vec<String>),
    /// SELECT, and EXAMINE where `read_only`.
    Select {
        mailbox: String,
        read_only: bool,
        condstore: bool,
        qresync: Option<Qresync>,
    },
    Create {
        mailbox: String,
        special: Vec<String>,
    },
    Delete(String),
    Rename {
        from: String,
        to: String,
    },
    Subscribe(String),
    Unsubscribe(String),
    List(List),
    Lsub {
        reference: String,
        pattern: String,
    },
    Namespace,
    Status {
        mailbox: String,
        items: Vec<StatusItem>,
    },
    Append {
        mailbox: String,
        messages: Vec<Append>,
    },
    Idle,
    /// RFC 4978; DEFLATE.
    Compress,
    /// RFC 8437.
    Unauthenticate,
    /// RFC 9208.
    GetQuota(String),
    GetQuotaRoot(String),
    SetQuota,
    /// RFC 5464; an empty mailbox is the server.
    GetMetadata {
        mailbox: String,
        entries: Vec<String>,
        max_size: Option<u64>,
        depth: Depth,
    },
    SetMetadata {
        mailbox: String,
        entries: Vec<(String, Option<Vec<u8>>)>,
    },
    /// RFC 4314.
    GetAcl(String),
    SetAcl {
        mailbox: String,
        who: String,
        change: char,
        rights: String,
    },
    DeleteAcl {
        mailbox: String,
        who: String,
    },
    ListRights {
        mailbox: String,
        who: String,
    },
    MyRights(String),
    /// RFC 5465; `None`: NOTIFY NONE.
    Notify(Option<Notify>),
    // With a mailbox.
    Check,
    Close,
    Unselect,
    /// `uids`: UID EXPUNGE (RFC 4315).
    Expunge {
        uids: Option<Set>,
    },
    Fetch {
        by_uid: bool,
        set: Set,
        items: Vec<FetchItem>,
        changed_since: Option<u64>,
        vanished: bool,
        partial: Option<(i64, i64)>,
    },
    Store {
        by_uid: bool,
        set: Set,
        change: Change,
        silent: bool,
        flags: Vec<FlagWord>,
        unchanged_since: Option<u64>,
    },
    Copy {
        by_uid: bool,
        set: Set,
        mailbox: String,
    },
    Move {
        by_uid: bool,
        set: Set,
        mailbox: String,
    },
    Search {
        by_uid: bool,
        charset: Option<String>,
        key: SearchKey,
        results: Option<Returns>,
    },
    Sort {
        by_uid: bool,
        charset: String,
        order: Vec<(SortKey, bool)>,
        key: SearchKey,
        results: Option<Returns>,
    },
    Thread {
        by_uid: bool,
        algorithm: Algorithm,
        charset: String,
        key: SearchKey,
    },
    /// RFC 5267: the tags.
    CancelUpdate(Vec<String>),
    /// RFC 8508.
    Replace {
        by_uid: bool,
        message: String,
        mailbox: String,
        with: Append,
    },
}

/// RFC 7162 §3.2.5.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Qresync {
    pub uid_validity: u32,
    pub modseq: u64,
    pub known: Option<Set>,
    /// Sequence numbers and the UIDs the client believes them to have.
    pub matching: Option<(Set, Set)>,
}

/// LIST, as RFC 5258, 5819, 6154, 8440, 9590 extend it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct List {
    pub reference: String,
    pub patterns: Vec<String>,
    /// The client used the extended form, if only by one option or a list of patterns.
    pub extended: bool,
    // Selection options.
    pub select_subscribed: bool,
    pub select_remote: bool,
    pub select_recursive: bool,
    pub select_special: bool,
    // Return options.
    pub return_subscribed: bool,
    pub return_children: bool,
    pub return_special: bool,
    pub return_rights: bool,
    pub return_status: Vec<StatusItem>,
    /// RFC 9590: entries to return with each mailbox.
    pub return_metadata: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    DeletedStorage,
    Size,
    HighestModSeq,
    AppendLimit,
    MailboxId,
}

/// One message of an APPEND (RFC 3502).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Its flags.
    pub flags: Vec<FlagWord>,
    /// INTERNALDATE in seconds since 1970.
    pub date: Option<i64>,
    /// Its text.
    pub text: Text,
}

/// Where a message's text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The literal of this number among those of the command that were spooled, from 0.
    Spooled(usize),
    /// A short literal that was not spooled (REPLACE, CATENATE): as it came.
    Octets(Vec<u8>),
    /// CATENATE (RFC 4469).
    Parts(Vec<Piece>),
}

/// A piece of a CATENATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// TEXT.
    Text(Text),
    /// URL (RFC 5092, relative), as written.
    Url(String),
}

/// RFC 5464 §4.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Depth {
    #[default]
    Zero,
    One,
    Infinity,
}

/// NOTIFY SET (RFC 5465).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// The client wants a STATUS of each mailbox at once.
    pub status: bool,
    /// Which mailboxes, and what about them.
    pub groups: Vec<(Watched, Vec<Event>)>,
}

/// Mailboxes of a NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Watched {
    Selected,
    SelectedDelayed,
    Inboxes,
    Personal,
    Subscribed,
    Subtree(Vec<String>),
    Mailboxes(Vec<String>),
}

/// Events of a NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    /// With the FETCH items that the client wants of a new message.
    MessageNew(Vec<FetchItem>),
    MessageExpunge,
    FlagChange,
    AnnotationChange,
    MailboxName,
    SubscriptionChange,
    MailboxMetadataChange,
    ServerMetadataChange,
}

/// What STORE does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Change {
    Add,
    Remove,
    Replace,
}

/// An item of FETCH. ALL, FAST and FULL have been spelled out by the parser.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FetchItem {
    Uid,
    Flags,
    InternalDate,
    Rfc822Size,
    Envelope,
    /// BODY without a section.
    Body,
    BodyStructure,
    /// RFC822, RFC822.HEADER, RFC822.TEXT.
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    /// `BODY[section]<first.count>`; `peek`: `\Seen` is not set.
    Section {
        section: Section,
        partial: Option<(u32, u32)>,
        peek: bool,
    },
    /// RFC 3516.
    Binary {
        part: Vec<u32>,
        partial: Option<(u32, u32)>,
        peek: bool,
    },
    BinarySize(Vec<u32>),
    ModSeq,
    /// RFC 8514.
    SaveDate,
    /// RFC 8970; `lazy`.
    Preview {
        lazy: bool,
    },
    /// RFC 8474.
    EmailId,
    ThreadId,
}

/// What is between the brackets of BODY[].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The part's numbers; empty: the message.
    pub part: Vec<u32>,
    /// What of it.
    pub what: What,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum What {
    /// Nothing named: the whole.
    #[default]
    Whole,
    Header,
    /// Field names as the client wrote them.
    HeaderFields(Vec<String>),
    HeaderFieldsNot(Vec<String>),
    Text,
    /// Only of a part.
    Mime,
}

/// RETURN (...) of SEARCH, SORT: RFC 4731, 5182, 5267, 9394.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Returns {
    pub min: bool,
    pub max: bool,
    pub all: bool,
    pub count: bool,
    pub save: bool,
    pub update: bool,
    /// What is to be fetched of messages that come into the result: RFC 5465 §7.
    pub update_items: Vec<FetchItem>,
    pub context: bool,
    pub partial: Option<(i64, i64)>,
}

/// A search program: RFC 9051 §6.4.4. Strings are UTF-8: the parser has decoded the charset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SearchKey {
    All,
    And(Vec<SearchKey>),
    Or(Box<SearchKey>, Box<SearchKey>),
    Not(Box<SearchKey>),
    /// A system flag or keyword is set; UNSEEN and the like are `Not` of these.
    Flag(FlagWord),
    Recent,
    Sequence(Set),
    Uid(Set),
    /// HEADER name, or FROM, TO, CC, BCC, SUBJECT by name; an empty string: the field is there.
    Header(String, String),
    Body(String),
    Text(String),
    /// BEFORE, ON, SINCE of the internal date: days since 1970-01-01.
    Before(i64),
    On(i64),
    Since(i64),
    SentBefore(i64),
    SentOn(i64),
    SentSince(i64),
    /// RFC 8514.
    SavedBefore(i64),
    SavedOn(i64),
    SavedSince(i64),
    SaveDateSupported,
    Larger(u64),
    Smaller(u64),
    /// RFC 5032: seconds.
    Older(u64),
    Younger(u64),
    /// RFC 7162.
    ModSeq(u64),
    EmailId(String),
    ThreadId(String),
    /// `$` (RFC 5182).
    Saved,
}

impl SearchKey {
    /// Does `test` hold for it, or for a key in it? The depth of keys is the parser's matter.
    pub fn any(&self, test: &mut dyn FnMut(&SearchKey) -> bool) -> bool {
        test(self)
            || match self {
                SearchKey::And(keys) => keys.iter().any(|key| key.any(test)),
                SearchKey::Or(one, other) => one.any(test) || other.any(test),
                SearchKey::Not(key) => key.any(test),
                _ => false,
            }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SortKey {
    Arrival,
    Cc,
    Date,
    From,
    Size,
    Subject,
    To,
    /// RFC 5957.
    DisplayFrom,
    DisplayTo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Algorithm {
    OrderedSubject,
    References,
    Refs,
}
