//! The host as the carrier of a node's messages: commands for its transport in one queue, and
//! what it heard in batches.
//!
//! Commands keep their order, so a subscription exists before the message that names its inbox is
//! sent, and what one node publishes reaches a receiver in the order of the calls. The queue has
//! no bound of its own: what a node says is bounded by the windows of the protocol as long as the
//! host takes it, and memory for what waits behind a slow connection is the host's to bound.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::handle::NodeHandle;
use super::hosted::{Carrier, NodeInner};
use super::link::{Activity, Moving};
use super::ready::OUTBOUND;
use crate::node::{Node, Output, SubscriptionId};
use crate::shard::{Delivery, lock};
use crate::wire::Subject;

/// The account of a NATS server that a group's traffic uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficAccount {
    /// Its name.
    pub name: Arc<str>,
    /// It is the server's system account.
    pub is_system: bool,
}

impl Default for TrafficAccount {
    /// The system account under its usual name.
    fn default() -> Self {
        Self {
            name: "$SYS".into(),
            is_system: true,
        }
    }
}

/// What a host has to do on its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send `payload` to `subject`. The sender must not hear it back.
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
    /// End every subscription; what follows belongs to this account.
    Reset {
        /// The account.
        account: TrafficAccount,
    },
}

/// Commands that were taken. Until it is dropped they count as under way: a runtime whose clock
/// is moved by hand waits for that.
#[derive(Debug)]
pub struct OutboundBatch {
    commands: Vec<Command>,
    _moving: Moving,
}

impl OutboundBatch {
    /// The commands, to be carried out in this order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }
}

/// One message that the host heard for a node.
#[derive(Clone, Debug)]
pub struct Inbound<'a> {
    /// The subscription it arrived on.
    pub subscription: SubscriptionId,
    /// Where an answer goes; empty for none.
    pub reply: &'a str,
    /// Its bytes.
    pub payload: Bytes,
}

/// Why a node did nothing for its host's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Something else carries the node's messages.
    #[error("the node's messages are not carried by its host")]
    NotByHost,
    /// The node has stopped or failed.
    #[error("raft: node is closed")]
    Closed,
}

/// A node's side of its host's transport.
#[derive(Debug)]
pub(super) struct HostSide {
    account: Mutex<TrafficAccount>,
    outbound: Mutex<Outbound>,
    /// Where answers went last: messages of one sender name the same inbox over and over.
    last_reply: Mutex<Option<Subject>>,
}

#[derive(Debug, Default)]
struct Outbound {
    commands: VecDeque<Command>,
    /// There is one while commands wait.
    moving: Option<Moving>,
    /// Nobody takes commands any more.
    closed: bool,
}

impl HostSide {
    pub(super) fn new(account: TrafficAccount) -> Self {
        Self {
            account: Mutex::new(account),
            outbound: Mutex::default(),
            last_reply: Mutex::default(),
        }
    }

    pub(super) fn reset(&self) -> Command {
        let account = lock(&self.account).clone();
        Command::Reset { account }
    }

    pub(super) fn command(&self, output: Output) -> Command {
        match output {
            Output::Publish {
                subject,
                reply,
                payload,
            } => Command::Publish {
                subject,
                reply,
                payload,
            },
            Output::Subscribe { id, subject } => Command::Subscribe { id, subject },
            Output::Unsubscribe { id, subject } => Command::Unsubscribe { id, subject },
            Output::Reset => self.reset(),
        }
    }

    /// Queues commands; whether the host has to be told.
    pub(super) fn push(&self, commands: &mut Vec<Command>, activity: &Arc<Activity>) -> bool {
        if commands.is_empty() {
            return false;
        }
        let mut outbound = lock(&self.outbound);
        if outbound.closed {
            commands.clear();
            return false;
        }
        let tell = outbound.commands.is_empty();
        outbound.commands.extend(commands.drain(..));
        if tell {
            outbound.moving = Some(Moving::new(activity));
        }
        tell
    }

