//! Which data folder a database belongs to: logs, job folders and containers are on the one side, what is known of them on
//! the other. Must not know data folders.

use super::{Store, StoreError, sql};

impl Store {
    /// Refuses when it belongs to another data folder than the one that is called `owner`.
    pub async fn belong_to(&self, owner: &str) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(sql!("data_folder_claim"))
            .bind(owner)
            .execute(&mut *writing.tx)
            .await
            .map_err(StoreError::at("data_folder_claim"))?;
        writing.commit().await?;
        self.is_of(Some(owner)).await
    }

    /// Refuses when it belongs to another data folder than this one, or this one is no data folder yet.
    pub async fn is_of(&self, owner: Option<&str>) -> Result<(), StoreError> {
        match self.belongs_to().await? {
            Some(other) if owner != Some(&other) => Err(StoreError::Foreign { other }),
            _ => Ok(()),
        }
    }

    /// `None`: to whatever data folder comes first.
    async fn belongs_to(&self) -> Result<Option<String>, StoreError> {
        let owner = sqlx::query_scalar(sql!("data_folder_of")).fetch_optional(&self.pool);
        owner.await.map_err(StoreError::at("data_folder_of"))
    }

    /// It belongs to the next data folder that comes.
    pub async fn belong_to_nobody(&self) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(sql!("data_folder_forget"))
            .execute(&mut *writing.tx)
            .await
            .map_err(StoreError::at("data_folder_forget"))?;
        writing.commit().await
    }
}
