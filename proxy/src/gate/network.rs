//! Networks by address and length of the prefix, and which addresses count as one client.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// How much of an IPv6 address tells one client from another: a site is given a /64 at least (RFC 6177), so single
/// addresses are as many as anybody likes.
const V6_PREFIX_LEN: u8 = 64;

/// A network in CIDR notation; a lone address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no address and no network such as 203.0.113.0/24")]
pub struct NoNetwork(pub String);

impl Network {
    /// True when the address is in it. An IPv4 address counts as such in its IPv6 form, too.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// True when all addresses of the other one are in it.
    pub fn encloses(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// What counts as the client behind an address: an IPv4 address, or the /64 of an IPv6 address.
    pub fn of_client(address: IpAddr) -> Self {
        let net = match address.to_canonical() {
            IpAddr::V4(address) => IpNet::from(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                let kept = u128::from(address) >> (128 - V6_PREFIX_LEN) << (128 - V6_PREFIX_LEN);
                IpNet::new_assert(Ipv6Addr::from(kept).into(), V6_PREFIX_LEN)
            }
        };
        Self(net)
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let alone = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        let net = text.parse::<IpNet>().or_else(|_| alone());
        net.map(|net| Self(net.trunc())).map_err(|_| NoNetwork(text.to_owned()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => self.0.addr().fmt(f),
            false => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_their_addresses_in_either_form() {
        for (text, within, without) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("203.0.113.7/24", "203.0.113.1", "10.0.0.1"),
            ("2001:db8::/32", "2001:db8:1::5", "2001:db9::"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("203.0.113.0/24", "::ffff:203.0.113.9", "::ffff:203.0.114.9"),
        ] {
            assert!(network(text).contains(within.parse().unwrap()), "{text} {within}");
            assert!(!network(text).contains(without.parse().unwrap()), "{text} {without}");
        }
        for text in ["", "203.0.113", "203.0.113.0/33", "example.com", "1.2.3.4:5"] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork(text.to_owned())));
        }
    }

    #[test]
    fn a_client_is_an_address_or_a_site() {
        for (address, client) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(Network::of_client(address.parse().unwrap()).to_string(), client);
        }
        assert_eq!(network("203.0.113.7/24").to_string(), "203.0.113.0/24");
    }
}
