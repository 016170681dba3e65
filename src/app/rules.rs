//! Which rules hold where: the built-in ones, those of the deployment over them, then those of
//! the organisations from the highest down. Looked through at start, frozen with each session.

use std::path::PathBuf;

use thiserror::Error;

use crate::config::Config;
use crate::domain::OrgId;
use crate::domain::rules::{Frozen, Layer, Rules, RulesError};
use crate::http::error::ApiError;
use crate::store::{Store, StoreError};

/// What the operator has to mend before the server starts.
#[derive(Debug, Error)]
pub enum RulesStartError {
    #[error("规则文件 {path} 无法读取：{source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("规则有误，请改正后再启动。{0}")]
    Wrong(#[from] RulesError),
    #[error("数据库无法使用：{0}")]
    Store(#[from] StoreError),
}

/// The deployment's own layer, if any.
#[derive(Debug, Clone, Default)]
pub struct RulesBook {
    deployment: Option<Layer>,
}

/// The rules of an organisation cannot be had.
#[derive(Debug, Error)]
pub enum RulesOfOrgError {
    #[error(transparent)]
    Wrong(#[from] RulesError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RulesOfOrgError> for ApiError {
    fn from(error: RulesOfOrgError) -> Self {
        match error {
            RulesOfOrgError::Store(error) => error.into(),
            RulesOfOrgError::Wrong(wrong) => {
                Self::validation(format!("本组织的会议规则有误，请联系管理员改正：{wrong}"))
            }
        }
    }
}

impl RulesBook {
    /// Reads the deployment's file and looks through it and the rules of all organisations.
    ///
    /// # Errors
    /// The file, the organisation and the place of the mistake.
    pub async fn load(config: &Config, store: &Store) -> Result<Self, RulesStartError> {
        let deployment = match &config.rules {
            None => None,
            Some(path) => {
                let read = tokio::fs::read_to_string(path).await;
                let text = read
                    .map_err(|source| RulesStartError::Unreadable { path: path.clone(), source })?;
                Some(Layer { name: format!("规则文件 {}", path.display()), text })
            }
        };
        let book = Self { deployment };
        Rules::freeze(book.deployment.as_slice())?;
        for org in store.org_rules().orgs().await? {
            Rules::freeze(&book.layers(store, org).await?)?;
        }
        Ok(book)
    }

    /// What holds for sessions that the organisation opens now.
    ///
    /// # Errors
    /// When the store fails, or somebody changed rules past the server.
    pub async fn of_org(&self, store: &Store, org: OrgId) -> Result<Frozen, RulesOfOrgError> {
        Ok(Rules::freeze(&self.layers(store, org).await?)?)
    }

    /// The same if the organisation's own rules were these.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn with_own(
        &self,
        store: &Store,
        org: OrgId,
        own: &str,
    ) -> Result<Frozen, RulesOfOrgError> {
        let chain = store.org_rules().chain(org).await?;
        let above = chain.into_iter().filter(|rules| rules.org != org);
        let mut layers: Vec<Layer> = self.deployment.clone().into_iter().collect();
        layers.extend(above.map(|rules| Layer { name: rules.org_name, text: rules.body }));
        if !own.trim().is_empty() {
            layers.push(Layer { name: "本组织".into(), text: own.to_owned() });
        }
        Ok(Rules::freeze(&layers)?)
    }

    async fn layers(&self, store: &Store, org: OrgId) -> Result<Vec<Layer>, StoreError> {
        let chain = store.org_rules().chain(org).await?;
        let mut layers: Vec<Layer> = self.deployment.clone().into_iter().collect();
        layers.extend(
            chain.into_iter().map(|rules| Layer { name: rules.org_name, text: rules.body }),
        );
        Ok(layers)
    }
}
