//! When what carries the messages begins anew, or cannot do what it was asked.

use super::output::SubscriptionKind;
use super::{FatalError, LogLevel, Node, Output, Role, SubscriptionId};
use crate::time::Instant;
use crate::wire::reply_inbox;

impl Node {
    /// Subscribes anew after the transport was moved to another account, with new inboxes
    /// (behaviour.md 14.3; server: `recreateInternalSubs`). What had arrived before is dropped,
    /// and a catch-up is cancelled: its inbox is gone.
    ///
    /// Differs from the server: the subscriptions a leader has besides are re-created too, and
    /// what it sends to followers that catch up names its new inbox (SE-43).
    pub fn reset_transport(&mut self, now: Instant) {
        self.advance_to(now);
        if self.role == Role::Closed {
            return;
        }
        self.cancel_catchup();
        let as_leader = self.subscriptions.forget_all();
        self.entry_queue.clear();
        self.vote_requests.clear();
        self.vote_responses.clear();
        self.responses.clear();
        self.queue_output(Output::Reset);
        self.vote_inbox = reply_inbox(self.rng.next_u64());
        self.response_inbox = reply_inbox(self.rng.next_u64());
        self.create_subscriptions();
        for (kind, subject) in as_leader {
            self.subscribe(kind, subject);
        }
    }

    /// The transport could not subscribe. Without one of its four permanent subscriptions a node
    /// would be deaf: it closes. A leader that cannot hear what is forwarded steps down, and a
    /// catch-up without an inbox ends; either is tried again when its time comes.
    ///
    /// Differs from the server: there a subscription that fails while the node starts fails the
    /// start, and a later one leaves the node deaf (behaviour.md 14.3).
    pub fn handle_subscribe_failed(&mut self, id: SubscriptionId, now: Instant) {
        self.advance_to(now);
        let Some((kind, subject)) = self.subscriptions.take(id) else {
            return;
        };
        self.note(
            LogLevel::Error,
            format!("the transport could not subscribe to {subject}"),
        );
        match kind {
            SubscriptionKind::Catchup => self.cancel_catchup(),
            _ if kind.is_permanent() => self.set_write_err(FatalError::Unsubscribed { subject }),
            _ if self.role == Role::Leader => self.switch_to_follower(None),
            _ => {}
        }
    }
}
