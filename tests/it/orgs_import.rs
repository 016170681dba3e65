//! Tables of organisations and members, in and out: what is wrong is named, nothing is written
//! before it is confirmed, and the same again changes nothing.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use rust_xlsxwriter::{Formula, Workbook};
use serde_json::{Value, json};

use crate::http_support::{Client, TestApp};

const MEMBERS: &str =
    "党员编号,姓名,所在组织编号,党小组编号,党员类别,支委职务,任职开始,任职结束,手机号,状态\r\n";

/// The branch of the demo's secretary, by its id: an export writes it where there is no code.
async fn uploaded(client: &Client, org: &str, what: &str, file: &[u8]) -> Value {
    let answer = client.upload(&format!("/api/orgs/{org}/import?what={what}"), file).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    settled(client, &id).await
}

/// The upload once nothing goes on with it any more.
async fn settled(client: &Client, id: &str) -> Value {
    let settled = async {
        loop {
            let view = client.get(&format!("/api/imports/{id}")).await.json();
            if !matches!(view["state"].as_str(), Some("reading" | "writing")) {
                return view;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.expect("the import ends")
}

async fn confirmed(client: &Client, view: &Value) -> Value {
    let id = view["id"].as_str().unwrap();
    let answer = client.post(&format!("/api/imports/{id}/confirm"), json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    settled(client, id).await
}

fn counts(view: &Value) -> [u64; 5] {
    ["new", "changed", "unchanged", "missing", "problems"]
        .map(|count| view["preview"]["counts"][count].as_u64().unwrap_or(u64::MAX))
}

/// Row and column of every problem.
fn problems(view: &Value) -> Vec<(u64, String)> {
    let problems = view["preview"]["problems"].as_array().cloned().unwrap_or_default();
    let place = |p: &Value| (p["row"].as_u64().unwrap(), p["column"].as_str().unwrap().to_owned());
    problems.iter().map(place).collect()
}

async fn members_there(client: &Client, org: &str) -> usize {
    let list = client.get(&format!("/api/orgs/{org}/members")).await.json();
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_roster_is_previewed_confirmed_and_then_known() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let mut file = MEMBERS.to_owned();
    for n in 0..30 {
        let phone = if n == 0 { "'+86 139-0000-0000" } else { "" };
        let post = if n == 1 { "组织委员,2024-01-01,2026-12-31" } else { ",," };
        let _ = writeln!(file, "D{n},党员甲{n},{branch},,正式党员,{post},{phone},在册");
    }
    let preview = uploaded(&secretary, &branch, "members", file.as_bytes()).await;
    assert_eq!((&preview["state"], counts(&preview)), (&json!("ready"), [30, 0, 0, 8, 0]));
    assert_eq!(members_there(&secretary, &branch).await, 8, "nothing is written yet");
    let done = confirmed(&secretary, &preview).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(members_there(&secretary, &branch).await, 38);

    let again = uploaded(&secretary, &branch, "members", file.as_bytes()).await;
    assert_eq!(counts(&again), [0, 0, 30, 8, 0], "the same file changes nothing");
    let changed = file.replace("D7,党员甲7", "D7,党员乙7");
    let again = uploaded(&secretary, &branch, "members", changed.as_bytes()).await;
    assert_eq!(counts(&again), [0, 1, 29, 8, 0]);
    assert_eq!(again["preview"]["examples"][0]["changes"], json!(["姓名"]));
    let seat = secretary.get(&format!("/api/orgs/{branch}/members?q=D1")).await.json();
    let one = seat["items"].as_array().unwrap().iter().find(|m| m["code"] == "D1").unwrap();
    assert_eq!(one["seat"]["post"], "organisation");
    app.stop().await;
}

#[tokio::test]
async fn what_is_exported_and_imported_again_changes_nothing() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let top = app.account("observer").org_id.to_string();
    let branch = app.account("secretary").org_id.to_string();
    let file = format!(
        "{MEMBERS}D1,阿卜杜拉·买买提,{branch},,预备党员,,,,+8613900000000,在册\r\n\
                 D2,عبد الله,{branch},,正式党员,宣传委员,,,,在册\r\nD3,𠮷田,{branch},,正式党员,,,,,已转出\r\n"
    );
    let preview = uploaded(&admin, &top, "members", file.as_bytes()).await;
    assert_eq!(confirmed(&admin, &preview).await["state"], "done");
    for (what, rows) in [("members", 17), ("orgs", 8)] {
        for format in ["csv", "xlsx"] {
            let path = format!("/api/orgs/{top}/export?what={what}&format={format}");
            let exported = admin.get(&path).await;
            assert_eq!(exported.status, 200);
            if format == "csv" {
                assert!(exported.body.starts_with(&[0xef, 0xbb, 0xbf]), "the mark for Excel");
                let guarded = exported.text().contains("'+8613900000000");
                assert!(guarded || what == "orgs", "what a spreadsheet would compute is quoted");
            }
            let again = uploaded(&admin, &top, what, &exported.body).await;
            assert_eq!(counts(&again), [0, 0, rows, 0, 0], "{what} {format}: {again}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn every_bad_row_and_column_is_named_and_nothing_is_written() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let other = app.account("member7").org_id.to_string();
    let rows = [
        format!("D1,王建国,{branch},,正式党员,,,,,"),
        format!("D1,王建军,{branch},,正式党员,,,,,"),
        format!("D2,<script>alert(1)</script>,{branch},,正式党员,,,,,"),
        format!("D3,=HYPERLINK(1),{branch},,党员,,,,,"),
        format!("D4,王\u{202e}建国,{other},,正式党员,主席,昨天,,x,不在"),
        String::new(),
        ",,,,,,,,,".to_owned(),
        "D5,王五,没有,,正式党员,,,,,".to_owned(),
    ];
    let file = MEMBERS.to_owned() + &rows.join("\r\n");
    let view = uploaded(&secretary, &branch, "members", file.as_bytes()).await;
    let named = |row: u64, columns: &[&str]| {
        columns.iter().map(|c| (row, (*c).to_owned())).collect::<Vec<_>>()
    };
    let expected = [
        named(3, &["党员编号"]),
        named(4, &["姓名"]),
        named(5, &["姓名", "党员类别"]),
        named(6, &["姓名", "所在组织编号", "支委职务", "任职开始", "手机号", "状态"]),
        named(9, &["所在组织编号"]),
    ];
    assert_eq!(problems(&view), expected.concat(), "{view}");
    let id = view["id"].as_str().unwrap();
    let refused = secretary.post(&format!("/api/imports/{id}/confirm"), json!({})).await;
    assert_eq!(refused.refusal(), (409, "conflict".into()));
    assert_eq!(members_there(&secretary, &branch).await, 8);
    app.stop().await;
}

#[tokio::test]
async fn a_file_from_a_chinese_office_machine_is_read() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let file = format!(
        "{MEMBERS}D1,王建国,{branch},,正式党员,,,,,\r\nD2,镕基,{branch},,预备党员,,,,,\r\n"
    );
    let (gb, _, lost) = encoding_rs::GB18030.encode(&file);
    assert!(!lost);
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(file.replace(',', "\t").encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let marked = [b"\xef\xbb\xbf", file.as_bytes()].concat();
    for bytes in [file.as_bytes(), &marked, &gb, &utf16] {
        let view = uploaded(&secretary, &branch, "members", bytes).await;
        assert_eq!(counts(&view), [2, 0, 0, 8, 0], "{view}");
        assert_eq!(view["preview"]["examples"][1]["name"], "镕基");
    }
    app.stop().await;
}

#[tokio::test]
async fn organisations_come_in_any_order_and_only_into_ones_own() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let top = app.account("observer").org_id.to_string();
    let elsewhere = app.account("outsider").org_id.to_string();
    let file = format!(
        "组织编号,组织名称,组织类型,上级组织编号\nG1,第一党小组,党小组,B1\nB1,机关第一党支部,党支部,Z1\n\
         Z1,机关党总支,党总支,{top}\n"
    );
    let preview = uploaded(&admin, &top, "orgs", file.as_bytes()).await;
    assert_eq!(counts(&preview), [3, 0, 0, 8, 0], "{preview}");
    assert_eq!(confirmed(&admin, &preview).await["state"], "done");
    let found = admin.get("/api/orgs/search?q=B1").await.json();
    assert_eq!(found["items"][0]["path"], json!(["清河街道党委", "机关党总支", "机关第一党支部"]));
    let again = uploaded(&admin, &top, "orgs", file.as_bytes()).await;
    assert_eq!(counts(&again), [0, 0, 3, 8, 0]);

    let circle = file.replace(&top, "G1");
    let view = uploaded(&admin, &top, "orgs", circle.as_bytes()).await;
    assert!(problems(&view).contains(&(4, "上级组织编号".into())), "{view}");
    let away = file.replace(&top, &elsewhere);
    let view = uploaded(&admin, &top, "orgs", away.as_bytes()).await;
    assert_eq!(problems(&view), [(4, "上级组织编号".into())], "{view}");
    app.stop().await;
}

/// A workbook by the program that people use, more or less.
fn workbook(rows: &[Vec<&str>]) -> Workbook {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (r, row) in (0..).zip(rows) {
        for (c, text) in (0..).zip(row) {
            sheet.write_string(r, c, *text).unwrap();
        }
    }
    book
}

#[tokio::test]
async fn a_spreadsheet_is_read_with_its_numbers_dates_and_formulas() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let head: Vec<&str> = MEMBERS.trim().split(',').collect();
    let mut book = workbook(&[head]);
    let sheet = book.worksheet_from_index(0).unwrap();
    for row in 1..=3 {
        sheet.write_string(row, 2, &branch).unwrap();
        sheet.write_string(row, 4, "正式党员").unwrap();
    }
    sheet.write_number(1, 0, 1001.0).unwrap();
    sheet.write_string(1, 1, "王建国").unwrap();
    sheet.write_number(1, 8, 13_900_000_000.0).unwrap();
    sheet.write_string(2, 0, "D2").unwrap();
    sheet.write_formula(2, 1, Formula::new("=\"王\"&\"五\"").set_result("王五")).unwrap();
    sheet.write_number(3, 0, 1.101_081_999e17).unwrap();
    sheet.write_string(3, 1, "王六").unwrap();
    let view = uploaded(&secretary, &branch, "members", &book.save_to_buffer().unwrap()).await;
    assert_eq!(problems(&view), [(4, "党员编号".into())], "digits were lost: {view}");
    let examples = view["preview"]["examples"].as_array().unwrap();
    let read: Vec<(&str, &str)> = examples
        .iter()
        .map(|e| (e["code"].as_str().unwrap(), e["name"].as_str().unwrap()))
        .collect();
    assert_eq!(read, [("1001", "王建国"), ("D2", "王五")]);
    app.stop().await;
}

/// A zip with one part of so many zero bytes, which deflate packs a thousandfold.
fn bomb(part: &str, megabytes: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(part, zip::write::SimpleFileOptions::default()).unwrap();
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..megabytes {
        zip.write_all(&zeros).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn files_that_are_none_or_too_much_are_refused_by_name() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let cell = format!("{MEMBERS}D1,{},{branch}\r\n", "王".repeat(10 << 20 >> 1));
    let open = format!("{MEMBERS}D1,\"王建国,{branch}\r\n{}", "D2,x\r\n".repeat(20_000));
    let wide = ",".repeat(100);
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("bomb", bomb("xl/worksheets/sheet1.xml", 20), "压缩炸弹"),
        ("cell of 10 MB", cell.into_bytes(), "第2行第2列的内容过长"),
        ("open quote", open.into_bytes(), "可能缺少右引号"),
        ("wide", wide.into_bytes(), "超过64列"),
        ("no columns", b"a,b\r\n1,2\r\n".to_vec(), "第1行缺少这些列"),
        ("old", vec![0xd0, 0xcf, 0x11, 0xe0, 1, 2, 3, 4], "旧版 .xls"),
        ("picture", b"\x89PNG\r\n\x1a\n".to_vec(), "不能识别这个文件"),
        ("broken zip", b"PK\x03\x04 and nothing more".to_vec(), "表格已损坏"),
        ("no encoding", [MEMBERS.as_bytes(), &[0xff, 0xff, 0xff]].concat(), "UTF-8"),
    ];
    for (name, file, said) in cases {
        let view = uploaded(&secretary, &branch, "members", &file).await;
        assert_eq!(view["state"], "failed", "{name}: {view}");
        let message = view["message"].as_str().unwrap();
        assert!(message.contains(said), "{name}: {message}");
    }
    let empty = secretary.upload(&format!("/api/orgs/{branch}/import?what=members"), b"").await;
    assert_eq!(empty.refusal(), (422, "validation".into()));
    app.stop().await;
}

#[tokio::test]
async fn an_upload_is_its_owners_alone_and_confirmed_once() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let file = format!("{MEMBERS}D1,王建国,{branch},,正式党员,,,,,\r\n");
    let view = uploaded(&secretary, &branch, "members", file.as_bytes()).await;
    let id = view["id"].as_str().unwrap();
    let admin = app.sign_in("admin").await;
    for path in ["", "/confirm", "/discard"] {
        let method = if path.is_empty() { "GET" } else { "POST" };
        let other = admin.send(method, &format!("/api/imports/{id}{path}"), &[], None).await;
        assert_eq!(other.status, 404, "{path}");
    }
    assert_eq!(confirmed(&secretary, &view).await["state"], "done");
    let again = secretary.post(&format!("/api/imports/{id}/confirm"), json!({})).await;
    assert_eq!(again.refusal(), (409, "conflict".into()));
    app.stop().await;
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten_unseen() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let file = format!(
        "{MEMBERS}D1,王建国,{branch},,正式党员,,,,,\r\nD2,王五,{branch},,正式党员,,,,,\r\n"
    );
    let view = uploaded(&secretary, &branch, "members", file.as_bytes()).await;
    assert_eq!(counts(&view)[0], 2);
    let form = json!({ "name": "王五", "code": "D2", "class": "full" });
    assert_eq!(secretary.post(&format!("/api/orgs/{branch}/members"), form).await.status, 201);
    let failed = confirmed(&secretary, &view).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(members_there(&secretary, &branch).await, 9, "all or nothing");
    app.stop().await;
}
