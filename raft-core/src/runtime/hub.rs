//! Who listens to what, and the way from a subject to its listeners.
//!
//! A subject is looked up by its text once; from then on its note carries the number of its
//! [`Route`], and each shard keeps the members of the routes it sends to, refreshed when a route's
//! version changes. So a message costs neither a lock nor a search.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::link::Link;
use super::watch::Watchers;
use crate::node::{Output, SubscriptionId};
use crate::shard::{Delivery, SlotId, lock};
use crate::types::PeerId;
use crate::wire::Subject;

#[derive(Debug, Default)]
pub(super) struct Hub {
    routes: Mutex<Routes>,
    peers: Mutex<BTreeMap<PeerId, Arc<PeerLink>>>,
    /// Somebody taps or drops: only then is a message looked at more closely.
    watched: AtomicBool,
    watchers: Mutex<Watchers>,
}

/// A server as the hub knows it.
#[derive(Debug)]
pub(super) struct PeerLink {
    id: PeerId,
    /// Servers with different numbers do not reach each other.
    partition: AtomicU32,
}

#[derive(Debug, Default)]
struct Routes {
    by_text: BTreeMap<Arc<str>, u32>,
    slab: Vec<RouteSlot>,
    free: VecDeque<u32>,
}

#[derive(Debug)]
struct RouteSlot {
    /// Raised when the slot is used again. A slot that has used up its numbers stays empty, so a
    /// stale note never leads to another subject.
    generation: u32,
    route: Option<Arc<Route>>,
}

/// Who listens to one subject.
#[derive(Debug)]
struct Route {
    /// Raised by every change of `members` and by the end of the route.
    version: AtomicU64,
    members: Mutex<Vec<Member>>,
}

/// One subscription.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) link: Arc<Link>,
    pub(super) slot: SlotId,
    pub(super) id: SubscriptionId,
    pub(super) peer: Arc<PeerLink>,
}

/// A route as of one moment.
struct Found {
    number: u64,
    version: u64,
    route: Arc<Route>,
    members: Vec<Member>,
}

impl Hub {
    pub(super) fn peer(&self, id: PeerId) -> Arc<PeerLink> {
        let mut peers = lock(&self.peers);
        let link = peers.entry(id).or_insert_with(|| {
            Arc::new(PeerLink {
                id,
                partition: AtomicU32::new(0),
            })
        });
        Arc::clone(link)
    }

    pub(super) fn subscribe(&self, subject: &Subject, member: Member) {
        let mut routes = lock(&self.routes);
        let number = routes.number_of(subject).or_else(|| routes.create(subject));
        let Some(number) = number else { return };
        subject.set_route(number);
        if let Some(route) = routes.route(number) {
            lock(&route.members).push(member);
            route.version.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn unsubscribe(
        &self,
        subject: &Subject,
        slot: (&Arc<Link>, SlotId),
        id: SubscriptionId,
    ) {
        let mut routes = lock(&self.routes);
        let Some(number) = routes.number_of(subject) else {
            return;
        };
        let Some(route) = routes.route(number).map(Arc::clone) else {
            return;
        };
        let mut members = lock(&route.members);
        members.retain(|member| {
            !(member.id == id && member.slot == slot.1 && Arc::ptr_eq(&member.link, slot.0))
        });
        route.version.fetch_add(1, Ordering::SeqCst);
        if members.is_empty() {
            routes.retire(subject, number);
        }
    }

    fn resolve(&self, subject: &Subject) -> Option<Found> {
        let routes = lock(&self.routes);
        let number = routes.number_of(subject)?;
        subject.set_route(number);
        let route = Arc::clone(routes.route(number)?);
        let members = lock(&route.members).clone();
        Some(Found {
            number,
            version: route.version.load(Ordering::SeqCst),
            route,
            members,
        })
    }

    /// Who listens to `subject` now.
    pub(super) fn members_of(&self, subject: &Subject) -> Vec<Member> {
        self.resolve(subject)
            .map_or_else(Vec::new, |found| found.members)
    }

    /// Changes who looks at the messages.
    pub(super) fn watch<R>(&self, change: impl FnOnce(&mut Watchers) -> R) -> R {
        let mut watchers = lock(&self.watchers);
        let result = change(&mut watchers);
        self.watched.store(!watchers.is_empty(), Ordering::SeqCst);
        result
    }

    /// Lets the partition rule act on a message that has gone out.
    fn cut(&self, subject: &Subject, payload: &Bytes) {
        for (peer, number) in lock(&self.watchers).cuts(subject, payload) {
            self.peer(*peer).set_partition(*number);
        }
    }

    /// Puts all servers back together.
    pub(super) fn heal_all(&self) {
        for peer in lock(&self.peers).values() {
            peer.set_partition(0);
        }
    }

    #[cfg(test)]
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::SeqCst)
    }
}

