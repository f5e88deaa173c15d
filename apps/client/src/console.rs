//! console
#[derive(Debug, clap::Args)]
pub struct ConsoleArgs {}
/// .
pub async fn console(_: ConsoleArgs) -> Result<(), crate::Error> { Ok(()) }