    /// Takes the oldest commands, one at least.
    fn take(
        &self,
        max_items: usize,
        max_bytes: usize,
        activity: &Arc<Activity>,
    ) -> Option<OutboundBatch> {
        let mut outbound = lock(&self.outbound);
        let mut bytes = 0_usize;
        let fits = |command: &&Command| {
            let before = bytes;
            bytes = bytes.saturating_add(command.len());
            before == 0 || bytes <= max_bytes
        };
        let count = outbound.commands.iter().take(max_items.max(1));
        let count = count.take_while(fits).count();
        let commands: Vec<_> = outbound.commands.drain(..count).collect();
        let moving = match outbound.commands.is_empty() {
            true => outbound.moving.take()?,
            false => Moving::new(activity),
        };
        Some(OutboundBatch {
            commands,
            _moving: moving,
        })
    }

    /// Drops what waits and whatever else comes.
    fn close(&self) {
        let mut outbound = lock(&self.outbound);
        outbound.closed = true;
        outbound.commands = VecDeque::new();
        outbound.moving = None;
    }

    fn reply(&self, text: &str) -> Option<Subject> {
        if text.is_empty() {
            return None;
        }
        let mut last = lock(&self.last_reply);
        if last.as_ref().is_none_or(|known| known.as_str() != text) {
            *last = Some(Subject::new(text));
        }
        last.clone()
    }
}

impl Command {
    /// About how many bytes it is, at least one.
    fn len(&self) -> usize {
        match self {
            Self::Publish {
                subject, payload, ..
            } => subject.as_str().len().saturating_add(payload.len()).max(1),
            Self::Subscribe { .. } | Self::Unsubscribe { .. } | Self::Reset { .. } => 1,
        }
    }
}

impl NodeInner {
    fn host(&self) -> Result<&HostSide, TransportError> {
        match &self.carrier {
            Carrier::Host(host) => Ok(host),
            Carrier::Loopback { .. } => Err(TransportError::NotByHost),
        }
    }

    /// Hands commands to the host and tells it if it does not know yet.
    pub(super) fn hand_out(&self, host: &HostSide, commands: &mut Vec<Command>) {
        if host.push(commands, &self.core.activity) {
            self.raise(OUTBOUND);
        }
    }

    /// Runs something on the node at once, frozen or not: a transport must not hang on one node.
    fn on_node(&self, run: impl FnOnce(&mut Node)) -> Result<(), TransportError> {
        self.pass_on(self.slot.inspect(run))
            .ok_or(TransportError::Closed)?;
        self.touch();
        Ok(())
    }
}

/// What a host's transport does. Everything here may be called from any thread and takes short
/// locks only; nothing waits for a frozen node.
impl NodeHandle {
    /// Takes commands for the transport, oldest first: up to `max_items` and about `max_bytes`,
    /// one at least. None when there are none: only then does the host hear of new ones. The last
    /// commands of a node can be taken after its end.
    ///
    /// # Errors
    /// [`TransportError::NotByHost`].
    pub fn take_outbound(
        &self,
        max_items: usize,
        max_bytes: usize,
    ) -> Result<Option<OutboundBatch>, TransportError> {
        let host = self.0.host()?;
        Ok(host.take(max_items, max_bytes, &self.0.core.activity))
    }

