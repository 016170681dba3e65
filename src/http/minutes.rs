//! `/api/archive/{id}/minutes…`: reading, writing, signing and sealing minutes, and their files.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use signaling::ErrorCode;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{At, Body};
use super::listener::Peer;
use super::minutes_view::{MinutesView, Printed, VersionView, printed, versions};
use super::view::Items;
use crate::app::App;
use crate::archive::minutes::{MinutesError, Opened};
use crate::auth::policy::{Action, Resource, SessionFacts};
use crate::domain::minutes::{Edit, MAX_BODY, MAX_TEXT, Refusal};
use crate::domain::{OrgId, SessionId};
use crate::export::font::FontError;
use crate::export::pdf::PdfError;
use crate::export::{docx, pdf};
use crate::journal::Digest;

/// Largest body of a save: only changed sections are sent.
pub const MAX_SAVE: usize = 1024 * 1024;

impl From<MinutesError> for ApiError {
    fn from(error: MinutesError) -> Self {
        let code = match &error {
            MinutesError::Store(_) => {
                let MinutesError::Store(error) = error else { return Self::internal(error) };
                return error.into();
            }
            MinutesError::NotOver => ErrorCode::SessionNotOpen,
            MinutesError::Edit(_)
            | MinutesError::NoSuchSection
            | MinutesError::Refused(Refusal::NothingCorrected) => ErrorCode::Validation,
            MinutesError::Refused(Refusal::NoSuchObjection) => ErrorCode::NotFound,
            MinutesError::Refused(_) | MinutesError::OtherBase => ErrorCode::Conflict,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PdfError> for ApiError {
    fn from(error: PdfError) -> Self {
        match error {
            PdfError::Font(error @ (FontError::NotFound | FontError::NotChinese(_))) => {
                tracing::error!(%error, "no font for PDF");
                Self::new(ErrorCode::Conflict, error.to_string())
            }
            PdfError::Font(error @ FontError::Unreadable(_)) => {
                tracing::error!(%error, "no font for PDF");
                // The path is the operator's affair.
                Self::new(
                    ErrorCode::Conflict,
                    "字体文件无法读取，不能生成 PDF；请管理员检查 --cjk-font 的设置",
                )
            }
            PdfError::Krilla(_) => Self::internal(error),
        }
    }
}

/// The minutes, and what the policy needs to know: whoever presided last stands for the chair.
async fn opened(
    app: &App,
    caller: &Caller,
    id: SessionId,
    action: Action,
) -> ApiResult<(Opened, SessionFacts)> {
    let (_, facts) = caller.session(app, id, Action::ReadArchive).await?;
    // Asked before anything is read, so that a refusal does not depend on the state.
    let early = caller.may(action, Resource::Session(&facts));
    let opened = match app.minutes.open(id).await {
        Ok(opened) => opened,
        Err(error) => {
            early?;
            return Err(error.into());
        }
    };
    let facts = SessionFacts { chair: opened.chair, presiding: None, ..facts };
    caller.may(action, Resource::Session(&facts))?;
    Ok((opened, facts))
}

type View = ApiResult<Json<MinutesView>>;

pub async fn read(State(app): State<Arc<App>>, caller: Caller, At(id): At<SessionId>) -> View {
    let (opened, facts) = opened(&app, &caller, id, Action::ReadArchive).await?;
    Ok(Json(MinutesView::of(&app, &caller, &opened, &facts).await?))
}

async fn answer(
    app: &App,
    caller: &Caller,
    facts: &SessionFacts,
    done: Result<Opened, MinutesError>,
) -> View {
    Ok(Json(MinutesView::of(app, caller, &done?, facts).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = MinutesSave)]
pub struct Save {
    /// Version that was edited; none: the draft.
    #[serde(default)]
    base: Option<String>,
    sections: Vec<Edit>,
}

pub async fn save(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Save>,
) -> View {
    let (_, facts) = opened(&app, &caller, id, Action::EditMinutes).await?;
    let now_us = app.clock.now_us();
    let by = caller.actor.person;
    let done = app.minutes.save(id, by, body.base.as_deref(), &body.sections, now_us).await;
    answer(&app, &caller, &facts, done).await
}

pub async fn history(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Json<Items<VersionView>>> {
    let (opened, _) = opened(&app, &caller, id, Action::ReadArchive).await?;
    Ok(Json(versions(&app, &opened).await?.into()))
}

/// A typed name and the password again, over the minutes with this hash.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = MinutesSign)]
pub struct Sign {
    #[schema(value_type = String)]
    digest: Digest,
    name: String,
    password: String,
}

impl Sign {
    /// The name as typed, once name and password are found right.
    async fn checked(self, app: &App, caller: &Caller, peer: Peer) -> ApiResult<(Digest, String)> {
        let name = self.name.trim().to_owned();
        if name != caller.person.name {
            return Err(ApiError::validation("签名须与您的姓名一致，请核对后再签"));
        }
        app.sign_ins
            .reauthenticate(&caller.signed_in, self.password, peer.address.ip())
            .await
            .map_err(|e| match e {
                crate::auth::SignInError::Wrong => {
                    // Not "not signed in": the page stays where it is.
                    ApiError::validation("密码不正确，没有签名；请核对后再签")
                }
                other => other.into(),
            })?;
        Ok((self.digest, name))
    }
}

pub async fn submit(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Sign>,
) -> View {
    let (_, facts) = opened(&app, &caller, id, Action::EditMinutes).await?;
    let (digest, name) = body.checked(&app, &caller, peer).await?;
    let now_us = app.clock.now_us();
    let done = app.minutes.submit(id, caller.actor.person, digest, &name, now_us).await;
    answer(&app, &caller, &facts, done).await
}

pub async fn confirm(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Sign>,
) -> View {
    let (opened, facts) = opened(&app, &caller, id, Action::ConfirmMinutes).await?;
    let (digest, name) = body.checked(&app, &caller, peer).await?;
    let days = app.minutes.objection_days(&caller.tree, opened.session.org_id).await?;
    let now_us = app.clock.now_us();
    let by = caller.actor.person;
    let done = app.minutes.confirm(id, by, digest, &name, days, now_us).await;
    answer(&app, &caller, &facts, done).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = MinutesReason)]
pub struct Reason {
    reason: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = MinutesText)]
pub struct Text {
    text: String,
}

fn bounded(text: &str, what: &str) -> ApiResult<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_TEXT {
        return Err(ApiError::validation(format!("请写明{what}（{MAX_TEXT}字以内）")));
    }
    Ok(text.chars().filter(|c| *c == '\n' || !c.is_control()).collect())
}

pub async fn give_back(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Reason>,
) -> View {
    let (opened, facts) = opened(&app, &caller, id, Action::ReturnMinutes).await?;
    let reason = bounded(&body.reason, "退回的原因")?;
    let (by, now_us) = (caller.actor.person, app.clock.now_us());
    let superior = by != opened.chair;
    let done = app.minutes.give_back(id, by, &reason, superior, now_us).await;
    answer(&app, &caller, &facts, done).await
}

pub async fn object(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Text>,
) -> View {
    let (_, facts) = opened(&app, &caller, id, Action::ObjectToMinutes).await?;
    let text = bounded(&body.text, "异议的内容")?;
    let now_us = app.clock.now_us();
    let done = app.minutes.object(id, caller.actor.person, &text, now_us).await;
    answer(&app, &caller, &facts, done).await
}

pub async fn answer_objection(
    State(app): State<Arc<App>>,
    caller: Caller,
    At((id, objection)): At<(SessionId, String)>,
    Body(body): Body<Text>,
) -> View {
    let (_, facts) = opened(&app, &caller, id, Action::KeepMinutes).await?;
    let text = bounded(&body.text, "答复的内容")?;
    let now_us = app.clock.now_us();
    let done = app.minutes.answer(id, caller.actor.person, &objection, &text, now_us).await;
    answer(&app, &caller, &facts, done).await
}

pub async fn seal(State(app): State<Arc<App>>, caller: Caller, At(id): At<SessionId>) -> View {
    let (_, facts) = opened(&app, &caller, id, Action::KeepMinutes).await?;
    let done = app.minutes.seal(id, Some(caller.actor.person), app.clock.now_us()).await;
    answer(&app, &caller, &facts, done).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = MinutesCorrect)]
pub struct Correct {
    section: String,
    text: String,
    reason: String,
}

pub async fn correct(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Correct>,
) -> View {
    let (_, facts) = opened(&app, &caller, id, Action::KeepMinutes).await?;
    let reason = bounded(&body.reason, "更正的事由")?;
    let text = body.text.trim();
    if text.chars().count() > MAX_BODY {
        return Err(ApiError::validation(format!("更正的内容最多{MAX_BODY}字")));
    }
    let (by, now_us) = (caller.actor.person, app.clock.now_us());
    let done = app.minutes.correct(id, by, &body.section, text, &reason, now_us).await;
    answer(&app, &caller, &facts, done).await
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

fn file(kind: &'static str, name: &str, id: SessionId, bytes: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}-{name}\"")),
    ];
    (headers, bytes).into_response()
}

pub async fn docx_file(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Response> {
    let (opened, _) = opened(&app, &caller, id, Action::ReadArchive).await?;
    let Printed { blocks, footer, .. } = printed(&app, &opened).await?;
    let bytes = tokio::task::spawn_blocking(move || docx::docx(&blocks, &footer)).await;
    let bytes = bytes.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(file(DOCX, "minutes.docx", id, bytes))
}

pub async fn pdf_file(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Response> {
    let (opened, _) = opened(&app, &caller, id, Action::ReadArchive).await?;
    let Printed { title, blocks, footer } = printed(&app, &opened).await?;
    let shelf = app.clone();
    let bytes = tokio::task::spawn_blocking(move || {
        pdf::pdf(&title, &blocks, &footer, &shelf.fonts.fonts()?)
    });
    let bytes = bytes.await.map_err(ApiError::internal)??;
    Ok(file("application/pdf", "minutes.pdf", id, bytes))
}

#[derive(Deserialize, serde::Serialize, utoipa::ToSchema)]
pub struct MinutesPolicy {
    objection_days: u32,
}

pub async fn read_policy(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
) -> ApiResult<Json<MinutesPolicy>> {
    caller.may(Action::ReadDailyChain, Resource::Org(org))?;
    let objection_days = app.minutes.objection_days(&caller.tree, org).await?;
    Ok(Json(MinutesPolicy { objection_days }))
}

pub async fn set_policy(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Body(policy): Body<MinutesPolicy>,
) -> ApiResult<Json<MinutesPolicy>> {
    caller.may(Action::SetMinutesPolicy, Resource::Org(org))?;
    if policy.objection_days > 30 {
        return Err(ApiError::validation("异议期最长30天"));
    }
    app.store.minutes().set_objection_days(org, policy.objection_days).await?;
    Ok(Json(policy))
}
