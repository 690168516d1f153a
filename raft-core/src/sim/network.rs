//! The seeded network between simulated servers: late, lossy, cut in whatever shape.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;

use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{AppendEntry, AppendEntryResponse, Subject, VoteRequest, VoteResponse};

/// How a network treats messages. Every message to one recipient is treated by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// Shortest time under way.
    pub delay_min: Duration,
    /// Times under way are drawn below this.
    pub delay_max: Duration,
    /// How many of a thousand messages take up to a hundred times as long.
    pub late_per_mille: u32,
    /// How many of a thousand messages get lost.
    pub lost_per_mille: u32,
    /// How many of a thousand messages arrive twice.
    pub doubled_per_mille: u32,
    /// How many of a thousand messages may be overtaken by later ones of the same sender. The
    /// transports the engine is made for keep a sender's order; safety does not rest on it.
    pub reordered_per_mille: u32,
    /// How many of a thousand messages arrive damaged, such that the receiver can tell. Messages
    /// carry no checksum: damage that makes another valid message is the transport's to find, and
    /// counts as a loss here.
    pub corrupted_per_mille: u32,
}

impl Default for NetworkOptions {
    /// A network that does as it should, in half a millisecond.
    fn default() -> Self {
        Self {
            delay_min: Duration::from_micros(300),
            delay_max: Duration::from_micros(700),
            late_per_mille: 0,
            lost_per_mille: 0,
            doubled_per_mille: 0,
            reordered_per_mille: 0,
            corrupted_per_mille: 0,
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
    partitions: BTreeMap<usize, u32>,
    /// Cut in one direction: from, to.
    cuts: BTreeSet<(usize, usize)>,
    /// What each message of or to a slow server takes longer.
    slow: BTreeMap<usize, Duration>,
}

impl Network {
    pub(super) const fn new(options: NetworkOptions, seed: u64) -> Self {
        Self {
            options,
            rng: Rng::new(seed),
            under_way: BinaryHeap::new(),
            numbers: 0,
            latest: BTreeMap::new(),
            partitions: BTreeMap::new(),
            cuts: BTreeSet::new(),
            slow: BTreeMap::new(),
        }
    }

    pub(super) fn set_partition(&mut self, server: usize, number: u32) {
        self.partitions.insert(server, number);
    }

    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.cuts.insert((from, to));
    }

    pub(super) fn set_slow(&mut self, server: usize, by: Duration) {
        self.slow.insert(server, by);
    }

    /// Ends all partitions and cuts; nobody is slow any more.
    pub(super) fn heal(&mut self) {
        self.partitions.clear();
        self.cuts.clear();
        self.slow.clear();
    }

    /// Loses everything under way from `server`, as when its machine is replaced.
    pub(super) fn forget(&mut self, server: usize) {
        self.under_way.retain(|way| way.packet.from != server);
    }

    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        let number = |server| self.partitions.get(&server).copied().unwrap_or(0);
        number(from) == number(to) && !self.cuts.contains(&(from, to))
    }