impl PeerLink {
    pub(super) fn set_partition(&self, number: u32) {
        self.partition.store(number, Ordering::SeqCst);
    }
}

const fn split(number: u64) -> (usize, u64) {
    ((number & 0xffff_ffff) as usize, number >> 32)
}

impl Routes {
    fn route(&self, number: u64) -> Option<&Arc<Route>> {
        let (index, generation) = split(number);
        let slot = self.slab.get(index)?;
        if u64::from(slot.generation) != generation {
            return None;
        }
        slot.route.as_ref()
    }

    fn number(&self, index: u32) -> Option<u64> {
        let slot = self.slab.get(index as usize)?;
        Some(u64::from(slot.generation) << 32 | u64::from(index))
    }

    /// The number of the subject's route, by its note or its text.
    fn number_of(&self, subject: &Subject) -> Option<u64> {
        let note = subject.route();
        if note != 0 && self.route(note).is_some() {
            return Some(note);
        }
        self.number(*self.by_text.get(subject.as_str())?)
    }

    fn create(&mut self, subject: &Subject) -> Option<u64> {
        let route = Arc::new(Route {
            version: AtomicU64::new(1),
            members: Mutex::default(),
        });
        let index = self.free.pop_front().or_else(|| {
            self.slab.push(RouteSlot {
                generation: 0,
                route: None,
            });
            u32::try_from(self.slab.len() - 1).ok()
        })?;
        let slot = self.slab.get_mut(index as usize)?;
        slot.generation += 1;
        slot.route = Some(route);
        self.by_text.insert(subject.as_str().into(), index);
        self.number(index)
    }

    fn retire(&mut self, subject: &Subject, number: u64) {
        let (index, _) = split(number);
        self.by_text.remove(subject.as_str());
        let Some(slot) = self.slab.get_mut(index) else {
            return;
        };
        slot.route = None;
        if let (Ok(index), true) = (u32::try_from(index), slot.generation < u32::MAX) {
            self.free.push_back(index);
        }
    }
}

/// A shard's view of one hub.
#[derive(Debug)]
pub(super) struct Router {
    hub: Arc<Hub>,
    /// By the route's place in the hub.
    known: Vec<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    number: u64,
    version: u64,
    route: Arc<Route>,
    members: Vec<Member>,
}

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub(super) link: &'a Arc<Link>,
    pub(super) slot: SlotId,
    pub(super) peer: &'a Arc<PeerLink>,
}

