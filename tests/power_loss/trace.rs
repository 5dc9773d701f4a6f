//! strace as a recorder: attached to running programs, or around one; and its lines read back as system calls.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::{PATIENCE, tool};

/// All that can change a file, move a descriptor, or say something to somebody.
const CALLS: &str = "trace=open,openat,creat,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,\
    fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,\
    fdatasync,sync,syncfs,sync_file_range,copy_file_range,sendfile,splice,sendto,sendmsg,fchmod,fchmodat,chmod,chown,\
    fchown,fchownat,lchown,mknodat,mknod";

/// One system call that has returned without an error.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    /// What it has returned, without a path.
    pub(crate) result: i64,
}

/// Programs that are being watched.
pub(crate) struct Recorder {
    strace: Child,
    out: PathBuf,
}

/// May strace be used here, attached to what runs as other users too?
pub(crate) fn can_record() -> bool {
    if tool("strace").is_none() {
        return false;
    }
    let root = nix::unistd::geteuid().is_root();
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !root || !works {
        eprintln!("SKIPPED: needs root and a strace that works");
    }
    root && works
}

fn strace(out: &Path) -> Command {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-y", "-xx", "-qq", "-s", "16000000", "-e", CALLS, "-e", "signal=none", "-o"])
        .arg(out);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Recorder {
    /// Attaches to these processes and all they will start.
    pub(crate) fn attach(pids: &[i32], out: &Path) -> Recorder {
        let mut command = strace(out);
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let strace = command.spawn().unwrap();
        await_tracer(pids);
        Recorder { strace, out: out.to_owned() }
    }

    /// Attaches to these processes and all they will start, and has calls of theirs fail, as `inject` says.
    pub(crate) fn harm(pids: &[i32], call: &str, inject: &str) -> Recorder {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:{inject}")]);
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let strace =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        await_tracer(pids);
        Recorder { strace, out: PathBuf::from("/dev/null") }
    }

    /// Attaches to these processes and all they will start, only to learn which calls they make.
    pub(crate) fn list(pids: &[i32], out: &Path) -> Recorder {
        let mut command = Command::new("strace");
        command.args(["-f", "-Y", "-qq", "-s", "0", "-e", "signal=none", "-o"]).arg(out);
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let strace =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        await_tracer(pids);
        Recorder { strace, out: out.to_owned() }
    }

    /// Lets go of the programs; gives who has made which calls.
    pub(crate) fn listed(self) -> BTreeSet<(String, String)> {
        let out = self.out.clone();
        self.end();
        let text = fs::read_to_string(out).unwrap();
        // `123<smtpd> write(...) = 5`
        let made = |line: &str| {
            let (program, call) = line.split_once('<')?.1.split_once("> ")?;
            Some((program.to_owned(), call.trim_start().split_once('(')?.0.to_owned()))
        };
        text.lines().filter_map(made).collect()
    }

    /// Lets go of the programs; gives what they have done.
    pub(crate) fn end(mut self) -> Vec<Call> {
        let pid = nix::unistd::Pid::from_raw(self.strace.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.strace.wait().unwrap();
        read(&self.out)
    }
}

/// Runs one program under strace; gives how it ended and what it did.
pub(crate) fn run(program: &Path, words: &[&str], out: &Path) -> (bool, Vec<Call>) {
    let status = strace(out).arg(program).args(words).status().unwrap();
    (status.success(), read(out))
}

fn await_tracer(pids: &[i32]) {
    let deadline = Instant::now() + PATIENCE;
    while !pids.iter().all(|pid| traced(*pid)) {
        assert!(Instant::now() < deadline, "strace does not attach");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that is gone needs no tracer.
fn traced(pid: i32) -> bool {
    let tasks = tests::files(Path::new(&format!("/proc/{pid}/task")));
    tasks.iter().all(|task| match fs::read_to_string(task.join("status")) {
        Ok(status) => !status.contains("TracerPid:\t0\n") || status.contains("State:\tZ"),
        Err(_) => true,
    })
}

fn read(out: &Path) -> Vec<Call> {
    let text = fs::read_to_string(out).unwrap();
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(pid, begun);
        } else if let Some((_, end)) =
            rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            let begun = unfinished.remove(pid).unwrap_or_default();
            calls.extend(call(&format!("{begun}{end}")));
        } else {
            calls.extend(call(rest));
        }
    }
    calls
}

/// `name(arguments) = result`. `None`: it has failed, or is none.
fn call(line: &str) -> Option<Call> {
    let (before, result) = line.rsplit_once(" = ")?;
    let digits = result.split(|c: char| c != '-' && !c.is_ascii_digit()).next()?;
    let result: i64 = digits.parse().ok().filter(|result| *result >= 0)?;
    let (name, arguments) = before.trim_end().strip_suffix(')')?.split_once('(')?;
    Some(Call { name: name.to_owned(), arguments: split(arguments), result })
}

/// Arguments at their commas, but not those inside brackets. All strings are in hexadecimal: no quote is one of a text.
fn split(text: &str) -> Vec<String> {
    let (mut depth, mut parts, mut start) = (0, Vec::new(), 0);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim().to_owned());
    parts
}

/// The octets of all strings in `text`.
pub(crate) fn octets(text: &str) -> Vec<u8> {
    let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.split("\\x").skip(1).filter_map(|part| hex(part.as_bytes().get(..2)?)).collect()
}

/// The path that `text` has, such as `3<path>` or a string.
pub(crate) fn path(text: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    if text.ends_with("(deleted)") {
        return None;
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(octets(text))))
}

/// Only what is said in the strings of a message's parts, not in its address: `msg_iov=[{iov_base="...", ...}]`.
pub(crate) fn said(call: &Call) -> Vec<u8> {
    let text = &call.arguments[1];
    match call.name.as_str() {
        "sendmsg" => {
            let from = text.find("msg_iov=").unwrap_or(0);
            let to = text.find("msg_control").filter(|to| *to > from).unwrap_or(text.len());
            octets(&text[from..to])
        }
        _ => octets(text),
    }
}
