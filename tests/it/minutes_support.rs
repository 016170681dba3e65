//! A meeting that is over, with its minutes waiting.

use serde_json::{Value, json};

use crate::http_support::{Answer, Client, TestApp};

pub struct Office {
    pub app: TestApp,
    pub id: String,
    /// Presided.
    pub chair: Client,
    pub recorder: Client,
    pub member: Client,
}

impl Office {
    /// The demo's meeting, held and closed, with so many objection days.
    pub async fn after_meeting(app: TestApp, objection_days: u32) -> Self {
        let chair = app.open().await;
        let id = app.session();
        let member = app.sign_in("member2").await;
        let (mut page, _) = app.enter(&chair).await;
        let (_other, _) = app.enter(&member).await;
        for request in [
            json!({"method": "declare_open"}),
            json!({"method": "agenda", "index": 0}),
            json!({"method": "declare_close"}),
        ] {
            assert_eq!(page.ask(request).await["reply"]["kind"], "done");
        }
        app.until_ended(&id).await;
        let org = app.account("secretary").org_id;
        let days = json!({ "objection_days": objection_days });
        let set = chair.put(&format!("/api/orgs/{org}/minutes-policy"), days).await;
        assert_eq!(set.status, 200, "{}", set.text());
        let recorder = app.sign_in("recorder").await;
        Self { app, id, chair, recorder, member }
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/archive/{}/minutes{rest}", self.id)
    }

    pub async fn read(&self) -> Value {
        let answer = self.recorder.get(&self.path("")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// As the recorder, from the newest version.
    pub async fn save(&self, key: &str, body: &str) -> Answer {
        let base = self.read().await["version"].clone();
        let sections = json!([{ "key": key, "body": body }]);
        self.recorder.put(&self.path(""), json!({ "base": base, "sections": sections })).await
    }

    /// Name, password and digest for a signature by the demo account.
    pub async fn signature(&self, key: &str) -> Value {
        let account = self.app.account(key);
        let digest = self.read().await["digest"].clone();
        json!({ "digest": digest, "name": account.name, "password": account.password })
    }

    pub async fn submit(&self) -> Answer {
        let body = self.signature("recorder").await;
        self.recorder.post(&self.path("/submit"), body).await
    }

    pub async fn confirm(&self) -> Answer {
        let body = self.signature("secretary").await;
        self.chair.post(&self.path("/confirm"), body).await
    }

    pub async fn seal(&self) -> Answer {
        self.recorder.post(&self.path("/seal"), json!({})).await
    }
}

pub fn section<'a>(minutes: &'a Value, key: &str) -> &'a str {
    let sections = minutes["sections"].as_array().unwrap();
    let found = sections.iter().find(|s| s["key"] == key).unwrap_or_else(|| panic!("no {key}"));
    found["body"].as_str().unwrap()
}

impl Office {
    /// Everybody signs in again, after the clock was moved.
    pub async fn again(self) -> Self {
        let chair = self.app.sign_in("secretary").await;
        let recorder = self.app.sign_in("recorder").await;
        let member = self.app.sign_in("member2").await;
        Self { chair, recorder, member, ..self }
    }
}