impl Router {
    pub(super) const fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            known: Vec::new(),
        }
    }

    pub(super) const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Does what a node asks of its transport; `subscriptions` are those it has.
    pub(super) fn carry(
        &mut self,
        from: Sender<'_>,
        output: Output,
        subscriptions: &mut Vec<(SubscriptionId, Subject)>,
        deliver: impl FnMut(&Arc<Link>, Delivery),
    ) {
        match output {
            Output::Publish {
                subject,
                reply,
                payload,
            } => self.publish(from, &subject, reply, payload, deliver),
            Output::Subscribe { id, subject } => {
                let member = Member {
                    link: Arc::clone(from.link),
                    slot: from.slot,
                    id,
                    peer: Arc::clone(from.peer),
                };
                self.hub.subscribe(&subject, member);
                subscriptions.push((id, subject));
            }
            Output::Unsubscribe { id, subject } => {
                self.hub.unsubscribe(&subject, (from.link, from.slot), id);
                subscriptions.retain(|(live, _)| *live != id);
            }
            Output::Reset => {
                for (id, subject) in subscriptions.drain(..) {
                    self.hub.unsubscribe(&subject, (from.link, from.slot), id);
                }
            }
        }
    }

    /// Hands a message to `deliver` for each of its recipients.
    fn publish(
        &mut self,
        from: Sender<'_>,
        subject: &Subject,
        reply: Option<Subject>,
        payload: Bytes,
        mut deliver: impl FnMut(&Arc<Link>, Delivery),
    ) {
        // The hub's own counter is shared by all shards: it is left alone unless somebody watches.
        let watched = self.hub.watched.load(Ordering::Relaxed);
        let hub = watched.then(|| Arc::clone(&self.hub));
        if let Some(hub) = &hub {
            let watchers = lock(&hub.watchers);
            watchers.show(Some(from.peer.id), subject, reply.as_ref(), &payload);
        }
        let partition = from.peer.partition.load(Ordering::Relaxed);
        for Member {
            link,
            slot,
            id,
            peer,
        } in self.members(subject)
        {
            let own = *slot == from.slot && Arc::ptr_eq(link, from.link);
            if own || peer.partition.load(Ordering::Relaxed) != partition {
                continue;
            }
            if let Some(hub) = &hub
                && lock(&hub.watchers).loses(from.peer.id, peer.id, subject)
            {
                continue;
            }
            let (slot, subscription) = (*slot, *id);
            let (reply, payload) = (reply.clone(), payload.clone());
            deliver(
                link,
                Delivery {
                    slot,
                    subscription,
                    reply,
                    payload,
                },
            );
        }
        if let Some(hub) = hub {
            hub.cut(subject, &payload);
        }
    }

    fn members(&mut self, subject: &Subject) -> &[Member] {
        let (index, _) = split(subject.route());
        let fresh = self
            .known
            .get(index)
            .and_then(Option::as_ref)
            .is_some_and(|known| {
                known.number == subject.route()
                    && known.version == known.route.version.load(Ordering::Acquire)
            });
        if !fresh && !self.refresh(subject) {
            return &[];
        }
        let (index, _) = split(subject.route());
        let known = self.known.get(index).and_then(Option::as_ref);
        known.map_or(&[], |known| known.members.as_slice())
    }

    /// Asks the hub; false when nobody listens.
    fn refresh(&mut self, subject: &Subject) -> bool {
        let Some(Found {
            number,
            version,
            route,
            members,
        }) = self.hub.resolve(subject)
        else {
            return false;
        };
        let (index, _) = split(number);
        if self.known.len() <= index {
            self.known.resize_with(index + 1, || None);
        }
        if let Some(place) = self.known.get_mut(index) {
            *place = Some(Known {
                number,
                version,
                route,
                members,
            });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Activity;
    use super::super::loopback::{DropRule, Loopback, Message, PartitionRule};
    use super::*;
    use crate::types::{Entry, EntryType, Index, Term};
    use crate::wire::{AppendEntry, AppendEntryHead};

    struct World {
        loopback: Loopback,
        link: Arc<Link>,
        router: Router,
    }

    fn slot(index: u32) -> SlotId {
        SlotId::for_tests(index, 1)
    }

    fn id(name: &str) -> PeerId {
        PeerId::from_text(name.as_bytes()).unwrap()
    }

    impl World {
        fn new() -> Self {
            let loopback = Loopback::new();
            let router = Router::new(Arc::clone(loopback.hub()));
            Self {
                loopback,
                link: Link::new(Arc::new(Activity::default())),
                router,
            }
        }

        fn subscribe(&self, peer: &str, at: u32, subject: &Subject) {
            let peer = self.loopback.hub().peer(id(peer));
            let link = Arc::clone(&self.link);
            let member = Member {
                link,
                slot: slot(at),
                id: SubscriptionId(7),
                peer,
            };
            self.loopback.hub().subscribe(subject, member);
        }

        fn unsubscribe(&self, at: u32, subject: &Subject) {
            let hub = self.loopback.hub();
            hub.unsubscribe(subject, (&self.link, slot(at)), SubscriptionId(7));
        }

        fn publish(&mut self, peer: &str, at: u32, subject: &Subject) -> Vec<SlotId> {
            let peer = self.loopback.hub().peer(id(peer));
            let from = Sender {
                link: &self.link,
                slot: slot(at),
                peer: &peer,
            };
            let mut reached = Vec::new();
            let collect = |_: &Arc<Link>, delivery: Delivery| reached.push(delivery.slot);
            self.router
                .publish(from, subject, None, Bytes::from_static(b"m"), collect);
            reached
        }
    }

    #[test]
    fn publish_reaches_every_subscriber_but_the_sender() {
        let mut world = World::new();
        for (peer, at) in [("AAAAAAAA", 1), ("BBBBBBBB", 2), ("CCCCCCCC", 3)] {
            world.subscribe(peer, at, &Subject::new("g"));
        }

        assert_eq!(
            world.publish("AAAAAAAA", 1, &Subject::new("g")),
            [slot(2), slot(3)]
        );
        assert_eq!(world.publish("AAAAAAAA", 1, &Subject::new("h")), []);
    }

    #[test]
    fn change_of_subscribers_is_seen_by_the_next_publish() {
        let mut world = World::new();
        let subject = Subject::new("g");
        world.subscribe("BBBBBBBB", 2, &subject);
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(2)]);

        world.subscribe("CCCCCCCC", 3, &Subject::new("g"));
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(2), slot(3)]);
        world.unsubscribe(2, &subject);
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(3)]);
    }

    #[test]
    fn note_of_a_retired_route_does_not_lead_to_its_successor() {
        let mut world = World::new();
        let (old, new) = (Subject::new("old"), Subject::new("new"));
        world.subscribe("BBBBBBBB", 2, &old);
        assert_eq!(world.publish("AAAAAAAA", 1, &old), [slot(2)]);
        world.unsubscribe(2, &old);
        world.subscribe("CCCCCCCC", 3, &new);

        assert_eq!(
            split(old.route()).0,
            split(new.route()).0,
            "the place is used again"
        );
        assert_eq!(world.publish("AAAAAAAA", 1, &old), []);
        assert_eq!(world.publish("AAAAAAAA", 1, &new), [slot(3)]);
    }

    #[test]
    fn partition_stops_messages_both_ways_until_healed() {
        let mut world = World::new();
        let subject = Subject::new("g");
        for (peer, at) in [("AAAAAAAA", 1), ("BBBBBBBB", 2), ("CCCCCCCC", 3)] {
            world.subscribe(peer, at, &subject);
        }

        world.loopback.set_partition(id("AAAAAAAA"), 1);
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), []);
        assert_eq!(world.publish("BBBBBBBB", 2, &subject), [slot(3)]);
        world.loopback.set_partition(id("BBBBBBBB"), 1);
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(2)]);
        world.loopback.heal_all();
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(2), slot(3)]);
    }

    #[test]
    fn tap_sees_what_matches_while_it_lives() {
        let mut world = World::new();
        let subject = Subject::new("$NRG.AE.g");
        let tap = world.loopback.tap("$NRG.AE.*");

        world.publish("AAAAAAAA", 1, &subject);
        world.publish("AAAAAAAA", 1, &Subject::new("$NRG.V.g"));
        world
            .loopback
            .inject("$NRG.AE.g", "back", Bytes::from_static(b"i"));

        let from = Some(id("AAAAAAAA"));
        let seen = |from, reply: &str, payload: &'static [u8]| Message {
            from,
            subject: "$NRG.AE.g".to_owned(),
            reply: reply.to_owned(),
            payload: Bytes::from_static(payload),
        };
        assert_eq!(tap.take(), [seen(from, "", b"m"), seen(None, "back", b"i")]);
        drop(tap);
        assert!(!world.loopback.hub().is_watched());
    }

    #[test]
    fn rule_loses_every_second_delivery_to_one_server() {
        let mut world = World::new();
        let subject = Subject::new("g");
        world.subscribe("BBBBBBBB", 2, &subject);
        world.subscribe("CCCCCCCC", 3, &subject);
        world.loopback.set_drop(Some(DropRule {
            pattern: ">".to_owned(),
            from: None,
            to: Some(id("BBBBBBBB")),
            every: 2,
        }));

        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(2), slot(3)]);
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(3)]);
        world.loopback.set_drop(None);
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(2), slot(3)]);
    }

    #[test]
    fn rule_cuts_a_server_off_after_the_message_and_before_the_next() {
        let mut world = World::new();
        let subject = Subject::new("g");
        world.subscribe("BBBBBBBB", 2, &subject);
        world.loopback.set_partition_rule(Some(PartitionRule {
            pattern: "g".to_owned(),
            addition_by: None,
            only: Some(2),
            partitions: vec![(id("BBBBBBBB"), 1)],
        }));

        for expected in [1, 1, 0, 0] {
            let reached = world.publish("AAAAAAAA", 1, &subject);
            assert_eq!(reached.len(), expected);
        }
        assert_eq!(world.loopback.partition_rule_fired(), 1);
        world.loopback.heal_all();
        assert_eq!(world.publish("AAAAAAAA", 1, &subject), [slot(2)]);
        world.loopback.set_partition_rule(None);
        assert!(!world.loopback.hub().is_watched());
    }

    #[test]
    fn rule_without_partitions_counts_the_additions_of_one_leader() {
        let mut world = World::new();
        let rule = |leader: &str| PartitionRule {
            pattern: "$NRG.AE.*".to_owned(),
            addition_by: Some(id(leader)),
            only: None,
            partitions: Vec::new(),
        };
        let addition = |count| {
            let entry = Entry {
                kind: EntryType::AddPeer,
                data: Bytes::from_static(b"NEWCOMER"),
            };
            let head = AppendEntryHead {
                leader: id("AAAAAAAA"),
                term: Term(1),
                commit: Index::ZERO,
                prev_term: Term::ZERO,
                prev_index: Index::ZERO,
                leader_term: Term::ZERO,
            };
            AppendEntry::encode_entries(head, &vec![entry; count]).unwrap()
        };
        let mut publish = |payload: Bytes| {
            let peer = world.loopback.hub().peer(id("AAAAAAAA"));
            let from = Sender {
                link: &world.link,
                slot: slot(1),
                peer: &peer,
            };
            let subject = Subject::new("$NRG.AE.g");
            world
                .router
                .publish(from, &subject, None, payload, |_, _| {});
        };

        world.loopback.set_partition_rule(Some(rule("AAAAAAAA")));
        publish(Bytes::from_static(b"garbage"));
        publish(addition(2).into_frame());
        assert_eq!(world.loopback.partition_rule_fired(), 0);
        publish(addition(1).into_frame());
        assert_eq!(world.loopback.partition_rule_fired(), 1);
        world.loopback.set_partition_rule(Some(rule("BBBBBBBB")));
        publish(addition(1).into_frame());
        assert_eq!(world.loopback.partition_rule_fired(), 0);
    }
}
