//! The header of a version 2 file: 256 bytes.

use zerocopy::big_endian::{I32, U16, U32};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The length of the header in bytes.
const LENGTH: usize = size_of::<RawHeader>();

/// "CTNL"; version 3 begins with it too.
const MAGIC: u32 = 0x4354_4e4c;

const VERSION: u32 = 2;

/// What every header states as the length of a record, though those of combined files have 40 bytes.
const ENTRY_LENGTH: u16 = 33;

/// The flag of combined files. Little-endian hosts wrote it with the bytes of its two halves swapped.
const COMBINED: u32 = 0x0000_0001;
const COMBINED_SWAPPED: u32 = 0x0001_0000;

/// Records are in the order of time: never set in practice, and of no consequence here.
const TIME_LINEAR: u32 = 0x0000_0002 | 0x0002_0000;

const KNOWN_FLAGS: u32 = COMBINED | COMBINED_SWAPPED | TIME_LINEAR;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Starts, updates and ends, 33 bytes each, in the order of their arrival.
    Events,
    /// Flows, start and end in one, 40 bytes each.
    Combined,
}

/// The recorder's local time when it began the file, as the fields of the C library's `struct tm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LocalTime {
    /// The year less 1900.
    pub year_since_1900: u16,
    /// The month, 0 to 11.
    pub month_from_0: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour, 0 to 23.
    pub hour: u8,
    /// The minute, 0 to 59.
    pub minute: u8,
    /// The second, 0 to 60.
    pub second: u8,
}

/// What a version 2 file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the file holds, told by `flags`.
    pub content: Content,
    /// The layer-4 protocol of all its records (IANA assigned number).
    pub protocol: u8,
    /// The recorder's host name; at most 32 bytes fit.
    pub host: String,
    /// The flags as stored. They are written so, but for the combined flag where it contradicts `content`.
    pub flags: u32,
    /// When the file was begun: seconds since 1970-01-01T00:00:00Z, and microseconds.
    pub started: (u32, u32),
    /// When the file was ended, likewise: zero, since the C program never filled it in.
    pub ended: (u32, u32),
    /// The C library's `tz_minuteswest`; zero on modern systems.
    pub tz_minutes_west: i32,
    /// The C library's `tz_dsttime`; zero on modern systems.
    pub tz_dst: i32,
    /// Local time less UTC when the file was begun, in seconds.
    pub utc_offset_seconds: i32,
    /// `started` in local time.
    pub local_start: LocalTime,
}

/// Why bytes are not the header of a version 2 file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There are too few bytes for a header.
    #[error("{length} bytes are too few for the header of 256")]
    TooShort {
        /// How many there are.
        length: usize,
    },
    /// The first four bytes are not the magic.
    #[error("not a file of ctrecorder: it does not begin with CTNL")]
    Magic,
    /// The file is of version 1.
    #[error("version 1 of the format, which was never released")]
    NeverReleased,
    /// The file is of some other version.
    #[error("version {0} of the format, not 2")]
    Version(u32),
    /// The header states another length.
    #[error("the header says that it has {0} bytes, not 256")]
    HeaderLength(u16),
    /// The header states another length of records.
    #[error("the header says that its records have {0} bytes, not 33")]
    EntryLength(u16),
    /// The header states that there is a footer.
    #[error("the header says that there is a footer of {0} bytes, which version 2 does not have")]
    FooterLength(u16),
    /// The header has flags that nobody knows the meaning of.
    #[error("unknown flags {0:#010x} in the header")]
    Flags(u32),
}

/// The bytes of a header.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: U32,
    version: U32,
    header_length: U16,
    entry_length: U16,
    footer_length: U16,
    flags: U32,
    protocol: u8,
    host: [u8; 33],
    started: [U32; 2],
    ended: [U32; 2],
    tz: [I32; 2],
    utc_offset: I32,
    local_year: U16,
    local_rest: [u8; 5],
    unused: [u8; 169],
}

