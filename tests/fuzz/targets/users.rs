//! Lines of the files that hold accounts, aliases, routes and settings.

use users::{Account, Route, Settings, name};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Control characters are shown as blanks.
    for line in text.lines().filter(|line| !line.contains(char::is_control)).take(20) {
        if let Ok(account) = Account::parse(line, "example.test") {
            assert_eq!(Account::parse(&account.to_string(), "example.test"), Ok(account));
        }
        if let Ok(route) = Route::parse(line) {
            assert!(!route.folder.contains("..") && !route.folder.contains('/'));
            assert_eq!(Route::parse(&route.to_string()), Ok(route));
        }
        let mut settings = Settings::default();
        if settings.take(line, "example.test").is_ok() {
            let mut again = Settings::default();
            settings.to_string().lines().for_each(|line| again.take(line, "example.test").unwrap());
            assert_eq!(again, settings);
        }
        if let Ok(address) = name::Address::parse(line) {
            assert!(!address.to_string().contains(['/', '\0', '\n']), "{address}");
        }
        let _ = (name::Address::login(line), users::size(line));
    }
}
