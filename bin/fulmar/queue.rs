use control::Home;
use sys::Stop;
#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    List,
}
pub(crate) fn run(_home: &Home, _verb: &Verb, _shape: crate::show::Shape) -> Result<(), Stop> {
    Ok(())
}
