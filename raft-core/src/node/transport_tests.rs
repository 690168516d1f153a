//! A transport that begins anew, or cannot subscribe.

use bytes::Bytes;

use super::rig::{N0, N1, Out, Rig, entry, setup};
use super::{FatalError, Role, SubscriptionId, signal};
use crate::storage::MemoryLog;
use crate::types::Term;
use crate::wire::Subject;

const PERMANENT: usize = 4;

fn subscription(rig: &Rig, subject: &str) -> SubscriptionId {
    rig.node.subscriptions.to(subject).unwrap()
}

/// A follower that asked for what it lacks, and told its application so.
fn catching_up() -> Rig {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 9, (1, 9), b"far ahead"));
    assert!(rig.node.catchup.is_some());
    rig.outputs();
    rig
}

#[test]
fn reset_subscribes_anew_in_order_with_new_inboxes() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let (votes, responses) = (rig.node.vote_inbox.clone(), rig.node.response_inbox.clone());
    let old = subscription(&rig, "$NRG.AE.TEST");

    rig.node.reset_transport(rig.now);

    let (new_votes, new_responses) = (
        rig.node.vote_inbox.to_string(),
        rig.node.response_inbox.to_string(),
    );
    assert_ne!(new_votes, votes.as_str());
    assert_ne!(new_responses, responses.as_str());
    let expected = [
        Out::Reset,
        Out::Subscribe(new_votes),
        Out::Subscribe("$NRG.V.TEST".to_owned()),
        Out::Subscribe(new_responses),
        Out::Subscribe("$NRG.AE.TEST".to_owned()),
    ];
    assert_eq!(rig.outputs(), expected);
    assert_ne!(subscription(&rig, "$NRG.AE.TEST"), old);
}

#[test]
fn append_entries_under_the_old_subscription_are_not_live_any_more() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let old = subscription(&rig, "$NRG.AE.TEST");
    let frame = || entry(N0, 1, 1, (1, 1), b"two").into_frame();
    let arrive = |rig: &mut Rig, sub| {
        let reply = Some(Subject::new("back"));
        rig.node.handle_message(sub, reply, frame(), rig.now);
    };

    arrive(&mut rig, old);
    rig.node.reset_transport(rig.now);
    arrive(&mut rig, old);
    rig.turn();
    assert_eq!(rig.node.last_index.0, 1);

    let new = subscription(&rig, "$NRG.AE.TEST");
    arrive(&mut rig, new);
    rig.turn();
    assert_eq!(rig.node.last_index.0, 2);
}

#[test]
fn reset_cancels_the_catch_up_and_pays_its_guard() {
    let mut rig = catching_up();
    rig.node.send_catchup_signal();
    let waiting = rig.node.apply_len();

    rig.node.reset_transport(rig.now);

    assert!(rig.node.catchup.is_none());
    assert_eq!(rig.node.apply_len(), waiting + 1);
}

/// SE-43: the server forgets them for the rest of the leadership.
#[test]
fn reset_keeps_what_a_leader_listens_to() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let before = rig.node.subscriptions.len();
    assert!(before > PERMANENT);

    rig.node.reset_transport(rig.now);
    rig.outputs();

    assert_eq!(rig.node.subscriptions.len(), before);
    rig.acknowledge(3, 1, N1);
    rig.node
        .processed(rig.node.commit, rig.node.commit, rig.now);
    assert!(rig.node.is_leader());
    let forwarded = subscription(&rig, "$NRG.P.TEST");
    rig.node
        .handle_message(forwarded, None, Bytes::from_static(b"x"), rig.now);
    rig.turn();
    assert_eq!(rig.node.last_index.0, 2);
    // An append entry names the new inbox; the rig compares.
    assert!(matches!(rig.outputs().last(), Some(Out::Append(..))));
}

#[test]
fn reset_of_a_closed_node_does_nothing() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.stop();
    rig.outputs();

    rig.node.reset_transport(rig.now);

    assert_eq!(rig.outputs(), []);
}

#[test]
fn node_without_a_permanent_subscription_closes_and_says_why() {
    for subject in ["$NRG.AE.TEST", "$NRG.V.TEST"] {
        let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
        rig.node.take_signals();

        let failed = subscription(&rig, subject);
        rig.node.handle_subscribe_failed(failed, rig.now);

        assert_eq!(rig.node.role(), Role::Closed);
        let why = FatalError::Unsubscribed {
            subject: Subject::new(subject),
        };
        assert_eq!(rig.node.fatal_error(), Some(&why));
        assert_ne!(rig.node.take_signals() & signal::FAULT, 0);
        // What did succeed is taken back; what failed is not.
        let out = rig.outputs();
        assert_eq!(out.len(), PERMANENT - 1);
        assert!(!out.contains(&Out::Unsubscribe(subject.to_owned())));
    }
}

#[test]
fn leader_that_cannot_hear_forwarded_proposals_steps_down() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    let failed = subscription(&rig, "$NRG.P.TEST");
    rig.node.handle_subscribe_failed(failed, rig.now);
    rig.turn();

    assert_eq!((rig.node.role(), rig.node.term), (Role::Follower, Term(3)));
    assert_eq!(rig.node.fatal_error(), None);
}

#[test]
fn catch_up_without_its_inbox_ends_and_is_asked_for_again() {
    let mut rig = catching_up();

    let failed = rig.node.catchup.as_ref().unwrap().sub;
    rig.node.handle_subscribe_failed(failed, rig.now);
    assert!(rig.node.catchup.is_none());

    rig.live(entry(N0, 1, 9, (1, 9), b"far ahead"));
    assert!(rig.node.catchup.is_some());
}

#[test]
fn failure_of_a_subscription_that_is_no_more_is_ignored() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let old = subscription(&rig, "$NRG.AE.TEST");
    rig.node.reset_transport(rig.now);

    rig.node.handle_subscribe_failed(old, rig.now);
    rig.node
        .handle_subscribe_failed(SubscriptionId(999), rig.now);

    assert_eq!(rig.node.role(), Role::Follower);
}

#[test]
fn change_of_the_members_asks_the_host_for_the_account_again() {
    let mut rig = Rig::of(setup(&[super::rig::SELF, N0], Box::new(MemoryLog::new())));
    rig.node.take_signals();

    rig.node.append_addition(N1);

    assert_ne!(rig.node.take_signals() & signal::ADVISORY, 0);
}
