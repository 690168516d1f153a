//! Those who look at a hub's messages: taps, a rule that loses some, and one that cuts servers off
//! after some.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::loopback::{DropRule, Message, PartitionRule};
use super::pattern::Pattern;
use crate::shard::lock;
use crate::types::{EntryType, PeerId};
use crate::wire::{AppendEntry, Subject};

#[derive(Debug, Default)]
pub(super) struct Watchers {
    taps: Vec<Arc<TapQueue>>,
    rule: Option<Rule>,
    partition: Option<Partition>,
}

/// A [`PartitionRule`] at work.
#[derive(Debug)]
struct Partition {
    pattern: Pattern,
    rule: PartitionRule,
    matched: u64,
    fired: u64,
}

/// What a tap has seen and nobody has taken.
#[derive(Debug)]
pub(super) struct TapQueue {
    pattern: Pattern,
    messages: Mutex<Vec<Message>>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    rule: DropRule,
    matched: u64,
}

impl TapQueue {
    pub(super) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *lock(&self.messages))
    }
}

impl Watchers {
    /// Whether nobody looks.
    pub(super) const fn is_empty(&self) -> bool {
        self.taps.is_empty() && self.rule.is_none() && self.partition.is_none()
    }

    pub(super) fn tap(&mut self, pattern: &str) -> Arc<TapQueue> {
        let messages = Mutex::default();
        let tap = Arc::new(TapQueue {
            pattern: Pattern::new(pattern),
            messages,
        });
        self.taps.push(Arc::clone(&tap));
        tap
    }

    pub(super) fn untap(&mut self, gone: &Arc<TapQueue>) {
        self.taps.retain(|tap| !Arc::ptr_eq(tap, gone));
    }

    pub(super) fn set_rule(&mut self, rule: Option<DropRule>) {
        self.rule = rule.map(|rule| Rule {
            pattern: Pattern::new(&rule.pattern),
            rule,
            matched: 0,
        });
    }

    pub(super) fn set_partition_rule(&mut self, rule: Option<PartitionRule>) {
        self.partition = rule.map(|rule| Partition {
            pattern: Pattern::new(&rule.pattern),
            rule,
            matched: 0,
            fired: 0,
        });
    }

    /// How often the partition rule has acted.
    pub(super) fn partition_rule_fired(&self) -> u64 {
        self.partition.as_ref().map_or(0, |rule| rule.fired)
    }

    /// A message has gone out; which servers are to be put where before the next one does.
    pub(super) fn cuts(&mut self, subject: &Subject, payload: &Bytes) -> &[(PeerId, u32)] {
        let Some(Partition {
            pattern,
            rule,
            matched,
            fired,
        }) = &mut self.partition
        else {
            return &[];
        };
        let concerned = pattern.matches(subject.as_str())
            && rule
                .addition_by
                .is_none_or(|leader| is_addition_by(leader, payload));
        if !concerned {
            return &[];
        }
        *matched += 1;
        if rule.only.is_some_and(|only| only != *matched) {
            return &[];
        }
        *fired += 1;
        &rule.partitions
    }

    /// Lets the taps see a message.
    pub(super) fn show(
        &self,
        from: Option<PeerId>,
        subject: &Subject,
        reply: Option<&Subject>,
        payload: &Bytes,
    ) {
        for tap in &self.taps {
            if tap.pattern.matches(subject.as_str()) {
                lock(&tap.messages).push(Message {
                    from,
                    subject: subject.as_str().to_owned(),
                    reply: reply.map_or_else(String::new, |reply| reply.as_str().to_owned()),
                    payload: payload.clone(),
                });
            }
        }
    }

    /// Whether the rule loses this delivery.
    pub(super) fn loses(&mut self, from: PeerId, to: PeerId, subject: &Subject) -> bool {
        let Some(Rule {
            pattern,
            rule,
            matched,
        }) = &mut self.rule
        else {
            return false;
        };
        let concerned = rule.from.is_none_or(|only| only == from)
            && rule.to.is_none_or(|only| only == to)
            && pattern.matches(subject.as_str());
        if !concerned {
            return false;
        }
        *matched += 1;
        matched.is_multiple_of(rule.every.max(1))
    }
}

/// Whether a message is an append entry of `leader` that adds a peer and does nothing else.
fn is_addition_by(leader: PeerId, payload: &Bytes) -> bool {
    AppendEntry::decode(payload.clone()).is_ok_and(|ae| {
        let mut kinds = ae.entries().map(|entry| entry.kind);
        ae.head.leader == leader
            && kinds.next() == Some(EntryType::AddPeer)
            && kinds.next().is_none()
    })
}
