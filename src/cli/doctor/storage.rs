//! The data folder: writable, large enough, and fast to sync.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::finding::{Finding, Subject, say};
use crate::config::Config;

const FOLDER: Subject = Subject("data_folder", "数据目录", "Data folder");
const SPACE: Subject = Subject("disk_space", "磁盘空间", "Disk space");
const SYNC: Subject = Subject("disk_sync", "磁盘写入", "Disk sync");

/// A meeting of two hours with ten cameras is some 5 GB as captured, and as much again rendered.
const LITTLE_SPACE: u64 = 10 << 30;
const NO_SPACE: u64 = 1 << 30;
/// Each entry of the journal waits for one sync.
const SLOW_SYNC: Duration = Duration::from_millis(30);
const BAD_SYNC: Duration = Duration::from_millis(200);
const SYNCS: usize = 15;

pub fn examine(config: &Config) -> Vec<Finding> {
    let path = config.data.path();
    vec![
        folder(config, path),
        free(path).map_or_else(unknown_space, space),
        match syncs(path) {
            Ok(times) => sync(times),
            Err(error) => SYNC.bad(
                say(format!("写不进数据目录（{error}）"), format!("cannot write ({error})")),
                say("请检查目录的权限和磁盘", "check the folder's permissions and the disk"),
            ),
        },
    ]
}

fn folder(config: &Config, path: &Path) -> Finding {
    if let Err(error) = config.data.prepare() {
        return FOLDER.bad(
            say(error.to_string(), format!("{} cannot be used", path.display())),
            say(
                "请用 --data 指定一个可以写入的目录",
                "choose a folder that can be written with --data",
            ),
        );
    }
    let place = path.display().to_string();
    let open = fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o007 != 0);
    if open {
        return FOLDER.care(
            say(format!("{place}，其他人也能读取"), format!("{place}, readable by others")),
            say(format!("请运行 chmod 700 {place}"), format!("run chmod 700 {place}")),
        );
    }
    FOLDER.good(say(place.clone(), place))
}

/// Bytes that an ordinary process may still write there.
fn free(path: &Path) -> Option<u64> {
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the name is a C string, and the place is as large as the system expects.
    let result = unsafe { libc::statvfs(name.as_ptr(), stat.as_mut_ptr()) };
    if result != 0 {
        return None;
    }
    // SAFETY: filled in by the call that succeeded.
    let stat = unsafe { stat.assume_init() };
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn unknown_space() -> Finding {
    SPACE.care(
        say("无法得知剩余空间", "the space left is not known"),
        say("请确认磁盘至少还有 10 GB", "make sure that at least 10 GB are left"),
    )
}

fn space(free: u64) -> Finding {
    let gigabytes = format!("{:.1} GB", free as f64 / 1e9);
    let found = say(format!("剩余 {gigabytes}"), format!("{gigabytes} left"));
    let advice = say(
        "请清理磁盘，或用 --data 换一个较大的磁盘；两小时的会议约需 10 GB",
        "make room, or choose a larger disk with --data; a meeting of two hours needs some 10 GB",
    );
    if free < NO_SPACE {
        SPACE.bad(found, advice)
    } else if free < LITTLE_SPACE {
        SPACE.care(found, advice)
    } else {
        SPACE.good(found)
    }
}

/// How long it takes to bring a small write to disk, several times.
fn syncs(path: &Path) -> std::io::Result<Vec<Duration>> {
    let name = path.join(format!(".doctor-{}", std::process::id()));
    let measure = || {
        let mut file = fs::File::create(&name)?;
        (0..SYNCS)
            .map(|_| {
                let start = Instant::now();
                file.write_all(&[0x5a; 4096])?;
                file.sync_data()?;
                Ok(start.elapsed())
            })
            .collect()
    };
    let times = measure();
    let _ = fs::remove_file(&name);
    times
}

fn sync(mut times: Vec<Duration>) -> Finding {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let found = say(
        format!("落盘约 {} 毫秒，最慢 {} 毫秒", ms(median), ms(worst)),
        format!("a sync takes {} ms, {} ms at worst", ms(median), ms(worst)),
    );
    let advice = say(
        "签到和会议日志要等磁盘写完；请把数据目录放到本机的固态盘，不要放在网络盘上",
        "check-ins wait for the disk: put the data folder on a local SSD, not on a network share",
    );
    if median > BAD_SYNC {
        SYNC.bad(found, advice)
    } else if median > SLOW_SYNC {
        SYNC.care(found, advice)
    } else {
        SYNC.good(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level::{Bad, Care, Good};
    use super::*;

    #[test]
    fn space_is_judged_by_what_a_meeting_needs() {
        assert_eq!([0, 2 << 30, 50 << 30].map(|free| space(free).level), [Bad, Care, Good]);
    }

    #[test]
    fn a_sync_is_judged_by_its_usual_time_not_by_one_hiccup() {
        let ms = |n: &[u64]| n.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(sync(ms(&[2, 900, 3])).level, Good);
        assert_eq!(sync(ms(&[40, 50, 60])).level, Care);
        let slow = sync(ms(&[300, 301, 400]));
        assert_eq!(slow.level, Bad);
        assert!(slow.found.zh.contains("301.0") && slow.found.zh.contains("400.0"));
    }

    #[test]
    fn a_folder_is_measured_and_left_as_it_was() {
        let folder = std::env::temp_dir().join(format!("yuntang-doctor-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(syncs(&folder).unwrap().len(), SYNCS);
        assert!(free(&folder).unwrap() > 0);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
        assert!(syncs(&folder).is_err() && free(&folder).is_none());
    }
}
