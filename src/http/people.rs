//! `/api/people`: whom a secretary can put on a roster.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::caller::Caller;
use super::error::ApiResult;
use super::extract::Asked;
use super::view::{Items, RosterPerson};
use crate::app::App;
use crate::auth::policy::{Action, Resource};
use crate::clock::local_day;
use crate::domain::{MeetingKind, OrgId};

#[derive(Deserialize)]
pub struct Of {
    org_id: OrgId,
    /// Who is due in a meeting of this kind; without it all members.
    kind: Option<MeetingKind>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(of): Asked<Of>,
) -> ApiResult<Json<Items<RosterPerson>>> {
    caller.may(Action::ListPeople, Resource::Org(of.org_id))?;
    let persons = app.store.persons();
    let people = match of.kind {
        Some(kind) => persons.roster_for(of.org_id, kind, &local_day(app.clock.now_us())).await?,
        None => persons.roster_of(of.org_id).await?,
    };
    let people = people.into_iter().map(|e| RosterPerson {
        person_id: e.person_id,
        name: e.name,
        class: Some(e.class),
        group_name: e.group_name,
        voter: e.voter,
    });
    Ok(Json(people.collect::<Vec<_>>().into()))
}
