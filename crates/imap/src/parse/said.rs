//! For tests: a request as a client would say it, so that what is read can be said and read again.

use std::io::Write;

use imap::{
    Algorithm, Append, Change, Depth, Event, FetchItem, FlagWord, List, Piece, Request, Returns, SearchKey,
    Section, Set, SortKey, StatusItem, Text, Watched, What, write_astring, write_literal, write_mailbox,
    write_nstring, write_string,
};

/// The command, behind its tag and up to its line end. `utf8`: as `parse` is told.
pub(crate) fn say(request: &Request, utf8: bool) -> Vec<u8> {
    let mut said = Said { out: Vec::new(), utf8 };
    said.request(request);
    said.out
}

struct Said {
    out: Vec<u8>,
    utf8: bool,
}

impl Said {
    fn put(&mut self, text: &str) -> &mut Said {
        self.out.extend_from_slice(text.as_bytes());
        self
    }

    /// The end of a chain whose value nobody wants.
    fn done(&mut self) {}

    fn string(&mut self, text: impl AsRef<[u8]>) -> &mut Said {
        // A line has a bound.
        let text = text.as_ref();
        let write = if text.len() > 500 { write_literal } else { write_astring };
        write(text, &mut self.out).unwrap();
        self
    }

    fn mailbox(&mut self, name: &str) -> &mut Said {
        write_mailbox(name, self.utf8, &mut self.out).unwrap();
        self
    }

    /// `(one two)`
    fn list<T>(&mut self, all: &[T], each: impl Fn(&mut Said, &T)) -> &mut Said {
        self.put("(");
        for (place, one) in all.iter().enumerate() {
            self.put(if place > 0 { " " } else { "" });
            each(self, one);
        }
        self.put(")")
    }

    /// Words of which each may be there, in parentheses.
    fn words(&mut self, words: &[(bool, &str)]) -> &mut Said {
        let there: Vec<_> = words.iter().filter(|(there, _)| *there).map(|(_, word)| *word).collect();
        self.put(&format!("({})", there.join(" ")))
    }

    fn request(&mut self, request: &Request) -> &mut Said {
        match request {
            Request::Capability => self.put("CAPABILITY"),
            Request::Noop => self.put("NOOP"),
            Request::Logout => self.put("LOGOUT"),
            Request::Starttls => self.put("STARTTLS"),
            Request::Namespace => self.put("NAMESPACE"),
            Request::Idle => self.put("IDLE"),
            Request::Compress => self.put("COMPRESS DEFLATE"),
            Request::Unauthenticate => self.put("UNAUTHENTICATE"),
            Request::SetQuota => self.put("SETQUOTA \"\" ()"),
            Request::Check => self.put("CHECK"),
            Request::Close => self.put("CLOSE"),
            Request::Unselect => self.put("UNSELECT"),
            Request::Notify(None) => self.put("NOTIFY NONE"),
            Request::Expunge { uids: None } => self.put("EXPUNGE"),
            Request::Delete(name) => self.put("DELETE ").mailbox(name),
            Request::Subscribe(name) => self.put("SUBSCRIBE ").mailbox(name),
            Request::Unsubscribe(name) => self.put("UNSUBSCRIBE ").mailbox(name),
            Request::GetQuotaRoot(name) => self.put("GETQUOTAROOT ").mailbox(name),
            Request::GetAcl(name) => self.put("GETACL ").mailbox(name),
            Request::MyRights(name) => self.put("MYRIGHTS ").mailbox(name),
            Request::GetQuota(name) => self.put("GETQUOTA ").string(name),
            Request::Enable(names) => self.put("ENABLE ").put(&names.join(" ")),
            Request::Rename { from, to } => self.put("RENAME ").mailbox(from).put(" ").mailbox(to),
            other => self.with_more(other),
        }
    }

