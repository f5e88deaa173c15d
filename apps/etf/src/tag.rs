//! The tags of the external term format that C-2 writes and C-3 reads (erl_ext_dist, Erlang/OTP).

pub(crate) const FLOAT: u8 = 70;
pub(crate) const BITS: u8 = 77;
pub(crate) const COMPRESSED: u8 = 80;
pub(crate) const SMALL_INTEGER: u8 = 97;
pub(crate) const INTEGER: u8 = 98;
pub(crate) const FLOAT_TEXT: u8 = 99;
pub(crate) const ATOM_LATIN1: u8 = 100;
pub(crate) const TUPLE: u8 = 104;
pub(crate) const LARGE_TUPLE: u8 = 105;
pub(crate) const NIL: u8 = 106;
pub(crate) const STRING: u8 = 107;
pub(crate) const LIST: u8 = 108;
pub(crate) const BINARY: u8 = 109;
pub(crate) const SMALL_BIG: u8 = 110;
pub(crate) const LARGE_BIG: u8 = 111;
pub(crate) const SMALL_ATOM_LATIN1: u8 = 115;
pub(crate) const MAP: u8 = 116;
pub(crate) const ATOM: u8 = 118;
pub(crate) const SMALL_ATOM: u8 = 119;
