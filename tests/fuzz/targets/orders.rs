//! Orders for deliverers: by `send` to its carriers, by `spawn` to a worker, by a command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use delivery::{Call, Order};

pub(crate) fn run(data: &[u8]) {
    // Without the message there is no order, whatever the packet says; its name goes back.
    let packet = sys::Packet { bytes: data.to_vec(), fds: Vec::new() };
    assert_eq!(orders::Order::from_packet(packet).unwrap_err(), wire::fields(data)[0]);
    if let Some(order) = Order::from_packet(data) {
        check(&order);
        assert!(order.confined && !order.default.is_empty());
    }
    let words = wire::fields(data).into_iter().map(|word| OsString::from_vec(word.to_vec()));
    if let Some(call) = Call::from_args(words) {
        check(&call.order);
        assert!(!call.order.confined);
    }
}

fn check(order: &Order) {
    assert!(order.home.is_absolute());
    assert!(order.own_maildirs().all(|maildir| maildir.is_absolute()));
}
