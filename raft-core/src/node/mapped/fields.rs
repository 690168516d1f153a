//! The server's field names: all of a node as JSON, and changes to it (tests.md 4.1).
//!
//! Ids are text, empty for none. Moments are nanoseconds of the node's clock, zero for none.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{CallError, Node, SubscriptionId};
use crate::node::catchup::{Catchup, RunId};
use crate::node::membership::Peer;
use crate::node::timers::Timer;
use crate::node::{FatalError, LeadChange, Role};
use crate::storage::{LogState, StorageError};
use crate::time::Instant;
use crate::types::{Index, PeerId, Term};
use crate::wire::{AppendEntry, AppendEntryHead};

/// Fields that tests read and never write.
const READ_ONLY: &[&str] = &[
    "account",
    "acks",
    "active",
    "aesub",
    "aflr",
    "apply",
    "areply",
    "asubj",
    "bytes",
    "created",
    "durable",
    "elect",
    "entry",
    "extSt",
    "fastPathTerm",
    "group",
    "hasleader",
    "installs",
    "leadc",
    "leaderSince",
    "llqrt",
    "lxfer",
    "maybeLeader",
    "membChange",
    "now",
    "observed",
    "overrunCount",
    "paused",
    "pleader",
    "prop",
    "psubj",
    "quorum",
    "reqs",
    "resp",
    "rpsubj",
    "sd",
    "signals",
    "votes",
    "vreply",
    "vsubj",
    "wal",
    "write_seq",
];

impl Node {
    /// Everything there is, under the server's names.
    #[must_use]
    pub fn dump_mapped(&self) -> Value {
        let mut all = self.dump_scalars();
        all.extend(self.dump_lists());
        Value::Object(all)
    }

    fn dump_scalars(&self) -> Map<String, Value> {
        object(json!({
            "id": self.id.to_string(),
            "group": self.group.as_str(),
            "created": moment(Some(self.created)),
            "now": moment(Some(self.now)),
            "state": self.role as u8,
            "leaderState": self.complete_leader,
            "leaderSince": moment(self.leader_since),
            "leader": id_or_empty(self.leader),
            "hasleader": self.leader.is_some(),
            "pleader": self.had_leader,
            "maybeLeader": self.maybe_leader,
            "lxfer": self.transfer_pending,
            "observer": self.observer,
            "extSt": self.domain_ext,
            "initializing": self.initializing,
            "scaleUp": self.scale_up,
            "managed": self.managed,
            "aflr": self.announce_at.0,
            "term": self.term.0,
            "vote": id_or_empty(self.vote),
            "pterm": self.last_term.0,
            "pindex": self.last_index.0,
            "commit": self.commit.0,
            "processed": self.processed.0,
            "applied": self.applied.0,
            "papplied": self.snapshot_index.0,
            "hcommit": self.held_commit.0,
            "durable": self.durability.durable_index().0,
            "bytes": self.log.state().bytes,
            "paused": self.paused,
            "quorumPaused": self.quorum_paused,
            "overrunCount": self.overrun_count,
            "werr": error_text(self.fatal.as_ref()),
            "rescue": self.in_rescue(),
            "track": self.track,
            "csz": self.cluster_size,
            "qn": self.quorum,
            "lsut": moment(self.grown_at),
            "llqrt": moment(Some(self.lost_quorum_notified_at)),
            "etlr": moment(self.testing.election_reset_at),
            "active": moment(self.last_stored_at),
        }))
    }

    fn dump_lists(&self) -> Map<String, Value> {
        let change = self.membership_change.as_ref().map(|change| {
            json!({
                "index": change.index.0,
                "peer": change.peer.to_string(),
                "prev": change.prev.as_ref().map(record),
            })
        });
        let acks = self
            .acks
            .iter()
            .map(|(index, count)| (index.0.to_string(), json!(count)));
        object(json!({
            "fastPathTerm": self.published().accepting.0,
            "snapfile": self.snapfile_named(),
            "snapshotting": self.snapshots.is_open,
            "installs": self.snapshots.installs(),
            "peers": by_id(&self.peers, record),
            "removed": by_id(&self.removed, |at| moment(Some(*at))),
            "observed": by_id(&self.observed, |at| moment(Some(*at))),
            "membChange": change,
            "catchup": self.catchup.as_ref().map(dump_catchup),
            "pae": self.pending.indexes().map(|index| index.0).collect::<Vec<_>>(),
            "acks": acks.collect::<Map<_, _>>(),
            "progress": by_id(&self.progress, |run| json!(run.0)),
            "prop": self.proposals.len(),
            "entry": self.entry_queue.len(),
            "resp": self.responses.len(),
            "reqs": self.vote_requests.len(),
            "votes": self.vote_responses.len(),
            "apply": self.apply.len(),
            "leadc": self.lead_change.map(lead_change),
            "wal": log_state(self.log.state()),
            "aesub": self.subscription_to(self.subjects.append_entry.as_str()).map(|sub| sub.0),
            "vsubj": self.subjects.vote.as_str(),
            "asubj": self.subjects.append_entry.as_str(),
            "psubj": self.subjects.proposal.as_str(),
            "rpsubj": self.subjects.removal.as_str(),
            "vreply": self.vote_inbox.as_str(),
            "areply": self.response_inbox.as_str(),
        }))
    }

