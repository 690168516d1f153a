//! The server's own names of a node's methods and fields, for white-box tests.
//!
//! Each method is a forward of one line to what does the work, found by its name in snake case;
//! each field of the server is found by its own name in [`fields`]. No other file uses them.

#![expect(
    clippy::unit_arg,
    reason = "a method without a result is one line of the table too"
)]

mod args;
mod fields;
mod log;
mod methods;
mod queues;
mod snapshots;

use serde_json::{Value, json};

use super::error::{CommitError, SendError};
use super::input::InboundResponse;
use super::output::SubscriptionKind;
use super::{
    AdjustError, CampaignError, Committed, EvictError, MembershipError, Node, Origin, PauseError,
    ProposeError, RescueError, Role, StepDownError, SubscriptionId,
};
use crate::storage::StorageError;
use crate::time::Instant;
use crate::types::{Entry, Index, PeerId};
use crate::wire::{AppendEntry, AppendEntryResponse, PeerState, Subject, VoteRequest};
use args::{Args, hex};

/// What a node keeps only for tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct TestState {
    /// A test wrote to the node behind the protocol's back: its invariants need not hold.
    pub(super) dirty: bool,
    /// When the election timer was last armed (server: `etlr`).
    pub(super) election_reset_at: Option<Instant>,
}

impl TestState {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            dirty: false,
            election_reset_at: Some(now),
        }
    }
}

