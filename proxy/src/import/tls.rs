//! TLS with clients and with the server. What PgBouncer leaves to OpenSSL is fixed here: TLS 1.2 and 1.3, safe ciphers.

use super::numbers::word;
use super::settings::keep_to;
use super::source::Given;
use super::{Carrier, ImportError};

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const CIPHERS: (&str, &str) = ("ciphers are those of TLS 1.2 and 1.3 that are safe", "nothing");
const CIPHER_WORDS: [&str; 6] = ["", "default", "secure", "fast", "normal", "all"];

pub(super) fn carry(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    with_clients(carrier)?;
    with_server(carrier)?;
    for name in ["client_tls_protocols", "server_tls_protocols"] {
        let given = carrier.setting(name);
        protocols(carrier, &given);
    }
    for name in
        ["client_tls_ciphers", "client_tls13_ciphers", "server_tls_ciphers", "server_tls13_ciphers"]
    {
        let given = carrier.setting(name);
        keep_to(carrier, &given, &CIPHER_WORDS, CIPHERS);
    }
    let curve = carrier.setting("client_tls_ecdhcurve");
    keep_to(carrier, &curve, &["auto"], ("curves are X25519, P-256 and P-384", "nothing"));
    let params = carrier.setting("client_tls_dheparams");
    let none = ("keys are exchanged over elliptic curves alone", "nothing");
    keep_to(carrier, &params, &["auto", "none"], none);
    Ok(())
}

fn with_clients(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    let given = carrier.setting("client_tls_sslmode");
    let mode = match word(&given, &MODES)? {
        "disable" => {
            carrier.set("listen.tls.mode", "disable", &given.origin());
            return Ok(());
        }
        "allow" | "prefer" => "allow",
        "require" => "require",
        _ => {
            let why = "certificates of clients are not asked for";
            carrier.leave(&given, why, "require was written; clients prove themselves by password");
            "require"
        }
    };
    carrier.set("listen.tls.mode", mode, &given.origin());
    for (name, key) in [
        ("client_tls_cert_file", "listen.tls.cert_file"),
        ("client_tls_key_file", "listen.tls.key_file"),
    ] {
        let file = carrier.setting(name);
        if file.value.is_empty() {
            return Err(given.refuse(&format!("give {name}, too")));
        }
        path(carrier, &file, key);
    }
    let roots = carrier.setting("client_tls_ca_file");
    carrier.pass_over(&roots, "certificates of clients are not asked for");
    Ok(())
}

fn with_server(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    let given = carrier.setting("server_tls_sslmode");
    let mode = match word(&given, &MODES)? {
        "allow" => "prefer",
        mode => mode,
    };
    if !given.is_default() {
        carrier.set("server.ssl_mode", mode, &given.origin());
    }
    let roots = carrier.setting("server_tls_ca_file");
    match mode {
        "verify-ca" | "verify-full" if !roots.value.is_empty() => {
            path(carrier, &roots, "server.ssl_root_cert_file");
        }
        // With a root certificate ours would verify, as libpq does.
        _ => carrier.pass_over(&roots, "this mode does not verify the server's certificate"),
    }
    for name in ["server_tls_cert_file", "server_tls_key_file"] {
        let file = carrier.setting(name);
        let none = ("the proxy has no certificate towards the server", "let it log in by password");
        keep_to(carrier, &file, &[""], none);
    }
    Ok(())
}

fn path(carrier: &mut Carrier<'_>, given: &Given, key: &str) {
    let path = carrier.source.file(given).to_string_lossy().into_owned();
    carrier.set(key, path, &given.origin());
}

fn protocols(carrier: &mut Carrier<'_>, given: &Given) {
    let words: Vec<_> = given.value.split([',', ':']).map(str::trim).collect();
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let both = has("tlsv1.2") && has("tlsv1.3") && words.len() == 2;
    let why = "TLS is 1.2 or 1.3";
    if both || given.value.eq_ignore_ascii_case("secure") {
        carrier.pass_over(given, why);
    } else {
        carrier.leave(given, why, "nothing, unless peers know older versions alone");
    }
}
