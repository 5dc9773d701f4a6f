//! Who is at the other end, and what the matching rule says of him: the environment of the job.
//!
//! UCSPI variables come from whoever accepted the connection; without them (inetd) the kernel is
//! asked. What is malformed makes the client unknown, and an unknown client is granted nothing.

use std::net::{IpAddr, TcpStream};
use std::os::fd::BorrowedFd;

use sys::Env;

/// What is known of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its address; `None`: unknown.
    pub ip: Option<IpAddr>,
    /// Its name by reverse DNS.
    pub host: Option<String>,
    /// That name leads back to its address.
    pub host_checked: bool,
    /// What its ident server says.
    pub info: Option<String>,
    /// Our own address as the client sees it.
    pub local: Option<IpAddr>,
    /// RELAYCLIENT of the rule.
    pub relayclient: Option<String>,
    /// Who it has proved to be.
    pub login: Option<String>,
    /// Mail addresses that its TLS certificate has proved.
    pub certificates: Vec<String>,
    /// REQUIREAUTH: is mail taken from who has logged in alone? `None`: as the service has it.
    pub login_required: Option<bool>,
    /// RELAYCLIENTS of the rule: the file of control/ that is asked in place of relayclients.
    pub relayclients: Option<String>,
    /// CHECKRELAY of the rule: the relay table is asked.
    pub checkrelay: bool,
    /// RELAY_CLEAR_MINUTES of the rule: how old a login may be there.
    pub relay_minutes: Option<u32>,
    /// DATABYTES of the rule.
    pub databytes: Option<u64>,
}

impl Facts {
    /// Reads the environment of a job; `fd` is its connection. `Err`: a variable that must not be
    /// guessed at is malformed.
    pub fn read(env: &Env, fd: BorrowedFd<'_>) -> Result<Facts, String> {
        let ends = || ends(fd);
        let ip = match env.get("TCPREMOTEIP") {
            Some(_) => address(env, "TCPREMOTEIP"),
            None => ends().map(|(remote, _)| remote),
        };
        let local = match env.get("TCPLOCALIP") {
            Some(_) => address(env, "TCPLOCALIP"),
            None => ends().map(|(_, local)| local),
        };
        let (host, info) = (word(env, "TCPREMOTEHOST"), word(env, "TCPREMOTEINFO"));
        let relayclient = match env.get("RELAYCLIENT") {
            Some(_) => Some(suffix(env).ok_or("RELAYCLIENT holds what can't be in an address")?),
            None => None,
        };
        let host_checked = env.text("REMOTEHOSTCHECKED") == Some("yes");
        let checkrelay = env.get("CHECKRELAY").is_some();
        let relay_minutes = relay_minutes(env)?;
        Ok(Facts {
            login_required: env.get("REQUIREAUTH").map(|value| value != b"0"),
            relayclients: env.get("RELAYCLIENTS").map(|name| String::from_utf8_lossy(name).into_owned()),
            checkrelay,
            relay_minutes,
            ip,
            host,
            host_checked,
            info,
            local,
            relayclient,
            login: None,
            certificates: Vec::new(),
            databytes: databytes(env)?,
        })
    }

    /// May it send to everybody?
    pub fn may_relay(&self) -> bool {
        self.relayclient.is_some() && self.ip.is_some()
    }
}

/// The two ends of a TCP connection, by the kernel's word.
fn ends(fd: BorrowedFd<'_>) -> Option<(IpAddr, IpAddr)> {
    let stream = TcpStream::from(fd.try_clone_to_owned().ok()?);
    let (remote, local) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
    Some((remote.ip().to_canonical(), local.ip().to_canonical()))
}

fn address(env: &Env, name: &str) -> Option<IpAddr> {
    env.text(name)?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// A name that is one printable word of reasonable length; anything else is no name.
fn word(env: &Env, name: &str) -> Option<String> {
    let text = env.text(name)?;
    let good = !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic());
    good.then(|| text.to_owned())
}

