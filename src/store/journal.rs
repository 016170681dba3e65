//! Journal rows: read, verified, exported. Writing is the [`super::JournalAppender`]'s alone.

use std::sync::LazyLock;

use sqlx::AssertSqlSafe;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::db::{Row, Store, Tx, Value, args};
use super::error::StoreError;
use crate::auth::InstallationKey;
use crate::domain::{AttendanceReport, SessionId};
use crate::journal::chain::Linked;
use crate::journal::verify::{event_line_of_row, trailer_line};
use crate::journal::{
    Actor, AttendanceFold, Digest, Envelope, HashAlgorithm, HeadSigner, Header, Tampered, Verified,
    Verifier,
};

impl HeadSigner for InstallationKey {
    fn public_key(&self) -> [u8; 32] {
        Self::public_key(self)
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        Self::sign(self, message)
    }
}

/// Where a session's chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Of the last event; 0: only the header.
    pub seq: u64,
    pub hash: Digest,
}

pub struct Journal<'a>(pub(super) &'a Store);

/// Rows read at a time.
const PAGE: u32 = 512;
/// Rows of a multi-row INSERT, the larger ones first: on PostgreSQL a statement is a round trip.
const INSERT_ROWS: [usize; 4] = [128, 32, 8, 1];

const COLUMNS: &str = "SELECT seq, at_us, mono_us, actor, event, prev_hash, hash FROM journal";

fn seq(row: &Row) -> Result<u64, StoreError> {
    u64::try_from(row.int("seq")?).map_err(|_| StoreError::Corrupt("seq"))
}

fn digest(row: &Row, column: &'static str) -> Result<Digest, StoreError> {
    row.text(column)?.parse().map_err(|_| StoreError::Corrupt(column))
}

fn envelope(row: &Row) -> Result<Envelope, StoreError> {
    Ok(Envelope {
        seq: seq(row)?,
        at_us: row.int("at_us")?,
        mono_us: row.int("mono_us")?,
        actor: row.id("actor")?,
        event: row.json("event")?,
        prev_hash: digest(row, "prev_hash")?,
        hash: digest(row, "hash")?,
    })
}

/// The line as it would be exported, from the columns as they stand, damaged or not.
fn line(row: &Row) -> Result<String, StoreError> {
    event_line_of_row(
        seq(row)?,
        row.int("at_us")?,
        row.int("mono_us")?,
        &row.text("actor")?,
        &row.text("event")?,
        &row.text("prev_hash")?,
        &row.text("hash")?,
    )
    .map_err(|_| StoreError::Corrupt("event"))
}

