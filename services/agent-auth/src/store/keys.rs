//! Table `signing_key`, and the first account.

use crate::{
    account::NewAdmin,
    key::{ALGORITHM, KeyRow, NewKey},
    store::Store,
};
use secrecy::ExposeSecret as _;
use switchboard_db::{DbError, Statement, Tx, sql};

impl Store {
    /// Whether there is an account and a key.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn has_begun(&self) -> Result<bool, DbError> {
        const HAS_BEGUN: &str = "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM signing_key)
            AND EXISTS (SELECT 1 FROM agent) THEN 1 ELSE 0 END AS BIGINT)";
        let (begun,) = self.db.fetch_one::<(i64,)>(sql(HAS_BEGUN)).await?;
        Ok(begun == 1)
    }

    /// Stores `key` where there is none and `admin` where there is no account; answers whether `admin` is stored. May
    /// be repeated with the same two when the outcome is unknown.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn begin(&self, key: NewKey, admin: NewAdmin) -> Result<bool, DbError> {
        // Only one admin can be the first: replicas that come at once have waited at the key for whoever came first.
        const INSERT_ADMIN: &str =
            "INSERT INTO agent (id, username, username_key, display_name, password_hash, role,
                must_change_password, created_at, updated_at, password_changed_at, status_at)
            SELECT $1, $2, $3, $2, $4, 'admin', $5, $6, $6, $6, $6
            WHERE NOT EXISTS (SELECT 1 FROM agent) ON CONFLICT DO NOTHING";
        const IS_STORED: &str = "SELECT COUNT(*) FROM agent WHERE id = $1";
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    tx.execute(insert_key(&key, 1)).await?;
                    let insert_admin = sql(INSERT_ADMIN)
                        .bind(admin.id.to_string())
                        .bind(admin.username.as_str())
                        .bind(admin.username.key())
                        .bind(admin.password_hash.expose_secret())
                        .bind(admin.must_change_password)
                        .bind(admin.created_at.millis());
                    tx.execute(insert_admin).await?;
                    let (stored,) = tx.fetch_one::<(i64,)>(sql(IS_STORED).bind(admin.id.to_string())).await?;
                    Ok(stored == 1)
                })
            })
            .await
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// Any [`DbError`] of a read.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRow>, DbError> {
        const KEYS: &str =
            "SELECT kid, generation, private_key, public_x, not_before, retired_at FROM signing_key
            ORDER BY generation";
        self.db.fetch_all(sql(KEYS)).await
    }

    /// Stores `key` as the one of `generation`, which retires all before it from when it signs; answers `false` when
    /// somebody else has made that generation.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn succeed(&self, key: NewKey, generation: i64) -> Result<bool, DbError> {
        self.db.transaction(move |tx| Box::pin(succeed(tx, key, generation))).await
    }

    /// Deletes a key for ever.
    ///
    /// # Errors
    /// Any [`DbError`] of a transaction.
    pub(crate) async fn forget(&self, kid: &str) -> Result<(), DbError> {
        const FORGET: &str = "DELETE FROM signing_key WHERE kid = $1";
        let statement = sql(FORGET).bind(kid);
        self.db.transaction(move |tx| Box::pin(async move { tx.execute(statement).await.map(drop) })).await
    }
}

async fn succeed(tx: &mut Tx, key: NewKey, generation: i64) -> Result<bool, DbError> {
    const RETIRE: &str =
        "UPDATE signing_key SET retired_at = $1 WHERE generation < $2 AND retired_at IS NULL";
    if tx.execute(insert_key(&key, generation)).await? == 0 {
        return Ok(false);
    }
    tx.execute(sql(RETIRE).bind(key.not_before.millis()).bind(generation)).await?;
    Ok(true)
}

/// Inserts a key unless there is one of its generation or of a later one.
fn insert_key(key: &NewKey, generation: i64) -> Statement {
    const INSERT: &str =
        "INSERT INTO signing_key (kid, generation, algorithm, private_key, public_x, created_at,
            not_before)
        SELECT $1, $2, $3, $4, $5, $6, $7
        WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE generation >= $2) ON CONFLICT DO NOTHING";
    sql(INSERT)
        .bind(key.kid.as_str())
        .bind(generation)
        .bind(ALGORITHM)
        .bind(key.private_key.expose_secret())
        .bind(key.public_x.as_str())
        .bind(key.created_at.millis())
        .bind(key.not_before.millis())
}
