//! NOTIFY: RFC 5465. What happens in mailboxes that are not open is told as STATUS, LIST and METADATA.

use std::io;

use crate::notices::{Difference, Notices, Unfit, Wanted};
use crate::reply::Reply;
use crate::session::{Answer, Out, Session, Stop};
use crate::store::{Happened, Listed, Namespace, Status, Store, Trouble};
use crate::syntax::{Request, StatusItem};
use crate::update::Presence;

/// Mailboxes whose state is watched for one client.
const MOST_WATCHED: usize = 2000;

pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Notify(notify) = request else { return Ok(Reply::WRONG) };
    // §3.1: what has gathered so far is told before the new wishes hold.
    if session.tell(true, out)? == Presence::Gone {
        return Err(Trouble::MailboxGone.into());
    }
    let Some(notify) = notify else {
        session.notices = Some(Notices::none());
        return Ok(Reply::DONE);
    };
    let status = notify.status;
    let notices = Notices::new(notify, session.store.separator()).map_err(|unfit| match unfit {
        Unfit::Half => Reply::HALF_OF_EVENTS,
        Unfit::Event => Reply::BAD_EVENT,
    })?;
    session.begin_watch(notices, status, out)?;
    Ok(Reply::DONE)
}

/// What there is to tell of a mailbox at once.
enum Found {
    Nothing,
    Watched,
    /// It is there, but this user may not read it.
    Closed,
}

