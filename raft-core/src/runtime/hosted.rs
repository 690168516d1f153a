//! A node with everything its runtime keeps around it.

#[cfg(feature = "testing")]
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Transport;
use super::core::Core;
#[cfg(feature = "testing")]
use super::detached::Hands;
use super::host::HostSide;
use super::hub::{Hub, PeerLink};
use super::link::Link;
use super::logs::{LogLevel, LogRecord};
use super::ready::{Entry as ReadyEntry, STOPPED};
#[cfg(feature = "testing")]
use crate::config::NodeConfig;
use crate::node::{Node, NodeLog};
use crate::shard::{After, Faulted, Slot, lock};
use crate::storage::StorageError;
use crate::time::Instant;
use crate::types::{GroupName, PeerId};

/// A node with everything around it in a runtime.
pub(crate) struct NodeInner {
    pub(super) core: Arc<Core>,
    pub(super) link: Arc<Link>,
    pub(super) slot: Arc<Slot>,
    pub(super) peer_id: PeerId,
    pub(super) group: GroupName,
    pub(super) token: u64,
    pub(super) created: u64,
    pub(super) carrier: Carrier,
    ready: Arc<ReadyEntry>,
    deleted: AtomicBool,
    /// The newest warning or error.
    problem: Mutex<Option<LogRecord>>,
    stopped: Mutex<bool>,
    stopped_changed: Condvar,
    /// What drives it in place of its shard.
    #[cfg(feature = "testing")]
    hands: Option<Hands>,
}

/// What carries a node's messages.
#[derive(Debug)]
pub(super) enum Carrier {
    /// A hub in this process, and the server's place on it.
    Loopback { hub: Arc<Hub>, peer: Arc<PeerLink> },
    /// The host.
    Host(HostSide),
}

/// What a node is in its runtime, for [`NodeInner::new`].
pub(super) struct Identity {
    pub(super) peer_id: PeerId,
    pub(super) group: GroupName,
    pub(super) token: u64,
}

