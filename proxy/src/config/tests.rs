//! Tables over the configuration: defaults, overrides, refusals.

use super::*;
use crate::backend::secret::Secret;
use crate::backend::target::ChannelBinding;
use crate::net::tls::{ListenerTlsMode, SslMode, SslNegotiation};
use crate::pool::{PoolKey, PoolMode};
use crate::wire::greeting::Protocol;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/taskmaster.toml"), &Environment::default())
}

fn with_environment<const N: usize>(pairs: [(&str, &str); N]) -> Result<Config, ConfigError> {
    Config::load(None, &Environment::from(pairs))
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn without_a_file_the_defaults_of_the_original_hold() {
    let config = parse("").unwrap();
    assert_eq!((config.listen.host.as_str(), config.listen.port), ("127.0.0.1", 6432));
    assert_eq!((config.server.host.as_str(), config.server.port), ("localhost", 5432));
    assert_eq!(config.server.ssl_mode, SslMode::Prefer);
    assert_eq!(config.auth.user.as_deref(), Some("software_developer"));
    assert_eq!((config.dbname.as_deref(), config.auth.database.as_str()), (None, "postgres"));
    assert_eq!(config.pool, pool::Config::default());
}

#[test]
fn the_environment_of_the_original_goes_before_the_file() {
    let environment = Environment::from([
        ("DB_HOST", "db.example"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "tasks"),
        ("DB_USER", "alice"),
        ("DB_PASSWORD", "s3cret"),
        ("DB_SSL_MODE", "require"),
        ("DB_POOL_MIN", "3"),
        ("DB_POOL_MAX", "20"),
        ("DB_POOL_IDLE_TIMEOUT", "11000"),
        ("DB_POOL_ACQUIRE_TIMEOUT", "12000"),
        ("DB_POOL_CREATE_TIMEOUT", "13000"),
        ("DB_POOL_MAX_LIFETIME_SECONDS", "1800"),
        ("CLOUDFLARE_ENABLED", "true"),
    ]);
    let text = "[server]\nhost = 'elsewhere'\nport = 1\n[pool]\nmax = 7";
    let config = Config::parse(text, Path::new(""), &environment).unwrap();
    assert_eq!((config.server.host.as_str(), config.server.port), ("db.example", 5433));
    assert_eq!((config.dbname.as_deref(), config.auth.database.as_str()), (Some("tasks"), "tasks"));
    assert_eq!(config.auth.user.as_deref(), Some("alice"));
    assert_eq!(config.auth.password.as_ref().unwrap().reveal(), "s3cret");
    assert_eq!(config.server.ssl_mode, SslMode::Require);
    assert_eq!((config.pool.min, config.pool.max), (3, 20));
    assert_eq!((config.pool.idle_timeout, config.pool.acquire_timeout), (ms(11_000), ms(12_000)));
    assert_eq!(config.server.connect_timeout, ms(13_000));
    assert_eq!(config.pool.max_lifetime, ms(1_800_000));
    assert!(!format!("{config:?} {environment:?}").contains("s3cret"));
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    assert_eq!(with_environment([("DB_PORT", " ")]).unwrap().server.port, 5432);
}

#[test]
fn every_refusal_names_key_value_bound_and_origin_in_one_line() {
    let cases = [
        ("[pool]\nmax = 0", "pool.max = 0 (in /etc/taskmaster.toml)", "from 1 to 262143"),
        ("[pool]\nmin = 11", "pool.min = 11", "at most pool.max, which is 10"),
        ("[listen]\nport = 65536", "listen.port = 65536", "from 0 to 65535"),
        ("[listen]\nhost = ''", "listen.host = ", "leave the key out"),
        ("[listen]\nworkers = 0", "listen.workers = 0", "from 1 to 64"),
        ("[server]\nssl_mode = 'yes'", "server.ssl_mode = yes", "verify-full"),
        ("[server]\nssl_negotiation = 'direct'", "server.ssl_mode = prefer", "verify-full"),
        (
            "[server]\nssl_mode = 'disable'\nchannel_binding = 'require'",
            "server.ssl_mode = disable",
            "channel_binding is require",
        ),
        ("[server]\nchannel_binding = 'on'", "server.channel_binding = on", "disable, prefer"),
        ("[server]\nmax_protocol_version = '4'", "server.max_protocol_version = 4", "3.0, 3.2"),
        ("[pool]\nmode = 'statement'", "pool.mode = statement", "transaction, session"),
        ("[pool]\nacquire_timeout_ms = -1", "pool.acquire_timeout_ms = -1", "from 1 to 86400000"),
        ("[log]\nlevel = 'a=b=c'", "log.level = a=b=c", "debug"),
        ("[listen.tls]\nmode = 'require'", "listen.tls.mode is require", "cert_file"),
        ("[listen.tls]\ncert_file = 'x'", "key is missing", "listen.tls.key_file"),
        ("[[auth.users]]\nname = 'a'", "auth.users[0].password is missing", "give it"),
        ("[[databases]]\npool_max = 1", "databases[0].name is missing", "give it"),
        ("[pool]\nmaximum = 1", "/etc/taskmaster.toml:2:1", "maximum"),
        ("[pool]\nmax = 'ten'", "/etc/taskmaster.toml:2:7: pool.max", "expected a whole number"),
        ("[auth]\npassword = 12345", "auth.password", "text in quotes"),
        ("[auth]\npassword = 'a'\npassword_file = 'b'", "are both given", "leave one"),
        ("[auth]\npassword_file = '/nonexistent/pw'", "/nonexistent/pw", "--config"),
    ];
    for (text, names, bound) in cases {
        let refusal = parse(text).unwrap_err().to_string();
        assert!(refusal.contains(names) && refusal.contains(bound), "{text:?}: {refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn a_refused_variable_is_called_by_its_own_name() {
    let refusal = with_environment([("DB_POOL_MAX", "ten")]).unwrap_err().to_string();
    assert!(refusal.starts_with("DB_POOL_MAX = ten (from the environment)"), "{refusal}");
    let refusal = with_environment([("DB_SSL_MODE", "on")]).unwrap_err().to_string();
    assert!(refusal.starts_with("DB_SSL_MODE = on"), "{refusal}");
}

#[test]
fn a_syntax_error_does_not_quote_the_file() {
    for text in ["[auth]\npassword = \"12345\n", "[auth]\npassword = 12345"] {
        let refusal = parse(text).unwrap_err().to_string();
        assert!(!refusal.contains("12345"), "{refusal}");
    }
}

#[test]
fn what_a_server_is_asked_for_can_be_set() {
    let text = "[server]\nssl_mode = 'verify-full'\nssl_negotiation = 'direct'\n\
                channel_binding = 'require'\nmax_protocol_version = '3.0'";
    let server = parse(text).unwrap().server;
    assert_eq!(server.ssl_negotiation, SslNegotiation::Direct);
    assert_eq!(server.channel_binding, ChannelBinding::Require);
    assert_eq!(server.max_protocol_version, Protocol::V3_0);
}

#[test]
fn a_pool_smaller_than_the_default_minimum_is_allowed() {
    let config = parse("[pool]\nmax = 1").unwrap();
    assert_eq!((config.pool.min, config.pool.max), (1, 1));
}

#[test]
fn files_are_looked_for_beside_the_configuration() {
    let text = "[listen.tls]\ncert_file = 'server.crt'\nkey_file = '/keys/server.key'";
    let tls = parse(text).unwrap().tls;
    assert_eq!(tls.mode, ListenerTlsMode::Allow);
    assert_eq!(tls.cert_file.unwrap(), Path::new("/etc/server.crt"));
    assert_eq!(tls.key_file.unwrap(), Path::new("/keys/server.key"));
}

#[test]
fn databases_and_users_are_given_once() {
    let twice = "[[databases]]\nname = 'app'\n[[databases]]\nname = 'app'";
    assert!(parse(twice).unwrap_err().to_string().contains("each name once"));
    let twice = "[auth]\nuser = 'a'\n[[auth.users]]\nname = 'a'\npassword = 'x'";
    assert!(parse(twice).unwrap_err().to_string().contains("each user once"));
}

#[test]
fn the_example_is_valid_and_holds_the_defaults() {
    let text = include_str!("../../../taskmaster.example.toml");
    let example = parse(text).unwrap();
    assert_eq!(format!("{example:?}"), format!("{:?}", parse("").unwrap()));
}

#[test]
fn a_database_of_its_own_settings_shares_what_it_does_not_set() {
    let text = "[server]\nhost = '/run'\n[pool]\nmax = 7\n[[databases]]\nname = 'app'\n\
                dbname = 'app_v2'\npool_mode = 'session'\npool_max = 1";
    let listener = parse(text).unwrap().listener().unwrap();
    let own = &listener.blueprint.databases["app"];
    assert_eq!(own.database_on_server, "app_v2");
    assert_eq!((own.config.mode, own.config.min, own.config.max), (PoolMode::Session, 1, 1));
    assert_eq!(own.config.acquire_timeout, listener.blueprint.config.acquire_timeout);
    assert_eq!(listener.blueprint.config.max, 7);
}

#[test]
fn what_differs_for_a_user_goes_before_what_differs_for_a_database() {
    let text = "[limits]\nquery_timeout_ms = 1000\n[[databases]]\nname = 'app'\npool_max = 3\n\
                pool_reserve = 1\nmax_lifetime_ms = 5000\nquery_timeout_ms = 2000\n\
                [[users]]\nname = 'bob'\npool_max = 5\npool_mode = 'session'\n\
                acquire_timeout_ms = 7\nquery_timeout_ms = 0";
    let blueprint = parse(text).unwrap().listener().unwrap().blueprint;
    let terms = |user: &str| {
        let key = PoolKey { database: "app".into(), user: user.into() };
        blueprint.terms(&key).config
    };
    let (alice, bob) = (terms("alice"), terms("bob"));
    assert_eq!((alice.max, alice.reserve, alice.mode), (3, 1, PoolMode::Transaction));
    assert_eq!((alice.max_lifetime, alice.timeouts.query), (ms(5000), Some(ms(2000))));
    assert_eq!((bob.max, bob.reserve, bob.mode), (5, 1, PoolMode::Session));
    assert_eq!((bob.acquire_timeout, bob.timeouts.query), (ms(7), None));
    assert_eq!(bob.max_lifetime, ms(5000));
}

#[test]
fn databases_and_users_have_limits_of_their_own() {
    let text = "[limits]\nuser_connections_max = 9\ndatabase_clients_max = 8\n[[databases]]\n\
                name = 'app'\nconnections_max = 4\nclients_max = 0\n[[users]]\nname = 'bob'\n\
                connections_max = 0\nclients_max = 2";
    let listener = parse(text).unwrap().listener().unwrap();
    let connections = listener.blueprint.budget.limits();
    assert_eq!((connections.user, connections.users["bob"]), (Some(9), None));
    assert_eq!((connections.database, connections.databases["app"]), (None, Some(4)));
    let clients = listener.clients;
    assert_eq!((clients.database, clients.databases["app"]), (Some(8), None));
    assert_eq!((clients.user, clients.users["bob"]), (None, Some(2)));
}

#[test]
fn a_database_may_have_one_login_whose_password_is_found_among_the_clients() {
    let text = "[[auth.users]]\nname = 'app'\npassword = 'one'\n[[databases]]\nname = 'a'\n\
                user = 'app'\n[[databases]]\nname = 'b'\nuser = 'app'\npassword = 'two'\n\
                [[databases]]\nname = 'c'\nuser = 'other'";
    let logins = parse(text).unwrap().listener().unwrap().blueprint.logins;
    let password = |name: &str| match &logins[name].secret {
        Secret::Password(password) => Some(password.reveal().to_owned()),
        _ => None,
    };
    assert_eq!(password("a").as_deref(), Some("one"));
    assert_eq!(password("b").as_deref(), Some("two"));
    assert_eq!((logins["c"].user.as_str(), password("c")), ("other", None));
    let alone = parse("[[databases]]\nname = 'a'\npassword = 'x'").unwrap_err().to_string();
    assert!(alone.contains("databases[0].user"), "{alone}");
}

#[test]
fn logins_are_given_by_password_or_by_verifier_and_nobody_need_be_asked() {
    let md5 = "md54a0a68b43b6cd5cf266fa02f196e2371";
    let text = format!("[auth]\nuser = ''\n[[auth.users]]\nname = 'a'\nverifier = '{md5}'");
    let config = parse(&text).unwrap();
    assert_eq!(config.auth.user, None);
    assert!(matches!(config.auth.users[0].check, auth::Check::Verifier(_)));
    assert!(!format!("{config:?}").contains(md5));
    for (text, expected) in [
        ("name = 'a'\nverifier = 'plain'", "neither SCRAM-SHA-256"),
        ("name = 'a'\npassword = 'x'\nverifier = 'y'", "both given"),
        ("name = 'a'", "auth.users[0].password is missing"),
    ] {
        let refusal = parse(&format!("[[auth.users]]\n{text}")).unwrap_err().to_string();
        assert!(refusal.contains(expected) && !refusal.contains("plain"), "{refusal}");
    }
    assert!(parse("[auth]\nuser = ''\npassword = 'x'").is_err());
}

#[test]
fn a_certificate_that_is_not_there_is_refused_before_anything_starts() {
    let text = "[listen.tls]\ncert_file = '/nonexistent.crt'\nkey_file = '/nonexistent.key'";
    let refusal = parse(text).unwrap().listener().unwrap_err().to_string();
    assert!(refusal.contains("/nonexistent.crt") && !refusal.contains('\n'), "{refusal}");
}

#[test]
fn the_console_belongs_to_the_auth_user_and_takes_no_database_its_name() {
    let console = |text| parse(text).map(|config| config.admin);
    let admin = console("[auth]\nuser = 'alice'").unwrap();
    assert_eq!(admin.databases, ["taskmaster_admin", "pgbouncer"]);
    assert_eq!((admin.users, admin.stats_users), (vec!["alice".to_owned()], vec![]));
    let named = console("[admin]\nusers = ['bob']\nstats_users = ['eve']").unwrap();
    assert_eq!((named.users, named.stats_users), (vec!["bob".to_owned()], vec!["eve".to_owned()]));
    let refused = console("[[databases]]\nname = 'pgbouncer'").unwrap_err().to_string();
    assert!(refused.contains("pgbouncer") && refused.contains("admin.databases"), "{refused}");
    assert!(console("[[databases]]\nname = 'pgbouncer'\n[admin]\ndatabases = []").is_ok());
}
