//! Webhooks: stored before they are answered, worked on later, listed with what came of them.

use std::collections::HashSet;

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::time::Timestamp;

use super::{NoReplay, Store, StoreError, sql, text, unsigned};
use crate::failpoint;

/// Webhooks that `delivery_insert_many` stores at once.
const MANY: usize = 16;

/// A webhook to be stored.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub id: String,
    pub event: String,
    pub action: Option<String>,
    pub repository: Option<String>,
    pub body_sha256: String,
    /// Kept while it is pending: what is ignored from the start needs none.
    pub body: String,
    pub received_at: Timestamp,
    pub state: DeliveryState,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Something comes of it, or came.
    Accepted,
    Ignored,
}

/// Whether it was new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    New,
    /// Seen before, as the delivery of this id.
    Duplicate {
        of: String,
    },
}

/// A webhook that waits to be worked on.
#[derive(Debug, Clone, FromRow)]
pub struct PendingDelivery {
    pub delivery_id: String,
    pub event: String,
    pub repository: Option<String>,
}

/// A delivery as lists show it.
#[derive(Debug, Clone)]
pub struct StoredDelivery {
    pub id: String,
    pub event: String,
    pub action: Option<String>,
    pub repository: Option<String>,
    pub received_at: Timestamp,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub builds: Vec<u64>,
    pub no_replay: Option<NoReplay>,
}

#[derive(Debug, FromRow)]
struct DeliveryRow {
    delivery_id: String,
    event: String,
    action: Option<String>,
    repository: Option<String>,
    received_at: i64,
    state: String,
    reason: Option<String>,
    settled_at: Option<i64>,
    kept: i64,
    number: Option<i64>,
}

impl DeliveryState {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
        }
    }
}

impl Store {
    /// Stores several webhooks in one transaction: one wait for the disk for all of them. Same order as given.
    pub async fn record_deliveries(&self, deliveries: &[NewDelivery]) -> Result<Vec<Recorded>, StoreError> {
        let mut writing = self.write().await?;
        let mut recorded = Vec::with_capacity(deliveries.len());
        let (many, few) = deliveries.as_chunks::<MANY>();
        for deliveries in many {
            let new = insert(&mut writing.tx, sql!("delivery_insert_many"), deliveries).await?;
            recorded.append(&mut judge(&mut writing.tx, deliveries, new).await?);
        }
        for delivery in few {
            let delivery = std::slice::from_ref(delivery);
            let new = insert(&mut writing.tx, sql!("delivery_insert"), delivery).await?;
            recorded.append(&mut judge(&mut writing.tx, delivery, new).await?);
        }
        failpoint::reached!("inbox.before-commit");
        writing.commit().await?;
        Ok(recorded)
    }

    /// Accepted and not worked on yet, oldest first, a page.
    pub async fn pending_deliveries(&self) -> Result<Vec<PendingDelivery>, StoreError> {
        sqlx::query_as(sql!("delivery_pending")).fetch_all(&self.pool).await.map_err(StoreError::at("delivery_pending"))
    }

    /// What was sent, byte for byte.
    pub async fn delivery_body(&self, id: &str) -> Result<String, StoreError> {
        let body: Option<String> = sqlx::query_scalar(sql!("delivery_body"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::at("delivery_body"))?;
        body.ok_or_else(|| StoreError::Missing { what: format!("delivery {id}") })
    }

    /// Nothing comes of it after all, and why. What makes builds is settled by `create_build`.
    pub async fn ignore_delivery(&self, id: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(sql!("delivery_settle"))
            .bind(id)
            .bind(DeliveryState::Ignored.word())
            .bind(reason)
            .bind(now.0)
            .execute(&mut *writing.tx)
            .await
            .map_err(StoreError::at("delivery_settle"))?;
        writing.commit().await
    }

    /// The newest first.
    pub async fn deliveries(&self, limit: u32) -> Result<Vec<StoredDelivery>, StoreError> {
        let rows: Vec<DeliveryRow> = sqlx::query_as(sql!("delivery_list"))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("delivery_list"))?;
        let mut list: Vec<StoredDelivery> = Vec::new();
        for row in rows {
            if list.last().is_none_or(|last| last.id != row.delivery_id) {
                list.push(StoredDelivery {
                    no_replay: NoReplay::of(&row.state, row.settled_at.is_some(), row.kept != 0),
                    id: row.delivery_id,
                    event: row.event,
                    action: row.action,
                    repository: row.repository,
                    received_at: Timestamp(row.received_at),
                    state: if row.state == "accepted" { DeliveryState::Accepted } else { DeliveryState::Ignored },
                    reason: row.reason,
                    builds: Vec::new(),
                });
            }
            if let (Some(last), Some(number)) = (list.last_mut(), row.number) {
                last.builds.push(unsigned(number));
            }
        }
        Ok(list)
    }
}

/// Stores those that were not seen before; their ids.
async fn insert(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
    deliveries: &[NewDelivery],
) -> Result<HashSet<String>, StoreError> {
    let mut query = sqlx::query_scalar(statement);
    for delivery in deliveries {
        let settled = match delivery.state {
            DeliveryState::Accepted => None,
            DeliveryState::Ignored => Some(delivery.received_at.0),
        };
        query = query
            .bind(&delivery.id)
            .bind(&delivery.event)
            .bind(delivery.action.as_deref().map(text))
            .bind(delivery.repository.as_deref().map(text))
            .bind(&delivery.body_sha256)
            .bind(&delivery.body)
            .bind(delivery.received_at.0)
            .bind(delivery.state.word())
            .bind(delivery.reason.as_deref().map(text))
            .bind(settled);
    }
    let inserted: Vec<String> = query.fetch_all(&mut **tx).await.map_err(StoreError::at("delivery_insert"))?;
    Ok(inserted.into_iter().collect())
}

/// What to say of each, when those in `new` are stored now.
async fn judge(
    tx: &mut Transaction<'static, Any>,
    deliveries: &[NewDelivery],
    mut new: HashSet<String>,
) -> Result<Vec<Recorded>, StoreError> {
    let mut recorded = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        // Of two with one id the first is the new one.
        if new.remove(&delivery.id) {
            recorded.push(Recorded::New);
            continue;
        }
        let of: String = sqlx::query_scalar(sql!("delivery_seen"))
            .bind(&delivery.id)
            .bind(&delivery.event)
            .bind(&delivery.body_sha256)
            .fetch_one(&mut **tx)
            .await
            .map_err(StoreError::at("delivery_seen"))?;
        let again = delivery.state == DeliveryState::Accepted && revive(tx, &of, delivery).await?;
        recorded.push(if again { Recorded::New } else { Recorded::Duplicate { of } });
    }
    Ok(recorded)
}

/// Whether the delivery `of`, ignored when it came first, is accepted now that it came again.
async fn revive(tx: &mut Transaction<'static, Any>, of: &str, delivery: &NewDelivery) -> Result<bool, StoreError> {
    let revived: Option<String> = sqlx::query_scalar(sql!("delivery_revive"))
        .bind(of)
        .bind(&delivery.body)
        .bind(delivery.received_at.0)
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("delivery_revive"))?;
    Ok(revived.is_some())
}
