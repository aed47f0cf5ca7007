//! `[tunnel]` and `[tunnel.access]`, checked.
//!
//! Must not know where a value comes from; see `reader`.

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use super::reader::Reader;
use super::sections::missing;
use super::{ConfigError, Tunnel, TunnelAccess, raw};
use crate::http::{AccessConfig, Demand, check_url};

/// Where a team's keys are (Cloudflare documentation, "Validate JWTs").
const KEYS_PATH: &str = "/cdn-cgi/access/certs";

/// The door for the edge; none without a port. What the edge says in headers is believed, so nobody else may connect there.
pub(super) fn tunnel(read: &Reader<'_>, raw: &raw::Tunnel) -> Result<Option<Tunnel>, ConfigError> {
    let host = read.text("tunnel.host", raw.host.as_ref())?;
    let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !is_loopback {
        let rule = "give 127.0.0.1, ::1 or localhost: the headers of whoever connects are believed";
        return Err(read.refuse("tunnel.host", &host, rule));
    }
    let access = access(read, &raw.access)?;
    let port = raw.port.map(|port| read.count("tunnel.port", Some(port), 0_u16, 0..=65_535));
    Ok(port.transpose()?.map(|port| Tunnel { host, port, access }))
}

fn access(
    read: &Reader<'_>,
    raw: &raw::AccessOfTunnel,
) -> Result<Option<TunnelAccess>, ConfigError> {
    const TEAM: &str = "tunnel.access.team_domain";
    let Some(team) = read.text(TEAM, raw.team_domain.as_ref())? else {
        return match raw.audience.is_empty() {
            true => Ok(None),
            false => Err(missing(TEAM)),
        };
    };
    let issuer = match team.contains("://") {
        true => team.trim_end_matches('/').to_owned(),
        false => format!("https://{}", team.trim_end_matches('/')),
    };
    if raw.audience.is_empty() {
        return Err(missing("tunnel.access.audience"));
    }
    let keys_url = read.text("tunnel.access.keys_url", raw.keys_url.as_ref())?;
    let keys_url = keys_url.unwrap_or_else(|| format!("{issuer}{KEYS_PATH}"));
    let url = Url::parse(&keys_url).ok().filter(|url| check_url(url).is_ok());
    let rule = "give an https URL such as https://team.cloudflareaccess.com/cdn-cgi/access/certs";
    let url = url.ok_or_else(|| read.refuse("tunnel.access.keys_url", &keys_url, rule))?;
    let required = read.truth("tunnel.access.required", raw.required, true)?;
    let root = raw.keys_root_cert_file.as_ref();
    Ok(Some(TunnelAccess {
        tokens: AccessConfig {
            issuer,
            audience: raw.audience.clone(),
            keys_url: url,
            demand: if required { Demand::Required } else { Demand::Optional },
            grace: read.time(
                "tunnel.access.grace_ms",
                raw.grace_ms,
                Duration::from_secs(300),
                0,
            )?,
        },
        keys_root_cert_file: read.path("tunnel.access.keys_root_cert_file", root)?,
    }))
}
