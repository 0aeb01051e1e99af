//! The only place that names bincode: fixed-width little-endian integers, strings and lists behind a 64-bit length.
//!
//! With these settings an encoding is what a hand-written table would be; docs/format.md gives the tables.

use bincode::config::{Config, Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No encoded part is longer; a length beyond it is refused before anything is allocated.
const LIMIT_BYTES: usize = 64 * 1024;

type Settings = Configuration<LittleEndian, Fixint, Limit<LIMIT_BYTES>>;

fn settings() -> impl Config {
    Settings::default()
}

/// Why a value was not encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub(crate) String);

/// The encoding of `value`.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, settings()).map_err(|error| CodecError(error.to_string()))
}

/// The value at the beginning of `bytes`; what stands behind it (fields of a later version) is ignored.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    bincode::serde::decode_from_slice(bytes, settings())
        .map(|(value, _length)| value)
        .map_err(|error| CodecError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zerocopy::{FromBytes, IntoBytes};

    use super::*;
    use crate::{Counters, Record, V4, V6};

    proptest! {
        /// The serde encoding and the in-place view of a record are the same bytes, both ways.
        #[test]
        fn bincode_and_views_agree(bytes in proptest::collection::vec(any::<u8>(), 136)) {
            let (v4, rest) = Record::<V4>::ref_from_prefix(&bytes).unwrap();
            prop_assert_eq!(to_bytes(v4).unwrap(), v4.as_bytes());
            prop_assert_eq!(&from_bytes::<Record<V4>>(&bytes).unwrap(), v4);
            let (counters, _) = Counters::ref_from_prefix(rest).unwrap();
            prop_assert_eq!(to_bytes(counters).unwrap(), counters.as_bytes());
            prop_assert_eq!(&from_bytes::<Counters>(rest).unwrap(), counters);
            let (v6, _) = Record::<V6>::ref_from_prefix(&bytes).unwrap();
            prop_assert_eq!(to_bytes(v6).unwrap(), v6.as_bytes());
            prop_assert_eq!(&from_bytes::<Record<V6>>(&bytes).unwrap(), v6);
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused() {
        assert!(from_bytes::<String>(&u64::MAX.to_le_bytes()).is_err());
        assert!(from_bytes::<Vec<u8>>(&(1u64 << 40).to_le_bytes()).is_err());
    }
}
