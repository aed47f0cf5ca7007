//! Settings that are valid and still invite trouble, in words that say what to do.

use std::net::IpAddr;

use super::{Config, Tunnel};
use crate::gate::{Counted, Entrance};
use crate::net::tls::{ListenerTlsMode, SslMode};
use crate::session::auth::Check;

impl Config {
    /// What an operator should know of these settings before they are used on a network.
    pub fn weaknesses(&self) -> Vec<String> {
        let all = [
            self.plain_clients(),
            self.plain_server(),
            self.unlimited_logins(),
            self.endless_guessing(),
            self.unguarded_tunnel(),
            self.unlimited_tunnel(),
        ];
        all.into_iter().flatten().chain(self.weak_verifiers()).collect()
    }

    fn is_public(&self) -> bool {
        self.listen.host.split(',').any(|host| !is_local(host.trim()))
    }

    fn plain_clients(&self) -> Option<String> {
        let is_plain = self.is_public() && self.tls.mode != ListenerTlsMode::Require;
        is_plain.then(|| {
            let host = &self.listen.host;
            format!("clients of {host} may come without TLS: set listen.tls.mode = \"require\"")
        })
    }

    fn plain_server(&self) -> Option<String> {
        let server = &self.server;
        if is_local(&server.host) || server.host.starts_with('/') {
            return None;
        }
        let what = match server.ssl_mode {
            SslMode::Disable | SslMode::Prefer => "may be read on its way",
            SslMode::Require if server.ssl_root_cert_file.is_none() => "may be somebody else",
            _ => return None,
        };
        Some(format!("the server {} {what}: set server.ssl_mode = \"verify-full\"", server.host))
    }

    fn unlimited_logins(&self) -> Option<String> {
        let has_rate = self.gate.rates.iter().any(|rate| rate.counted == Counted::Logins);
        let is_limited = has_rate || self.clients.address.is_some();
        (self.is_public() && !is_limited).then(|| {
            "one address may take all places: set limits.address_clients_max, or a rate in gate.rates with counted = \"logins\"".to_owned()
        })
    }

    fn endless_guessing(&self) -> Option<String> {
        let patience = &self.gate.patience;
        let everywhere = ["0.0.0.0/0", "::/0"].map(|network| network.parse().ok());
        let exempt = patience.exempt.iter().any(|network| everywhere.contains(&Some(*network)));
        (patience.failures_max.is_none() || exempt).then(|| {
            "passwords may be guessed for ever: set gate.login_failures_max, and exempt only addresses that many share".to_owned()
        })
    }

    fn unguarded_tunnel(&self) -> Option<String> {
        let tunnel = self.tunnel.as_ref();
        tunnel.is_some_and(|tunnel: &Tunnel| tunnel.access.is_none()).then(|| {
            "whoever knows the tunnel's host name may try to log in, unless the edge asks who it is: set tunnel.access".to_owned()
        })
    }

    fn unlimited_tunnel(&self) -> Option<String> {
        let is_for_tunnel = |entrance: Option<Entrance>| entrance != Some(Entrance::Direct);
        let mut rates = self.gate.rates.iter().filter(|rate| rate.counted == Counted::Statements);
        let is_limited = rates.any(|rate| is_for_tunnel(rate.about.entrance));
        (self.tunnel.is_some() && !is_limited).then(|| {
            "nothing limits what one client asks through the tunnel: set tunnel.address_statements_per_minute".to_owned()
        })
    }

    fn weak_verifiers(&self) -> impl Iterator<Item = String> {
        let is_md5 = |check: &Check| matches!(check, Check::Verifier(text) if text.reveal().starts_with("md5"));
        let weak = self.auth.users.iter().filter(move |user| is_md5(&user.check));
        weak.map(|user| {
            format!("user {} has an md5 verifier, which is as good as its password to whoever reads it: give one of SCRAM-SHA-256", user.name)
        })
    }
}

/// Nobody else can connect there, or listen in.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn weaknesses(text: &str) -> Vec<String> {
        Config::parse(text, Path::new(""), &Environment::default()).unwrap().weaknesses()
    }

    #[test]
    fn what_is_for_this_machine_alone_is_not_weak() {
        assert_eq!(weaknesses(""), Vec::<String>::new());
        let strict = "[listen]\nhost = '0.0.0.0'\n[listen.tls]\nmode = 'require'\ncert_file = 'c'\nkey_file = 'k'\n\
            [server]\nhost = 'db'\nssl_mode = 'verify-full'\n[limits]\naddress_clients_max = 100\n\
            [tunnel]\nport = 1\n[tunnel.access]\nteam_domain = 'team.example.com'\naudience = ['x']";
        assert_eq!(weaknesses(strict), Vec::<String>::new());
    }

    #[test]
    fn each_weakness_says_what_to_set() {
        for (text, setting) in [
            (
                "[listen]\nhost = '::1,0.0.0.0'\n[limits]\naddress_clients_max = 1",
                "listen.tls.mode",
            ),
            ("[server]\nhost = 'db.example'\nssl_mode = 'require'", "server.ssl_mode"),
            ("[server]\nhost = 'db.example'", "server.ssl_mode"),
            ("[gate]\nlogin_failures_max = 0", "gate.login_failures_max"),
            ("[gate]\nlogin_ban_exempt = ['0.0.0.0/0']", "gate.login_failures_max"),
            ("[tunnel]\nport = 1", "tunnel.access"),
            (
                "[tunnel]\nport = 1\naddress_statements_per_minute = 0\n[tunnel.access]\nteam_domain = 'x'\naudience = ['x']",
                "tunnel.address_statements_per_minute",
            ),
            (
                "[[auth.users]]\nname = 'old'\nverifier = 'md5d41d8cd98f00b204e9800998ecf8427e'",
                "SCRAM-SHA-256",
            ),
        ] {
            let found = weaknesses(text);
            assert!(found.len() == 1 && found[0].contains(setting), "{text}: {found:?}");
        }
        let open = "[listen]\nhost = '0.0.0.0'\n[listen.tls]\nmode = 'require'\ncert_file = 'c'\nkey_file = 'k'";
        assert!(weaknesses(open)[0].contains("limits.address_clients_max"));
    }
}
