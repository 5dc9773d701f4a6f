//! Each system call failing once; with strace doing the harm.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sys::signals::Signal;

use crate::house::House;

/// Attaches the harm to the program; `None`: that is not possible here.
fn harm(house: &House, what: &str) -> Option<Child> {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let may = sys::is_root() || matches!(scope.trim(), "" | "0");
    let pid = house.send.as_ref().unwrap().id().to_string();
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null"]).args(what.split(' ')).args(["-p", &pid]).stderr(Stdio::null());
    let strace = may.then(|| command.spawn().ok()).flatten();
    if strace.is_none() {
        eprintln!("SKIPPED: strace is not installed or may not attach to a process");
    }
    strace
}

#[test]
fn a_call_that_fails_costs_time_and_never_a_recipient() {
    // Q03
    for (call, error) in [("openat", "EMFILE"), ("pwrite64", "EIO"), ("unlinkat", "EIO"), ("fsync", "EIO")] {
        for when in [1, 2, 3, 5] {
            let mut house = House::new(&[], "/bin/true");
            let _spawn = house.spawn();
            house.start();
            let what = format!("-e trace={call} -e inject={call}:error={error}:when={when}");
            let Some(mut strace) = harm(&house, &what) else { return };
            std::thread::sleep(Duration::from_millis(100));
            let mut expected = BTreeSet::new();
            for n in 0..4 {
                let names = [0, 1].map(|which| format!("k{n}.{which}@local.test"));
                house.post("a@x", &[&names[0], "d@local.test", &names[1]]);
                let single = format!("k{n}@local.test");
                house.post("a@x", &[&single]);
                expected.extend(names.into_iter().chain([single]));
            }
            house.until(&format!("{call} {error} {when}"), || {
                // As an hour later.
                fs::write(house.path("queue/lock/rescan"), "").unwrap();
                house.signal(Signal::SIGALRM);
                std::thread::sleep(Duration::from_millis(20));
                house.queue.ids().unwrap().is_empty()
            });
            let _ = strace.kill();
            let _ = strace.wait();
            let orders = house.orders.try_iter().flat_map(|order| order.recipients);
            let seen: BTreeSet<String> = orders.filter(|recipient| recipient.starts_with('k')).collect();
            assert_eq!(seen, expected, "{call} {error} {when}");
        }
    }
}
