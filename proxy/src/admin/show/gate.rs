//! SHOW LIMITS and SHOW BANS. Pure.

use crate::admin::table::{Column, Kind, Row, row};
use crate::gate::{About, Counted, Each, Entrance, Gate, Limit, Rate, Rule, Verdict};

use Kind::{Int, Text};

/// Rules and rates in one list, because both say who may do what how often.
pub(super) const LIMITS: [Column; 11] = [
    ("name", Text),
    ("kind", Text),
    ("counted", Text),
    ("each", Text),
    ("max", Int),
    ("period_ms", Int),
    ("burst", Int),
    ("about", Text),
    ("tracked", Int),
    ("decided", Int),
    ("refused", Int),
];

pub(super) const BANS: [Column; 4] =
    [("address", Text), ("user", Text), ("left_ms", Int), ("reason", Text)];

/// The rules in their order, then the rates.
pub(super) fn limits(gate: &Gate) -> Vec<Row> {
    let limit = |limit: Limit| match limit {
        Limit::Rule(rule, decided) => of_rule(&rule, decided),
        Limit::Rate(rate, tracked, refused) => of_rate(&rate, tracked, refused),
    };
    gate.limits().into_iter().map(limit).collect()
}

/// The newest first.
pub(super) fn bans(gate: &Gate) -> Vec<Row> {
    let now_ms = gate.now_ms();
    let left = |until_ms: Option<u64>| until_ms.map(|until_ms| until_ms.saturating_sub(now_ms));
    let bans = gate.bans().into_iter();
    bans.map(|(who, ban)| row![who.network.to_string(), who.user, left(ban.until_ms), ban.reason])
        .collect()
}

fn of_rule(rule: &Rule, decided: u64) -> Row {
    let none = None::<u64>;
    let (kind, refused) = match rule.verdict {
        Verdict::Allow => ("allow", 0),
        Verdict::Deny => ("deny", decided),
    };
    let about = about(&rule.about);
    row![rule.name.as_str(), kind, "", "", none, none, none, about, none, decided, refused]
}

fn of_rate(rate: &Rate, tracked: usize, refused: u64) -> Row {
    let counted = match rate.counted {
        Counted::Statements => "statements",
        Counted::Logins => "logins",
    };
    let each = match rate.each {
        Each::Address => "address",
        Each::Identity => "identity",
        Each::User => "user",
        Each::Database => "database",
        Each::All => "all",
    };
    row![
        rate.name.as_str(),
        "rate",
        counted,
        each,
        rate.max.get(),
        rate.period.as_millis(),
        rate.burst.get(),
        about(&rate.about),
        tracked,
        None::<u64>,
        refused,
    ]
}

/// `addresses = 10.0.0.0/8, ::1; users = alice`; empty for all.
fn about(about: &About) -> String {
    let lists = [
        ("addresses", words(&about.networks)),
        ("countries", words(&about.countries)),
        ("entrance", about.entrance.map(entrance).unwrap_or_default().to_owned()),
        ("identities", about.identities.join(", ")),
        ("users", about.users.join(", ")),
        ("databases", about.databases.join(", ")),
    ];
    let given = lists.into_iter().filter(|(_, list)| !list.is_empty());
    given.map(|(name, list)| format!("{name} = {list}")).collect::<Vec<_>>().join("; ")
}

fn entrance(entrance: Entrance) -> &'static str {
    match entrance {
        Entrance::Direct => "direct",
        Entrance::Tunnel => "tunnel",
    }
}

fn words(list: &[impl ToString]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
