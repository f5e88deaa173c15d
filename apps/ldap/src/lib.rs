//! Directories (RFC 4510): [`client`] asks another's LDAP server who people are; [`server`] is one, for whatever entries its owner has.

pub mod client;
pub mod server;
