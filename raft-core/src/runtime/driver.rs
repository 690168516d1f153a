//! One shard's thread: inputs in, a turn, outputs out, and sleep.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::core::Core;
use super::host::Command;
use super::hosted::{Carrier, NodeInner};
use super::hub::{Hub, Router, Sender};
use super::io::IoThread;
use super::link::{Control, Inbox, Link};
use super::logs::LogLevel;
use super::metrics::ShardCounted;
use super::spin::Spin;
use crate::node::{Output, SubscriptionId, signal};
use crate::shard::{Delivery, Event, Shard, SlotId, SyncBatch};
use crate::time::Instant;
use crate::wire::Subject;

/// Turns between two looks at the inbox, so that nodes busy with each other do not shut out the
/// rest of the world.
const TURNS_PER_LOOK: usize = 32;

/// How long the shard looks for news before it sleeps, while news come densely.
const SPIN: Duration = Duration::from_micros(100);

/// What runs on a shard's thread.
pub(super) struct Driver {
    core: Arc<Core>,
    number: usize,
    link: Arc<Link>,
    counted: Arc<ShardCounted>,
    shard: Shard,
    /// By slot index.
    places: Vec<Option<Place>>,
    routers: Vec<Router>,
    /// By root index.
    io: Vec<Option<IoThread>>,
    /// Messages for other shards, gathered over a turn.
    outgoing: Vec<(Arc<Link>, Vec<Delivery>)>,
    /// Nodes that gathered commands for their host over a turn.
    speaking: Vec<SlotId>,
    inbox: Inbox,
    /// Who waits for its node to be in place.
    inserted: Vec<SyncSender<()>>,
    shutting_down: bool,
    spin: Spin,
}

/// A node as its thread knows it.
struct Place {
    node: Arc<NodeInner>,
    way: Way,
    /// Those it has on a hub.
    subscriptions: Vec<(SubscriptionId, Subject)>,
}

/// How a node's messages leave the shard.
enum Way {
    /// Through one of the shard's routers.
    Router(usize),
    /// To the host, gathered over a turn.
    Host(Vec<Command>),
}

impl Driver {
    pub(super) fn new(
        core: Arc<Core>,
        number: usize,
        link: Arc<Link>,
        counted: Arc<ShardCounted>,
    ) -> Self {
        let spin = Spin::new(SPIN, &core.clock);
        Self {
            core,
            number,
            link,
            counted,
            shard: Shard::new(),
            places: Vec::new(),
            routers: Vec::new(),
            io: Vec::new(),
            outgoing: Vec::new(),
            speaking: Vec::new(),
            inbox: Inbox::default(),
            inserted: Vec::new(),
            shutting_down: false,
            spin,
        }
    }

    /// Runs until the runtime is shut down and the last node has left.
    pub(super) async fn run(mut self) {
        while !(self.shutting_down && self.shard.is_empty()) {
            if self.round() {
                continue;
            }
            let deadline = self.shard.next_deadline();
            let clock = &self.core.clock;
            let left = deadline.map_or(Duration::MAX, |at| at.since(clock.now()));
            if left.is_zero() {
                continue;
            }
            if !self.spin.begin(clock, left, || self.link.is_filled()) {
                self.sleep(deadline).await;
            }
            if self.link.is_filled() {
                self.spin.end(&self.core.clock);
            }
        }
    }

    /// Sleeps until somebody rings or the deadline has come.
    async fn sleep(&self, deadline: Option<Instant>) {
        if !self.link.fall_asleep(deadline) {
            return;
        }
        match deadline {
            Some(at) if !self.core.clock.is_manual() => {
                let left = at.since(self.core.clock.now());
                // The time being up is as good a reason to wake as the bell.
                let _ = tokio::time::timeout(left, self.link.rung()).await;
            }
            _ => self.link.rung().await,
        }
        self.link.wake_up();
    }

    /// Takes what arrived and turns until all is quiet or it is time to look again; whether
    /// anything happened.
    fn round(&mut self) -> bool {
        let mut busy = self.drain_inbox();
        for _ in 0..TURNS_PER_LOOK {
            let now = self.core.clock.now();
            let due = self.shard.next_deadline().is_some_and(|at| at <= now);
            if !due && !self.shard.wants_turn() {
                break;
            }
            busy = true;
            self.shard.turn(now);
            self.carry_out(now);
        }
        if busy {
            self.counted
                .store(self.shard.leaders(), self.shard.counters());
        }
        for inserted in self.inserted.drain(..) {
            // Who started the node may have given up; the node runs all the same.
            let _ = inserted.try_send(());
        }
        busy
    }

