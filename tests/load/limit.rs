//! What the machine can do at best: files made durable, without any mail program.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Files created, written, synced, renamed, their folder synced: per second.
pub(crate) fn disk(folder: &Path, threads: usize, limit: Duration, size: usize) -> String {
    let content = vec![b'x'; size];
    rate(threads, limit, |number, turn| {
        let (temporary, name) = (folder.join(format!("t{number}")), folder.join(format!("d{number}.{turn}")));
        durable(&temporary, &name, folder, &content)
    })
}

/// A file made durable in a queue, then one in a Maildir, then the first is removed: per second.
pub(crate) fn pairs(folder: &Path, threads: usize, limit: Duration, size: usize) -> String {
    let content = vec![b'x'; size];
    let [tmp, mess, mailtmp, new] = ["q/tmp", "q/mess", "m/tmp", "m/new"].map(|name| folder.join(name));
    for made in [&tmp, &mess, &mailtmp, &new] {
        fs::create_dir_all(made).expect("a folder");
    }
    rate(threads, limit, |number, turn| {
        let name = format!("{number}.{turn}");
        durable(&tmp.join(&name), &mess.join(&name), &mess, &content)?;
        durable(&mailtmp.join(&name), &new.join(&name), &new, &content)?;
        fs::remove_file(mess.join(&name))
    })
}

fn rate(threads: usize, limit: Duration, step: impl Fn(usize, usize) -> io::Result<()> + Sync) -> String {
    let (start, step) = (Instant::now(), &step);
    let one = |number: usize| {
        let mut made = 0;
        while start.elapsed() < limit {
            step(number, made).expect("the disk");
            made += 1;
        }
        made
    };
    let made: usize = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|number| scope.spawn(move || one(number))).collect();
        all.into_iter().map(|thread| thread.join().expect("a thread")).sum()
    });
    format!("{:.2}", made as f64 / start.elapsed().as_secs_f64())
}

fn durable(temporary: &PathBuf, name: &PathBuf, folder: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, name)?;
    File::open(folder)?.sync_all()
}
