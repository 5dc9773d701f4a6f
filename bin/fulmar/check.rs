use control::Home;
use sys::Stop;
pub(crate) fn run(_home: &Home, _shape: crate::show::Shape) -> Result<(), Stop> {
    Ok(())
}
