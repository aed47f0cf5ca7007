//! What steps need that is not among themselves: steps of other ledgers, and the extension.

use tokio_postgres::{Client, Transaction};

use crate::extension;
use crate::ledger::Ledger;
use crate::reply::reply;
use crate::{Header, MigrateError, Settings, Version};

const DOING: &str = "looking for what the steps need";

const DEPENDENTS: &str = "
    SELECT ledger || ':' || version FROM taskmaster_migrations.requirements
     WHERE required_ledger = $1 AND required_version = $2 LIMIT 1";

const REQUIRE: &str = "
    INSERT INTO taskmaster_migrations.requirements VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

const RELEASE: &str =
    "DELETE FROM taskmaster_migrations.requirements WHERE ledger = $1 AND version = $2";

/// Whether the steps that are to be applied find what they need.
///
/// # Errors
/// [`MigrateError::Unmet`]; [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn check(
    client: &Client,
    steps: &[(Version, Header)],
    settings: &Settings,
) -> Result<(), MigrateError> {
    for (version, header) in steps {
        let unmet = |reason: String| Err(MigrateError::Unmet { version: *version, reason });
        for (references, wanted) in [(&header.requires, true), (&header.conflicts, false)] {
            for reference in references {
                let Some(schema) = &reference.ledger else { continue };
                let applied = Ledger::project(schema).read(client, settings).await?;
                let there = applied.iter().any(|row| row.version == reference.version);
                if there != wanted {
                    return unmet(if wanted {
                        format!("requires {reference}, which is not applied")
                    } else {
                        format!("conflicts with {reference}, which is applied")
                    });
                }
            }
        }
        if let Some(least) = &header.extension {
            let installed =
                extension::read(client, DOING, settings).await?.map(|found| found.installed);
            if installed.as_deref().is_none_or(|installed| numbers(installed) < numbers(least)) {
                let found =
                    installed.map_or("is not installed".to_owned(), |found| format!("is {found}"));
                return unmet(format!("requires extension taskmaster {least}, which {found}"));
            }
        }
    }
    Ok(())
}

/// Whether a step may be reverted: none of another ledger requires it.
///
/// # Errors
/// As [`check`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn check_dependents(
    client: &Client,
    ledger: &Ledger,
    version: Version,
    settings: &Settings,
) -> Result<(), MigrateError> {
    match reply(
        DOING,
        settings.reply_timeout(),
        client.query_opt(DEPENDENTS, &[&ledger.schema, &version.to_string()]),
    )
    .await?
    {
        Some(row) => {
            let reason = format!("is required by {}, which is applied", row.get::<_, String>(0));
            Err(MigrateError::Unmet { version, reason })
        }
        None => Ok(()),
    }
}

/// Remembers what a step requires of other ledgers, in the transaction that applies it.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn remember(
    transaction: &Transaction<'_>,
    ledger: &Ledger,
    version: Version,
    header: &Header,
    settings: &Settings,
) -> Result<(), MigrateError> {
    for reference in &header.requires {
        let Some(other) = &reference.ledger else { continue };
        let (own, required) = (version.to_string(), reference.version.to_string());
        reply(
            DOING,
            settings.reply_timeout(),
            transaction.execute(REQUIRE, &[&ledger.schema, &own, other, &required]),
        )
        .await?;
    }
    Ok(())
}

/// Forgets it, in the transaction that reverts the step.
///
/// # Errors
/// As [`remember`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn release(
    transaction: &Transaction<'_>,
    ledger: &Ledger,
    version: Version,
    settings: &Settings,
) -> Result<(), MigrateError> {
    reply(
        DOING,
        settings.reply_timeout(),
        transaction.execute(RELEASE, &[&ledger.schema, &version.to_string()]),
    )
    .await
    .map(|_rows| ())
}

/// `0.10.1` as numbers, so that it comes after `0.9`.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("0.10") > numbers("0.9.9"));
        assert!(numbers("0.3") < numbers("0.3.1"));
        assert_eq!(numbers("1.2-rc3"), [1, 2, 3]);
    }
}
