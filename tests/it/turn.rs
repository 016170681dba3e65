//! Our TURN server as strangers see it: coturn's own client relays through it, and nobody reaches
//! anything but media by it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use media::turn::{Class, IntegrityKind, LongTermKey, Message, Writer, attr};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::time::timeout;

use crate::http_network::probe;
use crate::http_support::TestApp;

const ECHO: &str = "192.0.2.200:3480";
const ECHO_6: &str = "[2001:db8::200]:3480";
const MESSAGES: u32 = 20;

/// A server that echoes for `echo`, and the relay that a member of its open session is told of.
struct Rig {
    app: TestApp,
    username: String,
    credential: String,
    udp: SocketAddr,
}

/// Where a shard listens: one of the candidates that a probe gets.
async fn media_port(app: &TestApp) -> SocketAddr {
    let answer = app.client().post("/api/network/probe", probe("udp")).await.json();
    let sdp = answer["sdp"].as_str().unwrap();
    let candidates = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    let mut ports = candidates.filter_map(|line| line.split(' ').nth(5)?.parse().ok());
    SocketAddr::from(([127, 0, 0, 1], ports.next().unwrap()))
}

impl Rig {
    async fn start(echo: &str) -> Self {
        let echo: SocketAddr = echo.parse().unwrap();
        let app = TestApp::start_with(|config| config.turn_test_peer = Some(echo)).await;
        app.open().await;
        let member = app.sign_in("member1").await;
        let path = format!("/api/sessions/{}/join", app.session());
        let grant = member.post(&path, json!({})).await.json();
        let server = grant["ice_servers"][0].clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        // Not over UDP: libwebrtc would take what comes from there for TURN's, and never go direct.
        let urls = [format!("turns:{}?transport=tcp", app.address())];
        assert_eq!(server["urls"], json!(urls));
        assert_eq!(server["expires_us"], grant["expires_us"]);
        let udp = media_port(&app).await;
        let (username, credential) = (text(&server["username"]), text(&server["credential"]));
        assert!(!username.contains(&app.account("member1").person_id.to_string()));
        Self { udp, username, credential, app }
    }

    /// Runs coturn's client; all its messages must come back.
    async fn coturn(&self, port: u16, echo: &str, flags: &[&str]) {
        let echo: SocketAddr = echo.parse().unwrap();
        let output = Command::new("turnutils_uclient")
            .args(["-u", &self.username, "-w", &self.credential])
            .args(["-e", &echo.ip().to_string(), "-r", &echo.port().to_string()])
            .args(["-n", &MESSAGES.to_string(), "-m", "2", "-l", "171", "-c", "-v"])
            .args(flags)
            .args(["-p", &port.to_string(), "127.0.0.1"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(Duration::from_secs(60), output).await.expect("in time").unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let all = format!("tot_send_msgs={0}, tot_recv_msgs={0}", 2 * MESSAGES);
        assert!(output.status.success() && told.contains(&all), "{flags:?}: {told}");
        assert!(told.contains("Total lost packets 0 (0.0"), "{flags:?}: {told}");
    }
}

#[tokio::test]
async fn coturns_client_relays_over_udp_tcp_and_tls_by_channels_and_indications() {
    let rig = Rig::start(ECHO).await;
    let tcp = rig.app.address().port();
    let (udp, tls): (&[&str], &[&str]) = (&[], &["-t", "-S"]);
    for (port, way) in [(rig.udp.port(), udp), (tcp, &["-t"]), (tcp, tls)] {
        rig.coturn(port, ECHO, way).await;
        rig.coturn(port, ECHO, &[way, &["-s"]].concat()).await;
    }
    // An IPv4 relay asked for by name, and DONT-FRAGMENT.
    rig.coturn(rig.udp.port(), ECHO, &["-X", "-g"]).await;
    rig.app.stop().await;
}

#[tokio::test]
async fn coturns_client_relays_to_an_ipv6_peer() {
    let rig = Rig::start(ECHO_6).await;
    rig.coturn(rig.udp.port(), ECHO_6, &["-x"]).await;
    rig.coturn(rig.app.address().port(), ECHO_6, &["-x", "-t", "-S"]).await;
    rig.app.stop().await;
}

/// A client of our own, to ask for what coturn's would not.
struct Client<'a> {
    rig: &'a Rig,
    socket: UdpSocket,
    nonce: Vec<u8>,
    asked: u8,
}

impl<'a> Client<'a> {
    async fn allocated(rig: &'a Rig) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(rig.udp).await.unwrap();
        let mut client = Self { rig, socket, nonce: Vec::new(), asked: 0 };
        assert_eq!(client.ask(attr::ALLOCATE, None).await, Some(401));
        assert_eq!(client.ask(attr::ALLOCATE, None).await, None);
        client
    }

