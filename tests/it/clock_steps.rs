//! The server's clock is set forward and back by an hour in mid-meeting: no duration changes and
//! nobody is thrown out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;
use yuntang::cli::demo::Demo;

use crate::http_support::{Client, seed};
use crate::process::launch_with;
use crate::room_support::Page;

const SOON: Duration = Duration::from_secs(20);
const HOUR_US: i64 = 3_600_000_000;
const SECOND_US: i64 = 1_000_000;

/// Debian's library that steps the clock of a program with many threads.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = folders.map(|e| e.path().join("faketime/libfaketimeMT.so.1"));
    found
        .find(|path| path.exists())
        .expect("faketime is not installed; run: apt-get install -y faketime")
}

struct Meeting {
    file: PathBuf,
    chair: Page,
    page: Page,
    member: Client,
    token: String,
    resume: String,
    said: usize,
}

impl Meeting {
    /// The program reads the file anew at each look at the clock.
    fn set_clock(&self, by: &str) {
        let part = self.file.with_extension("part");
        std::fs::write(&part, format!("{by}\n")).unwrap();
        std::fs::rename(part, &self.file).unwrap();
    }

    /// What the server's clock says: the time of a message.
    async fn server_time_us(&mut self) -> i64 {
        self.said += 1;
        let text = format!("第{}句", self.said);
        let chat = json!({"method": "chat", "text": text});
        let id = self.page.send(chat).await;
        let mut at_us = None;
        let mut answered = false;
        while at_us.is_none() || !answered {
            let frame = timeout(SOON, self.page.next()).await.unwrap().expect("the line is up");
            answered |= frame["id"] == id && frame["reply"]["kind"] == "done";
            if frame["event"]["message"]["text"] == text {
                at_us = frame["event"]["message"]["at_us"].as_i64();
            }
        }
        at_us.unwrap()
    }

    /// Everything a step of the clock might break.
    async fn goes_on(&mut self) {
        assert_eq!(self.member.get("/api/me").await.status, 200, "still signed in");
        // Twice the server has looked whether the line is alive, and thereby after sign-ins too.
        for page in [&mut self.page, &mut self.chair] {
            for _ in 0..2 {
                let ping = page.until(|frame| frame["type"] == "ping");
                timeout(SOON, ping).await.expect("the line is up");
            }
        }
        // A page whose line broke comes back on its own.
        let address = self.member.address;
        let resume = json!({"token": self.resume, "last_seq": self.page.seq});
        self.page = Page::connect(address).await;
        let again = self.page.hello(&self.token, Some(resume)).await;
        assert_eq!(again["reply"]["resumed"], true, "{again}");
        let hand = json!({"method": "hand", "raised": self.said.is_multiple_of(2)});
        assert_eq!(self.page.ask(hand).await["reply"]["kind"], "done");
    }
}