impl Journal<'_> {
    /// # Errors
    /// [`StoreError::NotFound`] if the session was never opened.
    pub async fn header(&self, session: SessionId) -> Result<Header, StoreError> {
        let text = self.header_line(session).await?;
        serde_json::from_str(&text).map_err(|_| StoreError::Corrupt("journal header"))
    }

    /// What binds the session's chain.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the session was never opened.
    pub async fn algorithm(&self, session: SessionId) -> Result<HashAlgorithm, StoreError> {
        #[derive(serde::Deserialize)]
        struct Named {
            #[serde(default)]
            hash_algorithm: HashAlgorithm,
        }
        let text = self.header_line(session).await?;
        let named: Named =
            serde_json::from_str(&text).map_err(|_| StoreError::Corrupt("journal header"))?;
        Ok(named.hash_algorithm)
    }

    async fn header_line(&self, session: SessionId) -> Result<String, StoreError> {
        let sql = "SELECT header FROM journals WHERE session_id = $1";
        let row = self.0.first(sql, args![session]).await?;
        row.ok_or(StoreError::NotFound("journal"))?.text("header")
    }

    /// # Errors
    /// [`StoreError::NotFound`] if the session was never opened.
    pub async fn head(&self, session: SessionId) -> Result<Head, StoreError> {
        let sql = "SELECT seq, hash FROM journal WHERE session_id = $1 ORDER BY seq DESC LIMIT 1";
        if let Some(row) = self.0.first(sql, args![session]).await? {
            return Ok(Head { seq: seq(&row)?, hash: digest(&row, "hash")? });
        }
        let sql = "SELECT header_hash FROM journals WHERE session_id = $1";
        let row = self.0.first(sql, args![session]).await?;
        let row = row.ok_or(StoreError::NotFound("journal"))?;
        Ok(Head { seq: 0, hash: digest(&row, "header_hash")? })
    }

    /// Hashes of the events `from..=to`, as far as they are there.
    pub(super) async fn hashes(
        &self,
        session: SessionId,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, Digest)>, StoreError> {
        let sql = "SELECT seq, hash FROM journal
                   WHERE session_id = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq";
        let [from, to] = [from, to].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let rows = self.0.all(sql, args![session, from, to]).await?;
        rows.iter().map(|row| Ok((seq(row)?, digest(row, "hash")?))).collect()
    }

    async fn page(
        &self,
        session: SessionId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = format!("{COLUMNS} WHERE session_id = $1 AND seq > $2 ORDER BY seq LIMIT $3");
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.0.all(AssertSqlSafe(sql), args![session, after, limit]).await
    }

    /// Events after `after`, in order, at most `limit`.
    pub async fn read(
        &self,
        session: SessionId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.page(session, after, limit).await?.iter().map(envelope).collect()
    }

    /// All events of a session; for folds, which want them all.
    pub async fn read_all(&self, session: SessionId) -> Result<Vec<Envelope>, StoreError> {
        let mut out: Vec<Envelope> = Vec::new();
        loop {
            let page = self.read(session, out.last().map_or(0, |e| e.seq), PAGE).await?;
            if page.is_empty() {
                return Ok(out);
            }
            out.extend(page);
        }
    }

    /// The fold of everything so far, to go on with.
    pub async fn attendance_fold(&self, session: SessionId) -> Result<AttendanceFold, StoreError> {
        let mut fold = AttendanceFold::new(self.header(session).await?);
        self.read_all(session).await?.iter().for_each(|e| fold.push(e));
        Ok(fold)
    }

    /// The attendance sheet; `now_mono_us` for a running meeting.
    pub async fn attendance(
        &self,
        session: SessionId,
        now_mono_us: Option<i64>,
    ) -> Result<AttendanceReport, StoreError> {
        Ok(self.attendance_fold(session).await?.report(now_mono_us))
    }

    /// Verifies the rows as they stand. `expected_key`: the installation's public key in hex.
    ///
    /// # Errors
    /// The outer error is about reading, the inner one about what was read.
    pub async fn verify(
        &self,
        session: SessionId,
        expected_key: Option<String>,
    ) -> Result<Result<Verified, Tampered>, StoreError> {
        let mut verifier = Verifier::new(expected_key);
        if let Err(tampered) = verifier.line(&self.header_line(session).await?) {
            return Ok(Err(tampered));
        }
        let mut after = 0;
        loop {
            let page = self.page(session, after, PAGE).await?;
            if page.is_empty() {
                return Ok(verifier.finish_rows());
            }
            for row in &page {
                // A row that cannot even be spelled out is wrong where it stands.
                let text = line(row).unwrap_or_default();
                if let Err(tampered) = verifier.line(&text) {
                    return Ok(Err(tampered));
                }
                after = seq(row)?;
            }
        }
    }

    /// Writes the journal as JSONL with its signed last line (`yuntang journal export`), up to the
    /// head at the time of the call. Rows are written as they stand: only verification judges them.
    pub async fn export(
        &self,
        session: SessionId,
        signer: &dyn HeadSigner,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<Head, StoreError> {
        let failed =
            |e: std::io::Error| StoreError::Unavailable(format!("writing the export: {e}"));
        let head = self.head(session).await?;
        let mut text = self.header_line(session).await?;
        text.push('\n');
        let mut after = 0;
        while after < head.seq {
            let page = self.page(session, after, PAGE).await?;
            if page.is_empty() {
                return Err(StoreError::Corrupt("end of the journal"));
            }
            for row in &page {
                after = seq(row)?;
                if after <= head.seq {
                    text.push_str(&line(row)?);
                    text.push('\n');
                }
            }
            out.write_all(text.as_bytes()).await.map_err(failed)?;
            text.clear();
        }
        let trailer = trailer_line(signer, session, head.seq, head.hash);
        text.push_str(&trailer.map_err(|e| StoreError::Invalid(e.to_string()))?);
        text.push('\n');
        out.write_all(text.as_bytes()).await.map_err(failed)?;
        out.flush().await.map_err(failed)?;
        Ok(head)
    }
}

/// A row as it is to stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventRow<'a> {
    pub session: SessionId,
    pub seq: u64,
    pub at_us: i64,
    pub mono_us: i64,
    pub actor: Actor,
    /// Canonical text.
    pub event: &'a str,
    pub prev_hash: Digest,
    pub hash: Digest,
}

impl<'a> EventRow<'a> {
    pub fn of(session: SessionId, linked: &'a Linked) -> Self {
        let e = &linked.envelope;
        Self {
            session,
            seq: e.seq,
            at_us: e.at_us,
            mono_us: e.mono_us,
            actor: e.actor,
            event: &linked.event_text,
            prev_hash: e.prev_hash,
            hash: e.hash,
        }
    }
}

/// Adds rows in the order given; the caller has linked them.
pub(super) async fn insert(tx: &mut Tx, rows: &[EventRow<'_>]) -> Result<(), StoreError> {
    static TEXTS: LazyLock<[String; INSERT_ROWS.len()]> =
        LazyLock::new(|| INSERT_ROWS.map(insert_sql));
    let mut rest = rows;
    for (size, sql) in INSERT_ROWS.into_iter().zip(TEXTS.iter()) {
        while let Some((chunk, more)) = rest.split_at_checked(size) {
            tx.execute(sql.as_str(), values(chunk)?).await?;
            rest = more;
        }
    }
    Ok(())
}

const WIDTH: usize = 8;

fn insert_sql(rows: usize) -> String {
    let tuple = |row: usize| {
        let slots: Vec<String> = (1..=WIDTH).map(|n| format!("${}", row * WIDTH + n)).collect();
        format!("({})", slots.join(", "))
    };
    let tuples: Vec<String> = (0..rows).map(tuple).collect();
    format!(
        "INSERT INTO journal (session_id, seq, at_us, mono_us, actor, event, prev_hash, hash)
         VALUES {}",
        tuples.join(", ")
    )
}

fn values(rows: &[EventRow<'_>]) -> Result<Vec<Value>, StoreError> {
    let mut out = Vec::with_capacity(rows.len() * WIDTH);
    for e in rows {
        let seq = i64::try_from(e.seq).map_err(|_| StoreError::Invalid("seq".into()))?;
        out.extend(args![
            e.session,
            seq,
            e.at_us,
            e.mono_us,
            e.actor,
            e.event,
            e.prev_hash,
            e.hash
        ]);
    }
    Ok(out)
}
