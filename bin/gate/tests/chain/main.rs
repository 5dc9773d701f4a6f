//! The way of a login through the real programs, from `gate` by `login` to the server program, with a
//! stand-in for `lookup`.

#[cfg(test)]
mod chain;
#[cfg(test)]
mod clients;
#[cfg(test)]
#[path = "../../../../tests/dialog.rs"]
#[allow(dead_code, unreachable_pub)]
mod dialog;
#[cfg(test)]
mod house;
#[cfg(test)]
mod owner;
