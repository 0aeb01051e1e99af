//! serde for zerocopy's little-endian integers: each is the plain integer of its value.

macro_rules! plain_integer {
    ($name:ident, $wrapper:ty) => {
        pub(crate) mod $name {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            pub(crate) fn serialize<S: Serializer>(value: &$wrapper, to: S) -> Result<S::Ok, S::Error> {
                value.get().serialize(to)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$wrapper, D::Error> {
                $name::deserialize(from).map(<$wrapper>::new)
            }
        }
    };
}

plain_integer!(u16, zerocopy::little_endian::U16);
plain_integer!(u32, zerocopy::little_endian::U32);
plain_integer!(u64, zerocopy::little_endian::U64);
