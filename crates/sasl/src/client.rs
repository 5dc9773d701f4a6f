//! The client's side: proving to another server that we are who we say. RFC 4954, RFC 5802, RFC 2195, RFC 4616.
//!
//! Where a server has a choice, what tells it and an eavesdropper least comes first. A password itself is told by
//! TLS only.

use core::fmt;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use subtle::ConstantTimeEq;

use crate::scram::{Hash, Keys};

/// Who we are for another server.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user)
    }
}

/// A way of proving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM-SHA-256, SCRAM-SHA-1
    Scram(Hash),
    /// CRAM-MD5
    CramMd5,
    /// PLAIN
    Plain,
    /// LOGIN
    Login,
}

/// All, the best first.
const ALL: [Mechanism; 5] = [
    Mechanism::Scram(Hash::Sha256),
    Mechanism::Scram(Hash::Sha1),
    Mechanism::CramMd5,
    Mechanism::Plain,
    Mechanism::Login,
];

impl Mechanism {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Scram(hash) => hash.mechanism(),
            Mechanism::CramMd5 => "CRAM-MD5",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }

    /// Those of `offered` that may be used, the best first. `secret`: nobody listens.
    pub fn usable(offered: &[String], secret: bool) -> Vec<Mechanism> {
        let may = |mechanism: &Mechanism| {
            let tells = matches!(mechanism, Mechanism::Plain | Mechanism::Login);
            (secret || !tells) && offered.iter().any(|word| word.eq_ignore_ascii_case(mechanism.name()))
        };
        ALL.into_iter().filter(may).collect()
    }
}

/// One exchange with a server.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    login: Login,
    nonce: String,
    step: u8,
    /// The server's signature that is to come, in SCRAM; and whether it has come.
    signature: Option<Vec<u8>>,
    proved: bool,
}

impl Exchange {
    /// `random` is fresh from the system's generator.
    pub fn new(mechanism: Mechanism, login: Login, random: [u8; 16]) -> Exchange {
        Exchange {
            mechanism,
            login,
            nonce: HEXLOWER.encode(&random),
            step: 0,
            signature: None,
            proved: false,
        }
    }

    /// What goes with the command itself. `None`: the server speaks first.
    pub fn first(&self) -> Option<Vec<u8>> {
        let Login { user, password } = &self.login;
        match self.mechanism {
            Mechanism::Plain => Some(format!("\0{user}\0{password}").into_bytes()),
            Mechanism::Scram(_) => Some(format!("n,,{}", self.bare()).into_bytes()),
            Mechanism::CramMd5 | Mechanism::Login => None,
        }
    }

    /// The answer to a challenge. `None`: it is none that this mechanism knows, or proves that the server is false.
    pub fn answer(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        self.step += 1;
        match (self.mechanism, self.step) {
            (Mechanism::CramMd5, 1) => self.digest(challenge),
            (Mechanism::Login, 1) => Some(self.login.user.clone().into_bytes()),
            (Mechanism::Login, 2) => Some(self.login.password.clone().into_bytes()),
            // A server that does not take what went with the command asks for it.
            (Mechanism::Plain, 1) if challenge.is_empty() => self.first(),
            (Mechanism::Scram(hash), 1) => self.prove(hash, challenge),
            (Mechanism::Scram(_), 2) => {
                let signature = self.signature.take()?;
                self.proved = signature.ct_eq(challenge).into();
                self.proved.then(Vec::new)
            }
            _ => None,
        }
    }

    /// May a yes be believed that comes now? In SCRAM the server has to have proved itself; `text` is what came
    /// with the yes, which may be the proof.
    pub fn is_whole(&self, text: &[u8]) -> bool {
        match &self.signature {
            Some(signature) => bool::from(signature.ct_eq(text)),
            None => self.proved || !matches!(self.mechanism, Mechanism::Scram(_)),
        }
    }

    fn digest(&self, challenge: &[u8]) -> Option<Vec<u8>> {
        let mut mac = Hmac::<Md5>::new_from_slice(self.login.password.as_bytes()).ok()?;
        mac.update(challenge);
        Some(format!("{} {}", self.login.user, HEXLOWER.encode(&mac.finalize().into_bytes())).into_bytes())
    }

    fn bare(&self) -> String {
        let user = stringprep::saslprep(&self.login.user).map_or(self.login.user.clone(), Into::into);
        format!("n={},r={}", user.replace('=', "=3D").replace(',', "=2C"), self.nonce)
    }

