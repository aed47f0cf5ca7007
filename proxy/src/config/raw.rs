//! The shape of the file, before anything is checked. Numbers are wide so that a refusal can name them.

use serde::Deserialize;

/// What may be laid over another of its kind: what is given there goes before.
pub(super) trait Overlay {
    /// Takes what `over` gives.
    fn overlay(&mut self, over: Self);
}

impl<T> Overlay for Option<T> {
    fn overlay(&mut self, over: Self) {
        if over.is_some() {
            *self = over;
        }
    }
}

impl<T> Overlay for Vec<T> {
    fn overlay(&mut self, over: Self) {
        if !over.is_empty() {
            *self = over;
        }
    }
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $field: $type,)* }

        impl Overlay for $name {
            fn overlay(&mut self, over: Self) {
                $(self.$field.overlay(over.$field);)*
            }
        }
    };
}

section! {
    /// The whole file.
    File {
        listen: Listen,
        server: Server,
        auth: Auth,
        pool: Pool,
        limits: Limits,
        gate: Gate,
        tunnel: Tunnel,
        databases: Vec<Database>,
        users: Vec<User>,
        admin: Admin,
        log: Log,
    }
}

section! {
    /// `[listen]`
    Listen {
        host: Option<String>,
        port: Option<i64>,
        unix_socket_dir: Option<String>,
        peer_dir: Option<String>,
        workers: Option<i64>,
        scheduling: Option<String>,
        client_max: Option<i64>,
        proxy_protocol: Vec<String>,
        leave_timeout_ms: Option<i64>,
        login_timeout_ms: Option<i64>,
        drain_timeout_ms: Option<i64>,
        tls: ListenTls,
    }
}

section! {
    /// `[listen.tls]`
    ListenTls {
        mode: Option<String>,
        cert_file: Option<String>,
        key_file: Option<String>,
    }
}

section! {
    /// `[server]`
    Server {
        host: Option<String>,
        port: Option<i64>,
        dbname: Option<String>,
        ssl_mode: Option<String>,
        ssl_negotiation: Option<String>,
        ssl_root_cert_file: Option<String>,
        channel_binding: Option<String>,
        max_protocol_version: Option<String>,
        connect_timeout_ms: Option<i64>,
        connect_retry_interval_ms: Option<i64>,
        down_after_ms: Option<i64>,
    }
}

section! {
    /// `[auth]`
    Auth {
        user: Option<String>,
        password: Option<Hidden>,
        password_file: Option<String>,
        query: Option<String>,
        cache_ttl_ms: Option<i64>,
        databases: Option<String>,
        users: Vec<Login>,
    }
}

section! {
    /// `[[auth.users]]`
    Login {
        name: Option<String>,
        password: Option<Hidden>,
        password_file: Option<String>,
        verifier: Option<Hidden>,
        verifier_file: Option<String>,
    }
}

section! {
    /// `[pool]`
    Pool {
        mode: Option<String>,
        min: Option<i64>,
        max: Option<i64>,
        acquire_timeout_ms: Option<i64>,
        idle_timeout_ms: Option<i64>,
        destroy_timeout_ms: Option<i64>,
        reap_interval_ms: Option<i64>,
        max_uses: Option<i64>,
        max_lifetime_ms: Option<i64>,
        reserve: Option<i64>,
        reserve_after_ms: Option<i64>,
        test_on_borrow: Option<bool>,
        test_on_return: Option<bool>,
        test_while_idle: Option<bool>,
        test_query: Option<String>,
        test_idle_interval_ms: Option<i64>,
        statements_max: Option<i64>,
        statements_bytes_max: Option<i64>,
        client_statements_max: Option<i64>,
        client_statements_bytes_max: Option<i64>,
        shared_statements_bytes_max: Option<i64>,
        queue_len_max: Option<i64>,
        pools_max: Option<i64>,
    }
}

