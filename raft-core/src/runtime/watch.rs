//! Those who look at a hub's messages: taps, and a rule that loses some.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::loopback::{DropRule, Message};
use super::pattern::Pattern;
use crate::shard::lock;
use crate::types::PeerId;
use crate::wire::Subject;

#[derive(Debug, Default)]
pub(super) struct Watchers {
    taps: Vec<Arc<TapQueue>>,
    rule: Option<Rule>,
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
        self.taps.is_empty() && self.rule.is_none()
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
