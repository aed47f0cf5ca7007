//! Who may log in: `auth_*`, the userlist, and who may use the console.

use super::databases::{FALLBACK, NO_FILES, WITH_FILES, server_of};
use super::numbers::word;
use super::settings::default_of;
use super::source::Given;
use super::userlist::{self, Entry, Secret};
use super::{Carrier, ImportError};
use crate::session::auth::Check;

const TYPES: [&str; 10] =
    ["md5", "scram-sha-256", "plain", "trust", "any", "cert", "hba", "ldap", "pam", "peer"];

pub(super) fn carry(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    auth_type(carrier)?;
    let asker = for_all(carrier, "auth_user");
    match asker.value.as_str() {
        "" => carrier.set("auth.user", "", "auth_user is not set: nobody is asked"),
        user => carrier.set("auth.user", user, &asker.origin()),
    }
    if !asker.value.is_empty() {
        query(carrier)?;
    }
    users(carrier, &asker.value)?;
    console(carrier, "admin_users", "admin.users");
    if !carrier.setting("stats_users").value.is_empty() {
        console(carrier, "stats_users", "admin.stats_users");
    }
    Ok(())
}

fn auth_type(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    let given = carrier.setting("auth_type");
    let kind = word(&given, &TYPES)?;
    match kind {
        "scram-sha-256" => {}
        "md5" | "plain" => {
            let why = "clients are asked for SCRAM-SHA-256, and for md5 where a verifier is md5";
            carrier.pass_over(&given, why);
        }
        _ => {
            let why = "clients log in by password";
            carrier.leave(&given, why, "give users passwords; let the firewall keep addresses out");
        }
    }
    for (name, of) in
        [("auth_hba_file", "hba"), ("auth_ident_file", "hba"), ("auth_ldap_options", "ldap")]
    {
        let mut file = carrier.setting(name);
        if file.is_default() {
            continue;
        }
        if name == "auth_ldap_options" {
            // It may hold a password.
            "...".clone_into(&mut file.value);
        }
        match kind == of {
            true => carrier.leave(
                &file,
                "clients log in by password from anywhere",
                "let the firewall keep addresses out",
            ),
            false => carrier.pass_over(&file, "auth_type does not use it"),
        }
    }
    Ok(())
}

/// A setting that databases may have instead. One that is not set for all and the same wherever it is set holds for all;
/// what differs is left out.
fn for_all(carrier: &mut Carrier<'_>, name: &'static str) -> Given {
    let source = carrier.source;
    let own: Vec<_> =
        source.databases.iter().filter_map(|item| item.get("databases", name)).collect();
    let given = source.setting(name, "");
    let given = match own.first() {
        Some(first) if given.is_default() => first.clone(),
        _ => given,
    };
    for other in own.iter().filter(|other| other.value != given.value) {
        let why = format!("there is one {name} for all databases");
        carrier.leave(other, &why, &format!("{} was written", given.value));
    }
    given
}

/// The query and the database that it runs in. PgBouncer runs it in the client's own unless it is told otherwise.
fn query(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    let query = for_all(carrier, "auth_query");
    let is_own = !query.is_default() && query.value != default_of("auth_query");
    if is_own {
        carrier.set("auth.query", query.value.as_str(), &query.origin());
    }
    let name = for_all(carrier, "auth_dbname");
    let databases = &carrier.source.databases;
    if !name.is_default() {
        let entry = databases.iter().find(|item| item.name == name.value);
        let dbname = entry.and_then(|item| item.text("dbname")).unwrap_or(&name.value);
        carrier.set("server.dbname", dbname, &name.origin());
    } else if is_own {
        query_database(carrier, &query)?;
    }
    Ok(())
}

fn query_database(carrier: &mut Carrier<'_>, query: &Given) -> Result<(), ImportError> {
    let databases = &carrier.source.databases;
    let fallback = databases.iter().find(|item| item.name == FALLBACK);
    let main = fallback.or(databases.first()).map(|item| server_of(carrier, item)).transpose()?;
    for item in databases.iter().filter(|item| item.name != FALLBACK) {
        if Some(server_of(carrier, item)?) == main {
            let dbname = item.text("dbname").unwrap_or(&item.name).to_owned();
            let from = "auth_query runs here, for clients of all databases";
            carrier.set("server.dbname", dbname, from);
            return Ok(());
        }
    }
    let why = "it runs in one database, and none is known";
    carrier.leave(query, why, "name in server.dbname one where it works; postgres otherwise");
    Ok(())
}

fn users(carrier: &mut Carrier<'_>, asker: &str) -> Result<(), ImportError> {
    let file = carrier.setting("auth_file");
    if file.value.is_empty() {
        return Ok(());
    }
    let path = carrier.source.file(&file);
    for entry in userlist::read(&path, file.place.as_ref())? {
        match entry.name == asker {
            true => own_password(carrier, entry),
            false => user(carrier, entry),
        }
    }
    Ok(())
}

/// The password of the user who asks for others' verifiers.
fn own_password(carrier: &mut Carrier<'_>, entry: Entry) {
    match entry.secret {
        Secret::None => {}
        Secret::Plain(text) if fits_a_file(&text) => {
            match carrier.keep(&entry.name, "password", &text) {
                Some(path) => carrier.set("auth.password_file", path, "from auth_file"),
                None => leave_user(carrier, &entry.name, NO_FILES, WITH_FILES),
            }
        }
        Secret::Plain(_) => leave_user(carrier, &entry.name, ODD, "change it"),
        Secret::Verifier(_) => {
            let why = "a verifier logs in to no server";
            leave_user(
                carrier,
                &entry.name,
                why,
                "write the password into a file, and its name into auth.password_file",
            );
        }
    }
}

const ODD: &str = "the password has a line break";

fn user(carrier: &mut Carrier<'_>, entry: Entry) {
    let name = &entry.name;
    let (key, text) = match entry.secret {
        Secret::None => {
            let instead = "give it a password if it is to log in";
            return leave_user(carrier, name, "it has no password", instead);
        }
        Secret::Plain(text) if !fits_a_file(&text) => {
            return leave_user(carrier, name, ODD, "change it");
        }
        Secret::Verifier(text) if Check::verifier(text.clone()).is_none() => {
            let instead = "take what pg_authid.rolpassword holds";
            return leave_user(carrier, name, "its verifier is not whole", instead);
        }
        Secret::Plain(text) => ("password", text),
        Secret::Verifier(text) => ("verifier", text),
    };
    match carrier.keep(name, key, &text) {
        Some(path) => {
            let note = if key == "verifier" { "the server has to have the same" } else { "" };
            let table = carrier.document.push("auth.users");
            table.set("name", name.as_str(), "");
            table.set(&format!("{key}_file"), path, note);
        }
        None => leave_user(carrier, name, NO_FILES, WITH_FILES),
    }
}

fn fits_a_file(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0'])
}

fn leave_user(carrier: &mut Carrier<'_>, name: &str, why: &str, instead: &str) {
    let given = Given { name: format!("auth_file {name}"), value: "...".into(), place: None };
    carrier.leave(&given, why, instead);
}

fn console(carrier: &mut Carrier<'_>, theirs: &'static str, ours: &str) {
    let given = carrier.setting(theirs);
    let names = given.value.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<_> = names.map(|name| toml::Value::from(name.trim_matches('"'))).collect();
    let from = if given.value.is_empty() { format!("{theirs} is empty") } else { given.origin() };
    carrier.set(ours, names, &from);
}
