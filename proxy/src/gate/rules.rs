//! Who is let in: a list of rules, of which the first that matches decides.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::gate::network::Network;
use crate::gate::visitor::{Country, Entrance, Visitor};

/// What a rule says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Come in.
    #[default]
    Allow,
    /// Stay out.
    Deny,
}

/// Which visitors something is about. A list that is empty is about all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Where they come from.
    pub networks: Vec<Network>,
    /// From which country.
    pub countries: Vec<Country>,
    /// By which door; none is by any.
    pub entrance: Option<Entrance>,
    /// Who they are to whoever is in front of the proxy; `*` at the beginning stands for anything.
    pub identities: Vec<String>,
    /// Who they want to be.
    pub users: Vec<String>,
    /// Where they want to go.
    pub databases: Vec<String>,
}

impl About {
    /// True when it is about this visitor. One whose address or country is not known is in no list of those.
    pub fn includes(&self, visitor: &Visitor) -> bool {
        let Self { networks, countries, entrance, identities, users, databases } = self;
        let is_named =
            |pattern: &String| visitor.identity.as_ref().is_some_and(|name| matches(pattern, name));
        let is_from = |network: &Network| visitor.address.is_some_and(|at| network.contains(at));
        (networks.is_empty() || networks.iter().any(is_from))
            && (countries.is_empty() || visitor.country.is_some_and(|at| countries.contains(&at)))
            && entrance.is_none_or(|entrance| entrance == visitor.entrance)
            && (identities.is_empty() || identities.iter().any(is_named))
            && (users.is_empty() || users.contains(&visitor.user))
            && (databases.is_empty() || databases.contains(&visitor.database))
    }
}

/// Names of identities are compared without regard to case, as email addresses are in practice.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('*') {
        None => pattern.eq_ignore_ascii_case(name),
        Some(end) => name
            .len()
            .checked_sub(end.len())
            .and_then(|at| name.get(at..))
            .is_some_and(|found| found.eq_ignore_ascii_case(end)),
    }
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What operators call it.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// To whom.
    pub about: About,
}

/// All rules, and how often each has decided.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<(Rule, AtomicU64)>,
    otherwise: Verdict,
}

impl Rules {
    /// These rules, and what holds where none of them matches.
    pub fn new(rules: Vec<Rule>, otherwise: Verdict) -> Self {
        let rules = rules.into_iter().map(|rule| (rule, AtomicU64::new(0))).collect();
        Self { rules, otherwise }
    }

    /// Whether the visitor may come in.
    ///
    /// # Errors
    /// The name of the rule that keeps it out; none when no rule lets it in.
    pub fn judge(&self, visitor: &Visitor) -> Result<(), Option<String>> {
        let decides = self.rules.iter().find(|(rule, _)| rule.about.includes(visitor));
        let Some((rule, count)) = decides else {
            return if self.otherwise == Verdict::Allow { Ok(()) } else { Err(None) };
        };
        count.fetch_add(1, Ordering::Relaxed);
        match rule.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny => Err(Some(rule.name.clone())),
        }
    }

    /// Each rule, and how often it has decided.
    pub fn counted(&self) -> impl Iterator<Item = (&Rule, u64)> {
        self.rules.iter().map(|(rule, count)| (rule, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(address: &str, country: &str, user: &str) -> Visitor {
        Visitor {
            address: address.parse().ok(),
            country: country.parse().ok(),
            entrance: Entrance::Direct,
            identity: None,
            user: user.to_owned(),
            database: "app".to_owned(),
        }
    }

    #[test]
    fn identities_are_names_or_ends_of_names() {
        for (pattern, name, fits) in [
            ("ann@example.com", "Ann@Example.com", true),
            ("ann@example.com", "joann@example.com", false),
            ("*@example.com", "ann@example.com", true),
            ("*@example.com", "ann@example.com.evil", false),
            ("*@example.com", "com", false),
            ("*", "é", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let office = About { networks, ..About::default() };
        let countries = vec!["DE".parse().unwrap()];
        let home = About { countries, users: vec!["alice".to_owned()], ..About::default() };
        let rule = |name: &str, verdict, about| Rule { name: name.to_owned(), verdict, about };
        let intruder = About { users: vec!["mallory".to_owned()], ..About::default() };
        let rules = Rules::new(
            vec![
                rule("no mallory", Verdict::Deny, intruder),
                rule("office", Verdict::Allow, office),
                rule("alice at home", Verdict::Allow, home),
            ],
            Verdict::Deny,
        );
        for (address, country, user, outcome) in [
            ("10.1.2.3", "", "bob", Ok(())),
            ("10.1.2.3", "", "mallory", Err(Some("no mallory".to_owned()))),
            ("8.8.8.8", "DE", "alice", Ok(())),
            ("8.8.8.8", "DE", "bob", Err(None)),
            ("8.8.8.8", "FR", "alice", Err(None)),
            ("", "", "alice", Err(None)),
        ] {
            assert_eq!(rules.judge(&visitor(address, country, user)), outcome, "{address} {user}");
        }
        let counts: Vec<u64> = rules.counted().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 1, 1]);
        let open = Rules::default();
        assert_eq!(open.judge(&visitor("8.8.8.8", "", "bob")), Ok(()));
    }
}