async fn enter(client: &Client, id: &str) -> (Page, String, Value) {
    let grant = client.post(&format!("/api/sessions/{id}/join"), json!({})).await.json();
    let token = grant["token"].as_str().unwrap().to_owned();
    let mut page = Page::connect(client.address).await;
    let welcome = page.hello(&token, None).await;
    assert_eq!(welcome["reply"]["kind"], "welcome", "{welcome}");
    (page, token, welcome["reply"].clone())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_clock_step_of_an_hour_forward_and_back_changes_no_duration() {
    let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
    seed(&folder).await;
    let (file, library) = (folder.join("clock"), library());
    std::fs::write(&file, "+0\n").unwrap();
    let environment = [
        ("LD_PRELOAD", text(&library)),
        ("FAKETIME_TIMESTAMP_FILE", text(&file)),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let (mut child, address, log, _) = launch_with(&folder, &environment).await;
    let demo: Demo =
        serde_json::from_slice(&std::fs::read(folder.join("demo.json")).unwrap()).unwrap();
    let account = |key: &str| demo.accounts.iter().find(|a| a.key == key).unwrap();
    let id = demo.sessions[0].id.to_string();
    let secretary = Client::sign_in(address, account("secretary")).await;
    let member = Client::sign_in(address, account("member1")).await;
    // Every shortfall of a second would show.
    let policy = json!({"late_after_s": 2, "early_before_s": 2, "min_ratio_permille": 900,
        "bridge_s": 60});
    assert_eq!(secretary.put(&format!("/api/sessions/{id}/policy"), policy).await.status, 200);
    assert!(secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await.status < 300);
    let (chair, ..) = enter(&secretary, &id).await;
    let (page, token, welcome) = enter(&member, &id).await;
    let resume = welcome["resume_token"].as_str().unwrap().to_owned();
    let mut meeting = Meeting { file, chair, page, member, token, resume, said: 0 };
    let open = json!({"method": "declare_open"});
    assert_eq!(meeting.chair.ask(open).await["reply"]["kind"], "done");
    let opened = Instant::now();

    let mut before_us = meeting.server_time_us().await;
    for (by, step_us) in [("+3600", HOUR_US), ("-3600", -2 * HOUR_US), ("+0", HOUR_US)] {
        let asked = Instant::now();
        meeting.set_clock(by);
        let after_us = meeting.server_time_us().await;
        let moved_us = after_us - before_us;
        let real_us = i64::try_from(asked.elapsed().as_micros()).unwrap();
        let off_us = moved_us - step_us;
        assert!((0..real_us + SECOND_US).contains(&off_us), "{by}: the clock moved {moved_us} µs");
        meeting.goes_on().await;
        before_us = meeting.server_time_us().await;
    }
    let real = opened.elapsed();
    let close = json!({"method": "declare_close"});
    assert_eq!(meeting.chair.ask(close).await["reply"]["kind"], "done");
    assert_eq!(timeout(SOON, meeting.page.until_bye()).await.unwrap(), "session_ended");

    let archive = async {
        loop {
            let archive = secretary.get(&format!("/api/archive/{id}")).await.json();
            if archive["journal"]["signed"] == true {
                return archive;
            }
        }
    };
    let archive = timeout(SOON, archive).await.expect("the closing work is done");
    assert_eq!(archive["journal"]["verified"], true);
    let seconds = archive["official"]["seconds"].as_i64().unwrap();
    let real_s = i64::try_from(real.as_secs()).unwrap();
    assert!((real_s - 1..=real_s + 2).contains(&seconds), "{seconds} s, really {real_s}");
    for key in ["secretary", "member1"] {
        let person = json!(account(key).person_id);
        let people = archive["attendance"]["people"].as_array().unwrap();
        let row = people.iter().find(|row| row["person_id"] == person).unwrap();
        assert_eq!(row["status"], "present", "{row}");
        assert_eq!((&row["late_s"], &row["early_s"]), (&json!(0), &json!(0)), "{row}");
        assert_eq!(row["intervals"].as_array().unwrap().len(), 1, "{row}");
        let effective = row["effective_s"].as_i64().unwrap();
        assert!((seconds - 1..=seconds).contains(&effective), "{row}");
        let interval = &row["intervals"][0];
        let span_us = interval["to_us"].as_i64().unwrap() - interval["from_us"].as_i64().unwrap();
        assert!(span_us / SECOND_US - seconds < 5, "{row}");
    }
    let journal = secretary.get(&format!("/api/archive/{id}/journal?after=0&limit=500")).await;
    let journal = journal.json()["items"].as_array().unwrap().clone();
    let times = |name: &str| journal.iter().map(|e| e[name].as_i64().unwrap()).collect::<Vec<_>>();
    let (mono, wall) = (times("mono_us"), times("at_us"));
    assert!(mono.windows(2).all(|pair| pair[0] <= pair[1]), "session time never turns back");
    assert!(wall.windows(2).any(|pair| pair[1] < pair[0] - HOUR_US), "the wall clock did");
    child.kill().await.unwrap();
    drop(log);
    std::fs::remove_dir_all(&folder).unwrap();
}