    /// Hands over messages in the order they were heard. Those of a subscription that was ended
    /// meanwhile are dropped.
    ///
    /// # Errors
    /// [`TransportError`]; then none was taken.
    pub fn deliver<'a>(
        &self,
        messages: impl IntoIterator<Item = Inbound<'a>>,
    ) -> Result<(), TransportError> {
        let host = self.0.host()?;
        if self.is_closed() {
            return Err(TransportError::Closed);
        }
        let slot = self.0.slot.id();
        let delivery = |message: Inbound<'_>| Delivery {
            slot,
            subscription: message.subscription,
            reply: host.reply(message.reply),
            payload: message.payload,
        };
        let mut mail: Vec<_> = messages.into_iter().map(delivery).collect();
        if !mail.is_empty() {
            self.0.link.push(|inbox| inbox.mail.append(&mut mail));
        }
        Ok(())
    }

    /// The transport could not do a subscribe command. What follows is in
    /// [`Node::handle_subscribe_failed`].
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn subscribe_failed(&self, id: SubscriptionId) -> Result<(), TransportError> {
        self.0.host()?;
        let now = self.0.core.clock.now();
        self.0.on_node(|node| node.handle_subscribe_failed(id, now))
    }

    /// Has the node subscribe anew: the transport lost what it had. See
    /// [`Node::reset_transport`].
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn reset_transport(&self) -> Result<(), TransportError> {
        self.0.host()?;
        let now = self.0.core.clock.now();
        self.0.on_node(|node| node.reset_transport(now))
    }

    /// Moves the group's traffic to another account; nothing happens when it is there already.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn set_traffic_account(&self, account: TrafficAccount) -> Result<(), TransportError> {
        let host = self.0.host()?;
        {
            let mut current = lock(&host.account);
            if *current == account {
                return Ok(());
            }
            *current = account;
        }
        self.reset_transport()
    }

    /// The account of the group's traffic. In process it counts as the system account.
    #[must_use]
    pub fn traffic_account(&self) -> TrafficAccount {
        match &self.0.carrier {
            Carrier::Host(host) => lock(&host.account).clone(),
            Carrier::Loopback { .. } => TrafficAccount::default(),
        }
    }

    /// The host is gone: a node it carried messages for is stopped, and what it still says goes
    /// nowhere. On other nodes this does nothing.
    pub fn release_transport(&self) {
        if let Carrier::Host(host) = &self.0.carrier {
            self.stop();
            host.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn publish(len: usize) -> Command {
        Command::Publish {
            subject: Subject::new("s"),
            reply: None,
            payload: Bytes::from(vec![0; len]),
        }
    }

    fn side() -> (HostSide, Arc<Activity>) {
        (HostSide::new(TrafficAccount::default()), Arc::default())
    }

    #[test]
    fn commands_are_taken_in_order_within_the_limits_and_one_at_least() {
        let (host, activity) = side();
        let mut commands = vec![publish(1), publish(2), publish(300), publish(4), publish(5)];
        let all = commands.clone();
        assert!(host.push(&mut commands, &activity));
        assert!(!host.push(&mut vec![publish(6)], &activity), "it was told");
        let take = |items, bytes| {
            let batch = host.take(items, bytes, &activity);
            batch.map_or_else(Vec::new, |batch| batch.commands().to_vec())
        };

        assert_eq!(take(10, 5), all[..2]);
        assert_eq!(take(10, 5), all[2..3]);
        assert_eq!(take(1, 5), all[3..4]);
        assert_eq!(take(0, 0), all[4..]);
        assert_eq!(take(10, 100), [publish(6)]);
        assert_eq!(take(10, 100), []);
        assert!(
            host.push(&mut vec![publish(7)], &activity),
            "to be told again"
        );
    }

    #[test]
    fn commands_count_as_moving_until_their_batch_is_dropped() {
        let (host, activity) = side();
        let moving = || activity.wait(Duration::ZERO).err().unwrap_or(0);
        host.push(&mut vec![publish(1), publish(2)], &activity);
        assert_eq!(moving(), 1);

        let first = host.take(1, 100, &activity);
        assert_eq!(moving(), 2);
        let second = host.take(1, 100, &activity);
        assert_eq!(moving(), 2);
        drop(first);
        drop(second);
        assert_eq!(moving(), 0);

        host.push(&mut vec![publish(3)], &activity);
        host.close();
        assert_eq!(moving(), 0);
        assert!(!host.push(&mut vec![publish(4)], &activity));
        assert!(host.take(1, 1, &activity).is_none());
    }

    #[test]
    fn one_inbox_after_another_is_one_subject() {
        let (host, _) = side();
        let one = host.reply("a").unwrap();
        one.set_route(7);

        assert_eq!(host.reply("a").unwrap().route(), 7);
        assert_eq!(host.reply("b").unwrap().route(), 0);
        assert_eq!(host.reply(""), None);
    }
}