    fn drain_inbox(&mut self) -> bool {
        let mut inbox = std::mem::take(&mut self.inbox);
        self.link.take(&mut inbox);
        let any = !inbox.is_empty();
        for control in inbox.control.drain(..) {
            self.control(control);
        }
        for done in inbox.synced.drain(..) {
            self.shard.handle_synced(done);
        }
        for delivery in inbox.mail.drain(..) {
            self.shard.deliver(delivery);
        }
        for slot in inbox.touched.drain(..) {
            self.shard.touch(slot);
        }
        self.inbox = inbox;
        any
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Insert(node, inserted) => {
                if self.shutting_down {
                    return;
                }
                let slot = self.shard.insert(Arc::clone(&node.slot));
                let way = match &node.carrier {
                    Carrier::Loopback { hub, .. } => Way::Router(self.router(hub)),
                    Carrier::Host(host) => {
                        self.speaking.push(slot);
                        Way::Host(vec![host.reset()])
                    }
                };
                if self.places.len() <= slot.index() {
                    self.places.resize_with(slot.index() + 1, || None);
                }
                if let Some(place) = self.places.get_mut(slot.index()) {
                    *place = Some(Place {
                        node,
                        way,
                        subscriptions: Vec::new(),
                    });
                }
                self.inserted.push(inserted);
            }
            Control::Tick => {}
            Control::ShutDown => self.shutting_down = true,
        }
    }

    fn router(&mut self, hub: &Arc<Hub>) -> usize {
        let known = self
            .routers
            .iter()
            .position(|router| Arc::ptr_eq(router.hub(), hub));
        known.unwrap_or_else(|| {
            self.routers.push(Router::new(Arc::clone(hub)));
            self.routers.len() - 1
        })
    }

    /// Does what the nodes asked for in a turn.
    fn carry_out(&mut self, now: Instant) {
        while let Some((slot, output)) = self.shard.poll_send() {
            self.transport(slot, output);
        }
        for slot in self.speaking.drain(..) {
            if let Some(Some(place)) = self.places.get_mut(slot.index()) {
                place.hand_out();
            }
        }
        for (link, mail) in &mut self.outgoing {
            if !mail.is_empty() {
                link.push(|inbox| inbox.mail.append(mail));
            }
        }
        while let Some(batch) = self.shard.poll_sync() {
            self.submit(batch);
        }
        while let Some(event) = self.shard.poll_event() {
            self.event(event, now);
        }
    }

    fn transport(&mut self, slot: SlotId, output: Output) {
        let Some(place) = self.places.get_mut(slot.index()).and_then(Option::as_mut) else {
            return;
        };
        match (&place.node.carrier, &mut place.way) {
            (Carrier::Loopback { peer, .. }, Way::Router(router)) => {
                let Some(router) = self.routers.get_mut(*router) else {
                    return;
                };
                let from = Sender {
                    link: &self.link,
                    slot,
                    peer,
                };
                let (shard, outgoing) = (&mut self.shard, &mut self.outgoing);
                router.carry(from, output, &mut place.subscriptions, |link, delivery| {
                    if Arc::ptr_eq(link, from.link) {
                        shard.deliver(delivery);
                    } else {
                        queue(outgoing, link, delivery);
                    }
                });
            }
            (Carrier::Host(host), Way::Host(gathered)) => {
                if gathered.is_empty() {
                    self.speaking.push(slot);
                }
                gathered.push(host.command(output));
            }
            _ => debug_assert!(false, "a node's way is that of its carrier"),
        }
    }

    fn submit(&mut self, batch: SyncBatch) {
        let root = batch.root.index();
        if self.io.len() <= root {
            self.io.resize_with(root + 1, || None);
        }
        let Some(place) = self.io.get_mut(root) else {
            return;
        };
        if place.is_none() {
            match IoThread::start(&self.core, self.number, root, &self.link) {
                Ok(thread) => *place = Some(thread),
                Err(error) => {
                    self.core
                        .log(LogLevel::Error, format!("no thread for the disk: {error}"));
                }
            }
        }
        self.core.activity.enter();
        let refused = match place {
            Some(thread) => thread.submit(batch).err(),
            None => Some(batch),
        };
        if let Some(batch) = refused {
            // Without its thread the disk is reached from here: slow, but nothing is lost.
            self.shard.handle_synced(batch.run(true));
            self.core.activity.leave();
        }
    }

    fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Signals { slot, bits } => {
                if let Some(Some(place)) = self.places.get(slot.index()) {
                    place.node.raise(bits);
                }
            }
            Event::Log { slot, record } => {
                let Some(Some(Place { node, .. })) = self.places.get(slot.index()) else {
                    return;
                };
                node.push_log(record, now);
            }
            Event::Removed { slot, .. } => {
                let place = self.places.get_mut(slot.index()).and_then(Option::take);
                let Some(mut place) = place else {
                    return;
                };
                place.leave(&self.routers, &self.link, slot);
                let Place { node, .. } = place;
                node.ended();
            }
        }
    }
}

impl Place {
    /// Hands what was gathered to the host.
    fn hand_out(&mut self) {
        if let (Carrier::Host(host), Way::Host(gathered)) = (&self.node.carrier, &mut self.way) {
            self.node.hand_out(host, gathered);
        }
    }

    /// Ends the subscriptions that the node could not end itself.
    fn leave(&mut self, routers: &[Router], link: &Arc<Link>, slot: SlotId) {
        let left = std::mem::take(&mut self.subscriptions);
        match (&self.node.carrier, &mut self.way) {
            (_, Way::Router(router)) => {
                if let Some(router) = routers.get(*router) {
                    for (id, subject) in left {
                        router.hub().unsubscribe(&subject, (link, slot), id);
                    }
                }
            }
            // Whatever it was in the middle of: the host has to forget all of it.
            (Carrier::Host(host), Way::Host(gathered)) if self.node.slot.fault().is_some() => {
                gathered.push(host.reset());
            }
            _ => {}
        }
        self.hand_out();
    }
}

impl Drop for Driver {
    /// Also when the driver's own code panics: nobody may wait for an answer that never comes.
    fn drop(&mut self) {
        self.link.end();
        for place in self.places.drain(..).flatten() {
            let why = "the thread of its shard failed";
            place.node.slot.fail(why);
            place.node.slot.wake_installers();
            self.core
                .log(LogLevel::Error, format!("{}: {why}", place.node.group));
            place.node.raise(signal::FAULT);
            place.node.ended();
        }
    }
}

fn queue(outgoing: &mut Vec<(Arc<Link>, Vec<Delivery>)>, link: &Arc<Link>, delivery: Delivery) {
    match outgoing
        .iter_mut()
        .find(|(known, _)| Arc::ptr_eq(known, link))
    {
        Some((_, mail)) => mail.push(delivery),
        None => outgoing.push((Arc::clone(link), vec![delivery])),
    }
}
