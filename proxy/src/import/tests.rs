//! Tables over what is carried over from an ini file, and golden files: an ini, our configuration, what was left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::config::{Config, Environment};

/// The golden files, from the directory that Cargo runs tests in.
const GOLDEN: &str = "src/import/golden";

/// An ini file of this text in a directory of its own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("import-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("pgbouncer.ini"), text).unwrap();
        Self(dir)
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn import(&self) -> Result<Import, ImportError> {
        import(&self.0.join("pgbouncer.ini"), Keeping::Below("secrets".into()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn left(import: &Import) -> Vec<String> {
    import.left.iter().map(ToString::to_string).collect()
}

/// The result as `serve` would read it.
fn config(import: &Import) -> Config {
    let config = Config::parse(&import.text, Path::new("taskmaster.toml"), &Environment::default());
    config.unwrap_or_else(|error| panic!("{error}\n{}", import.text))
}

/// Compares with the golden files; with UPDATE_GOLDEN set they are written instead.
fn golden(name: &str, keeping: Keeping) -> Import {
    let import = import(&Path::new(GOLDEN).join(format!("{name}.ini")), keeping).unwrap();
    let found = format!("{}{}\n", import.text, left(&import).join("\n"));
    for (ending, found) in
        [("toml", import.text.clone()), ("left", left(&import).join("\n") + "\n")]
    {
        let path = Path::new(GOLDEN).join(format!("{name}.{ending}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &found).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), found, "{}", path.display());
    }
    for secret in ["sesame", "4a0a68b4", "W22ZaJ0S", "asks", "it's a secret", "hidden"] {
        assert!(!found.contains(secret), "{secret} is shown");
    }
    import
}

#[test]
fn a_minimal_file_is_carried_whole() {
    let import = golden("minimal", Keeping::Nowhere);
    assert!(import.left.is_empty(), "{:?}", import.left);
    let config = config(&import);
    assert_eq!((config.pool.min, config.pool.max, config.listen.client_max), (0, 20, 100));
    assert_eq!(config.auth.user, None);
}

#[test]
fn the_file_of_debians_package_names_its_log_and_its_pid_file() {
    let import = golden("debian", Keeping::Below("debian.secrets".into()));
    let settings: Vec<_> = left(&import).iter().map(|line| line[..7].to_owned()).collect();
    assert_eq!(settings, ["[databa", "logfile", "pidfile"]);
    assert_eq!(import.secrets.len(), 4);
}

#[test]
fn a_typical_file_is_carried_whole() {
    let import = golden("typical", Keeping::Below("typical.secrets".into()));
    assert!(import.left.is_empty(), "{:?}", import.left);
    let secrets: Vec<_> = import.secrets.iter().map(|file| (&*file.name, &*file.text)).collect();
    assert!(secrets.contains(&("database-metrics.password", "it's a secret\n")), "{secrets:?}");
    assert!(secrets.contains(&("lookup.password", "asks \"for\" others\n")), "{secrets:?}");
    assert!(secrets.iter().any(|(name, _)| *name == "carol.verifier"), "{secrets:?}");
}

#[test]
fn a_file_with_every_setting_names_all_that_is_lost() {
    let import = golden("huge", Keeping::Nowhere);
    config(&import);
    let text = fs::read_to_string(Path::new(GOLDEN).join("huge.ini")).unwrap();
    let given: BTreeSet<_> = text.lines().filter_map(|line| line.split(" = ").next()).collect();
    for name in settings::names() {
        let is_there =
            given.contains(name) || name == "query_timeout" || name == "client_idle_timeout";
        assert!(is_there || name == "auth_query", "{name} is in no golden file");
    }
}

#[test]
fn values_have_our_units_and_bounds() {
    for (line, key, expected) in [
        ("query_timeout = 1.5", "query_timeout_ms", "1500"),
        ("query_timeout = 0", "query_timeout_ms", "0"),
        ("transaction_timeout = 0.0001", "transaction_timeout_ms", "1"),
        ("query_wait_timeout = 0", "acquire_timeout_ms", "86400000"),
        ("server_idle_timeout = 0", "idle_timeout_ms", "86400000"),
        ("server_lifetime = 7200", "max_lifetime_ms", "7200000"),
        ("server_lifetime = 0", "max_uses", "1"),
        ("default_pool_size = 010", "max", "8"),
        ("default_pool_size = 0x10", "max", "16"),
        ("default_pool_size = 0", "max", "262143"),
        ("min_pool_size = 30", "min", "20"),
        ("max_client_conn = 30000", "queue_len_max", "30000"),
        ("pool_mode = SESSION", "mode", "\"session\""),
        ("verbose = 1", "level", "\"debug\""),
        ("server_check_query =", "test_while_idle", "false"),
        ("unix_socket_dir = /x", "unix_socket_dir", "\"/x\""),
        ("admin_users = a , \"b\",", "users", "[\"a\", \"b\"]"),
    ] {
        let text = format!("[databases]\n* = host=h\n[pgbouncer]\nlisten_addr = *\n{line}\n");
        let import = Scratch::new("units", &text).import().unwrap();
        let start = format!("{key} = {expected}");
        let found =
            import.text.lines().any(|line| line.split('#').next().unwrap().trim_end() == start);
        assert!(found, "{line}: {start} is not in\n{}", import.text);
        assert!(import.left.is_empty(), "{line}: {:?}", import.left);
        config(&import);
    }
}

#[test]
fn what_pgbouncer_would_refuse_is_refused_with_file_and_line() {
    for (text, at, what) in [
        ("[pgbouncer\n", 1, "ends with ]"),
        ("a = 1\n", 1, "before any [section]"),
        ("[pgbouncer]\n\nlisten_port\n", 3, "not followed by ="),
        ("[pgbouncer]\n= 1\n", 2, "key = value"),
        ("[pgbouncer]\nlisten_port = x\n", 2, "whole number"),
        ("[pgbouncer]\nlisten_port = 0\n", 2, "1 to 65535"),
        ("[pgbouncer]\nquery_timeout = -1s\n", 2, "whole number"),
        ("[pgbouncer]\nquery_timeout = soon\n", 2, "in seconds"),
        ("[pgbouncer]\npool_mode = maybe\n", 2, "session, transaction, statement"),
        ("[pgbouncer]\nauth_type = guess\n", 2, "scram-sha-256"),
        ("[pgbouncer]\nclient_tls_sslmode = require\n", 2, "client_tls_cert_file"),
        ("[bouncer]\na = 1\n", 2, "no section [bouncer]"),
        ("[databases]\npgbouncer = host=x\n", 2, "console"),
        ("[databases]\na = host\n", 2, "not followed by ="),
        ("[databases]\na = host=h password='x\n", 2, "quote does not end"),
        ("[databases]\na = password=\n", 2, "value of password is empty"),
        ("[databases]\n\"a = host=x\n", 2, "quote unusual names"),
        ("[pgbouncer]\n%include nowhere.ini\n", 2, "nowhere.ini"),
        ("[pgbouncer]\n%include pgbouncer.ini\n", 2, "circle"),
    ] {
        let scratch = Scratch::new("refused", text);
        let error = scratch.import().unwrap_err().to_string();
        assert!(
            error.contains(what) && error.contains(&format!("pgbouncer.ini:{at}")),
            "{text}: {error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    let missing = import(Path::new("/nowhere/x.ini"), Keeping::Nowhere).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read /nowhere/x.ini: "), "{missing}");
}

#[test]
fn comments_blanks_quotes_duplicates_and_includes_are_read_as_by_pgbouncer() {
    let scratch = Scratch::new(
        "form",
        "; comment\r\n  # another\r\n[databases]\r\n  \"a b\" =  dbname = 'x ''y'''   host=h  \r\n\
         twice = host=h dbname=one\n[pgbouncer] listen_addr = 1.2.3.4 ; not a comment\n\
         listen_addr=5.6.7.8\n%include more.ini\n\n\tquery_timeout =\t4 \n[databases]\n\
         twice = host=h dbname=two\n",
    );
    scratch.file("more.ini", "listen_port = 7000\n# end");
    let import = scratch.import().unwrap();
    let config = config(&import);
    assert_eq!((config.listen.host.as_str(), config.listen.port), ("5.6.7.8", 7000));
    assert_eq!(config.pool.timeouts.query.unwrap().as_secs(), 4);
    let names: Vec<_> =
        config.databases.iter().map(|own| (own.name.as_str(), own.dbname.as_deref())).collect();
    assert_eq!(names, [("a b", Some("x 'y'")), ("twice", Some("two"))]);
}

#[test]
fn what_the_fallback_has_of_its_own_does_not_reach_listed_databases() {
    let text = "[databases]\n* = host=h pool_size=3 min_pool_size=9 pool_mode=transaction\n\
                big = host=h pool_size=50\nplain = host=h\n[pgbouncer]\nlisten_addr=*\n";
    let config = config(&Scratch::new("fallback", text).import().unwrap());
    assert_eq!((config.pool.max, config.pool.min), (3, 3));
    let own: Vec<_> = config.databases.iter().map(|own| (own.own.max, own.own.min)).collect();
    assert_eq!(own, [(Some(50), Some(0)), (Some(20), Some(0))]);
    let modes: Vec<_> = config.databases.iter().map(|own| own.own.mode).collect();
    assert_eq!(modes, [Some(crate::pool::PoolMode::Session); 2]);
}

#[test]
fn users_are_read_with_their_quotes_and_never_shown() {
    let scratch = Scratch::new(
        "users",
        "[databases]\n* = host=h auth_user=asker\n[pgbouncer]\nlisten_addr=*\nauth_file=list\n",
    );
    scratch.file(
        "list",
        ";comment\n\"o\"\"dd/name\" \"p\"\"w\" more\n\"o_\"\"dd_name\" \"x\"\n\"empty\" \"\"\n\
         \"asker\" \"md54a0a68b43b6cd5cf266fa02f196e2371\"\n\"torn\" \"SCRAM-SHA-256$4096:x\"\n",
    );
    let import = scratch.import().unwrap();
    let files: Vec<_> = import.secrets.iter().map(|file| (&*file.name, &*file.text)).collect();
    assert_eq!(files, [("o_dd_name.password", "p\"w\n"), ("o__dd_name.password", "x\n")]);
    let lines = left(&import);
    let starts = [
        "auth_file empty = ...: it has no password",
        "auth_file asker = ...: a verifier",
        "auth_file torn",
    ];
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(lines.len(), 3, "{lines:?}");

    scratch.file("list", "\"a\" \"b\"\nnobody \"secret\"\n");
    let error = scratch.import().unwrap_err().to_string();
    assert!(error.contains("list:2") && !error.contains("secret"), "{error}");
    fs::remove_file(scratch.0.join("list")).unwrap();
    let error = scratch.import().unwrap_err().to_string();
    assert!(error.contains("named in") && error.contains("pgbouncer.ini:5"), "{error}");
}

#[test]
fn two_users_never_share_a_file() {
    let scratch = Scratch::new(
        "same",
        "[databases]\n* = host=h\n[pgbouncer]\nlisten_addr=*\nauth_file=list\n",
    );
    scratch.file("list", "\"a.b\" \"1\"\n\"a:b\" \"2\"\n\"a b\" \"3\"\n");
    let import = scratch.import().unwrap();
    let files: Vec<_> = import.secrets.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["a_b.password", "a_b-2.password", "a_b-3.password"]);
}