const _: () = {
    use std::mem::offset_of;
    assert!(LENGTH == Header::LENGTH);
    assert!(offset_of!(RawHeader, flags) == 14);
    assert!(offset_of!(RawHeader, host) == 19);
    assert!(offset_of!(RawHeader, started) == 52);
    assert!(offset_of!(RawHeader, utc_offset) == 76);
    assert!(offset_of!(RawHeader, unused) == 87);
};

impl Header {
    /// The length of an encoded header in bytes.
    pub const LENGTH: usize = 256;

    /// The header in the bytes of the file. A host name longer than 32 bytes is cut there.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let pair = |(seconds, micros): (u32, u32)| [U32::new(seconds), U32::new(micros)];
        let local = &self.local_start;
        let mut raw = RawHeader::new_zeroed();
        raw.magic = MAGIC.into();
        raw.version = VERSION.into();
        raw.header_length = (LENGTH as u16).into();
        raw.entry_length = ENTRY_LENGTH.into();
        raw.flags = self.consistent_flags().into();
        raw.protocol = self.protocol;
        // The last byte stays zero: it ends the C program's string.
        for (to, from) in raw.host.iter_mut().take(32).zip(self.host.bytes()) {
            *to = from;
        }
        raw.started = pair(self.started);
        raw.ended = pair(self.ended);
        raw.tz = [self.tz_minutes_west.into(), self.tz_dst.into()];
        raw.utc_offset = self.utc_offset_seconds.into();
        raw.local_year = local.year_since_1900.into();
        raw.local_rest = [
            local.month_from_0,
            local.day,
            local.hour,
            local.minute,
            local.second,
        ];
        zerocopy::transmute!(raw)
    }

    /// Reads the header at the beginning of `bytes`, which may be longer.
    ///
    /// A host name that is not UTF-8 gets replacement characters where it is not.
    ///
    /// # Errors
    /// [`HeaderError`], if these are not the bytes of a version 2 file.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        // The magic comes first: a text file of ten bytes is rather no file of ours than one too short.
        if let Some(magic) = bytes.first_chunk()
            && u32::from_be_bytes(*magic) != MAGIC
        {
            return Err(HeaderError::Magic);
        }
        let Ok((raw, _)) = RawHeader::ref_from_prefix(bytes) else {
            return Err(HeaderError::TooShort { length: bytes.len() });
        };
        raw.check()?;
        let pair = |[seconds, micros]: [U32; 2]| (seconds.get(), micros.get());
        let [month_from_0, day, hour, minute, second] = raw.local_rest;
        let host = raw.host.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Self {
            content: content_of(raw.flags.get()),
            protocol: raw.protocol,
            host: String::from_utf8_lossy(host).into_owned(),
            flags: raw.flags.get(),
            started: pair(raw.started),
            ended: pair(raw.ended),
            tz_minutes_west: raw.tz[0].get(),
            tz_dst: raw.tz[1].get(),
            utc_offset_seconds: raw.utc_offset.get(),
            local_start: LocalTime {
                year_since_1900: raw.local_year.get(),
                month_from_0,
                day,
                hour,
                minute,
                second,
            },
        })
    }

    /// The flags, made to say what `content` says. What is set anew is set as little-endian hosts did.
    fn consistent_flags(&self) -> u32 {
        match self.content {
            content if content == content_of(self.flags) => self.flags,
            Content::Events => self.flags & !(COMBINED | COMBINED_SWAPPED),
            Content::Combined => self.flags | COMBINED_SWAPPED,
        }
    }
}

impl RawHeader {
    fn check(&self) -> Result<(), HeaderError> {
        match self.version.get() {
            VERSION => {}
            1 => return Err(HeaderError::NeverReleased),
            other => return Err(HeaderError::Version(other)),
        }
        if usize::from(self.header_length.get()) != LENGTH {
            return Err(HeaderError::HeaderLength(self.header_length.get()));
        }
        if self.entry_length.get() != ENTRY_LENGTH {
            return Err(HeaderError::EntryLength(self.entry_length.get()));
        }
        if self.footer_length.get() != 0 {
            return Err(HeaderError::FooterLength(self.footer_length.get()));
        }
        if self.flags.get() & !KNOWN_FLAGS != 0 {
            return Err(HeaderError::Flags(self.flags.get()));
        }
        Ok(())
    }
}

