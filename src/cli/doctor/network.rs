//! Ports, advertised addresses and the certificate.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::finding::{Finding, Subject, say};
use crate::app::server::{certificate_names, media_config};
use crate::clock::Clock;
use crate::config::{Config, interface_addresses};
use crate::http::listener::bind;
use crate::http::tls;

const TCP: Subject = Subject("tcp_port", "TCP 端口", "TCP port");
const UDP: Subject = Subject("udp_ports", "UDP 端口", "UDP ports");
const ADDRESSES: Subject = Subject("addresses", "告知浏览器的地址", "Advertised addresses");
const CERTIFICATE: Subject = Subject("certificate", "证书", "Certificate");

const PATIENCE: Duration = Duration::from_millis(800);
const SOON_DAYS: i64 = 14;

/// How a port was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Free,
    /// A Yuntang answers there: this one, running.
    Ours,
    Taken,
    Denied,
}

pub fn examine(config: &Config) -> Vec<Finding> {
    let tcp = tcp_port(config);
    let any = config.listen.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let media = media_config(config, SocketAddr::new(any, config.port));
    let udp: Vec<(SocketAddr, Port)> =
        media.udp.iter().map(|address| (*address, udp_port(*address, tcp))).collect();
    vec![
        tcp_finding(config.port, tcp),
        udp_finding(&udp),
        addresses(&media.advertised, &interface_addresses(), &config.public_ips),
    ]
}

fn of(error: &io::Error, ours: bool) -> Port {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Port::Denied,
        _ if ours => Port::Ours,
        _ => Port::Taken,
    }
}

fn tcp_port(config: &Config) -> Port {
    match bind_tcp(config) {
        Ok(()) => Port::Free,
        Err(error) => {
            let host = config.listen.filter(|address| !address.is_unspecified());
            let host = host.unwrap_or(Ipv4Addr::LOCALHOST.into());
            of(&error, answers(SocketAddr::new(host, config.port)))
        }
    }
}

fn bind_tcp(config: &Config) -> io::Result<()> {
    bind(config.listen, config.port).map(drop)
}

/// Whether a Yuntang answers at the address.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(4_096).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"))
}

fn udp_port(address: SocketAddr, tcp: Port) -> Port {
    match UdpSocket::bind(address) {
        Ok(_) => Port::Free,
        Err(error) => of(&error, tcp == Port::Ours),
    }
}

fn tcp_finding(port: u16, found: Port) -> Finding {
    match found {
        Port::Free => TCP.good(say(format!("{port} 可用"), format!("{port} is free"))),
        Port::Ours => TCP.good(say(
            format!("{port} 由正在运行的云堂使用"),
            format!("{port} is used by the Yuntang that runs"),
        )),
        Port::Taken => TCP.bad(
            say(format!("{port} 被其他程序占用"), format!("{port} is taken by another program")),
            say("请停掉那个程序，或用 --port 换一个端口", "stop it, or choose another with --port"),
        ),
        Port::Denied => TCP.bad(
            say(format!("没有权限使用 {port}"), format!("no right to use {port}")),
            say("请用 --port 换 1024 以上的端口", "choose one above 1024 with --port"),
        ),
    }
}

fn udp_finding(ports: &[(SocketAddr, Port)]) -> Finding {
    let list = |wanted: &dyn Fn(Port) -> bool| {
        let ports = ports.iter().filter(|(_, port)| wanted(*port));
        ports.map(|(address, _)| address.port().to_string()).collect::<Vec<_>>().join(" ")
    };
    let wrong = list(&|port| matches!(port, Port::Taken | Port::Denied));
    if !wrong.is_empty() {
        return UDP.bad(
            say(format!("{wrong} 不可用"), format!("{wrong} cannot be used")),
            say(
                "请停掉占用的程序，或用 --port 换一个端口",
                "stop the program that uses it, or choose another with --port",
            ),
        );
    }
    let all = list(&|_| true);
    if ports.iter().any(|(_, port)| *port == Port::Ours) {
        let en = format!("{all} are used by the Yuntang that runs");
        return UDP.good(say(format!("{all} 由正在运行的云堂使用"), en));
    }
    UDP.good(say(
        format!("{all} 可用；防火墙须一并放行"),
        format!("{all} are free; the firewall must let them through too"),
    ))
}

