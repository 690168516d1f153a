//! The status codes: one number for each outcome, grouped by hundreds, never reused.
//!
//! A code is appended to its group; a retired one stays as a comment. `nrg_status_name` and the
//! C# enum follow this file: the generator reads it, and a test compares [`name`] with it.

/// The call did what it was asked to do.
pub const NRG_STATUS_OK: i32 = 0;

// 100: an argument is wrong; the caller has a bug.

/// A pointer that must not be null is null.
pub const NRG_STATUS_NULL_ARGUMENT: i32 = 100;
/// An argument is outside the range its documentation gives.
pub const NRG_STATUS_INVALID_ARGUMENT: i32 = 101;
/// A text is not valid UTF-8.
pub const NRG_STATUS_INVALID_UTF8: i32 = 102;
/// A `struct_size` is smaller than the first released size of the struct.
pub const NRG_STATUS_STRUCT_TOO_SMALL: i32 = 103;
/// A buffer is too small; the needed length has been written, nothing else.
pub const NRG_STATUS_BUFFER_TOO_SMALL: i32 = 104;
/// A length exceeds the limit of the protocol or of the address space.
pub const NRG_STATUS_TOO_LARGE: i32 = 105;
/// A configuration contradicts itself or misses a part.
pub const NRG_STATUS_BAD_CONFIG: i32 = 106;
/// A peer id is not eight bytes.
pub const NRG_STATUS_BAD_PEER_ID: i32 = 107;
/// More entries than an append entry can hold.
pub const NRG_STATUS_TOO_MANY_ENTRIES: i32 = 108;
/// Bytes that are not the message they should be.
pub const NRG_STATUS_MALFORMED: i32 = 109;
/// An append entry that is cut short or contradicts its lengths.
pub const NRG_STATUS_BAD_APPEND_ENTRY: i32 = 110;
/// A peer state that is cut short or contradicts its lengths.
pub const NRG_STATUS_CORRUPT_PEERS: i32 = 111;
/// The leader of an append entry is neither absent nor exactly eight bytes.
pub const NRG_STATUS_LEADER_LEN: i32 = 112;
/// A name, or a code, that is not known here.
pub const NRG_STATUS_NOT_FOUND: i32 = 113;
/// No configuration is given.
pub const NRG_STATUS_NO_CONFIG: i32 = 114;

// 200: the state of the node or the runtime does not allow it.

/// This node does not lead, or leads in another term.
pub const NRG_STATUS_NOT_LEADER: i32 = 200;
/// This node leads already.
pub const NRG_STATUS_ALREADY_LEADER: i32 = 201;
/// The node is closed.
pub const NRG_STATUS_CLOSED: i32 = 202;
/// The runtime has been shut down; a poll answers this once and for ever.
pub const NRG_STATUS_SHUTDOWN: i32 = 203;
/// A step down names more than one preferred leader.
pub const NRG_STATUS_TOO_MANY_PREFS: i32 = 204;
/// Something does not come to rest; the text says what.
pub const NRG_STATUS_BUSY: i32 = 205;
/// A node of this server and group is already open.
pub const NRG_STATUS_ALREADY_OPEN: i32 = 206;
/// The operation is not part of this build.
pub const NRG_STATUS_UNSUPPORTED: i32 = 207;
/// Waiting has ended without the awaited state.
pub const NRG_STATUS_TIMED_OUT: i32 = 208;
/// The transport could not subscribe; the text says to what.
pub const NRG_STATUS_NO_TRANSPORT: i32 = 209;
/// The engine of this node panicked before: it is unusable, its runtime and other nodes are not.
pub const NRG_STATUS_FAULTED: i32 = 210;
/// The entry was appended, and the leadership ended before its commit: a later leader may commit it
/// or cut it off.
pub const NRG_STATUS_UNDECIDED: i32 = 211;
/// Too many bytes wait for their commit; nothing of the batch was taken. Propose it again once
/// something has been committed.
pub const NRG_STATUS_BACKLOG: i32 = 212;

// 300: membership.

