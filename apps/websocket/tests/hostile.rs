//! CON-2 CON-12: frames that were cut and changed everywhere. The fuzz target in `fuzz` goes on from here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::judge;

/// One frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[1, 2, 3, 4]);
    frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn good() -> Vec<Vec<u8>> {
    let talk = [frame(0x81, b"N2O,"), frame(0x81, b""), frame(0x82, &[7; 300]), frame(0x88, &[3, 232])];
    let fragments =
        [frame(0x02, b"one"), frame(0x89, b"?"), frame(0x00, &[8; 200]), frame(0x8a, b""), frame(0x80, b".")];
    let carried = [frame(0x82, b"\x10\x0c\0\x04MQTT"), frame(0x82, b"\x04\x02\0\x3c\0\0"), frame(0x82, b"\xc0\0")];
    let long = [vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 3], frame(0x82, b"x")];
    [talk.concat(), fragments.concat(), carried.concat(), long.concat()].into()
}

#[test]
fn con_2_whatever_bytes_come_a_message_is_whole_and_what_is_not_is_unfinished() {
    for good in good() {
        for cut in [0, 5, 250] {
            let bytes = [&[cut], &good[..]].concat();
            judge(&bytes);
            for at in 1..bytes.len() {
                judge(&bytes[..at]);
                for change in [0x01, 0x08, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= change;
                    judge(&changed);
                }
            }
        }
    }
}