impl<S: Store> Session<S> {
    /// Takes note of how everything is now.
    fn begin_watch(&mut self, mut notices: Notices, status: bool, out: Out<'_>) -> Result<(), Stop> {
        if notices.watches() {
            self.store.news()?;
            notices.learn(&self.store.list()?);
            if notices.known.len() > MOST_WATCHED {
                return Err(Reply::TOO_MANY_NOTICES.into());
            }
        }
        if notices.any(|wanted| wanted.server) {
            notices.server = Some(self.store.metadata("")?);
        }
        let namespaces = self.store.namespaces();
        let names: Vec<String> = notices.known.keys().cloned().collect();
        let found = names.into_iter().map(|name| (self.look_first(&mut notices, &name, &namespaces), name));
        let found: Vec<(Found, String)> = found.collect();
        self.notices = Some(notices);
        for (found, name) in &found {
            match found {
                Found::Closed => self.write_no_access(name, out)?,
                Found::Watched if status => self.write_known(name, out)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes what is to be remembered of a mailbox.
    fn look_first(&mut self, notices: &mut Notices, name: &str, namespaces: &[Namespace]) -> Found {
        let separator = self.store.separator();
        let subscribed = notices.known.get(name).is_some_and(|known| known.subscribed);
        let wanted = notices.wanted(name, subscribed, namespaces, separator);
        let Some(known) = notices.known.get_mut(name).filter(|known| known.there) else {
            return Found::Nothing;
        };
        if wanted.metadata {
            known.annotations = self.store.metadata(name).ok();
        }
        if !wanted.messages && !wanted.names {
            return Found::Nothing;
        }
        let status = self.store.status(name, false);
        let closed = status == Err(Trouble::NotAllowed);
        known.status = status.ok();
        match known.status {
            _ if !wanted.messages => Found::Nothing,
            None if closed => Found::Closed,
            Some(_) if !self.is_open(name) => Found::Watched,
            _ => Found::Nothing,
        }
    }

    /// RFC 5465 §3.1: it may be listed, but nothing can be told of it.
    fn write_no_access(&self, name: &str, out: Out<'_>) -> io::Result<()> {
        write!(out, "* LIST (\\NoAccess) \"{}\" {}\r\n", self.separator_escaped(), self.written(name))
    }

    fn any_wants(&self, test: fn(&Wanted) -> bool) -> bool {
        self.notices.as_ref().is_some_and(|notices| notices.any(test))
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.as_ref().is_some_and(|open| open.name == name)
    }

    /// What is wanted of a mailbox that the client knows.
    fn wanted(&self, name: &str) -> Wanted {
        let Some(notices) = &self.notices else { return Wanted::default() };
        let subscribed = notices.known.get(name).is_some_and(|known| known.subscribed);
        notices.wanted(name, subscribed, &self.store.namespaces(), self.store.separator())
    }

    /// Tells what has happened in other mailboxes. What can't be learnt now is told later.
    pub(crate) fn tell_others(&mut self, out: Out<'_>) -> io::Result<()> {
        if !self.notices.as_ref().is_some_and(Notices::watches) {
            return Ok(());
        }
        let Ok(news) = self.store.news() else { return Ok(()) };
        let renamed = news.iter().any(|one| one.what != Happened::Messages);
        if renamed || self.any_wants(|wanted| wanted.subscriptions) {
            self.tell_names(out)?;
        }
        for one in news.iter().filter(|one| one.what == Happened::Messages) {
            self.tell_status(&one.name, out)?;
        }
        if self.any_wants(|wanted| wanted.metadata) {
            self.tell_annotations(out)?;
        }
        if self.any_wants(|wanted| wanted.server) { self.tell_server(out) } else { Ok(()) }
    }

    /// §5.4, §5.5.
    fn tell_names(&mut self, out: Out<'_>) -> io::Result<()> {
        let Ok(listed) = self.store.list() else { return Ok(()) };
        let Some(notices) = &mut self.notices else { return Ok(()) };
        let mut differences = notices.learn(&listed);
        let mut went: Vec<(Option<String>, String)> = differences
            .iter_mut()
            .filter(|one| one.went)
            .map(|one| (one.id.take(), one.listed.name.clone()))
            .collect();
        for one in differences.iter().filter(|one| !one.went) {
            self.tell_name(one, &mut went, out)?;
        }
        for one in differences.iter().filter(|one| one.went) {
            // Those that have got another name are told of with it.
            if went.iter().any(|(_, name)| *name == one.listed.name) {
                self.tell_name(one, &mut Vec::new(), out)?;
            }
        }
        Ok(())
    }

    fn tell_name(
        &mut self,
        one: &Difference,
        went: &mut Vec<(Option<String>, String)>,
        out: Out<'_>,
    ) -> io::Result<()> {
        let name = &one.listed.name;
        let mut wanted = self.wanted(name);
        if one.subscription && !one.listed.subscribed {
            // It has just left the group of subscribed mailboxes.
            wanted.subscriptions |= self.any_wants(|wanted| wanted.subscriptions);
        }
        let mut old = None;
        if one.appeared {
            let status = self.store.status(name, false).ok();
            let id = status.as_ref().map(|status| status.id.clone());
            old = went
                .iter()
                .position(|(known, _)| known.is_some() && *known == id)
                .map(|place| went.remove(place).1);
            self.remember(name, status);
        }
        let told = (one.appeared || one.went) && wanted.names || one.subscription && wanted.subscriptions;
        if told { self.write_name(&one.listed, old.as_deref(), out) } else { Ok(()) }
    }

    fn write_name(&self, listed: &Listed, old: Option<&str>, out: Out<'_>) -> io::Result<()> {
        let attributes = [
            listed.missing.then_some("\\NonExistent"),
            listed.no_select.then_some("\\Noselect"),
            listed.special,
            listed.subscribed.then_some("\\Subscribed"),
        ];
        let attributes: Vec<&str> = attributes.into_iter().flatten().collect();
        let separator = self.separator_escaped();
        write!(out, "* LIST ({}) \"{separator}\" {}", attributes.join(" "), self.written(&listed.name))?;
        if let Some(old) = old {
            write!(out, " (\"OLDNAME\" ({}))", self.written(old))?;
        }
        out.write_all(b"\r\n")
    }

    fn remember(&mut self, name: &str, status: Option<Status>) {
        if let Some(known) = self.notices.as_mut().and_then(|notices| notices.known.get_mut(name)) {
            known.status = status;
        }
    }

    /// §5.1 to §5.3.
    fn tell_status(&mut self, name: &str, out: Out<'_>) -> io::Result<()> {
        let wanted = self.wanted(name);
        if !wanted.messages || self.is_open(name) {
            return Ok(());
        }
        let Ok(status) = self.store.status(name, false) else { return Ok(()) };
        let before = self.notices.as_ref().and_then(|notices| notices.known.get(name)?.status.clone());
        let counts = |status: &Status| (status.messages, status.uid_next, status.uid_validity);
        let same_counts = before.as_ref().is_some_and(|before| counts(before) == counts(&status));
        let same = before.is_some_and(|before| before.highest_modseq == status.highest_modseq);
        self.remember(name, Some(status));
        if same_counts && (same || !wanted.flags) { Ok(()) } else { self.write_known(name, out) }
    }

    fn write_known(&self, name: &str, out: Out<'_>) -> io::Result<()> {
        let known = self.notices.as_ref().and_then(|notices| notices.known.get(name)?.status.as_ref());
        let Some(status) = known else { return Ok(()) };
        let mut items = vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity];
        if self.enabled.condstore || self.wanted(name).flags {
            items.push(StatusItem::HighestModSeq);
        }
        self.write_status(name, status, &items, out)
    }

    /// §5.6: the names of annotations, without their values.
    fn tell_annotations(&mut self, out: Out<'_>) -> io::Result<()> {
        let known = self.notices.as_ref().map(|notices| notices.known.keys().cloned().collect());
        let names: Vec<String> = known.unwrap_or_default();
        for name in names.iter().filter(|name| self.wanted(name).metadata).collect::<Vec<_>>() {
            let Ok(now) = self.store.metadata(name) else { continue };
            let Some(known) = self.notices.as_mut().and_then(|notices| notices.known.get_mut(name)) else {
                continue;
            };
            let before = known.annotations.replace(now.clone()).unwrap_or_default();
            self.write_changed(name, &before, &now, out)?;
        }
        Ok(())
    }

    /// §5.7.
    fn tell_server(&mut self, out: Out<'_>) -> io::Result<()> {
        let Ok(now) = self.store.metadata("") else { return Ok(()) };
        let Some(notices) = &mut self.notices else { return Ok(()) };
        let before = notices.server.replace(now.clone()).unwrap_or_default();
        self.write_changed("", &before, &now, out)
    }

    fn write_changed(
        &self,
        name: &str,
        before: &[(String, Vec<u8>)],
        now: &[(String, Vec<u8>)],
        out: Out<'_>,
    ) -> io::Result<()> {
        let news = now.iter().filter(|one| !before.contains(one));
        let gone = before.iter().filter(|(entry, _)| !now.iter().any(|(known, _)| known == entry));
        let entries: Vec<&str> = news.chain(gone).map(|(entry, _)| entry.as_str()).collect();
        if entries.is_empty() {
            return Ok(());
        }
        write!(out, "* METADATA {}", self.written(name))?;
        for entry in entries {
            out.write_all(b" ")?;
            self.write_word(entry, out)?;
        }
        out.write_all(b"\r\n")
    }
}
