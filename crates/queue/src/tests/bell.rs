//! The trigger, and wishes to look.

use super::*;

#[test]
fn a_bell_that_nobody_hears_leaves_a_wish_to_look() {
    // Q07
    let house = house();
    let bell = Bell::new(&house.queue);
    bell.ring(&house.queue, 1);
    assert!(house.queue.take_rescan() && !house.queue.take_rescan());
    let mut trigger = Trigger::open(&house.queue).unwrap();
    bell.ring(&house.queue, 23);
    bell.ring(&house.queue, 24);
    assert_eq!(trigger.take().ids, [23, 24]);
    assert!(!house.queue.take_rescan());
    // Full: nothing waits, nothing is lost.
    for id in 1..100_000 {
        bell.ring(&house.queue, id);
    }
    assert!(house.queue.take_rescan());
    let mut seen = 0;
    while let ids @ [_, ..] = &trigger.take().ids[..] {
        seen += ids.len();
    }
    assert!(seen > 1000);
    // Taken away and made again.
    fs::remove_file(house.home.path().join("queue/lock/trigger")).unwrap();
    assert!(trigger.renew().unwrap() && !trigger.renew().unwrap());
    drop(bell);
    let bell = Bell::new(&house.queue);
    bell.ring(&house.queue, 5);
    assert_eq!(trigger.take().ids, [5]);
}

#[test]
fn nonsense_in_the_trigger_is_passed_over() {
    // Q07
    let house = house();
    let mut trigger = Trigger::open(&house.queue).unwrap();
    let path = house.home.path().join("queue/lock/trigger");
    let mut writer = sys::durable::fifo_writer(&path).unwrap();
    writer.write_all(b"\0\0\n\n7\n../../etc/passwd\n-1\n99999999999999999999\n8").unwrap();
    assert_eq!(trigger.take().ids, [7]);
    writer.write_all(b"9\n").unwrap();
    assert_eq!(trigger.take().ids, [89]);
    writer.write_all(&[b'x'; 60_000]).unwrap();
    assert!(trigger.take().ids.is_empty());
    writer.write_all(b"\n10\n").unwrap();
    assert_eq!(trigger.take().ids, [10]);
}

#[test]
fn a_file_in_the_place_of_the_trigger_is_replaced() {
    // Q07
    let house = house();
    let path = house.home.path().join("queue/lock/trigger");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "x").unwrap();
    Bell::new(&house.queue).ring(&house.queue, 1);
    assert!(house.queue.take_rescan());
    assert_eq!(fs::read(&path).unwrap(), b"x", "not a FIFO, not written to");
    Trigger::open(&house.queue).unwrap();
}