fn addresses(advertised: &[IpAddr], own: &[IpAddr], public: &[IpAddr]) -> Finding {
    let list = advertised.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ");
    let found = say(list.clone(), list);
    let outside: Vec<_> = advertised.iter().filter(|address| !address.is_loopback()).collect();
    if outside.is_empty() {
        return ADDRESSES.bad(
            found,
            say(
                "只有本机能参会；请检查网卡，或用 --public-ip 指定别人能访问的地址",
                "only this machine can take part: check the network, or name an address with --public-ip",
            ),
        );
    }
    if let Some(public) = public.iter().find(|public| !own.contains(public)) {
        let ports = say(
            format!("{public} 不在本机网卡上：请确认路由器把同号的 TCP 和 UDP 端口都转发到本机"),
            format!(
                "{public} is not of this machine: the router must forward the TCP and UDP ports"
            ),
        );
        return ADDRESSES.care(found, ports);
    }
    if outside.iter().all(|address| is_private(**address)) {
        return ADDRESSES.care(
            found,
            say(
                "都是内网地址，外网的人进不来；需要时用 --public-ip 指定公网地址",
                "all private: nobody from outside can take part; name the public address with --public-ip",
            ),
        );
    }
    ADDRESSES.good(found)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        // fc00::/7
        IpAddr::V6(v6) => v6.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// The certificate in the data folder, against the names that it is wanted for.
pub fn certificate(config: &Config, clock: &Clock) -> Finding {
    let (names, addresses) = certificate_names(config);
    let wanted = names.into_iter().chain(addresses.iter().map(IpAddr::to_string)).collect();
    judge(tls::leaf_status(&config.data.keys()), &wanted, clock.now_us() / 1_000_000)
}

fn judge(
    leaf: tls::LeafStatus,
    wanted: &std::collections::BTreeSet<String>,
    now_s: i64,
) -> Finding {
    use tls::LeafStatus;
    match leaf {
        LeafStatus::Missing => CERTIFICATE.care(
            say("还没有证书", "none yet"),
            say("首次启动时自动生成", "the first start makes one"),
        ),
        LeafStatus::Damaged => CERTIFICATE.bad(
            say("证书文件损坏", "the certificate's files are damaged"),
            say(
                "请从备份恢复 keys 目录；或删除 keys 中的 tls.crt、tls.key、tls.json 后重新启动",
                "restore the keys folder from a backup, or delete its tls.crt, tls.key and tls.json",
            ),
        ),
        LeafStatus::Made { names, not_after } => {
            let days = (not_after - now_s) / 86_400;
            let missing: Vec<_> = wanted.difference(&names).cloned().collect();
            let renewed = say("重新启动后自动更新", "the next start renews it");
            if days < 0 {
                let found = say(format!("已过期{}天", -days), format!("expired {} days ago", -days));
                CERTIFICATE.bad(found, renewed)
            } else if !missing.is_empty() {
                let list = missing.join(" ");
                let found = say(format!("不含 {list}"), format!("does not name {list}"));
                CERTIFICATE.care(found, renewed)
            } else if days < SOON_DAYS {
                let found = say(format!("还有{days}天到期"), format!("{days} days left"));
                CERTIFICATE.care(found, renewed)
            } else {
                CERTIFICATE.good(say(
                    format!("还有{days}天到期，含 {} 个名称和地址", names.len()),
                    format!("{days} days left, for {} names and addresses", names.len()),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::finding::Level::{Bad, Care, Good};
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_port_of_another_program_is_told_from_one_of_ours() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let stranger = std::thread::spawn(move || drop(other.accept().unwrap()));
        assert!(!answers(address));
        stranger.join().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let ours = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let _ = stream.read(&mut [0; 1_024]);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").unwrap();
        });
        assert!(answers(address));
        ours.join().unwrap();
    }

    #[test]
    fn ports_are_judged_one_by_one() {
        let levels = [Port::Free, Port::Ours, Port::Taken, Port::Denied]
            .map(|port| tcp_finding(8443, port).level);
        assert_eq!(levels, [Good, Good, Bad, Bad]);
        let at = |port: u16| SocketAddr::from(([0, 0, 0, 0], port));
        let some = udp_finding(&[(at(8443), Port::Free), (at(8444), Port::Taken)]);
        assert_eq!((some.level, some.found.zh.as_str()), (Bad, "8444 不可用"));
        assert_eq!(udp_finding(&[(at(8443), Port::Ours)]).level, Good);
    }

    #[test]
    fn addresses_are_judged_by_who_can_reach_them() {
        let own = [ip("127.0.0.1"), ip("192.168.1.5"), ip("203.0.113.9"), ip("fd00::1")];
        let level = |list: &[&str], public: &[&str]| {
            let all = |list: &[&str]| list.iter().map(|text| ip(text)).collect::<Vec<_>>();
            addresses(&all(list), &own, &all(public)).level
        };
        assert_eq!(level(&["127.0.0.1"], &[]), Bad);
        assert_eq!(level(&["127.0.0.1", "192.168.1.5", "fd00::1"], &[]), Care);
        assert_eq!(level(&["203.0.113.9", "192.168.1.5"], &[]), Good);
        assert_eq!(level(&["198.51.100.7", "192.168.1.5"], &["198.51.100.7"]), Care);
    }

    #[test]
    fn a_certificate_is_judged_by_its_names_and_days() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let made = |names: &[&str], days: i64| tls::LeafStatus::Made {
            names: set(names),
            not_after: 1_000_000 + days * 86_400,
        };
        let level = |leaf| judge(leaf, &set(&["a", "b"]), 1_000_000).level;
        assert_eq!(level(made(&["a", "b", "c"], 300)), Good);
        assert_eq!(level(made(&["a"], 300)), Care);
        assert_eq!(level(made(&["a", "b"], 5)), Care);
        assert_eq!(level(made(&["a", "b"], -5)), Bad);
        assert_eq!(level(tls::LeafStatus::Missing), Care);
        assert_eq!(level(tls::LeafStatus::Damaged), Bad);
    }
}
