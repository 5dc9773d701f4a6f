//! The command line: ucspi-tcp's options, and those for workers, limits per address and unix sockets.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::Arg::{Short, Value};
use lexopt::Parser;
use sys::{Identity, Stop};

const USAGE: &str = "tcpserver [ -1UXpPhHrRoOdDqQv46 ] [ -c limit ] [ -C limit per address ] \
[ -x rules.cdb ] [ -B banner ] [ -g gid ] [ -u uid ] [ -b backlog ] [ -l localname ] [ -t timeout ] \
[ -w workers ] [ -W jobs of a worker ] [ -M mode ] host port program | unix:path program";

/// What goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// `-q`: nothing.
    Quiet,
    /// `-Q`: errors.
    Errors,
    /// `-v`: errors, and every connection's beginning and end.
    All,
}

/// Which kinds of address are served when the host does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Both where the kernel can.
    Any,
    /// `-4`
    V4,
    /// `-6`
    V6,
}

/// The command line, understood.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) verbosity: Verbosity,
    /// Most connections at a time.
    pub(crate) limit: u32,
    /// Most connections at a time from one address.
    pub(crate) limit_per_address: Option<u32>,
    /// Idle workers kept ready; none: a process for each connection.
    pub(crate) workers: Option<u32>,
    /// Connections that one worker serves.
    pub(crate) jobs: u32,
    pub(crate) rules: Option<PathBuf>,
    /// `-X`: a missing rules file is as an empty one.
    pub(crate) rules_optional: bool,
    pub(crate) banner: Vec<u8>,
    user: Option<String>,
    group: Option<String>,
    pub(crate) print_port: bool,
    pub(crate) backlog: i32,
    pub(crate) keep_ip_options: bool,
    pub(crate) delay: bool,
    pub(crate) remote_host: bool,
    pub(crate) paranoid: bool,
    pub(crate) local_host: Option<String>,
    pub(crate) remote_info: bool,
    /// For the ident look-up.
    pub(crate) patience: Duration,
    pub(crate) family: Family,
    /// Permissions of a unix socket.
    pub(crate) mode: u32,
    pub(crate) host: String,
    /// Empty for a unix socket.
    pub(crate) port: String,
    pub(crate) program: Vec<OsString>,
}

impl Options {
    fn defaults() -> Options {
        Options {
            verbosity: Verbosity::Errors,
            limit: 40,
            limit_per_address: None,
            workers: None,
            jobs: 200,
            rules: None,
            rules_optional: false,
            banner: Vec::new(),
            user: None,
            group: None,
            print_port: false,
            backlog: 1024,
            keep_ip_options: false,
            delay: false,
            remote_host: true,
            paranoid: false,
            local_host: None,
            remote_info: true,
            patience: Duration::from_secs(26),
            family: Family::Any,
            mode: 0o600,
            host: String::new(),
            port: String::new(),
            program: Vec::new(),
        }
    }

    /// Reads a command line, program name first.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Options, Stop> {
        Options::parse(Parser::from_iter(args)).map_err(|error| {
            sys::log!("tcpserver: fatal: {error}");
            Stop::usage(USAGE)
        })
    }

    fn parse(mut parser: Parser) -> Result<Options, lexopt::Error> {
        let mut options = Options::defaults();
        while let Some(arg) = parser.next()? {
            match arg {
                Short(letter) => options.option(letter, &mut parser)?,
                Value(host) => {
                    options.host = text(host)?;
                    options.positional(&mut parser)?;
                    break;
                }
                other => return Err(other.unexpected()),
            }
        }
        if options.program.is_empty() {
            return Err("host, port and program are needed".into());
        }
        Ok(options)
    }

    fn positional(&mut self, parser: &mut Parser) -> Result<(), lexopt::Error> {
        let mut rest = parser.raw_args()?;
        if self.unix_path().is_none() {
            self.port = text(rest.next().unwrap_or_default())?;
        }
        self.program = rest.collect();
        Ok(())
    }

    fn option(&mut self, letter: char, parser: &mut Parser) -> Result<(), lexopt::Error> {
        match letter {
            'q' => self.verbosity = Verbosity::Quiet,
            'Q' => self.verbosity = Verbosity::Errors,
            'v' => self.verbosity = Verbosity::All,
            'c' => self.limit = positive(parser)?,
            'C' => self.limit_per_address = Some(positive(parser)?),
            'w' => self.workers = Some(positive(parser)?),
            'W' => self.jobs = positive(parser)?,
            'x' => self.rules = Some(parser.value()?.into()),
            'X' => self.rules_optional = true,
            'B' => self.banner = std::os::unix::ffi::OsStringExt::into_vec(parser.value()?),
            'u' => self.user = Some(text(parser.value()?)?),
            'g' => self.group = Some(text(parser.value()?)?),
            'U' => {
                self.user = std::env::var("UID").ok();
                self.group = std::env::var("GID").ok();
            }
            '1' => self.print_port = true,
            'b' => self.backlog = positive::<i32>(parser)?,
            'o' => self.keep_ip_options = true,
            'O' => self.keep_ip_options = false,
            'd' => self.delay = true,
            'D' => self.delay = false,
            'h' => self.remote_host = true,
            'H' => self.remote_host = false,
            'p' => self.paranoid = true,
            'P' => self.paranoid = false,
            'l' => self.local_host = Some(text(parser.value()?)?),
            'r' => self.remote_info = true,
            'R' => self.remote_info = false,
            't' => self.patience = Duration::from_secs(positive::<u32>(parser)?.into()),
            '4' => self.family = Family::V4,
            '6' => self.family = Family::V6,
            'M' => self.mode = mode(&text(parser.value()?)?)?,
            _ => return Err(Short(letter).unexpected()),
        }
        Ok(())
    }

    /// The path of the unix socket to serve, if the host is one.
    pub(crate) fn unix_path(&self) -> Option<&str> {
        self.host.strip_prefix("unix:").or_else(|| self.host.starts_with('/').then_some(&*self.host))
    }

    /// Logs an error that ends the program, unless all is to be quiet.
    pub(crate) fn fatal(&self, cause: impl fmt::Display) -> Stop {
        match self.verbosity {
            Verbosity::Quiet => Stop(111),
            _ => Stop::temporary(cause),
        }
    }

    /// Logs why a connection is dropped.
    pub(crate) fn warn_dropping(&self, cause: impl fmt::Display) {
        if self.verbosity >= Verbosity::Errors {
            sys::log!("tcpserver: warning: dropping connection, {cause}");
        }
    }

    /// Logs what goes wrong without harm to a connection.
    pub(crate) fn warn(&self, cause: impl fmt::Display) {
        if self.verbosity >= Verbosity::Errors {
            sys::log!("tcpserver: warning: {cause}");
        }
    }

    /// Gives up the rights of root as `-u`, `-g` and `-U` say.
    pub(crate) fn become_user(&self) -> Result<(), Stop> {
        if let Some(identity) = self.identity()? {
            let done = if identity.uid == 0 { take_group(identity.gid) } else { sys::become_user(&identity) };
            done.map_err(|error| self.fatal(format_args!("unable to set uid and gid: {error}")))?;
        }
        Ok(())
    }

    /// Whom `-u`, `-g` and `-U` name; uid 0 if they name a group only. With a name for the user the
    /// groups are that user's; with a number they are `-g` alone.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, Stop> {
        let bad = |what: &str| self.fatal(format_args!("no such user or group: {what}"));
        let gid = match &self.group {
            None => None,
            Some(group) => Some(self.gid(group).ok_or_else(|| bad(group))?),
        };
        let Some(user) = &self.user else {
            return Ok(gid.map(|gid| Identity { uid: 0, gid, groups: Vec::new() }));
        };
        let identity = match user.parse() {
            Ok(uid) => numeric(uid, gid),
            Err(_) => sys::user(user).ok().flatten().map(|user| user.identity),
        };
        let mut identity = identity.ok_or_else(|| bad(user))?;
        if identity.uid == 0 {
            return Err(self.fatal("refusing to run as uid 0"));
        }
        identity.gid = gid.unwrap_or(identity.gid);
        Ok(Some(identity))
    }

    fn gid(&self, group: &str) -> Option<u32> {
        group.parse().ok().or_else(|| sys::group_id(group).ok().flatten())
    }
}