    /// Changes fields by a JSON merge patch. Nothing else follows from it: no timer, no queue, no
    /// write. The node's invariants are not checked any more.
    ///
    /// # Errors
    /// [`CallError`] for the first field that is unknown, read-only or does not take its value;
    /// those before it, in the order of their names, are changed.
    pub fn set_mapped(&mut self, patch: &str) -> Result<(), CallError> {
        let patch: Map<String, Value> =
            serde_json::from_str(patch).map_err(|error| CallError::Json {
                want: "object",
                why: error.to_string(),
            })?;
        self.testing.dirty = true;
        for (field, value) in &patch {
            if READ_ONLY.contains(&field.as_str()) {
                return Err(CallError::ReadOnly(field.clone()));
            }
            let known = self
                .set_position(field, value)
                .or_else(|| self.set_flag(field, value))
                .or_else(|| self.set_other(field, value))
                .or_else(|| self.set_map(field, value));
            match known {
                None => return Err(CallError::Unknown(field.clone())),
                Some(None) => {
                    let (field, value) = (field.clone(), value.to_string());
                    return Err(CallError::Value { field, value });
                }
                Some(Some(())) => {}
            }
        }
        Ok(())
    }

    /// Terms and indexes. Outer none: not this function's; inner none: not such a value.
    fn set_position(&mut self, field: &str, value: &Value) -> Option<Option<()>> {
        let to = match field {
            "term" => &mut self.term.0,
            "pterm" => &mut self.last_term.0,
            "pindex" => &mut self.last_index.0,
            "commit" => &mut self.commit.0,
            "processed" => &mut self.processed.0,
            "applied" => &mut self.applied.0,
            "papplied" => &mut self.snapshot_index.0,
            "hcommit" => &mut self.held_commit.0,
            _ => return None,
        };
        Some(value.as_u64().map(|value| *to = value))
    }

    fn set_flag(&mut self, field: &str, value: &Value) -> Option<Option<()>> {
        let to = match field {
            "leaderState" => &mut self.complete_leader,
            "managed" => &mut self.managed,
            "observer" => &mut self.observer,
            "initializing" => &mut self.initializing,
            "scaleUp" => &mut self.scale_up,
            "track" => &mut self.track,
            "quorumPaused" => &mut self.quorum_paused,
            "snapshotting" => &mut self.snapshots.is_open,
            _ => return None,
        };
        Some(value.as_bool().map(|value| *to = value))
    }

    fn set_other(&mut self, field: &str, value: &Value) -> Option<Option<()>> {
        let small = || u32::try_from(value.as_u64()?).ok();
        Some(match field {
            "id" => peer(value).map(|value| self.id = value),
            "vote" => id_in(value).map(|value| self.vote = value),
            "leader" => id_in(value).map(|value| self.leader = value),
            "state" => value.as_u64().and_then(role).map(|value| self.role = value),
            "snapfile" => value
                .as_str()
                .and_then(|name| self.set_snapfile_named(name)),
            "csz" => small().map(|value| self.cluster_size = value),
            "qn" => small().map(|value| self.quorum = value),
            "rescue" => value.as_bool().map(|armed| self.set_rescue(armed)),
            "lsut" => moment_in(value).map(|value| self.grown_at = value),
            "etlr" => moment_in(value).map(|value| self.testing.election_reset_at = value),
            "werr" => text_in(value).map(|value| self.fatal = value.map(fatal)),
            _ => return None,
        })
    }

    /// Arms or disarms the rescue's timer, and nothing else.
    fn set_rescue(&mut self, armed: bool) {
        if armed {
            let until = self.now.after(self.timing.rescue_timeout);
            self.timers.arm(Timer::Rescue, until);
        } else {
            self.timers.disarm(Timer::Rescue);
        }
    }

    fn set_map(&mut self, field: &str, value: &Value) -> Option<Option<()>> {
        match field {
            "peers" => Some(patch_ids(&mut self.peers, value, |old, patch| {
                let old = old.copied().unwrap_or_default();
                Some(Peer {
                    last_heard: in_field(patch, "ts", old.last_heard, moment_in)?,
                    last_index: in_field(patch, "li", old.last_index, |v| v.as_u64().map(Index))?,
                })
            })),
            "removed" => Some(patch_ids(&mut self.removed, value, |_, patch| {
                moment_in(patch)?
            })),
            "progress" => Some(patch_ids(&mut self.progress, value, |_, patch| {
                patch.as_u64().map(RunId)
            })),
            "pae" => Some(self.set_pending(value)),
            "catchup" => Some(self.set_catchup(value)),
            _ => None,
        }
    }

