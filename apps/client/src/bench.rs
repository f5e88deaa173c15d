//! bench
#[derive(Debug, clap::Args)]
pub struct BenchArgs {}
/// .
pub async fn bench(_: BenchArgs) -> Result<(), crate::Error> { Ok(()) }
