//! Reading primitives of MQTT (5.0 section 1.5), bounds checked.

/// The bytes are no legal packet of this protocol; the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed MQTT packet: {0}")]
pub struct Malformed(pub &'static str);

/// Reads forward over the bytes of one packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    left: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(left: &'a [u8]) -> Cursor<'a> {
        Cursor { left }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.left
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(Malformed("cut short"))?;
        self.left = left;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, left) = self.left.split_first().ok_or(Malformed("cut short"))?;
        self.left = left;
        Ok(*first)
    }

    pub(super) fn short(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from(self.byte()?) << 8 | u16::from(self.byte()?))
    }

    pub(super) fn long(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from(self.short()?) << 16 | u32::from(self.short()?))
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.short()?;
        self.take(usize::from(count))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.binary()?).map_err(|_| Malformed("text is not UTF-8"))
    }

    /// Variable Byte Integer: at most four bytes (section 1.5.5).
    pub(super) fn varint(&mut self) -> Result<usize, Malformed> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("length of more than four bytes"))
    }

    /// The property block of a 5.0 packet, as a cursor of its own.
    pub(super) fn properties(&mut self) -> Result<Cursor<'a>, Malformed> {
        let count = self.varint()?;
        Ok(Cursor::new(self.take(count)?))
    }

    /// Passes over the value of property `id` (section 2.2.2.2).
    pub(super) fn skip_property(&mut self, id: u8) -> Result<(), Malformed> {
        match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => self.take(1).map(drop),
            0x13 | 0x21 | 0x22 | 0x23 => self.take(2).map(drop),
            0x02 | 0x11 | 0x18 | 0x27 => self.take(4).map(drop),
            0x0b => self.varint().map(drop),
            0x03 | 0x08 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f | 0x09 | 0x16 => self.binary().map(drop),
            0x26 => self.binary().and_then(|_| self.binary()).map(drop),
            _ => Err(Malformed("unknown property")),
        }
    }
}
