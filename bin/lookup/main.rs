//! lookup: the one who knows the users. Answers questions on three sockets, each with its own rights;
//! verifies passwords; alone changes what is under `users/`.
//!
//! Opens its sockets, becomes fulmar-users when started by root, confines itself, then serves each
//! connection in a thread of its own.

mod admin;
mod answer;
mod auth;
mod crew;
mod desk;
mod elsewhere;
mod exchange;
mod house;
mod limits;
mod people;
mod relaying;
mod rows;
mod schema;
mod senders;
mod shared;
mod system;
mod tickets;
mod turns;

use std::os::unix::fs::chown;
use std::process::ExitCode;
use std::sync::Arc;

use control::{Control, Home, Role, Uids};
use sys::confine::{Confine, raise_file_limit};
use sys::signals::{Signal, Signals};
use sys::{Identity, Listener, Stop};

use crate::desk::Desk;
use crate::house::House;

fn main() -> ExitCode {
    sys::main("lookup", run)
}

fn run() -> Result<(), Stop> {
    if std::env::args_os().len() != 1 {
        return Err(Stop::usage("lookup"));
    }
    // A hash takes 19 MiB for a moment; each thread would keep twice that.
    sys::memory::give_back_large_blocks();
    sys::memory::share_one_heap();
    let home = Home::find();
    // There is nothing to reload: every question looks at the files as they are.
    let _hangup = Signals::new(&[Signal::SIGHUP]).map_err(Stop::temporary)?;
    Control::open(&home).known_backends().map_err(Stop::temporary)?;
    let uids = Uids::read(&home).map_err(Stop::temporary)?;
    let mut myself = uids.identity(Role::Users).map_err(Stop::temporary)?;
    make_folders(&home, myself.as_ref())?;
    let house = Arc::new(House::new(&home, &uids).map_err(Stop::temporary)?);
    let desks = Desk::ALL.map(|desk| Ok((desk, listen(&home, desk, &uids)?)));
    let desks = desks.into_iter().collect::<Result<Vec<_>, Stop>>()?;
    // Many connections, each a descriptor; what the limit is now has to do otherwise.
    let _ = raise_file_limit();
    if let Some(myself) = &mut myself {
        if house.system.is_some() {
            // Passwords of users of this system are read as this group.
            myself.groups.extend(sys::group_id("shadow").ok().flatten());
        }
        sys::become_user(myself).map_err(Stop::temporary)?;
    }
    confine(&home, &house).apply().map_err(Stop::temporary)?;
    house.store.databases().iter().for_each(|sql| schema::look_after(sql.database()));
    relaying::keep_fresh(&house).map_err(Stop::temporary)?;
    sys::log!("lookup: ready");
    desk::serve(&house, &uids, desks)
}

/// `users` and `relay` are ours alone.
fn make_folders(home: &Home, myself: Option<&Identity>) -> Result<(), Stop> {
    for folder in [home.users(), home.relay()] {
        if folder.exists() {
            continue;
        }
        let failed = |error| Stop::temporary(format_args!("cannot make {}: {error}", folder.display()));
        std::fs::create_dir(&folder).map_err(failed)?;
        if let Some(myself) = myself {
            chown(&folder, Some(myself.uid), Some(myself.gid)).map_err(failed)?;
        }
    }
    Ok(())
}

fn listen(home: &Home, desk: Desk, uids: &Uids) -> Result<Listener, Stop> {
    let path = home.run(desk.name());
    let failed = |error| Stop::temporary(format_args!("cannot listen at {}: {error}", path.display()));
    let listener = Listener::bind(&path, desk.mode()).map_err(failed)?;
    if desk == Desk::Admin
        && let Ok(Some(admin)) = uids.identity(Role::Admin)
    {
        chown(&path, None, Some(admin.gid)).map_err(failed)?;
    }
    Ok(listener)
}

fn confine(home: &Home, house: &House) -> Confine {
    // The folder, not the files in it: passwd is replaced by another file when somebody is added.
    let read = Confine::new().read(home.control()).read("/etc");
    let alias = house.system.as_ref().and_then(|_| sys::user("alias").ok().flatten());
    let read = alias.map_or(read.clone(), |alias| read.read(alias.home));
    let mut keep = read.write(home.users()).write(home.relay()).sockets();
    for database in house.store.databases().iter().map(users::Sql::database) {
        keep = match database.file() {
            // SQLite writes files beside its own.
            Some(file) => file.parent().map_or(keep.clone(), |folder| keep.clone().write(folder)),
            None => keep.internet(),
        };
    }
    keep
}
