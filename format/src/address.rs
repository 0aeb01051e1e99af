//! The two address families a record can be of.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// An IPv4 address as it stands in a record: four network-order bytes.
pub type V4 = [u8; 4];

/// An IPv6 address as it stands in a record: sixteen network-order bytes.
pub type V6 = [u8; 16];

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, addresses of 4 bytes.
    Ipv4,
    /// IPv6, addresses of 16 bytes.
    Ipv6,
}

/// The address of a record: [`V4`] or [`V6`].
///
/// Records are generic over it, so that each of their fields is named once for both families.
pub trait Address:
    Copy + Debug + Eq + Ord + Hash + AsRef<[u8]> + FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned + 'static
{
    /// The family of these addresses.
    const FAMILY: Family;

    /// The address in the standard library's terms.
    fn to_ip(self) -> IpAddr;

    /// The address of this family that `ip` is; `None` if it is of the other one.
    fn from_ip(ip: IpAddr) -> Option<Self>;
}

impl Address for V4 {
    const FAMILY: Family = Family::Ipv4;

    fn to_ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(self))
    }

    fn from_ip(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => Some(ip.octets()),
            IpAddr::V6(_) => None,
        }
    }
}

impl Address for V6 {
    const FAMILY: Family = Family::Ipv6;

    fn to_ip(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self))
    }

    fn from_ip(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(ip.octets()),
        }
    }
}