impl std::fmt::Debug for NodeInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("peer_id", &self.peer_id)
            .field("group", &self.group)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl NodeInner {
    pub(super) fn new(
        core: &Arc<Core>,
        link: &Arc<Link>,
        slot: Arc<Slot>,
        identity: Identity,
        transport: Transport,
    ) -> Arc<Self> {
        Arc::new(Self::build(core, link, slot, identity, transport))
    }

    /// A node that a test drives; its shard never hears of it.
    #[cfg(feature = "testing")]
    pub(super) fn by_hand(
        core: &Arc<Core>,
        link: &Arc<Link>,
        slot: Arc<Slot>,
        identity: Identity,
        (transport, hands): (Transport, Hands),
    ) -> Arc<Self> {
        let mut node = Self::build(core, link, slot, identity, transport);
        node.hands = Some(hands);
        Arc::new(node)
    }

    fn build(
        core: &Arc<Core>,
        link: &Arc<Link>,
        slot: Arc<Slot>,
        identity: Identity,
        transport: Transport,
    ) -> Self {
        let Identity {
            peer_id,
            group,
            token,
        } = identity;
        let carrier = match transport {
            Transport::Loopback(loopback) => Carrier::Loopback {
                hub: Arc::clone(loopback.hub()),
                peer: loopback.hub().peer(peer_id),
            },
            Transport::Host(account) => Carrier::Host(HostSide::new(account)),
        };
        Self {
            core: Arc::clone(core),
            link: Arc::clone(link),
            slot,
            peer_id,
            group,
            token,
            created: core.clock.unix_nanos(core.clock.now()),
            carrier,
            ready: ReadyEntry::new(token),
            deleted: AtomicBool::new(false),
            problem: Mutex::new(None),
            stopped: Mutex::new(false),
            stopped_changed: Condvar::new(),
            #[cfg(feature = "testing")]
            hands: None,
        }
    }

    /// What it is registered under.
    pub(super) fn key(&self) -> (PeerId, GroupName) {
        (self.peer_id, self.group.clone())
    }

    /// Tells the host.
    pub(super) fn raise(&self, bits: u32) {
        self.core.ready.raise(&self.ready, bits);
    }

    /// Passes a log record of the node on to the host, and keeps one an operator should see.
    pub(super) fn push_log(&self, record: NodeLog, now: Instant) {
        let record = LogRecord {
            level: record.level,
            unix_nanos: self.core.clock.unix_nanos(now),
            token: self.token,
            peer: Some(self.peer_id),
            group: Some(self.group.clone()),
            term: record.term,
            index: record.index,
            text: record.text,
        };
        if record.level <= LogLevel::Warn {
            *lock(&self.problem) = Some(record.clone());
        }
        self.core.push_log(record);
    }

    /// Makes the node's driver see what came of a command.
    pub(super) fn touch(&self) {
        #[cfg(feature = "testing")]
        if let Some(hands) = &self.hands {
            hands.settle(self);
            return;
        }
        self.link.touch(&self.slot);
    }

    /// The newest record an operator should see.
    pub(super) fn last_problem(&self) -> Option<LogRecord> {
        lock(&self.problem).clone()
    }

    /// The node has left its shard.
    pub(super) fn ended(&self) {
        self.core.unregister(self);
        self.core.counted.groups.fetch_sub(1, Ordering::Relaxed);
        self.core.ready.raise_last(&self.ready, STOPPED);
        *lock(&self.stopped) = true;
        self.stopped_changed.notify_all();
    }

    /// Runs a command and lets the shard see what came of it; none if the node has failed.
    pub(super) fn command<R>(&self, run: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let result = self.pass_on(self.slot.command(run))?;
        self.touch();
        Some(result)
    }

    /// Passes on what a command raised. A node that failed in it is let go by its shard.
    pub(super) fn pass_on<R>(&self, outcome: Result<(R, After), Faulted>) -> Option<R> {
        match outcome {
            Ok((result, after)) => {
                self.raise(after.signals);
                Some(result)
            }
            Err(Faulted) => {
                self.touch();
                None
            }
        }
    }

    /// As [`NodeInner::pass_on`], within the settling of a detached node.
    #[cfg(feature = "testing")]
    pub(super) fn pass_on_settled<R>(&self, outcome: Result<(R, After), Faulted>) -> Option<R> {
        let (result, after) = outcome.ok()?;
        self.raise(after.signals);
        Some(result)
    }

    #[cfg(feature = "testing")]
    pub(super) const fn hands(&self) -> Option<&Hands> {
        self.hands.as_ref()
    }

    /// The group's folder.
    #[cfg(feature = "testing")]
    pub(super) fn dir(&self) -> PathBuf {
        NodeConfig::new(self.peer_id, self.group.clone(), &**self.slot.root()).store_dir()
    }

    /// Stops the node, frozen or not: a frozen one is closed before it thaws, so that it says
    /// nothing more.
    pub(super) fn stop(&self) {
        self.pass_on(self.slot.inspect(Node::stop));
        self.thaw();
    }

    pub(super) fn thaw(&self) {
        self.slot.thaw();
        #[cfg(feature = "testing")]
        if self.hands.is_some() {
            self.touch();
            return;
        }
        let slot = self.slot.id();
        self.link.push(|inbox| inbox.touched.push(slot));
    }

    /// Sets something in the node that concerns the runtime as a whole.
    pub(super) fn adjust(&self, run: impl FnOnce(&mut Node)) {
        // Frozen nodes are adjusted like the others: nothing here waits for a thaw.
        self.pass_on(self.slot.inspect(run));
        self.touch();
    }

    /// Waits until the node has left its shard; false when the time is up.
    pub(super) fn wait_stopped(&self, timeout: Option<Duration>) -> bool {
        let stopped = lock(&self.stopped);
        let changed = &self.stopped_changed;
        let running = |stopped: &mut bool| !*stopped;
        match timeout {
            None => {
                let stopped = changed.wait_while(stopped, running);
                *stopped.unwrap_or_else(PoisonError::into_inner)
            }
            Some(timeout) => {
                let waited = changed.wait_timeout_while(stopped, timeout, running);
                *waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Stops the node, waits for it and removes its folder, holding the group's place meanwhile.
    pub(super) fn delete(self: &Arc<Self>) -> Result<(), StorageError> {
        if !self.core.hold_for_deletion(self) {
            return Err(StorageError::Closed);
        }
        self.stop();
        self.wait_stopped(None);
        let outcome = lock(self.slot.store()).delete();
        if outcome.is_ok() {
            self.deleted.store(true, Ordering::Release);
        }
        self.core.release(&self.key());
        outcome
    }

    /// Whether the folder was removed.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }
}
