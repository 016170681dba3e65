//! As much HTTP as a bot needs: sign in, open a meeting, ask to join. Blocking, one connection a
//! request, plain HTTP, which the server speaks on loopback only.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(20);

/// `demo.json`, as far as bots read it.
#[derive(Debug, Clone, Deserialize)]
pub struct Demo {
    pub http_url: String,
    pub accounts: Vec<Account>,
    pub sessions: Vec<Session>,
}

#[derive(Clone, Deserialize)]
pub struct Account {
    pub key: String,
    pub login: String,
    pub password: String,
    pub name: String,
    pub person_id: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("key", &self.key).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    pub key: String,
    pub id: String,
}

impl Demo {
    /// # Errors
    /// When no account has this key.
    pub fn account(&self, key: &str) -> io::Result<&Account> {
        let found = self.accounts.iter().find(|account| account.key == key);
        found.ok_or_else(|| io::Error::other(format!("no account has the key {key}")))
    }
}

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Place {
    pub address: SocketAddr,
    host: String,
}

impl Place {
    /// Of `http://host:port`.
    ///
    /// # Errors
    /// Another scheme, or a host that is not found.
    pub fn of(url: &str) -> io::Result<Self> {
        let wrong =
            || io::Error::other("bots need http://localhost:PORT (they run beside the server)");
        let host = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
        let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        // `localhost` may be IPv6 first; the server of a test listens on one of them only.
        let addresses: Vec<_> = with_port.to_socket_addrs()?.collect();
        let open = addresses.iter().find(|a| TcpStream::connect_timeout(a, TIMEOUT).is_ok());
        let address = *open.ok_or_else(|| io::Error::other(format!("nobody answers at {url}")))?;
        Ok(Self { address, host: host.to_owned() })
    }

    pub fn at(address: SocketAddr) -> Self {
        Self { address, host: address.to_string() }
    }

    /// `ws://…` of a path.
    pub fn websocket(&self, path: &str) -> String {
        format!("ws://{}{path}", self.host)
    }

    /// Signs in.
    ///
    /// # Errors
    /// No connection, or a refusal in the server's words.
    pub fn sign_in(&self, account: &Account) -> io::Result<SignedIn> {
        let body = json!({ "login": account.login, "password": account.password });
        let (_, cookie) = self.post("/api/login", None, &body)?;
        let cookie = cookie.ok_or_else(|| io::Error::other("signing in gave no cookie"))?;
        Ok(SignedIn { place: self.clone(), cookie })
    }

    fn post(
        &self,
        path: &str,
        cookie: Option<&str>,
        body: &Value,
    ) -> io::Result<(Value, Option<String>)> {
        let (body, host) = (body.to_string(), &self.host);
        let length = body.len();
        let more = format!(
            "Origin: http://{host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        read_answer(path, &self.exchange("POST", path, cookie, &more)?)
    }

    /// The body of a page that needs no account.
    ///
    /// # Errors
    /// No connection, or a refusal.
    pub fn text(&self, path: &str) -> io::Result<String> {
        self.get(path, None)
    }

    fn get(&self, path: &str, cookie: Option<&str>) -> io::Result<String> {
        let answer = self.exchange("GET", path, cookie, "\r\n")?;
        read_answer(path, &answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        Ok(body.unwrap_or_default())
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        cookie: Option<&str>,
        more: &str,
    ) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let host = &self.host;
        let cookie = cookie.map(|c| format!("Cookie: {c}\r\n")).unwrap_or_default();
        stream.write_all(
            format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n{cookie}{more}").as_bytes(),
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// One account's sign-in.
#[derive(Clone)]
pub struct SignedIn {
    place: Place,
    cookie: String,
}

impl SignedIn {
    /// Opens the planned meeting; again is no error.
    ///
    /// # Errors
    /// As [`Place::sign_in`].
    pub fn open(&self, session: &str) -> io::Result<()> {
        self.post(&format!("/api/sessions/{session}/open")).map(drop)
    }

    /// A join token.
    ///
    /// # Errors
    /// As [`Place::sign_in`].
    pub fn join(&self, session: &str) -> io::Result<String> {
        let grant = self.post(&format!("/api/sessions/{session}/join"))?;
        let token = grant["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| io::Error::other("the join grant has no token"))
    }

    /// Sets a password of one's own.
    ///
    /// # Errors
    /// As [`Place::sign_in`].
    pub fn change_password(&self, old: &str, new: &str) -> io::Result<()> {
        let body = json!({ "old": old, "new": new });
        self.place.post("/api/password", Some(&self.cookie), &body).map(drop)
    }

    /// Id of the first organisation in which this account may create meetings.
    ///
    /// # Errors
    /// As [`Place::sign_in`], or there is none.
    pub fn branch(&self) -> io::Result<String> {
        let me = self.place.get("/api/me", Some(&self.cookie))?;
        let me: Value = serde_json::from_str(&me)?;
        let org = me["can_create"][0].as_str().map(str::to_owned);
        org.ok_or_else(|| io::Error::other("this account creates no meetings"))
    }

    fn post(&self, path: &str) -> io::Result<Value> {
        Ok(self.place.post(path, Some(&self.cookie), &json!({}))?.0)
    }
}

/// The JSON and the cookie of an answer.
fn read_answer(path: &str, answer: &str) -> io::Result<(Value, Option<String>)> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other(format!("{path}: the answer has no head")))?;
    let status: u16 = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    if !(200..300).contains(&status) {
        let detail = body["detail"].as_str().unwrap_or("no reason given");
        return Err(io::Error::other(format!("{path}: {status} {detail}")));
    }
    let cookie = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_cookie = name.eq_ignore_ascii_case("set-cookie");
        is_cookie.then(|| value.split(';').next().unwrap_or_default().trim().to_owned())
    });
    Ok((body, cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_its_json_and_its_cookie() {
        let text = "HTTP/1.1 200 OK\r\nSet-Cookie: yt_session=abc; HttpOnly\r\n\r\n{\"a\":1}";
        let (body, cookie) = read_answer("/", text).unwrap();
        assert_eq!((body["a"].as_u64(), cookie.as_deref()), (Some(1), Some("yt_session=abc")));
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let text = "HTTP/1.1 403 Forbidden\r\n\r\n{\"detail\":\"不在名册内\"}";
        let error = read_answer("/x", text).unwrap_err();
        assert_eq!(error.to_string(), "/x: 403 不在名册内");
    }

    #[test]
    fn only_plain_http_is_spoken() {
        assert!(Place::of("https://localhost:1").is_err());
    }
}