    const fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.next_u64() % 1_000 < per_mille as u64
    }

    /// Takes a message for one recipient.
    pub(super) fn send(&mut self, mut packet: Packet, now: Instant) {
        let options = self.options;
        if !self.reaches(packet.from, packet.to) || self.chance(options.lost_per_mille) {
            return;
        }
        if self.chance(options.corrupted_per_mille) {
            match self.corrupt(&packet) {
                Some(damaged) => packet.payload = damaged,
                None => return,
            }
        }
        if self.chance(options.doubled_per_mille) {
            self.dispatch(packet.clone(), now);
        }
        self.dispatch(packet, now);
    }

    fn dispatch(&mut self, packet: Packet, now: Instant) {
        let options = self.options;
        let mut delay = self
            .rng
            .duration_between(options.delay_min, options.delay_max);
        if self.chance(options.late_per_mille) {
            let times = 2 + u32::try_from(self.rng.next_u64() % 99).unwrap_or(0);
            delay *= times;
        }
        for server in [packet.from, packet.to] {
            if let Some(by) = self.slow.get(&server) {
                delay += *by;
            }
        }
        let mut at = now.after(delay);
        if !self.chance(options.reordered_per_mille) {
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

    /// A damaged copy that is no message any more; nothing when the damage would go unnoticed.
    fn corrupt(&mut self, packet: &Packet) -> Option<Bytes> {
        let payload = &packet.payload;
        // Whatever bytes a forwarded proposal has, it is one.
        let is_forwarded = ["$NRG.P.", "$NRG.RP."];
        if is_forwarded
            .iter()
            .any(|head| packet.subject.as_str().starts_with(head))
        {
            return None;
        }
        let mut bytes = payload.to_vec();
        let at = self.draw(bytes.len().max(1));
        match self.rng.next_u64() % 3 {
            0 => bytes.truncate(at),
            1 => bytes.extend(payload.iter().take(at + 1)),
            _ => {
                for byte in bytes.iter_mut().skip(at).take(8) {
                    *byte ^= u8::try_from(self.rng.next_u64() % 256).unwrap_or(1);
                }
            }
        }
        let damaged = Bytes::from(bytes);
        let is_message = AppendEntry::decode(damaged.clone()).is_ok()
            || AppendEntryResponse::decode(&damaged).is_ok()
            || VoteRequest::decode(&damaged).is_ok()
            || VoteResponse::decode(&damaged).is_ok();
        (!is_message).then_some(damaged)
    }

    fn draw(&mut self, limit: usize) -> usize {
        usize::try_from(self.rng.next_u64() % limit as u64).unwrap_or(0)
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
    use crate::types::{PeerId, Term};

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

    fn arrived(network: &mut Network) -> Vec<Bytes> {
        let late = Instant::from_nanos(u64::MAX);
        std::iter::from_fn(|| network.arrive(late))
            .map(|packet| packet.payload)
            .collect()
    }

    #[test]
    fn order_of_a_sender_is_kept_unless_it_is_to_be_broken() {
        let options = NetworkOptions {
            delay_max: Duration::from_secs(1),
            ..Default::default()
        };
        let mut orderly = Network::new(options, 1);
        let unruly = NetworkOptions {
            reordered_per_mille: 1_000,
            ..options
        };
        let mut unruly = Network::new(unruly, 1);
        for number in 0..50 {
            orderly.send(packet(number), Instant::ZERO);
            unruly.send(packet(number), Instant::ZERO);
        }

        assert!(arrived(&mut orderly).is_sorted());
        assert!(!arrived(&mut unruly).is_sorted());
    }

    #[test]
    fn partition_stops_what_is_sent_and_what_is_under_way() {
        let mut network = Network::new(NetworkOptions::default(), 1);
        network.send(packet(1), Instant::ZERO);
        network.set_partition(1, 7);
        network.send(packet(2), Instant::ZERO);

        assert!(arrived(&mut network).is_empty());
        network.heal();
        network.send(packet(3), Instant::ZERO);
        assert_eq!(arrived(&mut network), [[3].as_slice()]);
    }

    #[test]
    fn cut_stops_one_direction_only() {
        let mut network = Network::new(NetworkOptions::default(), 1);
        network.cut(1, 0);

        assert!(network.reaches(0, 1));
        assert!(!network.reaches(1, 0));
    }

    #[test]
    fn losses_and_doubles_come_as_often_as_asked() {
        let options = NetworkOptions {
            lost_per_mille: 200,
            doubled_per_mille: 300,
            ..Default::default()
        };
        let mut network = Network::new(options, 9);
        for _ in 0..1_000 {
            network.send(packet(0), Instant::ZERO);
        }

        let count = arrived(&mut network).len();
        assert!((950..1_130).contains(&count), "{count} of about 1,040");
    }

    #[test]
    fn damaged_messages_arrive_and_are_never_taken_for_others() {
        let options = NetworkOptions {
            corrupted_per_mille: 1_000,
            ..Default::default()
        };
        let mut network = Network::new(options, 3);
        let response = AppendEntryResponse {
            term: Term(1),
            index: crate::types::Index(2),
            peer: PeerId::from_server_name("S-1"),
            success: true,
        };
        for _ in 0..200 {
            let payload = Bytes::copy_from_slice(&response.encode());
            network.send(
                Packet {
                    payload,
                    ..packet(0)
                },
                Instant::ZERO,
            );
        }

        let arrived = arrived(&mut network);
        assert!(arrived.len() > 20, "{}", arrived.len());
        let taken = arrived
            .iter()
            .filter(|bytes| AppendEntryResponse::decode(bytes).is_ok());
        assert_eq!(taken.count(), 0);
    }
}