    /// The error code of the answer.
    async fn ask(&mut self, method: u16, peer: Option<SocketAddr>) -> Option<u16> {
        self.asked += 1;
        let transaction = [self.asked; 12];
        let mut request = Vec::new();
        let mut writer = Writer::new(&mut request, Class::Request, method, &transaction);
        if method == attr::ALLOCATE {
            writer = writer.attribute(attr::REQUESTED_TRANSPORT, &[attr::UDP, 0, 0, 0]);
        }
        if method == attr::CHANNEL_BIND {
            writer = writer.number(attr::CHANNEL_NUMBER, 0x4000_0000 | u32::from(self.asked) << 16);
        }
        if let Some(peer) = peer {
            writer = writer.address(attr::XOR_PEER_ADDRESS, peer);
        }
        if !self.nonce.is_empty() {
            let Rig { username, credential, .. } = self.rig;
            writer = writer
                .attribute(attr::USERNAME, username.as_bytes())
                .attribute(attr::REALM, b"yuntang")
                .attribute(attr::NONCE, &self.nonce)
                .sign(&LongTermKey::new(username, "yuntang", credential), IntegrityKind::Sha1);
        }
        writer.finish();
        self.socket.send(&request).await.unwrap();
        let mut answer = [0; 1_500];
        let received = timeout(Duration::from_secs(10), self.socket.recv(&mut answer));
        let len = received.await.expect("an answer").unwrap();
        let answer = Message::parse(&answer[..len]).unwrap();
        assert_eq!(answer.transaction, transaction);
        if let Some(nonce) = answer.nonce {
            self.nonce = nonce.to_vec();
        }
        answer.error_code
    }

    async fn indicate(&self, peer: SocketAddr) {
        let mut message = Vec::new();
        Writer::new(&mut message, Class::Indication, attr::SEND, &[7; 12])
            .address(attr::XOR_PEER_ADDRESS, peer)
            .attribute(attr::DATA, b"let me in")
            .finish();
        self.socket.send(&message).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_but_our_own_media_is_reached() {
    let rig = Rig::start(ECHO).await;
    // Somebody else's service on the same machine, and our own pages.
    let victim = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::allocated(&rig).await;
    let foreign = [
        "127.0.0.2:8443",
        "0.0.0.0:8443",
        "10.0.0.1:53",
        "169.254.169.254:80",
        "224.0.0.251:5353",
        "255.255.255.255:9",
        "192.0.2.201:3480",
    ];
    for peer in foreign {
        let peer = peer.parse().unwrap();
        assert_eq!(client.ask(attr::CREATE_PERMISSION, Some(peer)).await, Some(403), "{peer}");
        assert_eq!(client.ask(attr::CHANNEL_BIND, Some(peer)).await, Some(403), "{peer}");
    }
    for peer in ["[::1]:8443", "[fe80::1]:8443", "[ff02::1]:8443"] {
        let peer = peer.parse().unwrap();
        assert_eq!(client.ask(attr::CHANNEL_BIND, Some(peer)).await, Some(403), "{peer}");
    }
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), rig.udp.port());
    assert_eq!(client.ask(attr::CHANNEL_BIND, Some(mapped)).await, Some(403));
    // The address is that of our shards, so that it may be permitted; the port is not theirs.
    let victim_address = victim.local_addr().unwrap();
    assert_eq!(client.ask(attr::CREATE_PERMISSION, Some(victim_address)).await, None);
    for peer in [victim_address, rig.app.address()] {
        assert_eq!(client.ask(attr::CHANNEL_BIND, Some(peer)).await, Some(403), "{peer}");
        client.indicate(peer).await;
    }
    // Requests are answered in order: the indications before this one have been dealt with.
    assert_eq!(client.ask(attr::CHANNEL_BIND, Some(rig.udp)).await, None);
    let mut byte = [0];
    let came = victim.try_recv(&mut byte).map_err(|error| error.kind());
    assert_eq!(came, Err(std::io::ErrorKind::WouldBlock));
    rig.app.stop().await;
}

#[tokio::test]
async fn a_wrong_password_relays_nothing() {
    let mut rig = Rig::start(ECHO).await;
    rig.credential.push('x');
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(rig.udp).await.unwrap();
    let mut client = Client { rig: &rig, socket, nonce: Vec::new(), asked: 0 };
    assert_eq!(client.ask(attr::ALLOCATE, None).await, Some(401));
    assert_eq!(client.ask(attr::ALLOCATE, None).await, Some(401));
    assert_eq!(client.ask(attr::CHANNEL_BIND, Some(rig.udp)).await, Some(401));
    rig.app.stop().await;
}
