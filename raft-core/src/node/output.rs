//! What a node asks for: messages, subscriptions, signals, log records.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Bug, Node};
use crate::storage::WriteSeq;
use crate::types::{Index, Term};
use crate::wire::Subject;

/// Why the host should look at a node. A hint: what it then takes may be nothing.
pub mod signal {
    /// The apply queue holds something.
    pub const APPLY: u32 = 1;
    /// The leadership changed.
    pub const LEADER: u32 = 2;
    /// Transport commands are waiting.
    pub const OUTBOUND: u32 = 4;
    /// Something an operator should know.
    pub const ADVISORY: u32 = 8;
    /// The node has stopped; nothing follows.
    pub const STOPPED: u32 = 16;
    /// The node failed; its error can be read.
    pub const FAULT: u32 = 32;
    /// Awaited proposals have ended: their outcomes can be taken.
    pub const OUTCOME: u32 = 64;
}

/// A subscription of one node. Numbers are never used again within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// What a node wants done on its transport, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send `payload` to `subject`. Never delivered back to the sender.
    Publish {
        /// Where to.
        subject: Subject,
        /// Where an answer goes.
        reply: Option<Subject>,
        /// The message.
        payload: Bytes,
    },
    /// Deliver what arrives on `subject` under `id`.
    Subscribe {
        /// The subscription.
        id: SubscriptionId,
        /// The subject, without wildcards.
        subject: Subject,
    },
    /// Deliver nothing more under `id`.
    Unsubscribe {
        /// The subscription.
        id: SubscriptionId,
        /// Its subject.
        subject: Subject,
    },
    /// End every subscription at once; new ones follow.
    Reset,
}

/// A change of leadership as the application hears of it (behaviour.md 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadChange {
    /// Whether this node is now the leader.
    pub is_leader: bool,
    /// The node's term at that moment.
    pub term: Term,
}

/// How much a log record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Needs an operator.
    Error = 1,
    /// May need one.
    Warn = 2,
    /// Worth knowing.
    Info = 3,
    /// For those who look for something.
    Debug = 4,
}

/// One log record of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLog {
    /// How much it matters.
    pub level: LogLevel,
    /// The node's term when it was written.
    pub term: Term,
    /// The node's last index when it was written.
    pub index: Index,
    /// What happened.
    pub text: String,
}

/// What has to be durable before a message may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestsOn {
    /// It tells our term or a vote: the last write of those.
    TermVote,
    /// It acknowledges the log up to this index: the last write to the log, term and vote included.
    /// Cutting that index off takes the message back.
    Log(Index),
}

/// An output that has to wait until a write is durable.
#[derive(Debug)]
struct Waiting {
    after: WriteSeq,
    /// For a success response: the index it acknowledges.
    acknowledges: Option<Index>,
    output: Output,
}

/// The outputs, those that may leave and those that rest on a write.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    free: VecDeque<Output>,
    /// In the order they were made, and released in it: no two messages to one subject swap.
    waiting: VecDeque<Waiting>,
    signals: u32,
    logs: Vec<NodeLog>,
}

impl Outbox {
    pub(super) const fn raise(&mut self, signal: u32) {
        self.signals |= signal;
    }

    fn release(&mut self, durable: WriteSeq) {
        while self
            .waiting
            .front()
            .is_some_and(|front| front.after <= durable)
        {
            self.free
                .extend(self.waiting.pop_front().map(|front| front.output));
        }
    }

    /// Drops success responses for entries above `last`: they were cut off.
    pub(super) fn forget_above(&mut self, last: Index) {
        self.waiting
            .retain(|w| w.acknowledges.is_none_or(|index| index <= last));
    }

    /// Drops whatever still waits for a write: it will never be durable.
    pub(super) fn drop_waiting(&mut self) {
        self.waiting.clear();
    }
}

/// What a subscription is for, and hence what arrives on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubscriptionKind {
    Vote,
    VoteInbox,
    AppendEntry,
    ResponseInbox,
    Proposal,
    Removal,
    Catchup,
}

/// The live subscriptions. A handful, so a list.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    next: u64,
    live: Vec<(SubscriptionId, SubscriptionKind, Subject)>,
}

impl SubscriptionKind {
    /// Every node has it from its start to its end (behaviour.md 14.2).
    pub(super) const fn is_permanent(self) -> bool {
        match self {
            Self::Vote | Self::VoteInbox | Self::AppendEntry | Self::ResponseInbox => true,
            Self::Proposal | Self::Removal | Self::Catchup => false,
        }
    }
}

impl Subscriptions {
    /// Forgets all of them; yields those that are not permanent.
    pub(super) fn forget_all(&mut self) -> Vec<(SubscriptionKind, Subject)> {
        let live = std::mem::take(&mut self.live).into_iter();
        live.filter(|(_, kind, _)| !kind.is_permanent())
            .map(|(_, kind, subject)| (kind, subject))
            .collect()
    }

