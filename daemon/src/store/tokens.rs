//! Who may attach over TCP. Only hashes of tokens are kept.

use sqlx::FromRow;
use windlass_protocol::time::Timestamp;

use super::{Store, StoreError, sql};

/// What a token may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
}

#[derive(Debug, FromRow)]
struct TokenRow {
    name: String,
    role: String,
    created_at: i64,
}

impl Role {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl TryFrom<TokenRow> for Token {
    type Error = StoreError;

    fn try_from(row: TokenRow) -> Result<Self, StoreError> {
        let role = [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|role| role.word() == row.role)
            .ok_or_else(|| StoreError::Corrupt { what: format!("role {:?}", row.role) })?;
        Ok(Self { name: row.name, role, created_at: Timestamp(row.created_at) })
    }
}

impl Store {
    pub async fn create_token(&self, name: &str, role: Role, sha256: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let made: Option<String> = sqlx::query_scalar(sql!("token_insert"))
            .bind(name)
            .bind(role.word())
            .bind(sha256)
            .bind(now.0)
            .fetch_optional(&mut *writing.tx)
            .await
            .map_err(StoreError::at("token_insert"))?;
        if made.is_none() {
            return Err(StoreError::Conflict {
                why: format!("there is a token named {name:?} already: revoke it first"),
            });
        }
        writing.commit().await
    }

    pub async fn token_by_hash(&self, sha256: &str) -> Result<Option<Token>, StoreError> {
        let row: Option<TokenRow> = sqlx::query_as(sql!("token_find"))
            .bind(sha256)
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::at("token_find"))?;
        row.map(Token::try_from).transpose()
    }

    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let rows: Vec<TokenRow> =
            sqlx::query_as(sql!("token_list")).fetch_all(&self.pool).await.map_err(StoreError::at("token_list"))?;
        rows.into_iter().map(Token::try_from).collect()
    }

    pub async fn revoke_token(&self, name: &str) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let gone: Option<String> = sqlx::query_scalar(sql!("token_delete"))
            .bind(name)
            .fetch_optional(&mut *writing.tx)
            .await
            .map_err(StoreError::at("token_delete"))?;
        if gone.is_none() {
            return Err(StoreError::Missing { what: format!("token named {name:?}") });
        }
        writing.commit().await
    }
}
