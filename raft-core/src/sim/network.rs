//! The seeded network between the servers of a simulated cluster.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;

use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::Subject;

/// How a network treats messages. Every message to one recipient is treated by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// Shortest time under way.
    pub delay_min: Duration,
    /// Times under way are drawn below this.
    pub delay_max: Duration,
    /// How many of a thousand messages get lost.
    pub lost_per_mille: u32,
    /// How many of a thousand messages arrive twice.
    pub doubled_per_mille: u32,
    /// How many of a thousand messages may be overtaken by later ones of the same sender. The
    /// transports the engine is made for keep a sender's order; safety does not rest on it.
    pub reordered_per_mille: u32,
}

impl Default for NetworkOptions {
    /// A network that does as it should, in half a millisecond.
    fn default() -> Self {
        Self {
            delay_min: Duration::from_micros(300),
            delay_max: Duration::from_micros(700),
            lost_per_mille: 0,
            doubled_per_mille: 0,
            reordered_per_mille: 0,
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) subject: Subject,
    pub(super) reply: Option<Subject>,
    pub(super) payload: Bytes,
}

#[derive(Debug)]
struct UnderWay {
    at: Instant,
    /// Breaks ties, so that order never depends on anything but the calls made.
    number: u64,
    packet: Packet,
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) options: NetworkOptions,
    rng: Rng,
    under_way: BinaryHeap<UnderWay>,
    numbers: u64,
    /// The latest arrival so far of each sender's messages to each recipient.
    latest: BTreeMap<(usize, usize), Instant>,
    /// Servers with different numbers do not reach each other.
    partitions: Vec<u32>,
}

impl Network {
    pub(super) fn new(options: NetworkOptions, servers: usize, seed: u64) -> Self {
        Self {
            options,
            rng: Rng::new(seed),
            under_way: BinaryHeap::new(),
            numbers: 0,
            latest: BTreeMap::new(),
            partitions: vec![0; servers],
        }
    }

    pub(super) fn set_partition(&mut self, server: usize, number: u32) {
        if let Some(partition) = self.partitions.get_mut(server) {
            *partition = number;
        }
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.partitions.get(from) == self.partitions.get(to)
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.rng.next_u64() % 1_000 < u64::from(per_mille)
    }

    /// Takes a message for one recipient.
    pub(super) fn send(&mut self, packet: Packet, now: Instant) {
        let NetworkOptions {
            lost_per_mille,
            doubled_per_mille,
            ..
        } = self.options;
        if !self.reaches(packet.from, packet.to) || self.chance(lost_per_mille) {
            return;
        }
        if self.chance(doubled_per_mille) {
            self.dispatch(packet.clone(), now);
        }
        self.dispatch(packet, now);
    }

    fn dispatch(&mut self, packet: Packet, now: Instant) {
        let NetworkOptions {
            delay_min,
            delay_max,
            reordered_per_mille,
            ..
        } = self.options;
        let mut at = now.after(self.rng.duration_between(delay_min, delay_max));
        if !self.chance(reordered_per_mille) {
            let latest = self.latest.entry((packet.from, packet.to)).or_default();
            at = at.max(*latest);
            *latest = at;
        }
        self.numbers += 1;
        self.under_way.push(UnderWay {
            at,
            number: self.numbers,
            packet,
        });
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|next| next.at)
    }

    /// The next message that arrives by `now`, unless a partition came between.
    pub(super) fn arrive(&mut self, now: Instant) -> Option<Packet> {
        while self.next_arrival()? <= now {
            let packet = self.under_way.pop()?.packet;
            if self.reaches(packet.from, packet.to) {
                return Some(packet);
            }
        }
        None
    }
}

impl Ord for UnderWay {
    /// The earliest is the greatest: the heap yields that first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for UnderWay {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for UnderWay {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for UnderWay {}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u8) -> Packet {
        let (subject, payload) = (Subject::new("s"), Bytes::copy_from_slice(&[number]));
        Packet {
            from: 0,
            to: 1,
            subject,
            reply: None,
            payload,
        }
    }

    fn arrived(network: &mut Network) -> Vec<u8> {
        let late = Instant::from_nanos(u64::MAX);
        std::iter::from_fn(|| network.arrive(late))
            .map(|packet| packet.payload[0])
            .collect()
    }

    #[test]
    fn order_of_a_sender_is_kept_unless_it_is_to_be_broken() {
        let options = NetworkOptions {
            delay_max: Duration::from_secs(1),
            ..Default::default()
        };
        let mut orderly = Network::new(options, 2, 1);
        let unruly = NetworkOptions {
            reordered_per_mille: 1_000,
            ..options
        };
        let mut unruly = Network::new(unruly, 2, 1);
        for number in 0..50 {
            orderly.send(packet(number), Instant::ZERO);
            unruly.send(packet(number), Instant::ZERO);
        }

        assert!(arrived(&mut orderly).is_sorted());
        assert!(!arrived(&mut unruly).is_sorted());
    }

    #[test]
    fn partition_stops_what_is_sent_and_what_is_under_way() {
        let mut network = Network::new(NetworkOptions::default(), 2, 1);
        network.send(packet(1), Instant::ZERO);
        network.set_partition(1, 7);
        network.send(packet(2), Instant::ZERO);

        assert!(arrived(&mut network).is_empty());
        network.set_partition(1, 0);
        network.send(packet(3), Instant::ZERO);
        assert_eq!(arrived(&mut network), [3]);
    }

    #[test]
    fn losses_and_doubles_come_as_often_as_asked() {
        let options = NetworkOptions {
            lost_per_mille: 200,
            doubled_per_mille: 300,
            ..Default::default()
        };
        let mut network = Network::new(options, 2, 9);
        for _ in 0..1_000 {
            network.send(packet(0), Instant::ZERO);
        }

        let count = arrived(&mut network).len();
        assert!((950..1_130).contains(&count), "{count} of about 1,040");
    }
}
