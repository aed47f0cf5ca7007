//! Who stands at the gate, as far as that is known.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::gate::network::Network;

/// A client before it is let in. What it says of itself is not proved yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Where it comes from; none over the unix socket.
    pub address: Option<IpAddr>,
    /// The country that whoever is in front of the proxy found for the address.
    pub country: Option<Country>,
    /// Which door it came by.
    pub entrance: Entrance,
    /// Who it has proved to be to whoever is in front of the proxy.
    pub identity: Option<String>,
    /// The user it wants to be.
    pub user: String,
    /// The database it names.
    pub database: String,
}

impl Visitor {
    /// What counts as one client of all those at its address.
    pub fn network(&self) -> Option<Network> {
        self.address.map(Network::of_client)
    }
}

/// The doors of the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entrance {
    /// The listener for PostgreSQL's protocol.
    #[default]
    Direct,
    /// The listener for what comes through the tunnel.
    Tunnel,
}

/// A country by its two letters (ISO 3166-1 alpha-2), or one of the edge's own codes: `XX` for unknown, `T1` for Tor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

/// The text is no country.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no country: give two letters such as DE, XX for unknown, or T1 for Tor")]
pub struct NoCountry(pub String);

impl FromStr for Country {
    type Err = NoCountry;

    fn from_str(text: &str) -> Result<Self, NoCountry> {
        match *text.to_ascii_uppercase().as_bytes() {
            [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] => Ok(Self([first, second])),
            [b'T', b'1'] => Ok(Self(*b"T1")),
            _ => Err(NoCountry(text.to_owned())),
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or("XX"))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_two_letters_or_the_edges_own() {
        for (text, country) in [("de", "DE"), ("US", "US"), ("xx", "XX"), ("T1", "T1")] {
            assert_eq!(text.parse::<Country>().unwrap().to_string(), country);
        }
        for text in ["", "D", "DEU", "1T", "T2", "é"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
    }
}