    /// Forgets one of them; what it was.
    pub(super) fn take(&mut self, id: SubscriptionId) -> Option<(SubscriptionKind, Subject)> {
        let at = self.live.iter().position(|(live, ..)| *live == id)?;
        let (_, kind, subject) = self.live.swap_remove(at);
        Some((kind, subject))
    }

    pub(super) fn kind(&self, id: SubscriptionId) -> Option<SubscriptionKind> {
        self.live
            .iter()
            .find(|(live, ..)| *live == id)
            .map(|(_, kind, _)| *kind)
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.live.len()
    }

    /// The live subscription to a subject.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn to(&self, subject: &str) -> Option<SubscriptionId> {
        self.live
            .iter()
            .find(|(_, _, live)| live.as_str() == subject)
            .map(|(id, ..)| *id)
    }

    pub(super) fn of_kind(&self, kind: SubscriptionKind) -> Option<SubscriptionId> {
        self.live
            .iter()
            .find(|(_, live, _)| *live == kind)
            .map(|(id, ..)| *id)
    }
}

impl Node {
    /// The next thing to do on the transport. Drain until `None` after each input: nothing that
    /// comes out rests on a write that is not durable.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.free.pop_front()
    }

    /// The signals raised since the last call, as bits of [`signal`].
    pub const fn take_signals(&mut self) -> u32 {
        std::mem::replace(&mut self.outbox.signals, 0)
    }

    /// The log records written since the last call.
    pub fn take_logs(&mut self) -> Vec<NodeLog> {
        std::mem::take(&mut self.outbox.logs)
    }

    pub(super) fn note(&mut self, level: LogLevel, text: String) {
        let record = NodeLog {
            level,
            term: self.term,
            index: self.last_index,
            text,
        };
        self.outbox.logs.push(record);
    }

    /// Queues something for the transport that is no message and rests on no write.
    pub(super) fn queue_output(&mut self, output: Output) {
        self.outbox.free.push_back(output);
    }

    /// Queues a message that rests on no write (server: `sendRPC`).
    pub(super) fn send_rpc(&mut self, subject: &Subject, reply: Option<Subject>, payload: Bytes) {
        self.counters.messages_sent += 1;
        self.outbox.free.push_back(Output::Publish {
            subject: subject.clone(),
            reply,
            payload,
        });
    }

    /// Queues an answer that rests on no write (server: `sendReply`).
    pub(super) fn send_reply(&mut self, subject: &Subject, payload: Bytes) {
        self.send_rpc(subject, None, payload);
    }

    /// Queues a message that leaves once what it rests on is durable. The rule of release is here
    /// and in [`Outbox::release`], and nowhere else.
    pub(super) fn publish_after(
        &mut self,
        rests_on: RestsOn,
        subject: &Subject,
        reply: Option<Subject>,
        payload: Bytes,
    ) {
        self.counters.messages_sent += 1;
        let (after, acknowledges) = match rests_on {
            RestsOn::TermVote => (self.durability.term_vote(), None),
            RestsOn::Log(index) => (self.durability.everything(), Some(index)),
        };
        let output = Output::Publish {
            subject: subject.clone(),
            reply,
            payload,
        };
        let bug = match rests_on {
            RestsOn::TermVote => Bug::VotesBeforeSync,
            RestsOn::Log(_) => Bug::AcknowledgesBeforeSync,
        };
        let may_leave = after <= self.durability.durable() && self.outbox.waiting.is_empty();
        if may_leave || self.has_bug(bug) {
            self.outbox.free.push_back(output);
        } else {
            self.outbox.waiting.push_back(Waiting {
                after,
                acknowledges,
                output,
            });
        }
    }

    pub(super) fn release_outputs(&mut self) {
        let durable = self.durability.durable();
        self.outbox.release(durable);
    }

    pub(super) fn subscribe(&mut self, kind: SubscriptionKind, subject: Subject) -> SubscriptionId {
        self.subscriptions.next += 1;
        let id = SubscriptionId(self.subscriptions.next);
        self.subscriptions.live.push((id, kind, subject.clone()));
        self.outbox
            .free
            .push_back(Output::Subscribe { id, subject });
        id
    }

    pub(super) fn unsubscribe(&mut self, id: SubscriptionId) {
        if let Some((_, subject)) = self.subscriptions.take(id) {
            self.queue_output(Output::Unsubscribe { id, subject });
        }
    }

    pub(super) fn unsubscribe_all(&mut self) {
        for (id, _, subject) in std::mem::take(&mut self.subscriptions.live) {
            self.outbox
                .free
                .push_back(Output::Unsubscribe { id, subject });
        }
    }
}