    fn with_more(&mut self, request: &Request) -> &mut Said {
        match request {
            Request::Id(fields) => self.put("ID ").list(fields, |said, (name, value)| {
                write_string(name.as_bytes(), &mut said.out).unwrap();
                said.put(" ");
                write_nstring(value.as_deref().map(str::as_bytes), &mut said.out).unwrap();
            }),
            Request::Authenticate { mechanism, initial } => {
                self.put("AUTHENTICATE ").put(mechanism);
                match initial.as_deref() {
                    None => self,
                    Some([]) => self.put(" ="),
                    Some(octets) => self.put(" ").put(&data_encoding::BASE64.encode(octets)),
                }
            }
            Request::Login { user, password } => self.put("LOGIN ").string(user).put(" ").string(password),
            Request::Create { mailbox, special } => {
                self.put("CREATE ").mailbox(mailbox);
                if special.is_empty() { self } else { self.put(&format!(" (USE ({}))", special.join(" "))) }
            }
            Request::Lsub { reference, pattern } => {
                self.put("LSUB ").mailbox(reference).put(" ").mailbox(pattern)
            }
            Request::Status { mailbox, items } => {
                self.put("STATUS ").mailbox(mailbox).put(" ").list(items, Said::status_item)
            }
            Request::SetAcl { mailbox, who, change, rights } => {
                let change = if *change == '=' { String::new() } else { change.to_string() };
                self.put("SETACL ").mailbox(mailbox).put(" ").string(who).put(" ").string(change + rights)
            }
            Request::DeleteAcl { mailbox, who } => {
                self.put("DELETEACL ").mailbox(mailbox).put(" ").string(who)
            }
            Request::ListRights { mailbox, who } => {
                self.put("LISTRIGHTS ").mailbox(mailbox).put(" ").string(who)
            }
            Request::CancelUpdate(tags) => {
                self.put("CANCELUPDATE");
                tags.iter().fold(self, |said, tag| said.put(" ").string(tag))
            }
            Request::List(list) => self.listing(list),
            Request::Append { .. } | Request::Replace { .. } => self.appending(request),
            other => self.of_messages(other),
        }
    }

    fn of_messages(&mut self, request: &Request) -> &mut Said {
        let uid = |by_uid: &bool| if *by_uid { "UID " } else { "" };
        match request {
            Request::Select { .. } => self.select(request),
            Request::Expunge { uids: Some(uids) } => self.put("UID EXPUNGE ").set(uids),
            Request::Copy { by_uid, set, mailbox } => {
                self.put(uid(by_uid)).put("COPY ").set(set).put(" ").mailbox(mailbox)
            }
            Request::Move { by_uid, set, mailbox } => {
                self.put(uid(by_uid)).put("MOVE ").set(set).put(" ").mailbox(mailbox)
            }
            Request::Fetch { by_uid, set, items, changed_since, vanished, partial } => {
                self.put(uid(by_uid)).put("FETCH ").set(set).put(" ").list(items, Said::item);
                let since = changed_since.map(|modseq| format!("CHANGEDSINCE {modseq}"));
                let partial = partial.map(|(first, last)| format!("PARTIAL {first}:{last}"));
                let all = [since, vanished.then(|| "VANISHED".to_owned()), partial];
                let all: Vec<_> = all.into_iter().flatten().collect();
                if all.is_empty() { self } else { self.put(&format!(" ({})", all.join(" "))) }
            }
            Request::Store { by_uid, set, change, silent, flags, unchanged_since } => {
                self.put(uid(by_uid)).put("STORE ").set(set);
                unchanged_since.iter().for_each(|it| self.put(&format!(" (UNCHANGEDSINCE {it})")).done());
                self.put(match change {
                    Change::Add => " +FLAGS",
                    Change::Remove => " -FLAGS",
                    Change::Replace => " FLAGS",
                });
                self.put(if *silent { ".SILENT " } else { " " }).list(flags, Said::flag)
            }
            Request::Search { by_uid, charset, key, results } => {
                self.put(uid(by_uid)).put("SEARCH ").returns(results.as_ref());
                charset.iter().for_each(|charset| self.put("CHARSET ").string(charset).put(" ").done());
                self.key(key)
            }
            Request::Sort { by_uid, charset, order, key, results } => {
                self.put(uid(by_uid)).put("SORT ").returns(results.as_ref()).list(order, Said::criterion);
                self.put(" ").string(charset).put(" ").key(key)
            }
            Request::Thread { by_uid, algorithm, charset, key } => {
                self.put(uid(by_uid)).put("THREAD ").put(match algorithm {
                    Algorithm::OrderedSubject => "ORDEREDSUBJECT ",
                    Algorithm::References => "REFERENCES ",
                    Algorithm::Refs => "REFS ",
                });
                self.string(charset).put(" ").key(key)
            }
            other => self.notices(other),
        }
    }

