//! The IMAP dialogs with the real programs, from the greeting of `login` to the last word of `imapd`.

use std::net::TcpStream;
use std::path::Path;

use tests::{House, Imap, PATIENCE};

use crate::dialog::{dialogs, run_dialog};

const USER: &str = "alice@example.test";
const KEPT: &str = "wonderland";

#[test]
fn every_imap_dialog_goes_as_it_is_written() {
    let house = House::start();
    house.well(&["user", "passwd", USER, "--password", KEPT]);
    house.well(&["user", "set", USER, "quota=1G"]);
    let mut wrong = Vec::new();
    for path in dialogs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("dialogs/imap")) {
        // What the first login makes is there before the dialog.
        let _ = std::fs::remove_dir_all(house.path("mail/example.test/alice/Maildir"));
        Imap::login(house.imap(), USER, KEPT).good("LOGOUT");
        let mut client = TcpStream::connect(house.imap()).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let played =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_dialog(&path, &mut client)));
        if played.is_err() {
            wrong.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
