//! The walk over netlink attributes, in place.
//!
//! An attribute is a length (u16, of header and payload), a type (u16, two high bits are flags) and the payload,
//! padded to a multiple of four: `struct nlattr`, linux/netlink.h.

use thiserror::Error;

use super::kernel::nlmsg::{ALIGNTO, NLA_HDRLEN, NLA_TYPE_MASK};

/// A message that the kernel would not have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed netlink message: {reason} at byte {offset}")]
pub struct Malformed {
    /// Where in the datagram, in bytes from its beginning.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// Too few bytes remain for a header or a fixed part.
    #[error("cut off")]
    Cut,
    /// A length that is smaller than its own header, or reaches beyond what holds it.
    #[error("impossible length {0}")]
    Length(u32),
    /// A payload whose size is not the one its type has.
    #[error("payload of {0} bytes where another size is due")]
    PayloadSize(usize),
    /// A flow without its original or reply tuple.
    #[error("a tuple is missing")]
    NoTuple,
    /// A tuple without source or destination address.
    #[error("an address is missing")]
    NoAddress,
    /// A tuple without layer-4 protocol.
    #[error("the protocol is missing")]
    NoProtocol,
    /// IPv4 and IPv6 addresses in one flow.
    #[error("addresses of both families in one flow")]
    MixedFamilies,
    /// Two layer-4 protocols in one flow.
    #[error("two protocols in one flow")]
    MixedProtocols,
}

impl Reason {
    pub(super) const fn at(self, offset: usize) -> Malformed {
        Malformed { offset, reason: self }
    }
}

/// `length` rounded up to where the next message or attribute begins.
pub(super) const fn aligned(length: usize) -> usize {
    length.saturating_add(ALIGNTO - 1) & !(ALIGNTO - 1)
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    /// Its type without flags; what it means depends on what it stands in.
    pub kind: u16,
    payload: &'a [u8],
    /// Where its payload stands in the datagram.
    offset: usize,
}

impl<'a> Attribute<'a> {
    /// The attributes that this one holds.
    pub fn nested(self) -> Attributes<'a> {
        Attributes::new(self.payload, self.offset)
    }

    /// This attribute is malformed.
    pub const fn malformed(self, reason: Reason) -> Malformed {
        reason.at(self.offset)
    }

    /// The payload, which must be of exactly `N` bytes.
    pub fn bytes<const N: usize>(self) -> Result<[u8; N], Malformed> {
        self.payload.try_into().map_err(|_| Reason::PayloadSize(self.payload.len()).at(self.offset))
    }

    /// The payload as a name, without the zero behind it; an empty one if it is none.
    pub fn name(self) -> &'a str {
        let text = std::str::from_utf8(self.payload).unwrap_or_default();
        text.trim_end_matches('\0')
    }

    /// The payload as a byte.
    pub fn u8(self) -> Result<u8, Malformed> {
        self.bytes().map(u8::from_be_bytes)
    }

    /// The payload as a big-endian integer of 16 bits.
    pub fn be16(self) -> Result<u16, Malformed> {
        self.bytes().map(u16::from_be_bytes)
    }

    /// The payload as a big-endian integer of 32 bits.
    pub fn be32(self) -> Result<u32, Malformed> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// The payload as a signed integer of 32 bits in the machine's byte order.
    pub fn native_i32(self) -> Result<i32, Malformed> {
        self.bytes().map(i32::from_ne_bytes)
    }

    /// The payload as a big-endian integer of 64 bits.
    pub fn be64(self) -> Result<u64, Malformed> {
        self.bytes().map(u64::from_be_bytes)
    }
}

/// The attributes in a row of bytes. After an error nothing more comes: where the next one would stand is unknown.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`, which stand at `offset` in the datagram.
    pub const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }

    fn attribute(&mut self) -> Result<Attribute<'a>, Malformed> {
        let Some((&[l0, l1, k0, k1], _)) = self.rest.split_first_chunk::<NLA_HDRLEN>() else {
            return Err(Reason::Cut.at(self.offset));
        };
        let length = u16::from_ne_bytes([l0, l1]);
        let Some(payload) = self.rest.get(NLA_HDRLEN..usize::from(length)) else {
            return Err(Reason::Length(length.into()).at(self.offset));
        };
        let kind = u16::from_ne_bytes([k0, k1]) & NLA_TYPE_MASK;
        let attribute = Attribute { kind, payload, offset: self.offset + NLA_HDRLEN };

        // The last attribute's padding may be left out.
        let step = aligned(length.into()).min(self.rest.len());
        self.rest = self.rest.get(step..).unwrap_or_default();
        self.offset += step;
        Ok(attribute)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let attribute = self.attribute();
        if attribute.is_err() {
            self.rest = &[];
        }
        Some(attribute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(length: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
        [&length.to_ne_bytes(), &kind.to_ne_bytes(), payload].concat()
    }

    fn walk(bytes: &[u8]) -> Vec<Result<(u16, Vec<u8>), Malformed>> {
        Attributes::new(bytes, 100).map(|found| found.map(|a| (a.kind, a.payload.to_vec()))).collect()
    }

    #[test]
    fn pads_to_four_and_forgives_the_last_padding() {
        let bytes = [attribute(5, 1, &[9, 0, 0, 0]), attribute(6, 2, &[7, 8])].concat();
        assert_eq!(walk(&bytes), [Ok((1, vec![9])), Ok((2, vec![7, 8]))]);
    }

    #[test]
    fn flags_are_not_part_of_the_type() {
        let bytes = [attribute(4, 0x8005, &[]), attribute(4, 0x4006, &[])].concat();
        assert_eq!(walk(&bytes), [Ok((5, vec![])), Ok((6, vec![]))]);
    }

    #[test]
    fn a_length_below_its_header_ends_the_walk() {
        for length in 0..4 {
            let bytes = [attribute(4, 1, &[]), attribute(length, 2, &[]), attribute(4, 3, &[])].concat();
            assert_eq!(walk(&bytes), [Ok((1, vec![])), Err(Reason::Length(length.into()).at(104))]);
        }
    }

    #[test]
    fn a_length_beyond_the_end_ends_the_walk() {
        assert_eq!(walk(&attribute(9, 1, &[0; 4])), [Err(Reason::Length(9).at(100))]);
        assert_eq!(walk(&attribute(u16::MAX, 1, &[0; 4])), [Err(Reason::Length(65535).at(100))]);
    }

    #[test]
    fn a_cut_header_ends_the_walk() {
        for cut in 1..4 {
            let bytes = [attribute(4, 1, &[]), vec![0; cut]].concat();
            assert_eq!(walk(&bytes), [Ok((1, vec![])), Err(Reason::Cut.at(104))]);
        }
    }

    #[test]
    fn a_payload_of_another_size_is_told() {
        let found = Attribute { kind: 1, payload: &[1, 2, 3], offset: 40 };
        assert_eq!(found.be16(), Err(Reason::PayloadSize(3).at(40)));
        assert_eq!(found.be32(), Err(Reason::PayloadSize(3).at(40)));
        assert_eq!(found.bytes(), Ok([1, 2, 3]));
    }
}