    fn select(&mut self, request: &Request) -> &mut Said {
        match request {
            Request::Select { mailbox, read_only, condstore, qresync } => {
                self.put(if *read_only { "EXAMINE " } else { "SELECT " }).mailbox(mailbox);
                if *condstore {
                    self.put(" (CONDSTORE");
                }
                if let Some(known) = qresync {
                    self.put(if *condstore { " " } else { " (" });
                    self.put(&format!("QRESYNC ({} {}", known.uid_validity, known.modseq));
                    known.known.iter().for_each(|set| self.put(" ").set(set).done());
                    if let Some((numbers, uids)) = &known.matching {
                        self.put(" (").set(numbers).put(" ").set(uids).put(")");
                    }
                    self.put(")");
                }
                self.put(if *condstore || qresync.is_some() { ")" } else { "" })
            }
            other => panic!("{other:?} opens nothing"),
        }
    }

    fn notices(&mut self, request: &Request) -> &mut Said {
        match request {
            Request::Notify(Some(notify)) => {
                self.put("NOTIFY SET").put(if notify.status { " STATUS" } else { "" });
                for (watched, events) in &notify.groups {
                    self.put(" (").watched(watched).put(" ");
                    if events.is_empty() { self.put("NONE") } else { self.list(events, Said::event) }
                        .put(")");
                }
                self
            }
            Request::GetMetadata { mailbox, entries, max_size, depth } => {
                self.put("GETMETADATA (DEPTH ").put(match depth {
                    Depth::Zero => "0",
                    Depth::One => "1",
                    Depth::Infinity => "infinity",
                });
                max_size.iter().for_each(|it| self.put(&format!(" MAXSIZE {it}")).done());
                self.put(") ")
                    .mailbox(mailbox)
                    .put(" ")
                    .list(entries, |said, entry| said.string(entry).done())
            }
            Request::SetMetadata { mailbox, entries } => {
                self.put("SETMETADATA ").mailbox(mailbox).put(" ").list(entries, |said, (entry, value)| {
                    said.string(entry).put(" ");
                    match value {
                        Some(value) => {
                            write!(said.out, "~{{{}+}}\r\n", value.len()).unwrap();
                            said.out.extend_from_slice(value);
                        }
                        None => said.put("NIL").done(),
                    }
                })
            }
            other => panic!("nothing says {other:?}"),
        }
    }

    fn appending(&mut self, request: &Request) -> &mut Said {
        match request {
            Request::Append { mailbox, messages } => {
                self.put("APPEND ").mailbox(mailbox);
                messages.iter().fold(self, Said::message)
            }
            Request::Replace { by_uid, message, mailbox, with } => {
                self.put(if *by_uid { "UID REPLACE " } else { "REPLACE " });
                self.put(message).put(" ").mailbox(mailbox).message(with)
            }
            other => panic!("no message is in {other:?}"),
        }
    }

    fn message(&mut self, message: &Append) -> &mut Said {
        self.put(" ").list(&message.flags, Said::flag).put(" ");
        if let Some(date) = message.date {
            self.put(&date_time(date)).put(" ");
        }
        match &message.text {
            Text::Parts(parts) => self.put("CATENATE ").list(parts, |said, piece| match piece {
                Piece::Text(text) => said.put("TEXT ").text(text).done(),
                Piece::Url(url) => said.put("URL ").string(url).done(),
            }),
            text => self.text(text),
        }
    }

    fn text(&mut self, text: &Text) -> &mut Said {
        match text {
            Text::Spooled(_) => self.put("{1+}\r\nx"),
            other => panic!("no literal is {other:?}"),
        }
    }