section! {
    /// `[limits]`
    Limits {
        query_timeout_ms: Option<i64>,
        transaction_timeout_ms: Option<i64>,
        idle_in_transaction_timeout_ms: Option<i64>,
        client_idle_timeout_ms: Option<i64>,
        server_connections_max: Option<i64>,
        user_connections_max: Option<i64>,
        database_connections_max: Option<i64>,
        user_clients_max: Option<i64>,
        database_clients_max: Option<i64>,
        address_clients_max: Option<i64>,
    }
}

section! {
    /// `[tunnel]`
    Tunnel {
        host: Option<String>,
        port: Option<i64>,
        address_statements_per_minute: Option<i64>,
        access: AccessOfTunnel,
    }
}

section! {
    /// `[tunnel.access]`
    AccessOfTunnel {
        team_domain: Option<String>,
        audience: Vec<String>,
        keys_url: Option<String>,
        keys_root_cert_file: Option<String>,
        required: Option<bool>,
        grace_ms: Option<i64>,
    }
}

section! {
    /// `[gate]`
    Gate {
        otherwise: Option<String>,
        login_failures_max: Option<i64>,
        login_failures_window_ms: Option<i64>,
        login_ban_ms: Option<i64>,
        login_ban_exempt: Option<Vec<String>>,
        tracked_max: Option<i64>,
        rules: Vec<Rule>,
        rates: Vec<Rate>,
    }
}

section! {
    /// `[[gate.rules]]`
    Rule {
        name: Option<String>,
        verdict: Option<String>,
        addresses: Vec<String>,
        countries: Vec<String>,
        entrance: Option<String>,
        identities: Vec<String>,
        users: Vec<String>,
        databases: Vec<String>,
    }
}

section! {
    /// `[[gate.rates]]`
    Rate {
        name: Option<String>,
        counted: Option<String>,
        each: Option<String>,
        max: Option<i64>,
        period_ms: Option<i64>,
        burst: Option<i64>,
        addresses: Vec<String>,
        countries: Vec<String>,
        entrance: Option<String>,
        identities: Vec<String>,
        users: Vec<String>,
        databases: Vec<String>,
    }
}

section! {
    /// `[[databases]]`
    Database {
        name: Option<String>,
        dbname: Option<String>,
        host: Option<String>,
        port: Option<i64>,
        user: Option<String>,
        password: Option<Hidden>,
        password_file: Option<String>,
        pool_mode: Option<String>,
        pool_min: Option<i64>,
        pool_max: Option<i64>,
        pool_reserve: Option<i64>,
        acquire_timeout_ms: Option<i64>,
        max_lifetime_ms: Option<i64>,
        query_timeout_ms: Option<i64>,
        transaction_timeout_ms: Option<i64>,
        idle_in_transaction_timeout_ms: Option<i64>,
        client_idle_timeout_ms: Option<i64>,
        connections_max: Option<i64>,
        clients_max: Option<i64>,
    }
}

section! {
    /// `[[users]]`
    User {
        name: Option<String>,
        pool_mode: Option<String>,
        pool_min: Option<i64>,
        pool_max: Option<i64>,
        pool_reserve: Option<i64>,
        acquire_timeout_ms: Option<i64>,
        max_lifetime_ms: Option<i64>,
        query_timeout_ms: Option<i64>,
        transaction_timeout_ms: Option<i64>,
        idle_in_transaction_timeout_ms: Option<i64>,
        client_idle_timeout_ms: Option<i64>,
        connections_max: Option<i64>,
        clients_max: Option<i64>,
    }
}

section! {
    /// `[admin]`
    Admin {
        databases: Option<Vec<String>>,
        users: Option<Vec<String>>,
        stats_users: Option<Vec<String>>,
        wait_timeout_ms: Option<i64>,
        stats_period_ms: Option<i64>,
    }
}

section! {
    /// `[log]`
    Log {
        format: Option<String>,
        level: Option<String>,
    }
}

/// A text that no Debug output shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Hidden(pub(super) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redacted")
    }
}
