//! Waiting for an answer of the server, never for good.

use std::time::Duration;

use crate::MigrateError;

/// The answer to something that is not a step's statement.
///
/// # Errors
/// [`MigrateError::Server`] with what was being done; [`MigrateError::NoAnswer`] after `limit`.
///
/// # Cancel safety
/// That of `answer`.
pub(crate) async fn reply<T>(
    doing: &'static str,
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, MigrateError> {
    let answer = answered(doing, limit, answer).await?;
    answer.map_err(|error| MigrateError::server(doing, &error))
}

/// What `answer` gives, if it does within `limit`.
///
/// # Errors
/// [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// That of `answer`.
pub(crate) async fn answered<T>(
    doing: &'static str,
    limit: Duration,
    answer: impl Future<Output = T>,
) -> Result<T, MigrateError> {
    let late = |_elapsed| MigrateError::NoAnswer { doing, after: limit };
    tokio::time::timeout(limit, answer).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_not_waited_for() {
        let never = std::future::pending::<Result<(), tokio_postgres::Error>>();
        let error = reply("asking", Duration::from_millis(1), never).await.unwrap_err();
        assert_eq!(error.to_string(), "asking: no answer within 1ms");
    }
}
