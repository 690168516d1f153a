//! Messages nobody sane would send, in any order: a node neither panics nor loses its invariants,
//! and what it once committed it keeps.

use bytes::Bytes;
use proptest::prelude::*;

use super::rig::{DiskLog, N0, N1, Rig, SELF, setup};
use super::{Origin, SubscriptionId, invariants};
use crate::types::{Entry, EntryType, Index, PeerId, Term};
use crate::wire::{
    AppendEntry, AppendEntryHead, AppendEntryResponse, PeerState, Subject, VoteRequest,
    VoteResponse,
};

#[derive(Clone, Debug)]
enum Act {
    Append(Origin, AppendEntryHead, Vec<Entry>),
    Ask(VoteRequest),
    Vote(VoteResponse),
    Answer(AppendEntryResponse, bool),
    Propose(u8),
    Processed(u64, u64),
    Pass(u64),
    Sync,
    StepDown,
    Campaign(bool),
    Observe(bool),
    Pause,
    Resume,
}

/// Mostly small, so that steps meet; now and then at the end of the range.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        20 => 0..7_u64,
        1 => Just(u64::MAX),
        1 => Just(u64::MAX - 1),
        1 => 100_000..100_010_u64,
    ]
}

fn peer() -> impl Strategy<Value = PeerId> {
    let ids = [SELF, N0, N1, PeerId(*b"deadbeef"), PeerId([0; 8])];
    proptest::sample::select(ids.to_vec())
}

fn record() -> impl Strategy<Value = Entry> {
    let state = (0..5_u32, proptest::collection::vec(peer(), 0..4));
    prop_oneof![
        4 => Just(Entry::normal(b"data".as_slice())),
        1 => peer().prop_map(|peer| Entry::about(EntryType::AddPeer, peer)),
        1 => peer().prop_map(|peer| Entry::about(EntryType::RemovePeer, peer)),
        1 => peer().prop_map(|peer| Entry::about(EntryType::LeaderTransfer, peer)),
        1 => state.prop_map(|(cluster_size, peers)| Entry {
            kind: EntryType::PeerState,
            data: PeerState { cluster_size, peers, domain_ext: 0 }.encode(),
        }),
        1 => (0..=255_u8).prop_map(|code| Entry {
            kind: EntryType::from_code(code),
            data: Bytes::from_static(b"?"),
        }),
    ]
}

fn step() -> impl Strategy<Value = Act> {
    let origin = prop_oneof![
        3 => Just(Origin::Live),
        2 => (1..9_u64).prop_map(|sub| Origin::Catchup(SubscriptionId(sub))),
    ];
    let head = (peer(), number(), number(), number(), number(), number());
    let head = head.prop_map(
        |(leader, term, commit, prev_term, prev_index, lt)| AppendEntryHead {
            leader,
            term: Term(term),
            commit: Index(commit),
            prev_term: Term(prev_term),
            prev_index: Index(prev_index),
            leader_term: Term(lt),
        },
    );
    let records = proptest::collection::vec(record(), 0..3);
    let request = (number(), number(), number(), peer());
    let request = request.prop_map(|(term, last_term, last_index, candidate)| VoteRequest {
        term: Term(term),
        last_term: Term(last_term),
        last_index: Index(last_index),
        candidate,
    });
    let vote = (number(), peer(), any::<bool>(), any::<bool>());
    let vote = vote.prop_map(|(term, peer, granted, empty)| VoteResponse {
        term: Term(term),
        peer,
        granted,
        empty,
    });
    let answer = (number(), number(), peer(), any::<bool>());
    let answer = answer.prop_map(|(term, index, peer, success)| AppendEntryResponse {
        term: Term(term),
        index: Index(index),
        peer,
        success,
    });
    prop_oneof![
        8 => (origin, head, records).prop_map(|(o, h, r)| Act::Append(o, h, r)),
        3 => request.prop_map(Act::Ask),
        4 => vote.prop_map(Act::Vote),
        4 => (answer, any::<bool>()).prop_map(|(a, inbox)| Act::Answer(a, inbox)),
        3 => (0..4_u8).prop_map(Act::Propose),
        2 => (number(), number()).prop_map(|(i, a)| Act::Processed(i, a)),
        3 => (0..10_000_u64).prop_map(Act::Pass),
        3 => Just(Act::Sync),
        1 => Just(Act::StepDown),
        3 => any::<bool>().prop_map(Act::Campaign),
        1 => any::<bool>().prop_map(Act::Observe),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
    ]
}

/// Refusals are as good an outcome as any other here.
fn take(rig: &mut Rig, step: Act) {
    let reply = Some(Subject::new("$TEST"));
    let (node, now) = (&mut rig.node, rig.now);
    match step {
        Act::Append(origin, head, records) => {
            let frame = AppendEntry::encode_entries(head, &records).unwrap();
            node.advance_to(now);
            node.process_append_entry(frame, reply.as_ref(), origin);
        }
        Act::Ask(request) => node.process_vote_request(request, reply.as_ref()),
        Act::Vote(vote) => {
            let payload = Bytes::copy_from_slice(&vote.encode());
            node.handle_message(SubscriptionId(1), None, payload, now);
        }
        Act::Answer(answer, inbox) => {
            let payload = Bytes::copy_from_slice(&answer.encode());
            let inbox = inbox.then(|| Subject::new("$NRG.CR.00000001"));
            node.handle_message(SubscriptionId(3), inbox, payload, now);
        }
        Act::Propose(len) => {
            let data = Bytes::from(vec![1; usize::from(len)]);
            let _refused_or_not = node.propose(node.term, data);
        }
        Act::Processed(index, applied) => {
            node.processed(Index(index), Index(applied), now);
        }
        Act::Pass(millis) => rig.pass(millis),
        Act::Sync => rig.sync(),
        Act::StepDown => {
            let _refused_or_not = node.step_down(&[], now);
        }
        Act::Campaign(immediately) => {
            let _refused_or_not = node.campaign(immediately, now);
        }
        Act::Observe(observer) => node.set_observer(observer, now),
        Act::Pause => {
            let _refused_or_not = node.pause_apply(now);
        }
        Act::Resume => node.resume_apply(now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_message_breaks_a_node(
        members in 1..4_usize,
        managed in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let all = [SELF, N0, N1];
        let mut setup = setup(&all[..members], Box::new(DiskLog::new()));
        setup.managed = managed;
        let mut rig = Rig::of(setup);
        let mut committed: Vec<AppendEntry> = Vec::new();
        for step in steps {
            let (term, commit) = (rig.node.term, rig.node.commit);

            take(&mut rig, step);
            rig.turn();
            rig.turn();

            prop_assert_eq!(invariants::check(&rig.node), Ok(()));
            prop_assert!(rig.node.term >= term && rig.node.commit >= commit);
            for index in commit.0 + 1..=rig.node.commit.0 {
                committed.push(rig.node.entry_at(Index(index)).unwrap());
            }
            for kept in &committed {
                prop_assert_eq!(&rig.node.entry_at(kept.index()).unwrap(), kept);
            }
            while rig.node.poll_output().is_some() {}
        }
    }
}
