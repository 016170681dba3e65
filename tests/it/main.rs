//! One integration binary: each subject is a module.

mod archive_jobs;
mod bots_capture;
mod bots_loss;
mod bots_meet;
mod bots_meeting;
mod bots_support;
mod export_attendance;
mod http_edge;
mod http_policy;
mod http_sessions;
mod http_sign_in;
mod http_support;
mod journal_attendance;
mod journal_chain;
mod journal_support;
mod laws;
mod postgres_app;
mod process;
mod room_actor;
mod room_support;
mod store_appender;
mod store_contract;
mod store_support;
mod ws_line;
mod ws_sign_in;
