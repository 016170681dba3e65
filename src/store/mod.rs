//! Where everything but media is kept: SQLite by default, PostgreSQL by URL, one SQL text for both.
//!
//! A repository a file; each borrows the [`Store`]: `store.sessions().get(id)`. Ids are stored as
//! text, times as `BIGINT` microseconds, flags as 0 or 1. The journal has one writer, the
//! [`JournalAppender`].

mod accounts;
mod appender;
mod audit;
mod ballots;
mod books;
mod chat;
mod daily;
mod db;
mod error;
pub mod grants;
mod ids;
mod import;
mod journal;
mod leave;
mod members;
mod migrate;
mod minutes;
mod org_rules;
mod orgs;
mod persons;
mod render_jobs;
mod replay;
mod roles;
mod sessions;
mod settings;
pub mod spool;
mod standings;
mod web_sessions;
mod writer;

pub use accounts::{Account, Accounts};
pub use appender::{APPEND_QUEUE, JournalAppender, SpoolFigures};
pub use audit::{Audit, AuditEntry, AuditLine};
pub use ballots::{Ballots, Put};
pub use chat::{Chat, StoredChat};
pub use daily::{DailyChains, Day};
pub use db::{Engine, Store};
pub use error::StoreError;
pub use ids::new_id;
pub use import::{ImportTx, MemberPut, OrgPut};
pub use journal::{Head, Journal};
pub use leave::{Leave, LeaveRequest};
pub use members::{Member, MemberFilter, MemberPage, Members};
pub use minutes::{MinutesRow, MinutesStore, NewVersion};
pub use org_rules::{OrgRules, OwnRules};
pub use orgs::{Org, Orgs};
pub use persons::{Person, Persons};
pub use render_jobs::{RenderJob, RenderJobs, RenderState};
pub use roles::{RoleGrant, Roles};
pub use sessions::{BootAnchor, NewSession, OpenSession, Session, Sessions};
pub use settings::Settings;
pub use standings::Standings;
pub use web_sessions::{WebSession, WebSessions};

impl Store {
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }

    pub fn audit(&self) -> Audit<'_> {
        Audit(self)
    }

    pub fn ballots(&self) -> Ballots<'_> {
        Ballots(self)
    }

    pub fn chat(&self) -> Chat<'_> {
        Chat(self)
    }

    pub fn daily(&self) -> DailyChains<'_> {
        DailyChains(self)
    }

    pub fn minutes(&self) -> MinutesStore<'_> {
        MinutesStore(self)
    }

    pub fn journal(&self) -> Journal<'_> {
        Journal(self)
    }

    pub fn members(&self) -> Members<'_> {
        Members(self)
    }

    pub fn leave(&self) -> Leave<'_> {
        Leave(self)
    }

    pub fn orgs(&self) -> Orgs<'_> {
        Orgs(self)
    }

    pub fn org_rules(&self) -> OrgRules<'_> {
        OrgRules(self)
    }

    pub fn persons(&self) -> Persons<'_> {
        Persons(self)
    }

    pub fn render_jobs(&self) -> RenderJobs<'_> {
        RenderJobs(self)
    }

    pub fn roles(&self) -> Roles<'_> {
        Roles(self)
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    pub fn settings(&self) -> Settings<'_> {
        Settings(self)
    }

    pub fn standings(&self) -> Standings<'_> {
        Standings(self)
    }

    pub fn web_sessions(&self) -> WebSessions<'_> {
        WebSessions(self)
    }
}
