//! The tree of organisations, kept in memory: every request's policy asks for it, and it changes
//! rarely. With 50,000 organisations it takes tens of milliseconds to read, so it is read again
//! only when it has changed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::domain::OrgTree;
use crate::store::{Store, StoreError};

/// Changes made by another process (the command line) are seen after so long.
const LOOK_US: i64 = 2_000_000;

struct Kept {
    tree: Arc<OrgTree>,
    version: String,
    looked_us: i64,
    /// When a planned move changes the tree by itself.
    next_due_us: Option<i64>,
}

pub struct OrgCache {
    clock: Clock,
    kept: Mutex<Option<Kept>>,
}

impl OrgCache {
    pub fn new(clock: Clock) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// # Errors
    /// When the store fails.
    pub async fn tree(&self, store: &Store) -> Result<Arc<OrgTree>, StoreError> {
        let now_us = self.clock.now_us();
        if let Some(tree) = self.fresh(now_us) {
            return Ok(tree);
        }
        store.orgs().apply_due(now_us).await?;
        // Read before the tree: a change between the two is seen as a change at the next look.
        let version = store.orgs().version().await?;
        if let Some(tree) = self.unchanged(&version, now_us) {
            return Ok(tree);
        }
        let tree = Arc::new(store.orgs().tree().await?);
        let next_due_us = store.orgs().next_due_us(now_us).await?;
        let kept = Kept { tree: Arc::clone(&tree), version, looked_us: now_us, next_due_us };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(tree)
    }

    /// What this process changed itself is seen at once.
    pub fn invalidate(&self) {
        if let Some(kept) = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            kept.looked_us = i64::MIN / 2;
        }
    }

    fn fresh(&self, now_us: i64) -> Option<Arc<OrgTree>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref()?;
        let looked = (0..LOOK_US).contains(&now_us.saturating_sub(kept.looked_us));
        let due = kept.next_due_us.is_some_and(|due| due <= now_us);
        (looked && !due).then(|| Arc::clone(&kept.tree))
    }

    fn unchanged(&self, version: &str, now_us: i64) -> Option<Arc<OrgTree>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_mut().filter(|kept| kept.version == version)?;
        if kept.next_due_us.is_some_and(|due| due <= now_us) {
            return None;
        }
        kept.looked_us = now_us;
        Some(Arc::clone(&kept.tree))
    }
}
