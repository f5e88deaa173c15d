//! The commands.

use std::sync::Arc;
use std::time::Duration;

use chat::door::Out;
use chat::{Command, Input, Name, Port};
use proto::ids::Phone;

use super::server::Shell;
use super::{authority, ldif, look, pushes, records, tree};
use crate::clock;
use crate::domain::Domain;
use crate::registrar::Kind;

/// For a process to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// For clients to take their good-bye.
const DRAIN: Duration = Duration::from_secs(2);

const HELP: &str = "\
tree                          processes, mailboxes, restarts
sessions                      connected clients
queue CLIENT                  what a device has acknowledged, and what is due to it
list TABLE [PREFIX] [LIMIT]   rows by key; a key is text, \\xHH a byte, \\#N a number
get TABLE KEY                 one row
tables                        names of tables
invite NUMBER                 a code to register with
certify NAME [service]        a certificate with its key, in the server's folder
issued [NAME]                 the log of certificates, the latest last; only those of NAME, or PHONE/DEVICE
revoke SERIAL [REASON]        take a certificate back; keyCompromise, superseded, ...
kick CLIENT                   end a client's connection
push                          the gateways of pushes, and how many wait for them
push ledger [N]               what became of the latest pushes, the latest last, and why others wait
push test CLIENT              try a push with a device
push key                      by which apps subscribe to Web Push
reload                        read the sections [tls], [ns] and [push] of the configuration and their files again
ldif export [FILE]            people and rooms, to this terminal or into a file here
ldif import FILE              add, change and remove people as a file here says
zone [ds | roll | switch]     the signed zone; what the zone above is to have; a new key; it signs from now on
drain                         end all connections and take no new ones
stop                          end the server
ping, version, help
quit                          leave this shell";

/// Runs one line; the answer, or why there is none.
pub(super) async fn run(shell: &Shell, line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    tracing::info!(command = words.first().copied().unwrap_or_default(), "remote shell");
    match *words.as_slice() {
        ["help"] | [] => Ok(HELP.into()),
        ["ping"] => {
            Ok(format!("pong, up {}, {} connections", clock::span(shell.started.elapsed()), shell.connections()))
        }
        ["version"] => Ok(format!("chat {}", env!("CARGO_PKG_VERSION"))),
        ["tree"] => Ok(tree::print(&shell.handle.registry().tree("chat", tree::TREE_MAX))),
        ["sessions"] => Ok(tree::sessions(&shell.handle.registry().tree("chat", tree::SESSIONS_MAX))),
        ["queue", client] => look::queue(&*shell.store, client),
        ["tables"] => Ok(records::tables()),
        ["list", table] => records::list(&*shell.store, table, "", ""),
        ["list", table, prefix] => records::list(&*shell.store, table, prefix, ""),
        ["list", table, prefix, limit] => records::list(&*shell.store, table, prefix, limit),
        ["get", table, key] => records::get(&*shell.store, table, key),
        ["invite", ref number @ ..] if !number.is_empty() => invite(shell, &number.concat()).await,
        ["certify", name] => authority::certify(shell, name, Kind::Client),
        ["certify", name, "service"] => authority::certify(shell, name, Kind::Service),
        ["sign", name, "client", request] => authority::sign(shell, name, Kind::Client, request),
        ["sign", name, "service", request] => authority::sign(shell, name, Kind::Service, request),
        ["issued"] => authority::issued(shell, ""),
        ["issued", name] => authority::issued(shell, name),
        ["revoke", serial] => authority::revoke(shell, serial, "unspecified"),
        ["revoke", serial, reason] => authority::revoke(shell, serial, reason),
        ["kick", client] => kick(shell, client),
        ["push"] => pushes::gateways(shell),
        ["push", "ledger"] => pushes::ledger(shell, ""),
        ["push", "ledger", count] => pushes::ledger(shell, count),
        ["push", "test", client] => pushes::test(shell, client).await,
        ["push", "key"] => shell.courier.web_key().ok_or_else(|| "Web Push is not used; see push.web".into()),
        ["reload"] => {
            shell.tls.reload().map_err(|failure| format!("nothing is changed: {failure}"))?;
            let zone = shell.domain.as_ref().map_or(Ok(()), |domain| domain.reload());
            shell
                .courier
                .reload()
                .map_err(|failure| format!("certificates are reloaded; [push] is as before: {failure}"))?;
            zone.map_err(|failure| format!("all else is reloaded; the zone goes on without that: {failure}"))?;
            Ok("reloaded: counts from the next connection on".into())
        }
        ["ldif", "part", from] => ldif::part(shell, from),
        ["ldif", "take", before, records] => ldif::take(shell, before, records).await,
        ["zone"] => domain(shell).map(Domain::look),
        ["zone", "ds"] => domain(shell).map(Domain::ds),
        ["zone", "roll"] => domain(shell)?.roll().map_err(|failure| failure.to_string()),
        ["zone", "switch"] => domain(shell)?.switch().map_err(|failure| failure.to_string()),
        ["drain"] => {
            tokio::join!(shell.front.shutdown(DRAIN), shell.web.shutdown(DRAIN));
            Ok(format!("drained, {} connections left", shell.connections()))
        }
        ["stop"] => Ok("stops".into()),
        [ref word, ..] => Err(format!("no such command, or other words than it takes: {word}; try help")),
    }
}

fn domain(shell: &Shell) -> Result<&Domain, String> {
    shell.domain.as_deref().ok_or_else(|| "there is no name server: the configuration names no ns.zone".into())
}

/// ID-11.
async fn invite(shell: &Shell, number: &str) -> Result<String, String> {
    let phone = Phone::parse(number.as_bytes()).map_err(|why| format!("not an account key: {why}"))?;
    let reply = Arc::new(Port::default());
    let command = Command::Invite { phone: phone.clone(), reply: reply.clone() };
    shell.handle.tell(&Name::Profile(phone), Input::Command(Box::new(command))).map_err(|_| "busy; try again")?;
    let outs = tokio::time::timeout(ANSWER, std::future::poll_fn(|cx| reply.poll_drain(cx)))
        .await
        .map_err(|_| "no answer; see the log")?;
    let code = outs.into_iter().find_map(|out| match out {
        Out::Notice { payload } => Some(payload),
        _ => None,
    });
    code.map(|code| String::from_utf8_lossy(&code).into_owned()).ok_or_else(|| "no code was made".into())
}

fn kick(shell: &Shell, client: &str) -> Result<String, String> {
    let name = Name::Session(client.into());
    if !shell.handle.registry().is_alive(&name) {
        return Err("no such client is connected".into());
    }
    shell.handle.tell(&name, Input::Command(Box::new(Command::Kick))).map_err(|_| "busy; try again")?;
    Ok("told to leave".into())
}
