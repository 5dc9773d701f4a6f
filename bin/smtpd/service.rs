//! What is served: SMTP to the world, submission to users, LMTP to other servers; and how one logs in there.

use std::ffi::OsString;

use reception::Facts;
use smtp::Settings;
use sys::Env;

/// Named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// RFC 5321: port 25.
    Smtp,
    /// RFC 6409: ports 587, 465, or another. Who has not logged in sends nothing.
    Submission,
    /// RFC 8314: as SMTP, but TLS begins with the connection.
    Smtps,
    /// RFC 8314: port 465. As submission, but TLS begins with the connection.
    Submissions,
    /// RFC 2033.
    Lmtp,
}

/// By their names on the command line; SMTP needs none.
const NAMES: &[(&str, Service)] = &[
    ("smtps", Service::Smtps),
    ("submission", Service::Submission),
    ("submissions", Service::Submissions),
    ("lmtp", Service::Lmtp),
];

/// Ways to log in that work with every kept password, or with a certificate, in the order of preference.
const WHOLE: &[&str] = &["PLAIN", "LOGIN", "EXTERNAL"];
/// Ways that need a password kept in a form for them: offered where control/digestlogins says so.
const DIGESTS: &[&str] =
    &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"];

impl Service {
    /// By the arguments; `None`: they are none of ours.
    pub(crate) fn of(args: impl Iterator<Item = OsString>) -> Option<Service> {
        match args.collect::<Vec<_>>().as_slice() {
            [] => Some(Service::Smtp),
            [word] => NAMES.iter().find(|(name, _)| word == name).map(|(_, service)| *service),
            _ => None,
        }
    }

    /// Does TLS begin with the connection?
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Service::Smtps | Service::Submissions)
    }

    /// For the log of `tlsd`.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, service)| *service == self).map_or("smtp", |(name, _)| name)
    }

    /// `settings` as this service has them. REQUIREAUTH in the environment asks for a login, `REQUIREAUTH=0` does
    /// not; AUTHMECHANISMS names the ways to log in that are offered, of those there are.
    pub(crate) fn settings(self, env: &Env, facts: &Facts, settings: Settings, digests: bool) -> Settings {
        let submission = matches!(self, Service::Submission | Service::Submissions);
        let login_required = facts.login_required.unwrap_or(submission);
        let all = DIGESTS.iter().filter(|_| digests).chain(WHOLE);
        let named =
            env.get("AUTHMECHANISMS").map(|value| String::from_utf8_lossy(value).to_ascii_uppercase());
        let is_named =
            |way: &str| named.as_ref().is_none_or(|named| named.split([' ', ',']).any(|word| word == way));
        let lmtp = self == Service::Lmtp;
        let mechanisms = all.filter(|way| !lmtp && is_named(way)).map(|way| (*way).to_owned()).collect();
        Settings { lmtp, mechanisms, login_required: login_required && !lmtp, ..settings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn settings(service: Service, variables: &[(&str, &str)], digests: bool) -> (bool, String) {
        let mut env = Env::new();
        variables.iter().for_each(|(name, value)| env.set(name, value));
        let (read, _write) = std::io::pipe().unwrap();
        let facts = Facts::read(&env, read.as_fd()).unwrap();
        let settings = service.settings(&env, &facts, Settings::default(), digests);
        (settings.login_required, settings.mechanisms.join(" "))
    }

    #[test]
    fn submission_asks_for_a_login_and_lmtp_has_none() {
        assert_eq!(settings(Service::Submission, &[], false), (true, "PLAIN LOGIN EXTERNAL".into()));
        assert_eq!(settings(Service::Smtp, &[], false), (false, "PLAIN LOGIN EXTERNAL".into()));
        assert_eq!(settings(Service::Lmtp, &[("REQUIREAUTH", "1")], true), (false, String::new()));
        let all =
            "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN EXTERNAL";
        assert_eq!(settings(Service::Smtp, &[], true), (false, all.into()));
    }

    #[test]
    fn the_environment_asks_for_a_login_or_switches_it_off() {
        assert!(settings(Service::Smtp, &[("REQUIREAUTH", "")], false).0);
        assert!(!settings(Service::Submission, &[("REQUIREAUTH", "0")], false).0);
        let offered = |value, digests| settings(Service::Smtp, &[("AUTHMECHANISMS", value)], digests).1;
        assert_eq!(offered("", true), "");
        assert_eq!(offered("cram-md5,plain X", true), "CRAM-MD5 PLAIN");
        assert_eq!(offered("CRAM-MD5", false), "");
    }

    #[test]
    fn arguments_are_one_word_of_two_or_none() {
        let of = |args: &[&str]| Service::of(args.iter().map(OsString::from));
        assert_eq!(of(&[]), Some(Service::Smtp));
        assert_eq!(of(&["submission"]), Some(Service::Submission));
        assert_eq!((of(&["smtp"]), of(&["lmtp", "x"])), (None, None));
    }
}
