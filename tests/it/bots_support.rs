//! A server with the clock of the machine, its demo meeting opened, and bots that enter it.

use std::time::Duration;

use harness::bot::BotConfig;
use harness::http::{Demo, Place};
use harness::member::{Entry, Member};
use tokio::runtime::Runtime;
use yuntang::clock::Clock;
use yuntang::config::Config;

use crate::http_support::TestApp;

/// For anything that must happen.
pub const SOON: Duration = Duration::from_secs(20);

pub struct Meeting {
    pub runtime: Runtime,
    pub app: TestApp,
    pub place: Place,
    pub demo: Demo,
}

impl Meeting {
    /// Opened by the secretary, nobody in it.
    pub fn open() -> Self {
        Self::open_with(|_| {})
    }

    pub fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let runtime = Runtime::new().unwrap();
        let app = runtime.block_on(TestApp::start_at_with(Clock::system(), change));
        let demo = std::fs::read(app.data().demo_json()).unwrap();
        let demo: Demo = serde_json::from_slice(&demo).unwrap();
        let place = Place::at(app.address());
        let secretary = place.sign_in(demo.account("secretary").unwrap()).unwrap();
        secretary.open(&demo.sessions[0].id).unwrap();
        Self { runtime, app, place, demo }
    }

    pub fn session(&self) -> &str {
        &self.demo.sessions[0].id
    }

    pub fn person(&self, key: &str) -> String {
        self.demo.account(key).unwrap().person_id.clone()
    }

    /// A str0m bot that enters on a thread of its own; `bot` is its number.
    pub fn enter(&self, key: &str, bot: u32) -> Member {
        self.enter_as(key, BotConfig { seed: bot.into(), ..BotConfig::default() })
    }

    pub fn enter_as(&self, key: &str, config: BotConfig) -> Member {
        let entry = Entry {
            place: self.place.clone(),
            account: self.demo.account(key).unwrap().clone(),
            session: self.session().to_owned(),
            config,
        };
        Member::spawn(self.runtime.handle().clone(), entry).unwrap()
    }

    pub fn end(self) {
        self.runtime.block_on(self.app.stop());
    }
}
