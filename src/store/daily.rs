//! Rows of the daily chains. The chain itself is [`crate::journal::daily`].

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::{OrgId, SessionId};
use crate::journal::daily::{ChainHeader, Entry, SealedSession};
use crate::journal::{Digest, HeadSigner};

pub struct DailyChains<'a>(pub(super) &'a Store);

/// Rows read at a time.
const PAGE: u32 = 512;

/// One day of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    pub day: String,
    pub sessions: u32,
    /// Hash of the day's last entry, and its place.
    pub root: Digest,
    pub n: u64,
}

fn number(row: &Row, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(row.int(column)?).map_err(|_| StoreError::Corrupt(column))
}

fn digest(row: &Row, column: &'static str) -> Result<Digest, StoreError> {
    row.text(column)?.parse().map_err(|_| StoreError::Corrupt(column))
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        n: number(row, "n")?,
        sealed: row.json("entry")?,
        prev_hash: digest(row, "prev_hash")?,
        hash: digest(row, "hash")?,
        signature: row.text("signature")?,
    })
}

impl DailyChains<'_> {
    /// The header of an organisation's chain; `None` before anything was sealed.
    pub async fn header(&self, org: OrgId) -> Result<Option<ChainHeader>, StoreError> {
        let sql = "SELECT header FROM daily_chains WHERE org_id = $1";
        self.0.first(sql, args![org]).await?.map(|row| row.json("header")).transpose()
    }

    /// Gives a sealed session its place in the chain of its organisation, which begins with
    /// `first` if there is none yet; a session that has one keeps it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another writer took the place meanwhile: try again.
    pub async fn append(
        &self,
        first: &ChainHeader,
        sealed: SealedSession,
        signer: &dyn HeadSigner,
    ) -> Result<Entry, StoreError> {
        let invalid =
            |e: crate::journal::canonical::NotCanonical| StoreError::Invalid(e.to_string());
        let mut tx = self.0.begin().await?;
        let sql = "SELECT n, entry, prev_hash, hash, signature FROM daily_entries
                   WHERE session_id = $1";
        if let Some(row) = tx.first(sql, args![sealed.session]).await? {
            return entry(&row);
        }
        let sql = "INSERT INTO daily_chains (org_id, header, header_hash) VALUES ($1, $2, $3)
                   ON CONFLICT (org_id) DO NOTHING";
        let text = crate::journal::canonical::of(first).map_err(invalid)?;
        tx.execute(sql, args![first.org, text, first.hash().map_err(invalid)?]).await?;
        let sql = "SELECT header, header_hash FROM daily_chains WHERE org_id = $1";
        let row = tx.first(sql, args![first.org]).await?.ok_or(StoreError::NotFound("chain"))?;
        let header: ChainHeader = row.json("header")?;
        let mut head = (0, digest(&row, "header_hash")?);
        let sql = "SELECT n, hash FROM daily_entries WHERE org_id = $1 ORDER BY n DESC LIMIT 1";
        if let Some(row) = tx.first(sql, args![first.org]).await? {
            head = (number(&row, "n")?, digest(&row, "hash")?);
        }
        let linked = header.link(head.0 + 1, head.1, sealed, signer).map_err(invalid)?;
        let sql = "INSERT INTO daily_entries (org_id, n, day, session_id, entry, prev_hash, hash,
                     signature) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let text = crate::journal::canonical::of(&linked.sealed).map_err(invalid)?;
        let n = i64::try_from(linked.n).map_err(|_| StoreError::Invalid("n".into()))?;
        tx.execute(
            sql,
            args![
                first.org,
                n,
                &linked.sealed.day,
                linked.sealed.session,
                text,
                linked.prev_hash,
                linked.hash,
                &linked.signature,
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(linked)
    }

    pub async fn of_session(&self, session: SessionId) -> Result<Option<Entry>, StoreError> {
        let sql = "SELECT n, entry, prev_hash, hash, signature FROM daily_entries
                   WHERE session_id = $1";
        self.0.first(sql, args![session]).await?.as_ref().map(entry).transpose()
    }

    async fn page(&self, org: OrgId, after: u64) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT n, entry, prev_hash, hash, signature FROM daily_entries
                   WHERE org_id = $1 AND n > $2 ORDER BY n LIMIT $3";
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.0.all(sql, args![org, after, PAGE]).await?.iter().map(entry).collect()
    }

    /// The newest days, newest first.
    pub async fn days(&self, org: OrgId, limit: u32) -> Result<Vec<Day>, StoreError> {
        let sql = "SELECT d.day, d.sessions, d.n, e.hash FROM (
                     SELECT day, COUNT(*) AS sessions, MAX(n) AS n FROM daily_entries
                     WHERE org_id = $1 GROUP BY day) d
                   JOIN daily_entries e ON e.org_id = $1 AND e.n = d.n
                   ORDER BY d.n DESC LIMIT $2";
        let day = |row: &Row| {
            Ok(Day {
                day: row.text("day")?,
                sessions: row.uint("sessions")?,
                root: digest(row, "hash")?,
                n: number(row, "n")?,
            })
        };
        self.0.all(sql, args![org, limit]).await?.iter().map(day).collect()
    }

    /// Writes the chain as JSONL with its signed last line.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if nothing was sealed yet.
    pub async fn export(
        &self,
        org: OrgId,
        signer: &dyn HeadSigner,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<u64, StoreError> {
        let failed =
            |e: std::io::Error| StoreError::Unavailable(format!("writing the export: {e}"));
        let invalid =
            |e: crate::journal::canonical::NotCanonical| StoreError::Invalid(e.to_string());
        let header = self.header(org).await?.ok_or(StoreError::NotFound("daily chain"))?;
        let mut head = (0, header.hash().map_err(invalid)?);
        let mut text = header.line().map_err(invalid)? + "\n";
        loop {
            let page = self.page(org, head.0).await?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                head = (entry.n, entry.hash);
                text.push_str(&entry.line().map_err(invalid)?);
                text.push('\n');
            }
            out.write_all(text.as_bytes()).await.map_err(failed)?;
            text.clear();
        }
        text.push_str(&header.trailer(head.0, head.1, signer).map_err(invalid)?);
        text.push('\n');
        out.write_all(text.as_bytes()).await.map_err(failed)?;
        out.flush().await.map_err(failed)?;
        Ok(head.0)
    }
}
