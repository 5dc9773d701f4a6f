//! What the admin has decided about a message for as long as it lives: a file `steer/ID`.

use std::io::{self, ErrorKind, Read};

use crate::Queue;

const TEXT_MAX: u64 = 4096;

/// Decisions about one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// It is not tried.
    pub held: bool,
    /// The relay for its remote recipients, as `host:port`.
    pub route: Option<String>,
}

impl Steering {
    fn text(&self) -> String {
        let hold = if self.held { "hold\n" } else { "" };
        let route = self.route.as_ref().map(|relay| format!("route {relay}\n"));
        format!("{hold}{}", route.unwrap_or_default())
    }

    /// Garbled lines hold the message: it must not go where nobody wanted it.
    fn parse(text: &str) -> Steering {
        let mut steering = Steering::default();
        for line in text.lines() {
            match line.strip_prefix("route ").map(|relay| crate::wish::relay(relay.as_bytes())) {
                Some(Some(Some(relay))) => steering.route = Some(relay),
                _ => steering.held = true,
            }
        }
        steering
    }
}

impl Queue {
    /// What has been decided about message `id`.
    pub fn steering(&self, id: u64) -> io::Result<Steering> {
        let mut text = String::new();
        match self.steer.read(id.to_string()) {
            Ok(file) => file.take(TEXT_MAX).read_to_string(&mut text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Steering::default()),
            Err(error) => return Err(error),
        };
        Ok(Steering::parse(&text))
    }

    /// Decides about message `id`, durably.
    pub fn steer(&self, id: u64, steering: &Steering) -> io::Result<()> {
        if *steering != Steering::default() {
            return self.steer.replace(id.to_string(), steering.text().as_bytes(), 0o600);
        }
        match self.steer.remove(id.to_string()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.steer.sync()),
        }
    }

    /// Calls `each` with every ID that something has been decided about.
    pub fn each_steered(&self, mut each: impl FnMut(u64)) -> io::Result<()> {
        self.steer.each_name(|name| {
            if let Some(id) = crate::store::id(name) {
                each(id);
            }
        })
    }
}