fn suffix(env: &Env) -> Option<String> {
    let text = env.text("RELAYCLIENT")?;
    text.bytes().all(|b| b.is_ascii_graphic()).then(|| text.to_owned())
}

fn relay_minutes(env: &Env) -> Result<Option<u32>, String> {
    let Some(text) = env.get("RELAY_CLEAR_MINUTES") else { return Ok(None) };
    let digits = text.iter().all(u8::is_ascii_digit);
    let number = env.text("RELAY_CLEAR_MINUTES").filter(|_| digits).and_then(|text| text.parse().ok());
    let wrong = || format!("RELAY_CLEAR_MINUTES is `{}`, not a number of minutes", text.escape_ascii());
    number.map(Some).ok_or_else(wrong)
}

/// A limit that can't be read is no limit of its own choosing.
fn databytes(env: &Env) -> Result<Option<u64>, String> {
    let Some(text) = env.get("DATABYTES") else { return Ok(None) };
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = env.text("DATABYTES").filter(|_| digits).and_then(|text| text.parse().ok());
    let wrong = || {
        let text = text.escape_ascii();
        format!("DATABYTES is `{text}`, not a number; the rule file or the server's environment sets it")
    };
    number.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    fn facts(variables: &[(&str, &str)]) -> Result<Facts, String> {
        let mut env = Env::new();
        for (name, value) in variables {
            env.set(name, value);
        }
        let (read, _write) = std::io::pipe().unwrap();
        Facts::read(&env, read.as_fd())
    }

    #[test]
    fn a_malformed_environment_makes_an_unknown_client() {
        // S56
        let long = "1".repeat(1000);
        for ip in ["", "1.2.3", "1.2.3.4 ", "999.1.1.1", "paranoid", "1.2.3.4\r\n", "0x7f000001", &long] {
            assert_eq!(facts(&[("TCPREMOTEIP", ip)]).unwrap().ip, None, "{ip:?}");
        }
        assert_eq!(facts(&[]).unwrap().ip, None);
        let mapped = facts(&[("TCPREMOTEIP", "::ffff:1.2.3.4")]).unwrap().ip;
        assert_eq!(mapped, Some("1.2.3.4".parse().unwrap()));
        let checked = [("TCPREMOTEHOST", "a.b"), ("REMOTEHOSTCHECKED", "yes")];
        assert!(facts(&checked).unwrap().host_checked && !facts(&checked[..1]).unwrap().host_checked);
        for host in ["a\r\nX-Evil: 1", "", "a b", &"x".repeat(1000)] {
            assert_eq!(facts(&[("TCPREMOTEHOST", host)]).unwrap().host, None);
        }
    }

    #[test]
    fn an_empty_relayclient_is_one_and_a_strange_one_is_refused() {
        // S57
        assert_eq!(facts(&[("RELAYCLIENT", "")]).unwrap().relayclient.as_deref(), Some(""));
        assert_eq!(facts(&[]).unwrap().relayclient, None);
        assert!(facts(&[("RELAYCLIENT", "a\nb")]).is_err());
    }

    #[test]
    fn a_bad_databytes_is_never_no_limit() {
        // S57
        for bad in ["abc", "-1", "", "1k", "99999999999999999999", "+1", " 1"] {
            let said = facts(&[("DATABYTES", bad)]).err().unwrap();
            assert!(said.contains(&format!("`{bad}`")) && said.contains("rule file"), "{said}");
        }
        assert_eq!(facts(&[("DATABYTES", "0")]).unwrap().databytes, Some(0));
        assert!(facts(&[("RELAY_CLEAR_MINUTES", "an hour")]).is_err());
        let facts = facts(&[("RELAY_CLEAR_MINUTES", "90"), ("CHECKRELAY", "")]).unwrap();
        assert!(facts.checkrelay && facts.relay_minutes == Some(90));
    }

    #[test]
    fn without_variables_the_kernel_says_who_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let facts = Facts::read(&Env::new(), server.as_fd()).unwrap();
        assert_eq!((facts.ip, facts.local), (Some(client.local_addr().unwrap().ip()), facts.ip));
    }
}
