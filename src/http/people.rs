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
use crate::domain::OrgId;

#[derive(Deserialize)]
pub struct Of {
    org_id: OrgId,
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(of): Asked<Of>,
) -> ApiResult<Json<Items<RosterPerson>>> {
    caller.may(Action::ListPeople, Resource::Org(of.org_id))?;
    let people = app.store.persons().roster_of(of.org_id).await?;
    let people = people.into_iter().map(|e| RosterPerson {
        person_id: e.person_id,
        name: e.name,
        class: Some(e.class),
        group_name: e.group_name,
        voter: e.voter,
    });
    Ok(Json(people.collect::<Vec<_>>().into()))
}