    /// RFC 5802 §3.
    fn prove(&mut self, hash: Hash, challenge: &[u8]) -> Option<Vec<u8>> {
        let challenge = str::from_utf8(challenge).ok()?;
        let mut fields = challenge.split(',');
        let nonce = fields.next()?.strip_prefix("r=")?;
        let salt = BASE64.decode(fields.next()?.strip_prefix("s=")?.as_bytes()).ok()?;
        let iterations = fields.next()?.strip_prefix("i=")?.parse().ok()?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() || salt.is_empty() {
            return None;
        }
        let without = format!("c=biws,r={nonce}");
        let heard = format!("{},{challenge},{without}", self.bare());
        let (proof, signature) =
            Keys::prove(hash, self.login.password.as_bytes(), &salt, iterations, heard.as_bytes())?;
        self.signature = Some(format!("v={}", BASE64.encode(&signature)).into_bytes());
        Some(format!("{without},p={}", BASE64.encode(&proof)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram;

    fn login() -> Login {
        Login { user: "a,n=n".into(), password: "pencil".into() }
    }

    #[test]
    fn what_tells_least_comes_first_and_a_password_is_told_by_tls_only() {
        let offered = ["login", "PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "GSSAPI"].map(str::to_owned);
        let names = |secret| Mechanism::usable(&offered, secret).iter().map(|m| m.name()).collect::<Vec<_>>();
        assert_eq!(names(true), ["SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"]);
        assert_eq!(names(false), ["SCRAM-SHA-1", "CRAM-MD5"]);
    }

    #[test]
    fn our_proof_is_right_for_our_own_server_and_a_false_server_is_found_out() {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let keys = Keys::new(hash, b"pencil", b"salt");
            let mut client = Exchange::new(Mechanism::Scram(hash), login(), [7; 16]);
            let first = scram::First::parse(&client.first().unwrap()).unwrap();
            assert_eq!(first.user, "a,n=n");
            let server = scram::Exchange::new(first, &keys, [9; 16], b"");
            let last = client.answer(server.challenge()).unwrap();
            let signature = server.check(&keys, &last).unwrap();
            assert!(!client.is_whole(b"") && client.is_whole(&signature));
            assert_eq!(client.answer(&signature).as_deref(), Some(&b""[..]));
            assert!(client.is_whole(b""));
            let mut client = Exchange::new(Mechanism::Scram(hash), login(), [7; 16]);
            client.answer(server.challenge()).unwrap();
            assert_eq!(client.answer(b"v=AAAA"), None);
            assert!(!client.is_whole(b""), "whatever it says after that");
        }
    }

    #[test]
    fn hostile_challenges_end_the_exchange_and_cost_nothing() {
        let nonce = HEXLOWER.encode(&[7; 16]);
        for challenge in [
            String::new(),
            "r=other1,s=QQ==,i=4096".into(),
            format!("r={nonce},s=QQ==,i=4096"),
            format!("r={nonce}x,s=,i=4096"),
            format!("r={nonce}x,s=QQ==,i=4294967295"),
            format!("r={nonce}x,s=QQ==,i=0"),
            format!("m=x,r={nonce}x,s=QQ==,i=4096"),
        ] {
            let mut client = Exchange::new(Mechanism::Scram(Hash::Sha256), login(), [7; 16]);
            assert_eq!(client.answer(challenge.as_bytes()), None, "{challenge}");
        }
    }

    #[test]
    fn the_example_of_rfc_2195_is_answered() {
        let login = Login { user: "tim".into(), password: "tanstaaftanstaaf".into() };
        let mut client = Exchange::new(Mechanism::CramMd5, login, [0; 16]);
        let answer = client.answer(b"<1896.697170952@postoffice.reston.mci.net>").unwrap();
        assert_eq!(answer, b"tim b913a602c7eda7a495b4e6e7334d3890");
        assert!(client.is_whole(b"") && client.answer(b"more").is_none());
    }

    #[test]
    fn plain_and_login_say_name_and_password() {
        let mut plain = Exchange::new(Mechanism::Plain, login(), [0; 16]);
        assert_eq!(plain.first().unwrap(), b"\0a,n=n\0pencil");
        assert_eq!(plain.answer(b"").unwrap(), b"\0a,n=n\0pencil");
        let mut client = Exchange::new(Mechanism::Login, login(), [0; 16]);
        assert_eq!(client.first(), None);
        assert_eq!(client.answer(b"Username:").unwrap(), b"a,n=n");
        assert_eq!(client.answer(b"Password:").unwrap(), b"pencil");
        assert_eq!(client.answer(b"?"), None);
    }
}
