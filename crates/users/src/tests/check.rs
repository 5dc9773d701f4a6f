//! What `fulmar check` says of the texts.

use super::*;

#[test]
fn check_names_file_line_and_cure() {
    let house = House::usual();
    house.compile();
    house.write(
        "bad.test",
        &[("accounts", "x: quota=lots\ndefault:\n"), ("passwords", "y:{PLAIN}z\nx:{ROT13}z\n")],
    );
    let problems = check(&house.users, None);
    let about = |file: &str| problems.iter().filter(|problem| problem.file == file).collect::<Vec<_>>();
    assert_eq!(about("users/bad.test/accounts")[0].line, Some(1));
    assert_eq!(about("users/bad.test/accounts")[0].severity, Severity::Error);
    assert_eq!(about("users/bad.test/accounts").len(), 2, "wrong line, and a default that is no catch-all");
    assert_eq!(
        about("users/bad.test/passwords").len(),
        4,
        "no account twice, unknown scheme, open to others"
    );
    assert!(about("users/bad.test/cdb")[0].problem.contains("never compiled"));
    let aliases: Vec<_> = about("users/example.test/aliases").iter().map(|p| p.problem.clone()).collect();
    assert!(aliases.iter().any(|p| p.contains("gone leads to nobody")), "{aliases:?}");
    assert!(aliases.iter().any(|p| p.contains("circle")), "{aliases:?}");
    assert!(about("users/example.test/routes")[0].problem.contains("who has no account"));
    assert!(about("users/example.test/domain")[0].problem.contains("postmaster"));
    assert!(about("users/second.test/domain").is_empty() && about("users/alias.test/domain").is_empty());
    assert!(problems.iter().all(|problem| !problem.cure.is_empty()));
}

#[test]
fn check_judges_the_texts_as_they_are_and_tells_a_damaged_database_once() {
    let house = House::usual();
    house.compile();
    let texts = format!("{ALIASES}here: there\nthere: here\n");
    house.write("example.test", &[("aliases", &texts)]);
    let told = |file: &str| -> Vec<_> {
        check(&house.users, None).into_iter().filter(|p| p.file == file).map(|p| p.problem).collect()
    };
    let aliases = told("users/example.test/aliases");
    for name in ["here", "there", "round", "about"] {
        assert!(aliases.contains(&format!("the alias {name} leads in a circle")), "{aliases:?}");
    }
    assert!(!aliases.contains(&"here leads to nobody".to_owned()), "{aliases:?}");
    house.write(
        "example.test",
        &[("aliases", "lost: nobody\n:: no line\n"), ("domain", "alias-of example.test x\n")],
    );
    for file in ["aliases", "domain"] {
        let broken = told(&format!("users/example.test/{file}"));
        assert_eq!(
            broken.len(),
            broken.iter().collect::<std::collections::BTreeSet<_>>().len(),
            "{broken:?}"
        );
    }
    house.write("example.test", &[("aliases", &texts), ("domain", "quota 1G\n")]);
    let aliases = told("users/example.test/aliases");
    fs::write(house.users.join("example.test/cdb"), "torn").unwrap();
    fs::set_permissions(house.users.join("example.test/cdb"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = told("users/example.test/cdb");
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(told("users/example.test/aliases"), aliases, "the texts are judged all the same");
}

#[test]
fn what_root_saved_so_that_lookup_cannot_read_it_is_told_and_given_back() {
    use std::os::unix::fs::{MetadataExt, chown};
    if !sys::is_root() {
        return; // nobody else can give files away
    }
    let house = House::usual();
    house.compile();
    let lookup = sys::Identity { uid: 64_202, gid: 64_202, groups: Vec::new() };
    let folder = house.users.join("example.test");
    let saved = |name: &str, mode| {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
        chown(folder.join(name), Some(0), Some(0)).unwrap();
    };
    fs::write(folder.join("passwords"), "").unwrap();
    saved("passwords", 0o644);
    saved("accounts", 0o600);
    let told: Vec<_> = check(&house.users, Some(&lookup));
    let told = told.iter().find(|problem| problem.file == "users/example.test/accounts").unwrap();
    assert_eq!(told.severity, Severity::Error);
    assert!(told.problem.contains("uid 64202") && told.cure.contains("chown 64202:64202"), "{told:?}");
    assert_eq!(give_back(&house.users, &lookup), []);
    compile(&house.users, "example.test").unwrap();
    let now = |name: &str| {
        let seen = folder.join(name).metadata().unwrap();
        (seen.uid(), seen.gid(), seen.mode() & 0o777)
    };
    assert_eq!(now("accounts"), (64_202, 64_202, 0o640));
    assert_eq!(now("passwords"), (64_202, 64_202, 0o600));
    assert_eq!(now("cdb"), (64_202, 64_202, 0o600));
    let shut: Vec<_> = check(&house.users, Some(&lookup));
    let shut: Vec<_> = shut
        .iter()
        .filter(|problem| problem.file.contains("example.test") && problem.problem.contains("uid"))
        .collect();
    assert!(shut.is_empty(), "{shut:?}");
}

#[test]
fn a_text_that_is_a_link_to_a_secret_is_never_given_away() {
    use std::os::unix::fs::MetadataExt;
    if !sys::is_root() {
        return;
    }
    let house = House::usual();
    let lookup = sys::Identity { uid: 64_202, gid: 64_202, groups: Vec::new() };
    let secret = house.users.parent().unwrap().join("shadow");
    fs::write(&secret, "").unwrap();
    fs::remove_file(house.users.join("example.test/accounts")).unwrap();
    fs::remove_file(house.users.join("example.test/aliases")).unwrap();
    fs::hard_link(&secret, house.users.join("example.test/accounts")).unwrap();
    std::os::unix::fs::symlink(&secret, house.users.join("example.test/aliases")).unwrap();
    assert_eq!(give_back(&house.users, &lookup).len(), 2);
    assert_eq!(secret.metadata().unwrap().uid(), 0);
}