/// Why a call by name, or a change of a field by name, did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No such method or field.
    #[error("{0} is unknown")]
    Unknown(String),
    /// A method whose part of the engine does not exist yet.
    #[error("{0} is not in this build")]
    NotYet(String),
    /// A field that can only be read.
    #[error("{0} is read-only")]
    ReadOnly(String),
    /// An argument is missing or is not what it has to be.
    #[error("argument {at} is not {want}")]
    Argument {
        /// Its position, counted from 0.
        at: usize,
        /// What it has to be.
        want: &'static str,
    },
    /// The arguments or the patch are not JSON of the right kind.
    #[error("not a JSON {want}: {why}")]
    Json {
        /// What it has to be.
        want: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The value of a field does not fit it.
    #[error("{field} does not take {value}")]
    Value {
        /// The field.
        field: String,
        /// The value given.
        value: String,
    },
    /// The method needs a leader.
    #[error("raft: not leader")]
    NotLeader,
    /// A proposal was refused.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// A step-down was refused.
    #[error(transparent)]
    StepDown(#[from] StepDownError),
    /// A campaign was refused.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// Pausing was refused.
    #[error(transparent)]
    Pause(#[from] PauseError),
    /// A change of the membership was refused.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// No peer was evicted.
    #[error(transparent)]
    Evict(#[from] EvictError),
    /// The quorum was not lowered.
    #[error(transparent)]
    Rescue(#[from] RescueError),
    /// The cluster size was not adjusted.
    #[error(transparent)]
    Adjust(#[from] AdjustError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The method failed otherwise; the text is the server's where it has one.
    #[error("{0}")]
    Failed(String),
}

/// A node under the server's names: the methods of [`Node`] that a white-box test calls.
///
/// Each is a forward of one line to what does the work; those that write past the rules of the
/// protocol end the checks of the node's invariants.
#[derive(Debug)]
pub struct Mapped<'a>(&'a mut Node);

impl Mapped<'_> {
    /// Everything there is, under the server's names.
    #[must_use]
    pub fn dump(&self) -> Value {
        self.0.dump_mapped()
    }

    /// Changes fields by a JSON merge patch; see [`Node::set_mapped`].
    ///
    /// # Errors
    /// [`CallError`] for a name that is unknown or only to be read, and for a value that does not
    /// fit.
    pub fn set(&mut self, patch: &str) -> Result<(), CallError> {
        self.0.set_mapped(patch)
    }

    /// Calls a method that is not here yet; see [`Node::call_mapped`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call_by_name(&mut self, name: &str, args: &str) -> Result<Value, CallError> {
        let now = self.0.now;
        self.0.call_mapped(name, args, now)
    }

    /// The node, whose invariants need not hold from here on.
    const fn past_the_rules(&mut self) -> &mut Node {
        self.0.testing.dirty = true;
        self.0
    }
}

type Outcome = Result<Value, CallError>;

const DONE: Outcome = Ok(Value::Null);

/// Methods of the server that this node does not have yet.
const NOT_YET: [&str; 3] = [
    "recreate_internal_subs",
    "try_fast_path_propose",
    "try_fast_path_propose_multi",
];

impl Node {
    /// The node under the server's names, at the time `now`.
    pub fn mapped(&mut self, now: Instant) -> Mapped<'_> {
        self.advance_to(now);
        Mapped(self)
    }

    /// Calls a method by the server's name in snake case. `args` is a JSON array, or empty for
    /// none; ids are text (empty for none), messages and data hexadecimal.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call_mapped(
        &mut self,
        name: &str,
        args: &str,
        now: Instant,
    ) -> Result<Value, CallError> {
        self.advance_to(now);
        let args = Args::parse(args)?;
        let done = self
            .call_query(name, &args)
            .or_else(|| self.call_command(name, &args))
            .or_else(|| self.call_snapshot(name, &args))
            .or_else(|| self.call_election(name, &args))
            .or_else(|| self.call_replication(name, &args));
        if let Some(done) = done {
            return done;
        }
        let done = self
            .call_membership(name, &args)
            .or_else(|| self.call_snapshot_core(name, &args))
            .or_else(|| self.call_log(name, &args))
            .or_else(|| self.call_queue(name, &args));
        if let Some(done) = done {
            self.testing.dirty = true;
            return done;
        }
        if NOT_YET.contains(&name) {
            return Err(CallError::NotYet(name.to_owned()));
        }
        Err(CallError::Unknown(name.to_owned()))
    }

    /// Whether a test wrote to the node behind the protocol's back.
    pub(super) const fn is_dirty(&self) -> bool {
        self.testing.dirty
    }

    /// Lets the node be turned without the runner's first steps (server: `run` is not called, one
    /// of its role functions is). The role's loop is entered anew.
    pub(crate) fn begin_turns(&mut self) {
        self.started = true;
        if self.entered == Some(Role::Leader) {
            self.leave_leader_loop();
        }
        self.entered = None;
    }

    /// What only reads.
    fn call_query(&self, name: &str, args: &Args) -> Option<Outcome> {
        let value = match name {
            "id" => json!(self.id.to_string()),
            "group" => json!(self.group.as_str()),
            "state" => json!(self.role as u8),
            "leader" => json!(self.complete_leader),
            "leader_since" => fields::moment(self.leader_since),
            "group_leader" => fields::id_or_empty(self.leader),
            "leaderless" => json!(self.leader.is_none()),
            "had_previous_leader" => json!(self.had_leader),
            "term" => json!(self.term.0),
            "progress" => json!([self.last_index.0, self.commit.0, self.applied.0]),
            "size" => json!([
                self.last_index.since(self.snapshot_index),
                self.log.state().bytes
            ]),
            "cluster_size" => json!(self.cluster_size),
            "quorum_needed" => json!(self.quorum),
            "quorum" => json!(self.quorum_is_live()),
            "lost_quorum" => json!(self.lost_quorum()),
            "current" | "healthy" => json!(self.is_current(self.now)),
            "is_observer" => json!(self.observer),
            "is_closed" => json!(self.is_closed()),
            "get_write_err" => fields::error_text(self.fatal.as_ref()),
            "need_snapshot" => json!(self.need_snapshot()),
            "in_rescue" => json!(self.in_rescue()),
            "membership_change_in_progress" => json!(self.membership_change.is_some()),
            "pending_self_removal" => json!(
                self.membership_change
                    .is_some_and(|change| { change.peer == self.id && change.prev.is_some() })
            ),
            "peer_names" => fields::ids(&self.peer_names()),
            "voting_peer_names" => fields::ids(&self.voting_peer_names()),
            "current_peer_state" => fields::peer_state(&self.current_peer_state()),
            "peers" => self
                .peers(self.now)
                .iter()
                .filter(|peer| peer.member)
                .map(fields::peer_status)
                .collect(),
            "wal_state" => fields::log_state(self.log.state()),
            "is_leader_overrun" => json!(self.is_overrun()),
            "apply_len" => json!(self.apply_len()),
            "last_heard_from_peer" => {
                return Some(
                    args.peer(0)
                        .map(|peer| fields::moment(self.last_heard(peer))),
                );
            }
            "load_entry" => return Some(args.number(0).and_then(|at| self.load_named(Index(at)))),
            "build_append_entry" => {
                return Some(
                    args.entries(0)
                        .and_then(|entries| self.build_named(&entries)),
                );
            }
            _ => return None,
        };
        Some(Ok(value))
    }

    fn load_named(&self, index: Index) -> Outcome {
        let frame = self
            .log
            .load(index)
            .map_err(|e| CallError::Failed(e.to_string()))?;
        let entry = AppendEntry::decode(frame).map_err(|e| CallError::Failed(e.to_string()))?;
        Ok(fields::append_entry(&entry))
    }

    fn build_named(&self, entries: &[Entry]) -> Outcome {
        let built = self.build_append_entry(entries);
        let built = built.map_err(|e| CallError::Failed(e.to_string()))?;
        Ok(json!(hex(built.frame())))
    }

    /// What an application may call.
    fn call_command(&mut self, name: &str, args: &Args) -> Option<Outcome> {
        let now = self.now;
        let mut run = || -> Result<Option<Value>, CallError> {
            Ok(Some(match name {
                "propose" => self.propose(args.term(0)?, args.bytes(1)?)?.done(),
                "propose_multi" => self.propose_batch(args.term(0)?, args.entries(1)?)?.done(),
                "forward_proposal" => self.forward_proposal(args.bytes(0)?)?.done(),
                "processed" => json!(self.processed(args.index(0)?, args.index(1)?, now)),
                "applied" => json!(self.processed(args.index(0)?, args.index(0)?, now)),
                "pause_apply" => self.pause_apply(now)?.done(),
                "resume_apply" => self.resume_apply(now).done(),
                "step_down" => self.step_down(&args.all_peers()?, now)?.done(),
                "campaign" => self.campaign(false, now)?.done(),
                "campaign_immediately" => self.campaign(true, now)?.done(),
                "set_observer" => self.set_observer(args.flag(0)?, now).done(),
                "propose_add_peer" => self.propose_add_peer(args.peer(0)?)?.done(),
                "propose_remove_peer" => self.propose_remove_peer(args.peer(0)?)?.done(),
                "evict_peers" => fields::ids(&self.evict_peers(&args.all_peers()?, now)?),
                "rescue_quorum" => json!(self.rescue_quorum(args.small(0)?, now)?),
                "adjust_cluster_size" => self.adjust_cluster_size(args.small(0)?, now)?.done(),
                "adjust_boot_cluster_size" => self.adjust_boot_cluster_size(args.small(0)?)?.done(),
                "lead_change_c" => self
                    .take_lead_change()
                    .map_or(Value::Null, fields::lead_change),
                "apply_q" => self.apply_named(args.number(0).unwrap_or(u64::MAX)),
                "stop" | "shutdown" => self.stop().done(),
                _ => return Ok(None),
            }))
        };
        run().transpose()
    }

    fn apply_named(&mut self, count: u64) -> Value {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.take_applied(count, usize::MAX)
            .iter()
            .map(|item| match item {
                Committed::NilGuard => json!("nil"),
                Committed::CatchupStarted => json!("catchup"),
                Committed::Entries(entry) => json!({
                    "index": entry.index.0,
                    "entries": entry.entries().map(fields::entry).collect::<Value>(),
                }),
            })
            .collect()
    }

    /// Roles, votes, leadership.
    fn call_election(&mut self, name: &str, args: &Args) -> Option<Outcome> {
        let mut run = || -> Result<Option<Value>, CallError> {
            Ok(Some(match name {
                "switch_to_candidate" => self.switch_to_candidate().done(),
                "switch_to_leader" => self.switch_to_leader().done(),
                "switch_to_follower" | "switch_to_follower_locked" | "step_down_core" => {
                    self.switch_to_follower(args.peer_or_none(0)?).done()
                }
                "request_vote" => self.request_vote().done(),
                "process_vote_request" => {
                    let request = decoded(VoteRequest::decode(&args.bytes(0)?))?;
                    self.process_vote_request(request, args.subject(1)?.as_ref())
                        .done()
                }
                "handle_vote_request" => self.receive_named(SubscriptionKind::Vote, args)?,
                "handle_vote_response" => self.receive_named(SubscriptionKind::VoteInbox, args)?,
                "reset_elect" => match args.number(0) {
                    Ok(nanos) => self
                        .arm_election(std::time::Duration::from_nanos(nanos))
                        .done(),
                    Err(_) => self.reset_election_timeout().done(),
                },
                "update_lead_change" => self.update_lead_change(args.flag(0)?).done(),
                "set_observer_core" => {
                    let ext = u16::try_from(args.number(1)?);
                    let ext = ext.map_err(|_| Args::refused(1, "an extension state"))?;
                    self.set_observer_now(args.flag(0)?, ext).done()
                }
                "set_write_err" | "set_write_err_locked" => {
                    self.set_write_err(fields::fatal(&args.text(0)?)).done()
                }
                _ => return Ok(None),
            }))
        };
        run().transpose()
    }

    /// Append entries, their answers, commit and catch-up.
    fn call_replication(&mut self, name: &str, args: &Args) -> Option<Outcome> {
        let mut run = || -> Result<Option<Value>, CallError> {
            Ok(Some(match name {
                "process_append_entry" => {
                    let ae = decoded(AppendEntry::decode(args.bytes(0)?))?;
                    let origin = args.origin(1)?;
                    self.process_append_entry(ae, args.subject(2)?.as_ref(), origin)
                        .done()
                }
                "process_append_entry_response" => {
                    let response = decoded(AppendEntryResponse::decode(&args.bytes(0)?))?;
                    self.process_response_named(response, args.subject(1)?)
                        .done()
                }
                "handle_append_entry" => self.receive_named(SubscriptionKind::AppendEntry, args)?,
                "handle_append_entry_response" => {
                    self.receive_named(SubscriptionKind::ResponseInbox, args)?
                }
                "handle_forwarded_proposal" => {
                    self.receive_named(SubscriptionKind::Proposal, args)?
                }
                "handle_forwarded_remove_peer_proposal" => {
                    self.receive_named(SubscriptionKind::Removal, args)?
                }
                "send_append_entry" | "send_append_entry_locked" => {
                    self.send_append_entry(&args.entries(0)?)?.done()
                }
                "send_heartbeat" => self.send_heartbeat().done(),
                "send_peer_state" => self.send_peer_state().done(),
                "track_response" => {
                    let ar = decoded(AppendEntryResponse::decode(&args.bytes(0)?))?;
                    json!(self.track_response(ar.peer, ar.term, ar.index))
                }
                "try_commit" => json!(self.try_commit(args.index(0)?)),
                "apply_commit" => self.apply_commit(args.index(0)?)?.done(),
                "track_peer" => self.track_peer(args.peer(0)?).done(),
                "catchup_follower" => {
                    let ar = decoded(AppendEntryResponse::decode(&args.bytes(0)?))?;
                    let inbox = args.subject(1)?.unwrap_or_else(|| Subject::new(""));
                    self.catchup_follower(ar, inbox).done()
                }
                "create_catchup" => {
                    let ae = decoded(AppendEntry::decode(args.bytes(0)?))?;
                    json!(self.create_catchup(&ae).as_str())
                }
                "cancel_catchup" => self.cancel_catchup().done(),
                "catchup_stalled" => json!(self.catchup_stalled()),
                "send_catchup_signal" => self.send_catchup_signal().done(),
                "cancel_catchup_signal" => self.cancel_signal_named().done(),
                "reset_initializing" => self.reset_initializing().done(),
                "send_rpc" => {
                    let (reply, data) = (args.subject(1)?, args.bytes(2)?);
                    self.send_rpc(&Subject::new(&args.text(0)?), reply, data)
                        .done()
                }
                "send_reply" => self
                    .send_reply(&Subject::new(&args.text(0)?), args.bytes(1)?)
                    .done(),
                _ => return Ok(None),
            }))
        };
        run().transpose()
    }

    /// One answer, whatever else is queued.
    fn process_response_named(&mut self, message: AppendEntryResponse, reply: Option<Subject>) {
        let led = self.role == Role::Leader;
        let queued = std::mem::take(&mut self.responses);
        self.responses.push_back(InboundResponse { reply, message });
        self.process_append_entry_responses();
        if !led || self.role == Role::Leader {
            self.responses = queued;
        }
    }

    fn cancel_signal_named(&mut self) {
        if let Some(catchup) = self.catchup.clone() {
            self.cancel_catchup_signal(&catchup);
        }
    }

    /// A message as the transport hands it in: filtered, decoded, queued.
    fn receive_named(&mut self, kind: SubscriptionKind, args: &Args) -> Outcome {
        let (payload, reply) = (args.bytes(0)?, args.subject(1)?);
        if let Some(sub) = self.subscriptions.of_kind(kind) {
            self.handle_message(sub, reply, payload, self.now);
        }
        DONE
    }

    /// Who belongs to the group, written past the log.
    fn call_membership(&mut self, name: &str, args: &Args) -> Option<Outcome> {
        let mut run = || -> Result<Option<Value>, CallError> {
            Ok(Some(match name {
                "add_peer" => self.add_peer(args.peer(0)?).done(),
                "remove_peer" => self.remove_peer(args.peer(0)?).done(),
                "process_peer_state" => self.process_peer_state(&args.peer_state(0)?).done(),
                "write_peer_state" => self.write_peer_state(args.peer_state(0)?).done(),
                "adjust_cluster_size_and_quorum" => self.adjust_cluster_size_and_quorum().done(),
                "recalc_quorum" => self.recalc_quorum().done(),
                "committed_peer_state" => {
                    fields::peer_state(&self.committed_peer_state(args.index(0)?))
                }
                "send_membership_change" => {
                    let [change] = args
                        .entries(0)?
                        .try_into()
                        .map_err(|_| Args::refused(0, "one entry"))?;
                    let peer = PeerId::from_text(&change.data);
                    let peer = peer.map_err(|_| Args::refused(0, "a change about a peer id"))?;
                    json!(self.send_membership_change(change.kind, peer))
                }
                "expire_rescue" => self.expire_rescue().done(),
                "revert_membership_change" => self.revert_membership_change().done(),
                "update_leader" => self.update_leader(args.peer_or_none(0)?).done(),
                "write_term_vote" => self.write_term_vote().done(),
                "switch_state" => self.switch_state(args.role(0)?).done(),
                _ => return Ok(None),
            }))
        };
        run().transpose()
    }

    /// Where it asks for votes.
    pub(crate) const fn vote_subject(&self) -> &Subject {
        &self.subjects.vote
    }

    /// A live subscription by its subject, for a transport played by hand.
    pub(crate) fn subscription_to(&self, subject: &str) -> Option<SubscriptionId> {
        self.subscriptions.to(subject)
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotLeader => Self::NotLeader,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<CommitError> for CallError {
    fn from(error: CommitError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a method without a result returns.
trait Done {
    fn done(self) -> Value;
}

impl Done for () {
    fn done(self) -> Value {
        Value::Null
    }
}

fn decoded<T>(result: Result<T, impl std::error::Error>) -> Result<T, CallError> {
    result.map_err(|error| CallError::Failed(error.to_string()))
}
