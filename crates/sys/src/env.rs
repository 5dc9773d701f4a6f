//! An environment as a value: the process's own, or the one that came with a job.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;

/// Variables by name. Values are octets: they come from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<Vec<u8>, Vec<u8>>);

impl Env {
    /// An empty environment.
    pub fn new() -> Env {
        Env::default()
    }

    /// The environment of this process.
    pub fn here() -> Env {
        Env(std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect())
    }

    /// An environment of `NAME=value` fields; a field without `=` is skipped.
    pub fn from_fields<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Env {
        let split = |field: &'a [u8]| {
            let at = field.iter().position(|b| *b == b'=')?;
            Some((field[..at].to_vec(), field[at + 1..].to_vec()))
        };
        Env(fields.into_iter().filter_map(split).collect())
    }

    /// `NAME=value` fields, NUL-separated: the job packet's form.
    pub fn to_packet(&self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(512);
        for (name, value) in &self.0 {
            if !packet.is_empty() {
                packet.push(0);
            }
            packet.extend_from_slice(name);
            packet.push(b'=');
            packet.extend_from_slice(value);
        }
        packet
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name.as_bytes()).map(Vec::as_slice)
    }

    /// The value of `name` if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Sets `name`. NULs end a value, as they would in a process's environment.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref().split(|b| *b == 0).next().unwrap_or_default();
        self.0.insert(name.as_bytes().to_vec(), value.to_vec());
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name.as_bytes());
    }

    /// All names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_as_it_was() {
        let mut env = Env::new();
        env.set("TCPREMOTEIP", "192.0.2.1");
        env.set("RELAYCLIENT", "");
        let packet = env.to_packet();
        assert_eq!(Env::from_fields(packet.split(|b| *b == 0)), env);
    }

    #[test]
    fn a_nul_never_smuggles_a_second_variable() {
        let mut env = Env::new();
        env.set("TCPREMOTEHOST", "a\0RELAYCLIENT=");
        assert_eq!(env.to_packet(), b"TCPREMOTEHOST=a");
    }
}