fn content_of(flags: u32) -> Content {
    if flags & (COMBINED | COMBINED_SWAPPED) != 0 {
        Content::Combined
    } else {
        Content::Events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &[u8] = include_bytes!("../../../tests/data/v2/tcp.ct");
    const UDP_COMBINED: &[u8] = include_bytes!("../../../tests/data/v2/udp.combined.ct");

    fn with(position: usize, byte: u8) -> Result<Header, HeaderError> {
        let mut bytes = TCP.to_vec();
        bytes[position] = byte;
        Header::decode(&bytes)
    }

    #[test]
    fn every_field_is_read() {
        let local = LocalTime {
            year_since_1900: 126,
            month_from_0: 10,
            day: 20,
            hour: 22,
            minute: 12,
            second: 4,
        };
        let expected = Header {
            content: Content::Combined,
            protocol: 17,
            host: "vm".to_owned(),
            flags: 0x0001_0000,
            started: (1_795_209_124, 601_974),
            ended: (0, 0),
            tz_minutes_west: 0,
            tz_dst: 0,
            utc_offset_seconds: 3600,
            local_start: local,
        };
        assert_eq!(Header::decode(UDP_COMBINED), Ok(expected));
    }

    #[test]
    fn what_is_no_version_2_header_is_told_apart() {
        assert_eq!(Header::decode(b""), Err(HeaderError::TooShort { length: 0 }));
        assert_eq!(
            Header::decode(&TCP[..255]),
            Err(HeaderError::TooShort { length: 255 })
        );
        assert_eq!(Header::decode(b"hello\n"), Err(HeaderError::Magic));
        assert_eq!(with(0, b'c'), Err(HeaderError::Magic));
        assert_eq!(with(7, 1), Err(HeaderError::NeverReleased));
        assert_eq!(with(7, 9), Err(HeaderError::Version(9)));
        assert_eq!(with(9, 1), Err(HeaderError::HeaderLength(257)));
        assert_eq!(with(11, 40), Err(HeaderError::EntryLength(40)));
        assert_eq!(with(13, 8), Err(HeaderError::FooterLength(8)));
        assert_eq!(with(14, 0x80), Err(HeaderError::Flags(0x8000_0000)));
        assert_eq!(
            HeaderError::Flags(4).to_string(),
            "unknown flags 0x00000004 in the header"
        );
    }

    #[test]
    fn both_byte_orders_of_the_combined_flag_are_known() {
        let plain = Header::decode(TCP).unwrap();
        assert_eq!(plain.content, Content::Events);
        for (position, flags) in [(15, 0x0001_0000), (17, 0x0000_0001)] {
            let header = with(position, 1).unwrap();
            assert_eq!((header.content, header.flags), (Content::Combined, flags));
            assert_eq!(Header::decode(&header.encode()), Ok(header.clone()));
            let events = Header {
                content: Content::Events,
                ..header
            };
            assert_eq!(events.encode(), plain.encode());
        }
        let combined = Header {
            content: Content::Combined,
            ..plain
        };
        assert_eq!(
            Header::decode(&combined.encode()).map(|header| header.flags),
            Ok(0x0001_0000)
        );
    }

    #[test]
    fn a_long_host_name_is_cut_and_still_ends() {
        let mut header = Header::decode(TCP).unwrap();
        header.host = "h".repeat(40);
        let bytes = header.encode();
        assert_eq!(bytes[19 + 32], 0);
        assert_eq!(Header::decode(&bytes).unwrap().host, "h".repeat(32));
        assert_eq!(bytes[52..], TCP[52..256]);
    }
}