    fn listing(&mut self, list: &List) -> &mut Said {
        self.put("LIST ");
        if !list.extended {
            return self.mailbox(&list.reference).put(" ").mailbox(&list.patterns[0]);
        }
        self.words(&[
            (list.select_subscribed, "SUBSCRIBED"),
            (list.select_remote, "REMOTE"),
            (list.select_recursive, "RECURSIVEMATCH"),
            (list.select_special, "SPECIAL-USE"),
        ]);
        self.put(" ").mailbox(&list.reference).put(" ");
        self.list(&list.patterns, |said, pattern| said.mailbox(pattern).done()).put(" RETURN ");
        self.words(&[
            (list.return_subscribed, "SUBSCRIBED"),
            (list.return_children, "CHILDREN"),
            (list.return_special, "SPECIAL-USE"),
            (list.return_rights, "MYRIGHTS"),
        ]);
        self.out.pop();
        let blank = |said: &mut Said| if said.out.ends_with(b"(") { "" } else { " " };
        if !list.return_status.is_empty() {
            let before = blank(self);
            self.put(before).put("STATUS ").list(&list.return_status, Said::status_item);
        }
        if !list.return_metadata.is_empty() {
            let before = blank(self);
            self.put(before).put("METADATA ");
            self.list(&list.return_metadata, |said, entry| said.string(entry).done());
        }
        self.put(")")
    }

    fn status_item(&mut self, item: &StatusItem) {
        self.put(
            match item {
                StatusItem::DeletedStorage => "DELETED-STORAGE".to_owned(),
                other => format!("{other:?}").to_uppercase(),
            }
            .as_str(),
        );
    }

    fn set(&mut self, set: &Set) -> &mut Said {
        let Set::Ranges(ranges) = set else { return self.put("$") };
        let number = |it: &Option<u32>| it.map_or("*".to_owned(), |it| it.to_string());
        let each = ranges.iter().map(|(one, other)| format!("{}:{}", number(one), number(other)));
        self.put(&each.collect::<Vec<_>>().join(","))
    }

    fn flag(&mut self, flag: &FlagWord) {
        self.put(&flag.to_string());
    }

    fn item(&mut self, item: &FetchItem) {
        let name = match item {
            FetchItem::Rfc822Size => "RFC822.SIZE".to_owned(),
            FetchItem::Rfc822Header => "RFC822.HEADER".to_owned(),
            FetchItem::Rfc822Text => "RFC822.TEXT".to_owned(),
            FetchItem::Preview { lazy } => if *lazy { "PREVIEW (LAZY)" } else { "PREVIEW" }.to_owned(),
            FetchItem::BinarySize(part) => format!("BINARY.SIZE[{}]", numbers(part)),
            FetchItem::Binary { part, partial, peek } => {
                format!("BINARY{}[{}]{}", peeks(*peek), numbers(part), octets(*partial))
            }
            FetchItem::Section { section, partial, peek } => {
                self.put("BODY").put(peeks(*peek)).section(section);
                octets(*partial)
            }
            plain => format!("{plain:?}").to_uppercase(),
        };
        self.put(&name);
    }

    fn section(&mut self, section: &Section) {
        let dot = if section.part.is_empty() || section.what == What::Whole { "" } else { "." };
        self.put("[").put(&numbers(&section.part)).put(dot);
        let names = |said: &mut Said, names: &[String]| {
            said.list(names, |said, name| said.string(name).done());
        };
        match &section.what {
            What::Whole => {}
            What::Header => self.put("HEADER").done(),
            What::Text => self.put("TEXT").done(),
            What::Mime => self.put("MIME").done(),
            What::HeaderFields(all) => names(self.put("HEADER.FIELDS "), all),
            What::HeaderFieldsNot(all) => names(self.put("HEADER.FIELDS.NOT "), all),
        }
        self.put("]");
    }

    fn criterion(&mut self, (key, reverse): &(SortKey, bool)) {
        self.put(if *reverse { "REVERSE " } else { "" }).put(&format!("{key:?}").to_uppercase());
    }

    fn returns(&mut self, returns: Option<&Returns>) -> &mut Said {
        let Some(returns) = returns else { return self };
        let partial =
            returns.partial.map_or(String::new(), |(first, last)| format!("PARTIAL {first}:{last}"));
        let mut items = Said { out: Vec::new(), utf8: self.utf8 };
        items.list(&returns.update_items, Said::item);
        let update = match returns.update_items.is_empty() {
            true => "UPDATE".to_owned(),
            false => format!("UPDATE {}", String::from_utf8_lossy(&items.out)),
        };
        self.put("RETURN ").words(&[
            (returns.min, "MIN"),
            (returns.max, "MAX"),
            (returns.all, "ALL"),
            (returns.count, "COUNT"),
            (returns.save, "SAVE"),
            (returns.update, &update),
            (returns.context, "CONTEXT"),
            (returns.partial.is_some(), &partial),
        ]);
        self.put(" ")
    }

