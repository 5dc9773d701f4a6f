//! What the admin and `gate` say about this account: control files, and the environment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use control::{Control, Home};
use mailbox::Settings;
use maildir::Quota;
use sys::Env;

/// A client whose command takes long hears of it so often: RFC 9585 §4 wants it so.
const STEP: Duration = Duration::from_secs(10);

/// Between two words to a client whose command takes long; `None`: there are none.
pub(crate) fn step(env: &Env) -> Option<Duration> {
    let said = env.text("INPROGRESS").and_then(|seconds| seconds.parse().ok());
    let step = said.map_or(STEP, |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(STEP));
    (!step.is_zero()).then_some(step)
}

/// Reads them. A control file that can't be read is as if it were not there, but told: no mail hangs on these.
pub(crate) fn read(env: &Env) -> Settings {
    let control = Control::open(&Home::find());
    let mut settings = Settings::read(|name| text(&control, name));
    settings.user = env.text("USER").unwrap_or_default().to_owned();
    settings.quota =
        env.text("QUOTA").and_then(|octets| octets.parse().ok()).map_or(Quota::NONE, Quota::octets);
    settings.index = env.get("INDEX").map(path);
    settings.shared = shared(env.get("SHARED").unwrap_or_default());
    settings
}

/// What a control file says, without its comments; `None` where it says nothing.
fn text(control: &Control, name: &str) -> Option<String> {
    let said = match name {
        "imapfolders" => control.list(name).map(|lines| lines.map(|lines| lines.join("\n"))),
        _ => control.line(name),
    };
    said.unwrap_or_else(|broken| {
        sys::log!("imapd: {} warning {broken}; the default holds", std::process::id());
        None
    })
}

/// `name=path:name=path`, as `gate` tells.
fn shared(said: &[u8]) -> Vec<(String, PathBuf)> {
    let one = |said: &[u8]| {
        let equals = said.iter().position(|b| *b == b'=')?;
        let name = str::from_utf8(&said[..equals]).ok().filter(|name| !name.is_empty())?;
        let folder = path(&said[equals + 1..]);
        folder.is_absolute().then(|| (name.to_owned(), folder))
    };
    said.split(|b| *b == b':').filter_map(one).collect()
}

fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_every_ten_seconds_unless_another_pace_is_set() {
        let step = |said: &str| step(&Env::from_fields([format!("INPROGRESS={said}").as_bytes()]));
        assert_eq!((super::step(&Env::new()), step("0")), (Some(STEP), None));
        assert_eq!(
            (step("2.5"), step("-1"), step("x")),
            (Some(Duration::from_millis(2500)), Some(STEP), Some(STEP))
        );
    }

    #[test]
    fn comments_in_a_control_file_are_none_of_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::at(folder.path());
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("undelete", "7\n# How long mail can be brought back.\n");
        put("imapseparator", "# Ours.\n/\n# One line.\n");
        put("fulltext", "0\n# 1: keep an index.\n");
        put("databytes", "1000\n\n# Most bytes.\n");
        put("imapfolders", "# Ours.\nSent Mail \\Sent\n\n# Two.\nBin \\Trash\n");
        let settings = Settings::read(|name| text(&control, name));
        assert_eq!((settings.undelete, settings.separator, settings.fulltext), (7, '/', false));
        assert_eq!(settings.append_limit, Some(1000));
        let folders: Vec<&str> = settings.folders.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(folders, ["Sent Mail", "Bin"]);
    }

    #[test]
    fn what_is_no_control_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::at(folder.path());
        fifo(&folder.path().join("undelete"));
        std::fs::create_dir(folder.path().join("imapfolders")).unwrap();
        assert_eq!(text(&control, "undelete"), None);
        assert_eq!(text(&control, "imapfolders"), None);
        assert_eq!(Settings::read(|name| text(&control, name)).folders, Settings::default().folders);
    }

    fn fifo(path: &std::path::Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn shared_mailboxes_are_those_with_a_name_and_a_whole_path() {
        let found = shared(b"sales=/var/fulmar/mail/shared/sales:x=relative:=/y:z::team=/t");
        let names: Vec<_> =
            found.iter().map(|(name, path)| (name.as_str(), path.to_str().unwrap())).collect();
        assert_eq!(names, [("sales", "/var/fulmar/mail/shared/sales"), ("team", "/t")]);
        assert!(shared(b"").is_empty());
    }
}
