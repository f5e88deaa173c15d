//! Checked reading of an MQTT packet's fields (MQTT 5.0 section 1.5). Nothing here panics or allocates.

use super::Bad;

/// What is left of one packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Bad::MALFORMED)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Bad> {
        let (&first, rest) = self.rest.split_first().ok_or(Bad::MALFORMED)?;
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Bad> {
        let (&bytes, rest) = self.rest.split_first_chunk().ok_or(Bad::MALFORMED)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(bytes))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Bad> {
        let (&bytes, rest) = self.rest.split_first_chunk().ok_or(Bad::MALFORMED)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Packet identifier: never zero ([MQTT-2.2.1-3]).
    pub(crate) fn packet_id(&mut self) -> Result<u16, Bad> {
        match self.u16()? {
            0 => Err(Bad::PROTOCOL),
            id => Ok(id),
        }
    }

    /// Variable byte integer of at most four bytes (section 1.5.5).
    pub(crate) fn varint(&mut self) -> Result<usize, Bad> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Bad::MALFORMED)
    }

    /// Binary data: two bytes of length, then that many.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Bad> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// UTF-8 text without U+0000 ([MQTT-1.5.4-1], [MQTT-1.5.4-2]).
    pub(crate) fn text(&mut self) -> Result<&'a str, Bad> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Bad::MALFORMED)?;
        if text.contains('\0') { Err(Bad::MALFORMED) } else { Ok(text) }
    }

    /// The property section: its length, then its bytes.
    pub(crate) fn section(&mut self) -> Result<Reader<'a>, Bad> {
        let len = self.varint()?;
        Ok(Reader::new(self.take(len)?))
    }
}
