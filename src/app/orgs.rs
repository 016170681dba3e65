//! The tree of organisations, kept for a moment: every request's policy asks for it, and it
//! changes rarely.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::domain::OrgTree;
use crate::store::{Store, StoreError};

/// Changes made by another process (the command line) are seen after so long.
const FRESH_US: i64 = 5_000_000;

pub struct OrgCache {
    clock: Clock,
    kept: Mutex<Option<(i64, Arc<OrgTree>)>>,
}

impl OrgCache {
    pub fn new(clock: Clock) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// # Errors
    /// When the store fails.
    pub async fn tree(&self, store: &Store) -> Result<Arc<OrgTree>, StoreError> {
        let now_us = self.clock.now_us();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at_us, tree)) = kept
            && (0..FRESH_US).contains(&(now_us - at_us))
        {
            return Ok(tree);
        }
        let tree = Arc::new(store.orgs().tree().await?);
        let kept = Some((now_us, Arc::clone(&tree)));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(tree)
    }
}
