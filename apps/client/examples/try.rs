//! try
use clap::Parser;
#[derive(Parser)]
enum Try {
    Bench(client::BenchArgs),
    Client(client::ConsoleArgs),
}
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let done = match Try::parse() {
        Try::Bench(args) => client::bench(args).await,
        Try::Client(args) => client::console(args).await,
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1)
    }
}
