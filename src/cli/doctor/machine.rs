//! Clock, limits of the process, and the kernel's help for UDP.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use super::finding::{Finding, Subject, say};
use crate::clock::Clock;

const CLOCK: Subject = Subject("clock", "系统时钟", "Clock");
const FILES: Subject = Subject("open_files", "打开文件上限", "Open files");
const OFFLOAD: Subject = Subject("udp_offload", "UDP 批量收发", "UDP offload");
const BUFFERS: Subject = Subject("socket_buffers", "网络缓冲区", "Socket buffers");

/// 2025-01-01: a clock before it is plainly wrong.
const EARLIEST_US: i64 = 1_735_689_600_000_000;
/// A room of a thousand needs a file a websocket; the server itself some hundred.
const FEW_FILES: u64 = 4_096;
/// What a shard asks for, each way; below a quarter of it a burst of key frames is lost.
const BUFFER: u64 = 8 << 20;
const LITTLE_BUFFER: u64 = 2 << 20;

pub fn examine(clock: &Clock) -> Vec<Finding> {
    vec![
        time(clock.now_us(), synchronised()),
        files(file_limit()),
        offload(accepts(libc::UDP_SEGMENT), accepts(libc::UDP_GRO)),
        buffers(granted(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)),
    ]
}

/// Whether the kernel's clock is steered by NTP or PTP; none when it will not say.
fn synchronised() -> Option<bool> {
    // SAFETY: all-zero is a valid timex, and `modes` zero only reads.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex.status)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0)
}

fn time(now_us: i64, synchronised: Option<bool>) -> Finding {
    let text = crate::cli::session::local(now_us);
    let set =
        say("请先校正系统时间，会议记录以它为准", "set the clock first: the minutes go by it");
    if now_us < EARLIEST_US {
        let found = say(format!("{text}，明显不对"), format!("{text} is plainly wrong"));
        return CLOCK.bad(found, set);
    }
    match synchronised {
        Some(true) => CLOCK.good(say(
            format!("{text}，已自动校时"),
            format!("{text}, synchronised"),
        )),
        Some(false) => CLOCK.care(
            say(format!("{text}，没有自动校时"), format!("{text}, not synchronised")),
            say(
                "请启用 chrony 或 systemd-timesyncd；内网没有时间服务器时，开会前核对一次",
                "enable chrony or systemd-timesyncd; without a time server check it before meetings",
            ),
        ),
        None => CLOCK.good(say(text.clone(), text)),
    }
}

fn file_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is as large as the system expects.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    (result == 0).then_some(limit.rlim_cur)
}

fn files(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FEW_FILES => FILES.care(
            say(
                format!("{limit}，约够{}人同时参会", limit.saturating_sub(200) / 2),
                format!("{limit}"),
            ),
            say(
                "请运行 ulimit -n 65536 后再启动；用 systemd 时设 LimitNOFILE=65536",
                "run ulimit -n 65536 before the start, or LimitNOFILE=65536 under systemd",
            ),
        ),
        Some(limit) => FILES.good(say(limit.to_string(), limit.to_string())),
        None => FILES.good(say("系统没有给出", "the system does not say")),
    }
}

fn socket() -> Option<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()
}

/// Sets an integer option.
fn set(socket: &UdpSocket, level: i32, option: i32, value: i32) -> bool {
    // SAFETY: the value is an int that lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    result == 0
}

fn accepts(option: i32) -> bool {
    let value = i32::from(option == libc::UDP_GRO);
    socket().is_some_and(|socket| set(&socket, libc::SOL_UDP, option, value))
}

fn offload(gso: bool, gro: bool) -> Finding {
    let word = |on: bool| if on { "可用" } else { "不可用" };
    let english = |on: bool| if on { "yes" } else { "no" };
    let found = say(
        format!("发送 GSO {}，接收 GRO {}", word(gso), word(gro)),
        format!("GSO {}, GRO {}", english(gso), english(gro)),
    );
    if gso && gro {
        return OFFLOAD.good(found);
    }
    OFFLOAD.care(
        found,
        say(
            "会议照常，但处理器占用约多一倍；大型会议请用 Linux 5.0 以上的内核",
            "meetings work at about twice the processor time; use Linux 5.0 or newer for large ones",
        ),
    )
}

/// The receive buffer that the kernel grants when asked for [`BUFFER`]; it doubles what it is told.
fn granted(force: i32, plain: i32) -> Option<u64> {
    let socket = socket()?;
    let wanted = i32::try_from(BUFFER).unwrap_or(i32::MAX);
    if !set(&socket, libc::SOL_SOCKET, force, wanted) {
        set(&socket, libc::SOL_SOCKET, plain, wanted);
    }
    let (mut value, mut length) = (0i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: value and length are valid for the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            plain,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if result == 0 { u64::try_from(value / 2).ok() } else { None }
}

fn buffers(granted: Option<u64>) -> Finding {
    let Some(granted) = granted else {
        return BUFFERS.good(say("系统没有给出", "the system does not say"));
    };
    let mib = format!("{:.1} MiB", granted as f64 / f64::from(1 << 20));
    let found = say(format!("每个端口 {mib}"), format!("{mib} a port"));
    if granted >= LITTLE_BUFFER {
        return BUFFERS.good(found);
    }
    BUFFERS.care(
        found,
        say(
            "人多时会丢包；请以管理员运行 sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608",
            "packets are lost in large meetings; as root run sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level::{Bad, Care, Good};
    use super::*;

    #[test]
    fn a_clock_is_right_steered_or_minded() {
        assert_eq!(time(0, Some(true)).level, Bad);
        assert_eq!(time(EARLIEST_US, Some(false)).level, Care);
        assert_eq!(time(EARLIEST_US, Some(true)).level, Good);
    }

    #[test]
    fn limits_are_judged_and_said_in_people() {
        let few = files(Some(1_024));
        assert_eq!(few.level, Care);
        assert!(few.found.zh.contains("412人"));
        assert_eq!(files(Some(65_536)).level, Good);
        assert_eq!(buffers(Some(212_992)).level, Care);
        assert_eq!(buffers(Some(BUFFER)).level, Good);
        assert_eq!(offload(true, false).level, Care);
        assert_eq!(offload(true, true).level, Good);
    }

    #[test]
    fn this_machine_can_be_asked() {
        assert!(file_limit().is_some());
        assert!(granted(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF).is_some_and(|size| size > 0));
    }
}
