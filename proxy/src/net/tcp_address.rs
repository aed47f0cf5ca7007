//! The address of one end of a TCP connection, in 16 bytes instead of 32: each client keeps two (I7).

use std::fmt;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address and a port. That of the Internet Protocol's version 6 is in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpAddress(Version);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl TcpAddress {
    /// The address as the standard library has it.
    pub fn get(&self) -> SocketAddr {
        match &self.0 {
            Version::V4(address) => (*address).into(),
            Version::V6(address) => (**address).into(),
        }
    }
}

impl From<SocketAddr> for TcpAddress {
    fn from(address: SocketAddr) -> Self {
        Self(match address {
            SocketAddr::V4(address) => Version::V4(address),
            SocketAddr::V6(address) => Version::V6(Box::new(address)),
        })
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_out_as_it_went_in() {
        for text in ["127.0.0.1:6432", "[2001:db8::1]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(TcpAddress::from(address).get(), address);
            assert_eq!(TcpAddress::from(address).to_string(), text);
        }
        assert_eq!(size_of::<Option<TcpAddress>>(), 16);
    }
}