    /// Keeps the listed indexes; a new one gets an entry that means nothing.
    fn set_pending(&mut self, value: &Value) -> Option<()> {
        let keys: Option<Vec<u64>> = value.as_array()?.iter().map(Value::as_u64).collect();
        let mut before = std::mem::take(&mut self.pending);
        let junk = AppendEntry::encode(AppendEntryHead::default(), [].into_iter()).ok()?;
        for index in keys?.into_iter().map(Index) {
            let kept = before.remove(index).unwrap_or_else(|| junk.clone());
            self.pending.put(index, kept);
        }
        Some(())
    }

    fn set_catchup(&mut self, value: &Value) -> Option<()> {
        if value.is_null() {
            self.catchup = None;
            return Some(());
        }
        let old = self.catchup.clone().unwrap_or(Catchup {
            sub: SubscriptionId(0),
            target_term: Term::ZERO,
            target_index: Index::ZERO,
            seen_index: self.last_index,
            from_term: self.last_term,
            active_at: self.now,
            signalled: false,
        });
        let handle = |v: &Value| v.as_u64().map(SubscriptionId);
        let (term, index) = (
            |v: &Value| v.as_u64().map(Term),
            |v: &Value| v.as_u64().map(Index),
        );
        let instant = |v: &Value| v.as_u64().map(Instant::from_nanos);
        self.catchup = Some(Catchup {
            sub: in_field(value, "sub", old.sub, handle)?,
            target_term: in_field(value, "cterm", old.target_term, term)?,
            target_index: in_field(value, "cindex", old.target_index, index)?,
            seen_index: in_field(value, "pindex", old.seen_index, index)?,
            from_term: in_field(value, "pterm", old.from_term, term)?,
            active_at: in_field(value, "active", old.active_at, instant)?,
            signalled: in_field(value, "signal", old.signalled, Value::as_bool)?,
        });
        Some(())
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn by_id<T>(map: &BTreeMap<PeerId, T>, show: impl Fn(&T) -> Value) -> Value {
    let shown = map.iter().map(|(id, value)| (id.to_string(), show(value)));
    Value::Object(shown.collect())
}

fn record(peer: &Peer) -> Value {
    json!({"ts": moment(peer.last_heard), "li": peer.last_index.0})
}

fn dump_catchup(catchup: &Catchup) -> Value {
    json!({
        "sub": catchup.sub.0,
        "cterm": catchup.target_term.0,
        "cindex": catchup.target_index.0,
        "pterm": catchup.from_term.0,
        "pindex": catchup.seen_index.0,
        "active": moment(Some(catchup.active_at)),
        "signal": catchup.signalled,
    })
}

pub(super) fn moment(at: Option<Instant>) -> Value {
    json!(at.map_or(0, Instant::as_nanos))
}

pub(super) fn id_or_empty(id: Option<PeerId>) -> Value {
    json!(id.map_or_else(String::new, |id| id.to_string()))
}

pub(super) fn log_state(state: LogState) -> Value {
    json!({
        "msgs": state.messages,
        "bytes": state.bytes,
        "first": state.first.0,
        "last": state.last.0,
    })
}

pub(super) fn lead_change(change: LeadChange) -> Value {
    json!({"isLeader": change.is_leader, "term": change.term.0})
}

pub(super) fn error_text(error: Option<&FatalError>) -> Value {
    json!(error.map_or_else(String::new, ToString::to_string))
}

/// A fatal error that says `text`.
pub(super) fn fatal(text: impl AsRef<str>) -> FatalError {
    let error = StorageError::Io {
        operation: "write",
        path: PathBuf::new(),
        source: io::Error::other(text.as_ref()),
    };
    FatalError::Storage(error.into())
}

fn id_in(value: &Value) -> Option<Option<PeerId>> {
    match text_in(value)? {
        None => Some(None),
        Some(_) => peer(value).map(Some),
    }
}

fn text_in(value: &Value) -> Option<Option<&str>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.as_str()).filter(|text| !text.is_empty())),
        _ => None,
    }
}

fn moment_in(value: &Value) -> Option<Option<Instant>> {
    match value.as_u64()? {
        0 => Some(None),
        nanos => Some(Some(Instant::from_nanos(nanos))),
    }
}

/// A member of a patch, or what was there before.
fn in_field<T>(
    patch: &Value,
    field: &str,
    old: T,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Option<T> {
    match patch.as_object()?.get(field) {
        Some(value) => read(value),
        None => Some(old),
    }
}

/// Merges an object of ids into a map; a null takes its id out.
fn patch_ids<T>(
    map: &mut BTreeMap<PeerId, T>,
    patch: &Value,
    read: impl Fn(Option<&T>, &Value) -> Option<T>,
) -> Option<()> {
    for (id, value) in patch.as_object()? {
        let id = PeerId::from_text(id.as_bytes()).ok()?;
        if value.is_null() {
            map.remove(&id);
        } else {
            let value = read(map.get(&id), value)?;
            map.insert(id, value);
        }
    }
    Some(())
}

fn peer(value: &Value) -> Option<PeerId> {
    PeerId::from_text(value.as_str()?.as_bytes()).ok()
}

fn role(code: u64) -> Option<Role> {
    let all = [Role::Follower, Role::Leader, Role::Candidate, Role::Closed];
    all.into_iter().find(|role| *role as u64 == code)
}