/// Another membership change has not been committed yet.
pub const NRG_STATUS_MEMBERSHIP_CHANGE: i32 = 300;
/// The last peer can not be removed.
pub const NRG_STATUS_REMOVE_LAST_NODE: i32 = 301;
/// No such peer in the group.
pub const NRG_STATUS_PEER_NOT_FOUND: i32 = 302;
/// This peer was removed from the group.
pub const NRG_STATUS_NODE_REMOVED: i32 = 303;
/// The boot size of an established group can not be adjusted.
pub const NRG_STATUS_ADJUST_BOOT_CLUSTER: i32 = 304;
/// The membership of this group is not managed.
pub const NRG_STATUS_NOT_MANAGED: i32 = 305;
/// The group has a leader.
pub const NRG_STATUS_NOT_LEADERLESS: i32 = 306;
/// The remaining peers could still reach a quorum.
pub const NRG_STATUS_QUORUM_POSSIBLE: i32 = 307;
/// A rescue quorum outside 1 to the present quorum.
pub const NRG_STATUS_RESCUE_BAD_QUORUM: i32 = 308;
/// A rescue quorum while a leader is known.
pub const NRG_STATUS_RESCUE_LEADER_KNOWN: i32 = 309;
/// A rescue quorum on a node that does not vote.
pub const NRG_STATUS_RESCUE_NOT_VOTING: i32 = 310;
/// A rescue quorum on an empty log.
pub const NRG_STATUS_RESCUE_EMPTY_LOG: i32 = 311;
/// This leader is new and has not committed an entry of its term: try again soon.
pub const NRG_STATUS_LEADER_NOT_READY: i32 = 312;

// 400: snapshots.

/// There is no snapshot.
pub const NRG_STATUS_NO_SNAPSHOT: i32 = 400;
/// A snapshot is already being made.
pub const NRG_STATUS_SNAPSHOT_IN_PROGRESS: i32 = 401;
/// The snapshot was aborted.
pub const NRG_STATUS_SNAPSHOT_ABORTED: i32 = 402;
/// No snapshot while peers catch up from the log.
pub const NRG_STATUS_CATCHUPS_RUNNING: i32 = 403;
/// The snapshot's checksum or its structure is wrong.
pub const NRG_STATUS_SNAPSHOT_CORRUPT: i32 = 404;
/// The name of a snapshot file can not be read.
pub const NRG_STATUS_BAD_SNAPSHOT_NAME: i32 = 405;
/// The snapshot's index is not the one the log follows.
pub const NRG_STATUS_SNAPSHOT_MISMATCH: i32 = 406;

// 500: storage.

/// The disk refused an operation; the text says which.
pub const NRG_STATUS_IO: i32 = 500;
/// An entry could not be loaded from the log.
pub const NRG_STATUS_ENTRY_LOAD_FAILED: i32 = 501;
/// An entry could not be stored in the log.
pub const NRG_STATUS_ENTRY_STORE_FAILED: i32 = 502;
/// The group has no peer state: it was never bootstrapped.
pub const NRG_STATUS_NO_PEER_STATE: i32 = 503;
/// What is on disk contradicts itself.
pub const NRG_STATUS_CORRUPT: i32 = 504;
/// The directory is missing, or is not one, or can not be written.
pub const NRG_STATUS_BAD_DIRECTORY: i32 = 505;
/// A write failed for good and closed the node; the text says which.
pub const NRG_STATUS_WRITE_ERROR: i32 = 506;
/// A leader asked for committed entries to be cut off: the node is closed, nothing was cut.
pub const NRG_STATUS_TRUNCATE_BELOW_COMMIT: i32 = 507;

// 900: faults of the engine itself.

/// The engine panicked; the node that did it is unusable.
pub const NRG_STATUS_PANIC: i32 = 900;
/// The engine met a state that it does not know.
pub const NRG_STATUS_INTERNAL: i32 = 901;
/// The operating system gave the engine no thread; the text says which.
pub const NRG_STATUS_NO_THREAD: i32 = 902;

/// Each code with the name of its constant, in the order of the numbers.
macro_rules! names {
    ($($code:ident),+ $(,)?) => {
        &[$(($code, stringify!($code))),+]
    };
}

