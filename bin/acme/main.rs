//! acme: gets certificates from an authority, and renews them, for the requests that `tlsd` has made. RFC 8555.
//!
//! Started by cron, or by hand. Sees no key of a service: `tlsd` made the request, and finds the certificate.

mod answers;
mod authority;
mod due;
mod web;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use control::{Broken, Control, Home, Role, Uids};
use dns::Resolver;
use https::Https;
use sys::Stop;
use sys::confine::Confine;

use crate::answers::{Answers, Way};
use crate::authority::Authority;
use crate::due::Request;

const USAGE: &str = "acme [--force] [--listen ADDRESS:PORT]   (started by cron)";

/// From the command line.
#[derive(Default)]
struct Options {
    force: bool,
    listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    sys::main("acme", run)
}

fn options() -> Option<Options> {
    use lexopt::prelude::{Long, ValueExt};
    let (mut parser, mut options) = (lexopt::Parser::from_env(), Options::default());
    while let Some(word) = parser.next().ok()? {
        match word {
            Long("force") => options.force = true,
            Long("listen") => options.listen = Some(parser.value().ok()?.parse().ok()?),
            _ => return None,
        }
    }
    Some(options)
}

fn run() -> Result<(), Stop> {
    let Some(options) = options() else { return Err(Stop::usage(USAGE)) };
    let home = Home::find();
    let control = Control::open(&home);
    let due = due::all(&home.join("acme"), &control, options.force).map_err(Stop::temporary)?;
    if due.is_empty() {
        return Ok(());
    }
    let way = way(&control).map_err(Stop::temporary)?;
    // While we are root: the ports are small numbers.
    let listeners = listen(way, options.listen);
    let authority = authority(&home, &control)?;
    let myself = Uids::read(&home).and_then(|uids| uids.identity(Role::Acme)).map_err(Stop::temporary)?;
    if let Some(myself) = myself {
        sys::become_user(&myself).map_err(Stop::temporary)?;
    }
    let own = Confine::new().read(home.control()).write(home.join("acme")).internet();
    dns::FOLDERS.iter().fold(own, Confine::read).apply().map_err(Stop::temporary)?;
    let answers = Answers::new(way, home.join("acme/challenges"));
    listeners.into_iter().for_each(|listener| answers.serve(listener));
    fetch(&authority, &answers, &due)
}

fn fetch(authority: &Authority, answers: &Arc<Answers>, due: &[Request]) -> Result<(), Stop> {
    let mut failed = 0;
    for request in due {
        match authority.certify(request, answers) {
            Ok(()) => sys::log!("acme: got a certificate for {}", request.names.join(" ")),
            Err(cause) => {
                failed += 1;
                sys::log!("acme: warning: no certificate for {}: {cause}", request.names.join(" "));
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Stop(111)) }
}

fn way(control: &Control) -> Result<Way, Broken> {
    let named = control.text("acmechallenge")?;
    Way::of(&named).ok_or_else(|| {
        let problem = format!("`{named}` is no way of proving a name");
        Broken::new("control/acmechallenge", problem, "write http-01 or tls-alpn-01")
    })
}

/// Where another server has the port, it has to answer in our place.
fn listen(way: Way, named: Option<SocketAddr>) -> Vec<TcpListener> {
    let usual = [SocketAddr::from(([0; 8], way.port())), SocketAddr::from(([0; 4], way.port()))];
    let places = named.map_or(usual.to_vec(), |place| vec![place]);
    let found: Vec<TcpListener> = places.iter().filter_map(|place| TcpListener::bind(place).ok()).collect();
    if found.is_empty() {
        sys::log!("acme: port {} is taken: {}", places[0].port(), way.advice());
    }
    found
}

fn authority(home: &Home, control: &Control) -> Result<Authority, Stop> {
    let authorities = https::authorities(control);
    let resolver = Resolver::new(https::servers(control).map_err(Stop::temporary)?);
    let server = control.text("acmeserver").map_err(Stop::temporary)?;
    let contact = control.line("acmecontact").map_err(Stop::temporary)?;
    let account: PathBuf = home.join("acme/account/credentials");
    Ok(Authority { server, contact, account, https: Arc::new(Https::new(resolver, &authorities)) })
}
