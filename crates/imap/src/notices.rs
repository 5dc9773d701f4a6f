//! What a client wants to be told without asking: RFC 5465.
//!
//! Remembers what the client knows of mailboxes that are not open; what happened there is the difference.

use std::collections::BTreeMap;

use crate::names::canonical;
use crate::store::{Listed, Namespace, NamespaceKind, Status};
use crate::syntax::{Event, FetchItem, Notify, Watched};

/// What of the open mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// New and expunged messages.
    pub(crate) messages: bool,
    pub(crate) flags: bool,
    /// At once, and not only where a command allows it.
    pub(crate) at_once: bool,
    /// EXPUNGE too: numbers may change at any time (§5.3).
    pub(crate) renumbers: bool,
    /// To be fetched of each new message.
    pub(crate) items: Vec<FetchItem>,
}

impl Wish {
    /// Of a client that has not said anything.
    pub(crate) const PLAIN: &'static Wish =
        &Wish { messages: true, flags: true, at_once: false, renumbers: false, items: Vec::new() };
    /// Of one that wants to know nothing.
    const NOTHING: Wish =
        Wish { messages: false, flags: false, at_once: false, renumbers: false, items: Vec::new() };
}

/// What of other mailboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) messages: bool,
    pub(crate) flags: bool,
    pub(crate) names: bool,
    pub(crate) subscriptions: bool,
    pub(crate) metadata: bool,
    pub(crate) server: bool,
}

/// What the client knows of a mailbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) there: bool,
    pub(crate) subscribed: bool,
    pub(crate) status: Option<Status>,
    pub(crate) annotations: Option<Vec<(String, Vec<u8>)>>,
}

/// A client's wishes.
#[derive(Debug)]
pub(crate) struct Notices {
    pub(crate) wish: Wish,
    groups: Vec<(Watched, Wanted)>,
    pub(crate) known: BTreeMap<String, Known>,
    /// Annotations of the server.
    pub(crate) server: Option<Vec<(String, Vec<u8>)>>,
}

/// Why there can't be such wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Events of messages are wanted in part (§5), or others of the open mailbox (§6.1).
    Half,
    /// An event that does not exist here.
    Event,
}

impl Notices {
    /// NOTIFY NONE.
    pub(crate) fn none() -> Notices {
        Notices { wish: Wish::NOTHING, groups: Vec::new(), known: BTreeMap::new(), server: None }
    }

    /// NOTIFY SET.
    pub(crate) fn new(notify: Notify, separator: char) -> Result<Notices, Unfit> {
        let mut notices = Notices::none();
        let mut selected = 0;
        for (watched, events) in notify.groups {
            let wanted = wanted(&events)?;
            match watched {
                Watched::Selected | Watched::SelectedDelayed => {
                    notices.wish = wish(&watched, wanted, events)?;
                    selected += 1;
                }
                other => notices.groups.push((named(other, separator), wanted)),
            }
        }
        if selected > 1 { Err(Unfit::Half) } else { Ok(notices) }
    }

    /// Is there anything to be watched beside the open mailbox?
    pub(crate) fn watches(&self) -> bool {
        !self.groups.is_empty()
    }

    /// What is wanted of a mailbox: the first group that it is in decides (§3.1).
    pub(crate) fn wanted(
        &self,
        name: &str,
        subscribed: bool,
        namespaces: &[Namespace],
        separator: char,
    ) -> Wanted {
        let below =
            |root: &String| name.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with(separator));
        let within = |watched: &Watched| match watched {
            // Which mailboxes mail is delivered to, .qmail files decide: any may be one (§6.3).
            Watched::Personal | Watched::Inboxes => is_personal(name, namespaces),
            Watched::Subscribed => subscribed,
            Watched::Subtree(roots) => roots.iter().any(|root| root == name || below(root)),
            Watched::Mailboxes(names) => names.iter().any(|known| known == name),
            Watched::Selected | Watched::SelectedDelayed => false,
        };
        self.groups.iter().find(|(watched, _)| within(watched)).map(|(_, wanted)| *wanted).unwrap_or_default()
    }

    /// Is something of this kind wanted of any mailbox?
    pub(crate) fn any(&self, test: fn(&Wanted) -> bool) -> bool {
        self.groups.iter().any(|(_, wanted)| test(wanted))
    }

    /// Learns which names there are; gives what is different.
    pub(crate) fn learn(&mut self, listed: &[Listed]) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut before = std::mem::take(&mut self.known);
        for one in listed {
            let known = before.remove(&one.name).unwrap_or_default();
            let there = !one.missing;
            if (known.there, known.subscribed) != (there, one.subscribed) {
                differences.push(Difference {
                    listed: one.clone(),
                    appeared: there && !known.there,
                    went: known.there && !there,
                    subscription: known.subscribed != one.subscribed,
                    id: None,
                });
            }
            self.known.insert(one.name.clone(), Known { there, subscribed: one.subscribed, ..known });
        }
        let gone = before.into_iter().map(|(name, known)| Difference {
            listed: Listed { name, missing: true, no_select: true, ..Listed::default() },
            appeared: false,
            went: known.there,
            subscription: known.subscribed,
            id: known.status.map(|status| status.id),
        });
        differences.extend(gone);
        differences
    }
}

/// A name that is no longer as the client knows it.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) listed: Listed,
    pub(crate) appeared: bool,
    pub(crate) went: bool,
    pub(crate) subscription: bool,
    /// The id of what went.
    pub(crate) id: Option<String>,
}

fn is_personal(name: &str, namespaces: &[Namespace]) -> bool {
    let others = namespaces.iter().filter(|namespace| namespace.kind != NamespaceKind::Personal);
    !others.into_iter().any(|namespace| !namespace.prefix.is_empty() && name.starts_with(&namespace.prefix))
}

/// With the names as the store writes them.
fn named(watched: Watched, separator: char) -> Watched {
    let names = |names: Vec<String>| names.iter().map(|name| canonical(name, separator)).collect();
    match watched {
        Watched::Subtree(roots) => Watched::Subtree(names(roots)),
        Watched::Mailboxes(list) => Watched::Mailboxes(names(list)),
        other => other,
    }
}

/// §5: MessageNew and MessageExpunge only together, FlagChange only with them.
fn wanted(events: &[Event]) -> Result<Wanted, Unfit> {
    let has = |event: &Event| events.contains(event);
    if has(&Event::AnnotationChange) {
        return Err(Unfit::Event);
    }
    let new = events.iter().any(|event| matches!(event, Event::MessageNew(_)));
    let (expunge, flags) = (has(&Event::MessageExpunge), has(&Event::FlagChange));
    if new != expunge || flags && !new {
        return Err(Unfit::Half);
    }
    Ok(Wanted {
        messages: new,
        flags,
        names: has(&Event::MailboxName),
        subscriptions: has(&Event::SubscriptionChange),
        metadata: has(&Event::MailboxMetadataChange),
        server: has(&Event::ServerMetadataChange),
    })
}

/// §6.1: of the open mailbox only what happens to its messages.
fn wish(watched: &Watched, wanted: Wanted, events: Vec<Event>) -> Result<Wish, Unfit> {
    let Wanted { messages, flags, names, subscriptions, metadata, server } = wanted;
    if names || subscriptions || metadata || server {
        return Err(Unfit::Half);
    }
    let items = events.into_iter().find_map(|event| match event {
        Event::MessageNew(items) => Some(items),
        _ => None,
    });
    let renumbers = messages && *watched == Watched::Selected;
    Ok(Wish { messages, flags, at_once: messages, renumbers, items: items.unwrap_or_default() })
}
