//! What a build may still take: pure, from a snapshot of the machine and of the build's own processes.

use crate::memory::{CgroupLevel, Constraint, Snapshot};

/// Memory, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// What may be taken before somebody is killed, a reserve subtracted.
    pub(crate) headroom: u64,
    /// What others hold of the memory that decides.
    pub(crate) foreign: u64,
    /// What `headroom` could become at most, whatever others give back: what the user's limit leaves.
    pub(crate) most: u64,
    /// What there is beyond `headroom` that the user's own limit keeps us from taking: others may have it.
    pub(crate) spare: u64,
}

const MIB: u64 = 1 << 20;
/// Kept free for the pages of files that are being read, and for what grows between two samples: a share of the limit,
/// and bounds for it. A compiler whose own pages are thrown out again and again comes to a standstill.
const RESERVE_SHARE: u64 = 32;
const RESERVE_LEAST: u64 = 20 * MIB;
const RESERVE_MOST: u64 = 256 * MIB;

/// `own` is anonymous memory of the build's processes, `asked` what `--memory` allows them.
pub(crate) fn budget(snapshot: &Snapshot, own: u64, asked: Option<u64>) -> Budget {
    let (room, held) = room(snapshot);
    let reserve = (snapshot.limit / RESERVE_SHARE).clamp(RESERVE_LEAST, RESERVE_MOST);
    let by_machine = if snapshot.constraint == Constraint::Unknown { u64::MAX } else { room.saturating_sub(reserve) };
    let by_user = asked.map_or(u64::MAX, |asked| asked.saturating_sub(own));
    let headroom = by_machine.min(by_user);
    Budget { headroom, foreign: held.saturating_sub(own), most: by_user, spare: by_machine - headroom }
}

/// The memory that can be had, and what is held of it.
///
/// In a control group, pages of files that are in use count as free here, which they do not for a user who asks what is
/// available: the kernel drops them before it kills, and the reserve keeps the few that matter.
fn room(snapshot: &Snapshot) -> (u64, u64) {
    let machine = snapshot.mem_available.map(|room| (room, snapshot.mem_total.unwrap_or(room).saturating_sub(room)));
    let groups = snapshot.levels.iter().filter_map(level_room);
    groups.chain(machine).min_by_key(|(room, _)| *room).unwrap_or((0, 0))
}

fn level_room(level: &CgroupLevel) -> Option<(u64, u64)> {
    let held = level.used.saturating_sub(level.active_files.unwrap_or(0));
    Some((level.limit?.saturating_sub(held), held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::CgroupVersion;

    fn caged(limit: u64, used: u64, active_files: u64) -> Snapshot {
        let level = CgroupLevel {
            path: "/sys/fs/cgroup/cage".into(),
            version: CgroupVersion::V2,
            limit: Some(limit),
            throttles: false,
            used,
            anon: None,
            cached: None,
            active_files: Some(active_files),
            headroom: Some(limit - used),
        };
        let machine = Snapshot { mem_total: Some(24 << 30), mem_available: Some(20 << 30), ..Snapshot::unknown() };
        Snapshot { levels: vec![level], ..machine }.decide()
    }

    #[test]
    fn pages_of_files_give_way() {
        let found = budget(&caged(768 * MIB, 500 * MIB, 100 * MIB), 350 * MIB, None);
        assert_eq!(found.headroom, (768 - 400 - 24) * MIB);
        assert_eq!(found.foreign, 50 * MIB);
    }

    #[test]
    fn what_the_user_allows_is_the_builds_own() {
        let found = budget(&caged(4096 * MIB, 1000 * MIB, 0), 300 * MIB, Some(1024 * MIB));
        assert_eq!(found.headroom, 724 * MIB);
        assert_eq!(budget(&caged(4096 * MIB, 0, 0), 2048 * MIB, Some(1024 * MIB)).headroom, 0);
    }

    #[test]
    fn a_system_that_tells_nothing_holds_nothing_back() {
        assert_eq!(budget(&Snapshot::unknown(), 1, None).headroom, u64::MAX);
        assert_eq!(budget(&Snapshot::unknown(), MIB, Some(3 * MIB)).headroom, 2 * MIB);
    }

    #[test]
    fn what_the_users_limit_leaves_is_there_for_others() {
        let machine = caged(1000 * MIB, 100 * MIB, 0);
        let by_machine = budget(&machine, 50 * MIB, None);
        assert_eq!((by_machine.spare, by_machine.most), (0, u64::MAX));
        let by_user = budget(&machine, 50 * MIB, Some(250 * MIB));
        assert_eq!(by_user.most, 200 * MIB);
        assert_eq!((by_user.headroom, by_user.spare), (200 * MIB, by_machine.headroom - 200 * MIB));
    }
}
