use control::Home;
use sys::Stop;
pub(crate) fn run(home: &Home) -> Result<(), Stop> {
    compile(home)
}
pub(crate) fn compile(_home: &Home) -> Result<(), Stop> {
    Ok(())
}
