//! The hub in process: nodes of one or several runtimes talk to each other without a network.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::hub::{Hub, Member};
use super::watch::TapQueue;
use crate::shard::Delivery;
use crate::types::PeerId;
use crate::wire::Subject;

/// A transport within the process, with what tests need: partitions, taps, injected messages.
///
/// Clones are the same hub. A hub serves any number of runtimes; a node's subjects belong to the
/// hub it was started on. A node never receives what it published itself.
#[derive(Clone, Debug, Default)]
pub struct Loopback(Arc<Hub>);

/// A message as a tap saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The server of the sending node; none for an injected message.
    pub from: Option<PeerId>,
    /// Where it went.
    pub subject: String,
    /// Where an answer goes; empty for none.
    pub reply: String,
    /// Its bytes.
    pub payload: Bytes,
}

/// Which deliveries a hub loses on purpose.
#[derive(Clone, Debug)]
pub struct DropRule {
    /// Messages to subjects like this, with NATS wildcards.
    pub pattern: String,
    /// Only those of this server.
    pub from: Option<PeerId>,
    /// Only those to this server.
    pub to: Option<PeerId>,
    /// Every how many of them; one loses all.
    pub every: u64,
}

/// Cuts servers off, or brings them back, right after certain messages: what went out before has
/// gone out, the next message finds the servers where the rule put them.
#[derive(Clone, Debug)]
pub struct PartitionRule {
    /// After messages to subjects like this, with NATS wildcards.
    pub pattern: String,
    /// Only after an append entry of this leader with one entry, which adds a peer.
    pub addition_by: Option<PeerId>,
    /// Only after the one of them with this number, counted from 1; none: after each.
    pub only: Option<u64>,
    /// Which servers go into which partition. None at all leaves a rule that counts.
    pub partitions: Vec<(PeerId, u32)>,
}

/// Sees every message of a hub whose subject matches, delivered or not, until it is dropped.
#[derive(Debug)]
pub struct Tap {
    seen: Arc<TapQueue>,
    hub: Weak<Hub>,
}

impl Loopback {
    /// A hub of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) const fn hub(&self) -> &Arc<Hub> {
        &self.0
    }

    /// Puts a server behind a number; servers of different numbers do not reach each other.
    pub fn set_partition(&self, peer: PeerId, number: u32) {
        self.0.peer(peer).set_partition(number);
    }

    /// Puts a server back to the others that were never partitioned.
    pub fn heal(&self, peer: PeerId) {
        self.set_partition(peer, 0);
    }

    /// Puts all servers back together.
    pub fn heal_all(&self) {
        self.0.heal_all();
    }

    /// Loses some deliveries from now on; `None` ends that.
    pub fn set_drop(&self, rule: Option<DropRule>) {
        self.0.watch(|watchers| watchers.set_rule(rule));
    }

    /// Acts after certain messages from now on; `None` ends that.
    pub fn set_partition_rule(&self, rule: Option<PartitionRule>) {
        self.0.watch(|watchers| watchers.set_partition_rule(rule));
    }

    /// How often the partition rule has acted since it was set.
    #[must_use]
    pub fn partition_rule_fired(&self) -> u64 {
        self.0.watch(|watchers| watchers.partition_rule_fired())
    }

    /// Sees every message from now on whose subject matches `pattern`, with NATS wildcards.
    #[must_use]
    pub fn tap(&self, pattern: &str) -> Tap {
        let seen = self.0.watch(|watchers| watchers.tap(pattern));
        Tap {
            seen,
            hub: Arc::downgrade(&self.0),
        }
    }

    /// Publishes a message nobody sent; how many subscriptions it reaches. An empty `reply` is
    /// none. Partitions do not stop it.
    pub fn inject(&self, subject: &str, reply: &str, payload: Bytes) -> usize {
        let reply = (!reply.is_empty()).then(|| Subject::new(reply));
        let subject = Subject::new(subject);
        let members = self.0.members_of(&subject);
        self.0
            .watch(|watchers| watchers.show(None, &subject, reply.as_ref(), &payload));
        for Member { link, slot, id, .. } in &members {
            let (reply, payload) = (reply.clone(), payload.clone());
            let delivery = Delivery {
                slot: *slot,
                subscription: *id,
                reply,
                payload,
            };
            link.push(|inbox| inbox.mail.push(delivery));
        }
        members.len()
    }
}

impl Tap {
    /// What it saw since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Message> {
        self.seen.take()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.watch(|watchers| watchers.untap(&self.seen));
        }
    }
}