    fn watched(&mut self, watched: &Watched) -> &mut Said {
        let names = |said: &mut Said, all: &[String]| {
            said.list(all, |said, name| said.mailbox(name).done());
        };
        match watched {
            Watched::Subtree(all) => names(self.put("SUBTREE "), all),
            Watched::Mailboxes(all) => names(self.put("MAILBOXES "), all),
            Watched::SelectedDelayed => self.put("SELECTED-DELAYED").done(),
            other => self.put(&format!("{other:?}")).done(),
        }
        self
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::MessageNew(items) if !items.is_empty() => {
                self.put("MessageNew ").list(items, Said::item);
            }
            Event::MessageNew(_) => self.put("MessageNew").done(),
            other => self.put(&format!("{other:?}")).done(),
        }
    }

    fn key(&mut self, key: &SearchKey) -> &mut Said {
        use SearchKey as Key;
        match key {
            Key::And(keys) => self.list(keys, |said, key| said.key(key).done()),
            Key::Or(one, other) => self.put("OR ").key(one).put(" ").key(other),
            Key::Not(key) => self.put("NOT ").key(key),
            Key::Flag(FlagWord::Keyword(name)) => self.put("KEYWORD ").put(name),
            Key::Flag(system) => self.put(&system.to_string()[1..]),
            Key::Sequence(set) => self.set(set),
            Key::Uid(set) => self.put("UID ").set(set),
            Key::Header(name, text) => self.put("HEADER ").string(name).put(" ").string(text),
            Key::Body(text) => self.put("BODY ").string(text),
            Key::Text(text) => self.put("TEXT ").string(text),
            Key::EmailId(id) => self.put("EMAILID ").string(id),
            Key::ThreadId(id) => self.put("THREADID ").string(id),
            Key::Saved => self.put("$"),
            Key::Before(day) => self.put("BEFORE ").put(&date(*day)),
            Key::On(day) => self.put("ON ").put(&date(*day)),
            Key::Since(day) => self.put("SINCE ").put(&date(*day)),
            Key::SentBefore(day) => self.put("SENTBEFORE ").put(&date(*day)),
            Key::SentOn(day) => self.put("SENTON ").put(&date(*day)),
            Key::SentSince(day) => self.put("SENTSINCE ").put(&date(*day)),
            Key::SavedBefore(day) => self.put("SAVEDBEFORE ").put(&date(*day)),
            Key::SavedOn(day) => self.put("SAVEDON ").put(&date(*day)),
            Key::SavedSince(day) => self.put("SAVEDSINCE ").put(&date(*day)),
            number => {
                let text = format!("{number:?}").to_uppercase();
                self.put(text.replace('(', " ").trim_end_matches(')'))
            }
        }
    }
}

fn peeks(peek: bool) -> &'static str {
    if peek { ".PEEK" } else { "" }
}

fn numbers(part: &[u32]) -> String {
    part.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

fn octets(partial: Option<(u32, u32)>) -> String {
    partial.map_or(String::new(), |(first, count)| format!("<{first}.{count}>"))
}

/// A day, counted by another way than the parser's: year after year.
fn date(day: i64) -> String {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year: i64| if is_leap(year) { 366 } else { 365 };
    let (mut year, mut rest) = (0, day + 719_528);
    while rest >= length(year) {
        rest -= length(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut month = 0;
    while rest >= months[month] {
        rest -= months[month];
        month += 1;
    }
    format!("{}-{}-{year:04}", rest + 1, names[month])
}

fn date_time(date_and_time: i64) -> String {
    // Beyond the years that can be written, in another zone's time.
    let (zone, name) = match date_and_time {
        ..-62_167_219_200 => (359_940, "+9959"),
        253_402_300_800.. => (-359_940, "-9959"),
        _ => (0, "+0000"),
    };
    let local = date_and_time + zone;
    let (day, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("\"{} {hour:02}:{minute:02}:{second:02} {name}\"", date(day))
}