fn numeric(uid: u32, gid: Option<u32>) -> Option<Identity> {
    let listed = || sys::user_of(uid).ok().flatten().map(|user| user.identity.gid);
    Some(Identity { uid, gid: gid.or_else(listed)?, groups: Vec::new() })
}

fn take_group(gid: u32) -> std::io::Result<()> {
    let gid = nix::unistd::Gid::from_raw(gid);
    nix::unistd::setgroups(&[gid])?;
    nix::unistd::setresgid(gid, gid, gid)?;
    Ok(())
}

fn text(value: OsString) -> Result<String, lexopt::Error> {
    value.into_string().map_err(lexopt::Error::NonUnicodeValue)
}

fn positive<N: FromStr + Default + PartialOrd>(parser: &mut Parser) -> Result<N, lexopt::Error> {
    let value = text(parser.value()?)?;
    match value.parse::<N>() {
        Ok(number) if number > N::default() => Ok(number),
        _ => Err(format!("{value}: not a positive number").into()),
    }
}

fn mode(value: &str) -> Result<u32, lexopt::Error> {
    u32::from_str_radix(value, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("{value}: no permissions").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Options, lexopt::Error> {
        let args: Vec<OsString> =
            format!("tcpserver {args}").split_ascii_whitespace().map(Into::into).collect();
        Options::parse(Parser::from_iter(args))
    }

    #[test]
    fn options_stick_together_and_end_at_the_host() {
        let options = parse("-vRHl0 -c100 -x /etc/rules.cdb 0 25 prog -v -x").unwrap();
        assert_eq!(options.verbosity, Verbosity::All);
        assert!(!options.remote_info && !options.remote_host);
        assert_eq!((options.local_host.as_deref(), options.limit), (Some("0"), 100));
        assert_eq!((&*options.host, &*options.port), ("0", "25"));
        assert_eq!(options.program, ["prog", "-v", "-x"]);
    }

    #[test]
    fn a_unix_socket_has_no_port() {
        let options = parse("-w2 unix:/run/lmtp prog").unwrap();
        assert_eq!((options.unix_path(), options.program.len()), (Some("/run/lmtp"), 1));
        assert_eq!(parse("/run/lmtp prog").unwrap().unix_path(), Some("/run/lmtp"));
    }

    #[test]
    fn what_is_incomplete_or_no_number_is_refused() {
        for bad in
            ["", "0", "0 25", "-c 0 0 25 p", "-c -1 0 25 p", "-c 40x 0 25 p", "-Z 0 25 p", "-c", "unix:/x"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn users_may_be_named_or_numbered_and_are_never_root() {
        assert_eq!(parse("-u 64123 -g 64124 0 25 p").unwrap().identity().unwrap().unwrap().gid, 64124);
        assert!(parse("-u root 0 25 p").unwrap().identity().is_err());
        assert!(parse("-u 64123 0 25 p").unwrap().identity().is_err());
        assert!(parse("-u nosuchuser 0 25 p").unwrap().identity().is_err());
        assert_eq!(parse("0 25 p").unwrap().identity().unwrap(), None);
    }
}
