//! Becoming the owner, and then the server: this very program, or one that is executed.

use std::ffi::OsString;
use std::io::{self, ErrorKind, PipeWriter};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use control::Home;
use owner::Owner;
use sys::confine::Confine;
use sys::process::Start;
use sys::{Env, Stop, memory};

use crate::Server;
use crate::entered::{Entered, parted};
use crate::grants::Grants;
use crate::porter::Admitted;

/// What a server that is not linked statically needs in order to start.
pub(crate) const LOADERS: &[&str] =
    &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-riscv64-lp64d.so.1"];
pub(crate) const LIBRARIES: &[&str] = &["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"];

/// The descriptor that tells `lookup` by its end that the session is over. Nobody reads or writes there.
pub(crate) const SESSION: RawFd = 4;

/// Becomes the owner, and then the server until its end. The error: it did not come to that.
pub(crate) fn open(
    house: &Home,
    server: &Server,
    owner: &Owner,
    service: &OsString,
    admitted: Admitted,
    session: PipeWriter,
    mut env: Env,
) -> io::Result<Result<(), Stop>> {
    let grants = possible(owner)
        .and_then(|()| owner::ensure_home(&house.mail(), owner))
        .and_then(|()| Grants::find(house, server.name(), owner));
    let grants = match grants {
        Ok(grants) => grants,
        Err(error) => {
            admitted.login.refuse();
            return Err(error);
        }
    };
    let Admitted { login, handed, input, output, .. } = admitted;
    login.end()?;
    become_owner(owner, &grants)?;
    describe(house, owner, service, &mut env);
    grants.describe(&mut env);
    match server {
        Server::Here(_, serve) => {
            std::env::set_current_dir(&owner.home)?;
            let (tag, unread) = parted(&handed);
            let (maildir, session) = (owner.maildir.clone(), Some(session));
            Ok(serve(Entered { env, maildir, tag, unread, input, output, session }))
        }
        Server::Program(path) => {
            confine(owner, Path::new(path), &grants)?;
            let start = Start::new(path).env_only(&env).fd(0, input).fd(1, output);
            Err(start.fd(3, memory::holding(&handed)?).fd(SESSION, session).chdir(&owner.home).exec())
        }
    }
}

/// A suite that an ordinary user started serves that user's mailboxes only.
fn possible(owner: &Owner) -> io::Result<()> {
    match sys::is_root() || owner.identity.uid == sys::uid() {
        true => Ok(()),
        false => {
            Err(io::Error::new(ErrorKind::PermissionDenied, "only root can open another user's mailbox"))
        }
    }
}

fn become_owner(owner: &Owner, grants: &Grants) -> io::Result<()> {
    let mut identity = owner.identity.clone();
    identity.groups.extend(grants.groups());
    sys::become_user(&identity)
}

/// What another program can reach at most, however it confines itself.
fn confine(owner: &Owner, server: &Path, grants: &Grants) -> io::Result<()> {
    let confine = Confine::new().paths_only().write(&owner.home).write(&owner.maildir).execute(server);
    let confine = LOADERS.iter().fold(confine, Confine::execute);
    let confine = LIBRARIES.iter().fold(confine, Confine::read);
    grants.keep(confine).apply()
}

/// The environment contract of a server program.
fn describe(house: &Home, owner: &Owner, service: &OsString, env: &mut Env) {
    env.set("USER", &owner.user);
    env.set("HOME", owner.home.as_os_str().as_bytes());
    env.set("MAILDIR", owner.maildir.as_os_str().as_bytes());
    env.set("QUOTA", owner.quota.to_string());
    env.set("SERVICE", service.as_bytes());
    env.set("FULMAR_HOME", house.path().as_os_str().as_bytes());
    env.remove(sys::worker::VARIABLE);
}
