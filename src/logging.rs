//! Logging: lines on standard error, which is the log file for a server in the background. Nothing that users wrote is logged (SEC-10).

use std::io::IsTerminal;
use std::path::Path;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// What libraries say of their daily work; the configured filter goes over it. Those that read LDAP would say passwords.
const QUIET: &str = "fjall=warn,lsm_tree=warn,rumqttd=warn,ldap3_proto=off,ldap3_lber=off,lber=off,";

/// Starts it with a filter as `tracing` has them, for example `info` or `info,mqtt=debug`; `config` names the file it is from.
pub(crate) fn start(filter: &str, config: &Path) -> Result<(), Failure> {
    let bad = |what: String| Failure::Settings { path: config.into(), what };
    let filter =
        EnvFilter::try_new(format!("{QUIET}{filter}")).map_err(|error| bad(format!("log = {filter:?}: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|error| bad(error.to_string()))
}
