//! Where a recipient's mail goes, by control files: envnoathost, percenthack, locals, virtualdomains.
//!
//! `send` computes it anew for each try, so that an edit re-routes waiting mail. Whether a domain that
//! is in no file is ours is a question to `lookup`, which is not asked here. For other hosts'
//! domains: who gets their mail, by smtproutes and senderroutes. Name servers are not asked here.

mod hop;

pub use hop::{Hop, Host, How, Relay, Relays, relay};

use control::{Broken, Control, Table};

/// The files that say where mail goes.
#[derive(Debug)]
pub struct Routes {
    envnoathost: String,
    percenthack: Table,
    locals: Table,
    virtualdomains: Table,
}

/// Where a recipient's mail goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    /// To a mailbox here, under this address.
    Local(Vec<u8>),
    /// To another host, under this address.
    Remote(Vec<u8>),
    /// Local if `lookup` knows the domain of this address, else remote.
    Ask(Vec<u8>),
}

impl Routes {
    /// Reads the files; what is broken must not become a way of mail.
    pub fn read(control: &Control) -> Result<Routes, Broken> {
        Ok(Routes {
            envnoathost: control.text("envnoathost")?,
            percenthack: control.table("percenthack")?,
            locals: control.table("locals")?,
            virtualdomains: control.table("virtualdomains")?,
        })
    }

    /// The route of an envelope recipient; asks the tables, which may be broken.
    pub fn of(&self, recipient: &[u8]) -> Result<Route, Broken> {
        let mut address = recipient.to_vec();
        if !address.contains(&b'@') {
            address.push(b'@');
            address.extend_from_slice(self.envnoathost.as_bytes());
        }
        while self.percenthack.has(domain(&address))? {
            let at = address.len() - domain(&address).len() - 1;
            let Some(percent) = address[..at].iter().rposition(|b| *b == b'%') else { break };
            // As crate policy judged it: what would leave no user or no host stays as it is.
            if percent == 0 || percent + 1 == at {
                break;
            }
            address.truncate(at);
            address[percent] = b'@';
        }
        if self.locals.has(domain(&address))? {
            return Ok(Route::Local(address));
        }
        match self.virtualdomains.route(&address)? {
            None => Ok(Route::Ask(address)),
            Some(hit) if hit.value.is_empty() => Ok(Route::Remote(address)),
            Some(hit) => Ok(Route::Local([&hit.value[..], b"-", &address].concat())),
        }
    }
}

/// What follows the last `@`; nothing if there is none.
pub fn domain(address: &[u8]) -> &[u8] {
    address.iter().rposition(|b| *b == b'@').map_or(b"", |at| &address[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(files: &[(&str, &str)]) -> Routes {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("me"), "mx.example.test\n").unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(home.path().join(name), text).unwrap());
        Routes::read(&Control::at(home.path())).unwrap()
    }

    fn route(routes: &Routes, recipient: &str) -> String {
        let text = |address: Vec<u8>| String::from_utf8(address).unwrap();
        match routes.of(recipient.as_bytes()).unwrap() {
            Route::Local(address) => format!("local {}", text(address)),
            Route::Remote(address) => format!("remote {}", text(address)),
            Route::Ask(address) => format!("ask {}", text(address)),
        }
    }

    #[test]
    fn addresses_go_where_qmail_sends_them() {
        let routes = routes(&[
            ("locals", "local.test\nLOCALHOST\n"),
            ("percenthack", "hack.test\nlocal.test\n"),
            (
                "virtualdomains",
                "virtual.test:joe\n.sub.test:sub\nann@one.test:annes\nbut.virtual.test:\n.virtual.test:all\n",
            ),
        ]);
        for (recipient, expect) in [
            ("a@Local.Test", "local a@Local.Test"),
            ("a@localhost", "local a@localhost"),
            ("a", "ask a@mx.example.test"),
            ("", "ask @mx.example.test"),
            ("a%b.test@hack.test", "ask a@b.test"),
            ("a%b.test%hack.test@local.test", "ask a@b.test"),
            ("a%local.test@hack.test", "local a@local.test"),
            ("a%b@other.test", "ask a%b@other.test"),
            ("%b.test@hack.test", "ask %b.test@hack.test"),
            ("a%@hack.test", "ask a%@hack.test"),
            ("a@virtual.test", "local joe-a@virtual.test"),
            ("a@VIRTUAL.test", "local joe-a@VIRTUAL.test"),
            ("a@x.sub.test", "local sub-a@x.sub.test"),
            ("a@sub.test", "ask a@sub.test"),
            ("ann@one.test", "local annes-ann@one.test"),
            ("bob@one.test", "ask bob@one.test"),
            ("a@but.virtual.test", "remote a@but.virtual.test"),
            ("a@deep.but.virtual.test", "local all-a@deep.but.virtual.test"),
            ("a@b@local.test", "local a@b@local.test"),
        ] {
            assert_eq!(route(&routes, recipient), expect, "{recipient}");
        }
    }

    #[test]
    fn a_line_without_a_name_catches_everything_that_is_not_local() {
        let routes = routes(&[("locals", "local.test\n"), ("virtualdomains", ":fallback\nout.test:\n")]);
        assert_eq!(route(&routes, "a@any.where"), "local fallback-a@any.where");
        assert_eq!(route(&routes, "a@local.test"), "local a@local.test");
        assert_eq!(route(&routes, "a@out.test"), "remote a@out.test");
    }

    #[test]
    fn without_locals_the_hosts_own_name_is_local_and_an_empty_file_means_none() {
        assert_eq!(route(&routes(&[]), "a@mx.example.test"), "local a@mx.example.test");
        assert_eq!(route(&routes(&[("locals", "")]), "a@mx.example.test"), "ask a@mx.example.test");
    }
}
