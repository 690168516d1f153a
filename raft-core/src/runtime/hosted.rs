//! A node with everything its runtime keeps around it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Transport;
use super::core::Core;
use super::host::HostSide;
use super::hub::{Hub, PeerLink};
use super::link::Link;
use super::ready::{Entry as ReadyEntry, STOPPED};
use crate::node::Node;
use crate::shard::{After, Faulted, Slot, lock};
use crate::storage::StorageError;
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
    stopped: Mutex<bool>,
    stopped_changed: Condvar,
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
        Arc::new(Self {
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
            stopped: Mutex::new(false),
            stopped_changed: Condvar::new(),
        })
    }

    /// What it is registered under.
    pub(super) fn key(&self) -> (PeerId, GroupName) {
        (self.peer_id, self.group.clone())
    }

    /// Tells the host.
    pub(super) fn raise(&self, bits: u32) {
        self.core.ready.raise(&self.ready, bits);
    }

    /// The node has left its shard.
    pub(super) fn ended(self: &Arc<Self>) {
        self.core.unregister(self);
        self.core.counted.groups.fetch_sub(1, Ordering::Relaxed);
        self.core.ready.raise_last(&self.ready, STOPPED);
        *lock(&self.stopped) = true;
        self.stopped_changed.notify_all();
    }

    /// Runs a command and lets the shard see what came of it; none if the node has failed.
    pub(super) fn command<R>(&self, run: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let result = self.pass_on(self.slot.command(run))?;
        self.link.touch(&self.slot);
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
                self.link.touch(&self.slot);
                None
            }
        }
    }

    /// Stops the node, frozen or not: a frozen one is closed before it thaws, so that it says
    /// nothing more.
    pub(super) fn stop(&self) {
        self.pass_on(self.slot.inspect(Node::stop));
        self.thaw();
    }

    pub(super) fn thaw(&self) {
        self.slot.thaw();
        let slot = self.slot.id();
        self.link.push(|inbox| inbox.touched.push(slot));
    }

    /// Sets something in the node that concerns the runtime as a whole.
    pub(super) fn adjust(&self, run: impl FnOnce(&mut Node)) {
        // Frozen nodes are adjusted like the others: nothing here waits for a thaw.
        self.pass_on(self.slot.inspect(run));
        self.link.touch(&self.slot);
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