/// Every code of this file with its name.
pub(crate) const NAMES: &[(i32, &str)] = names![
    NRG_STATUS_OK,
    NRG_STATUS_NULL_ARGUMENT,
    NRG_STATUS_INVALID_ARGUMENT,
    NRG_STATUS_INVALID_UTF8,
    NRG_STATUS_STRUCT_TOO_SMALL,
    NRG_STATUS_BUFFER_TOO_SMALL,
    NRG_STATUS_TOO_LARGE,
    NRG_STATUS_BAD_CONFIG,
    NRG_STATUS_BAD_PEER_ID,
    NRG_STATUS_TOO_MANY_ENTRIES,
    NRG_STATUS_MALFORMED,
    NRG_STATUS_BAD_APPEND_ENTRY,
    NRG_STATUS_CORRUPT_PEERS,
    NRG_STATUS_LEADER_LEN,
    NRG_STATUS_NOT_FOUND,
    NRG_STATUS_NO_CONFIG,
    NRG_STATUS_NOT_LEADER,
    NRG_STATUS_ALREADY_LEADER,
    NRG_STATUS_CLOSED,
    NRG_STATUS_SHUTDOWN,
    NRG_STATUS_TOO_MANY_PREFS,
    NRG_STATUS_BUSY,
    NRG_STATUS_ALREADY_OPEN,
    NRG_STATUS_UNSUPPORTED,
    NRG_STATUS_TIMED_OUT,
    NRG_STATUS_NO_TRANSPORT,
    NRG_STATUS_FAULTED,
    NRG_STATUS_UNDECIDED,
    NRG_STATUS_BACKLOG,
    NRG_STATUS_MEMBERSHIP_CHANGE,
    NRG_STATUS_REMOVE_LAST_NODE,
    NRG_STATUS_PEER_NOT_FOUND,
    NRG_STATUS_NODE_REMOVED,
    NRG_STATUS_ADJUST_BOOT_CLUSTER,
    NRG_STATUS_NOT_MANAGED,
    NRG_STATUS_NOT_LEADERLESS,
    NRG_STATUS_QUORUM_POSSIBLE,
    NRG_STATUS_RESCUE_BAD_QUORUM,
    NRG_STATUS_RESCUE_LEADER_KNOWN,
    NRG_STATUS_RESCUE_NOT_VOTING,
    NRG_STATUS_RESCUE_EMPTY_LOG,
    NRG_STATUS_LEADER_NOT_READY,
    NRG_STATUS_NO_SNAPSHOT,
    NRG_STATUS_SNAPSHOT_IN_PROGRESS,
    NRG_STATUS_SNAPSHOT_ABORTED,
    NRG_STATUS_CATCHUPS_RUNNING,
    NRG_STATUS_SNAPSHOT_CORRUPT,
    NRG_STATUS_BAD_SNAPSHOT_NAME,
    NRG_STATUS_SNAPSHOT_MISMATCH,
    NRG_STATUS_IO,
    NRG_STATUS_ENTRY_LOAD_FAILED,
    NRG_STATUS_ENTRY_STORE_FAILED,
    NRG_STATUS_NO_PEER_STATE,
    NRG_STATUS_CORRUPT,
    NRG_STATUS_BAD_DIRECTORY,
    NRG_STATUS_WRITE_ERROR,
    NRG_STATUS_TRUNCATE_BELOW_COMMIT,
    NRG_STATUS_PANIC,
    NRG_STATUS_INTERNAL,
    NRG_STATUS_NO_THREAD,
];

/// The name of a status constant, or `None` for a number that is none.
pub fn name(code: i32) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list above is written by hand; this file's own text says whether it is complete.
    #[test]
    fn every_declared_code_has_a_name_and_its_own_number() {
        let declared: Vec<&str> = include_str!("status.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub const "))
            .filter_map(|line| line.split(':').next())
            .collect();
        let listed: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();

        assert_eq!(declared, listed);
        assert!(
            NAMES.is_sorted_by(|a, b| a.0 < b.0),
            "numbers rise and never repeat"
        );
        assert_eq!(name(200), Some("NRG_STATUS_NOT_LEADER"));
        assert_eq!(name(-1), None);
    }
}
