//! Working on a stored delivery once more: a delivery of our own that names it. Must not know what a delivery says.

use std::fmt;

use sqlx::FromRow;
use windlass_protocol::time::Timestamp;

use super::deliveries::{DeliveryState, NewDelivery, Recorded};
use super::{HeadRetry, Store, StoreError, sql, text};
use crate::secret::{random_token, sha256_hex};

/// The body of the delivery that asks for another one to be worked on again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Replay {
    /// The delivery's own: two replays are two deliveries.
    pub id: String,
    /// The one that came from outside.
    pub of: String,
    pub by: String,
}

impl Replay {
    /// No webhook becomes one: an event of this name is ignored when it comes from outside.
    pub const EVENT: &str = "replay";
}

/// Why a delivery cannot be worked on once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReplay {
    Pending,
    /// Of what nothing comes only the heads are kept.
    Ignored,
    Old,
}

impl NoReplay {
    pub(super) fn of(state: &str, settled: bool, kept: bool) -> Option<Self> {
        match (settled, kept) {
            (false, _) => Some(Self::Pending),
            (true, true) => None,
            (true, false) if state == DeliveryState::Ignored.word() => Some(Self::Ignored),
            (true, false) => Some(Self::Old),
        }
    }
}

impl fmt::Display for NoReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "it is still being worked on",
            Self::Ignored => "it was ignored when it came, so its content was not kept: let GitHub deliver it again",
            Self::Old => "its content is not kept any more: let GitHub deliver it again",
        })
    }
}

#[derive(Debug, FromRow)]
struct OneRow {
    event: String,
    action: Option<String>,
    repository: Option<String>,
    state: String,
    settled_at: Option<i64>,
    body: String,
}

/// What a delivery says, for whoever works on it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub event: String,
    pub body: String,
}

impl Store {
    /// Asks for a delivery to be worked on once more. It is a delivery like any other, made by us: its id.
    pub async fn replay(&self, delivery: &str, by: &str, now: Timestamp) -> Result<String, StoreError> {
        let mut of = delivery.to_owned();
        let mut row = self.one(&of).await?;
        if row.event == Replay::EVENT {
            // What is replayed is what came from outside, so that a chain of replays never grows.
            if let Ok(replay) = serde_json::from_str::<Replay>(&row.body) {
                of = replay.of;
                row = self.one(&of).await?;
            }
        }
        if let Some(why) = NoReplay::of(&row.state, row.settled_at.is_some(), !row.body.is_empty()) {
            return Err(StoreError::Conflict { why: format!("delivery {of} cannot be replayed: {why}") });
        }
        let id = format!("replay-{}", &random_token()[..16]);
        let body = serde_json::to_string(&Replay { id: id.clone(), of, by: by.to_owned() })
            .expect("a replay is data that always serialises");
        let action = if row.event == HeadRetry::EVENT { row.event } else { joined(&row.event, row.action.as_deref()) };
        let new = NewDelivery {
            id: id.clone(),
            event: Replay::EVENT.to_owned(),
            action: Some(action),
            repository: row.repository,
            body_sha256: sha256_hex(body.as_bytes()),
            body: text(body),
            received_at: now,
            state: DeliveryState::Accepted,
            reason: None,
        };
        match self.record_deliveries(&[new]).await?.as_slice() {
            [Recorded::New] => Ok(id),
            _ => Err(StoreError::Conflict { why: format!("delivery {delivery} is being replayed already") }),
        }
    }

    /// What a delivery said, if that is still kept.
    pub async fn kept_delivery(&self, id: &str) -> Result<Option<Kept>, StoreError> {
        match self.one(id).await {
            Ok(row) if row.body.is_empty() => Ok(None),
            Ok(row) => Ok(Some(Kept { event: row.event, body: row.body })),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn one(&self, id: &str) -> Result<OneRow, StoreError> {
        let row: Option<OneRow> = sqlx::query_as(sql!("delivery_one"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::at("delivery_one"))?;
        row.ok_or_else(|| StoreError::Missing { what: format!("delivery {id}") })
    }
}

/// `pull_request opened`: which event is replayed.
fn joined(event: &str, action: Option<&str>) -> String {
    match action {
        Some(action) => format!("{event} {action}"),
        None => event.to_owned(),
    }
}
