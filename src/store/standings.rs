//! Who comes into a session besides its frozen roster, or not any more. Written from corrections
//! that are in the journal, which is the truth.

use super::db::{Store, args};
use super::error::StoreError;
use crate::domain::leave::Standing;
use crate::domain::{PersonId, SessionId};

pub struct Standings<'a>(pub(super) &'a Store);

impl Standings<'_> {
    /// The last one counts.
    pub async fn set(
        &self,
        session: SessionId,
        person: PersonId,
        standing: Standing,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO session_standings (session_id, person_id, standing)
                   VALUES ($1, $2, $3)
                   ON CONFLICT (session_id, person_id) DO UPDATE SET standing = excluded.standing";
        self.0.execute(sql, args![session, person, standing.id()]).await.map(drop)
    }

    pub async fn get(
        &self,
        session: SessionId,
        person: PersonId,
    ) -> Result<Option<Standing>, StoreError> {
        let sql = "SELECT standing FROM session_standings
                   WHERE session_id = $1 AND person_id = $2";
        let row = self.0.first(sql, args![session, person]).await?;
        row.map(|row| row.word("standing", Standing::from_id)).transpose()
    }
}
