//! What the edge says of a client, in headers that it overwrites (Cloudflare documentation, "HTTP headers"). Good for nothing
//! where others than the edge can connect.

use std::net::IpAddr;

use hyper::HeaderMap;

use crate::error::{ClientFacing, Severity, SqlState};
use crate::gate::Country;
use crate::http::access::{Access, AccessError, Identity};

const ADDRESS: &str = "cf-connecting-ip";
const COUNTRY: &str = "cf-ipcountry";
const RAY: &str = "cf-ray";

/// Who is behind a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The client's address; none when the edge does not tell it.
    pub address: Option<IpAddr>,
    /// The country of that address; none when the edge does not tell it.
    pub country: Option<Country>,
    /// The edge's number of the request, for its operators.
    pub ray: Option<String>,
    /// Who its token says it is.
    pub identity: Option<Identity>,
}

/// The headers contradict themselves: somebody else than the edge has written some of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// It is there more than once.
    #[error("the header {0} is there more than once")]
    Twice(&'static str),
    /// It holds something else than it should.
    #[error("the header {0} cannot be read")]
    Unreadable(&'static str),
    /// Nobody is believed to be there.
    #[error("{0}")]
    Access(#[from] AccessError),
}

impl Edge {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`EdgeError`]: then nothing of them is to be believed.
    pub fn read(headers: &HeaderMap) -> Result<Self, EdgeError> {
        let address = one(headers, ADDRESS)?;
        let address = address.map(|text| text.parse().map_err(|_| EdgeError::Unreadable(ADDRESS)));
        let country = one(headers, COUNTRY)?;
        let country = country.map(|text| text.parse().map_err(|_| EdgeError::Unreadable(COUNTRY)));
        Ok(Self {
            address: address.transpose()?,
            country: country.transpose()?,
            ray: one(headers, RAY)?.map(str::to_owned),
            identity: None,
        })
    }

    /// Reads the headers, and checks the token if that is asked for.
    ///
    /// # Errors
    /// As [`Edge::read`], and [`EdgeError::Access`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn identified(
        headers: &HeaderMap,
        access: Option<&Access>,
    ) -> Result<Self, EdgeError> {
        let edge = Self::read(headers)?;
        let Some(access) = access else { return Ok(edge) };
        Ok(Self { identity: access.identify(headers).await?, ..edge })
    }
}

/// The only value of a header; none without it.
fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, EdgeError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(EdgeError::Twice(name));
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| EdgeError::Unreadable(name))
}

impl ClientFacing for EdgeError {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Access(AccessError::NoKeys) => SqlState::CANNOT_CONNECT_NOW,
            _ => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        format!("it is not clear who this client is: {self}")
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Access(AccessError::NoKeys) => "Try again in a moment.".into(),
            Self::Access(_) => "Log in to Cloudflare Access again, or use a service token.".into(),
            _ => "Come through the edge, which writes this header itself.".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn headers_say_who_is_there_or_are_not_believed() {
        let whole = [(ADDRESS, "2001:db8::1"), (COUNTRY, "DE"), (RAY, "8f00-FRA")];
        let edge = Edge::read(&headers(&whole)).unwrap();
        assert_eq!(edge.address, "2001:db8::1".parse().ok());
        assert_eq!((edge.country, edge.ray.as_deref()), ("DE".parse().ok(), Some("8f00-FRA")));
        assert_eq!(Edge::read(&headers(&[])).unwrap(), Edge::default());
        for (pairs, error) in [
            (vec![(ADDRESS, "1.2.3.4"), (ADDRESS, "1.2.3.4")], EdgeError::Twice(ADDRESS)),
            (vec![(ADDRESS, "1.2.3.4, 5.6.7.8")], EdgeError::Unreadable(ADDRESS)),
            (vec![(ADDRESS, "")], EdgeError::Unreadable(ADDRESS)),
            (vec![(COUNTRY, "Germany")], EdgeError::Unreadable(COUNTRY)),
            (vec![(COUNTRY, "DE"), (COUNTRY, "US")], EdgeError::Twice(COUNTRY)),
        ] {
            assert_eq!(Edge::read(&headers(&pairs)), Err(error));
        }
    }
}
