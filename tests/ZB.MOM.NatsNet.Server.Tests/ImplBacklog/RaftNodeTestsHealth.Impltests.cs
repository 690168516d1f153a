using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>Health, overrun and what a node knows of its peers, driven by hand.</summary>
public class RaftNodeTestsHealth
{
    private const string Reply = "$TEST";

    [RaftFact]
    [Trait("ID", "2659")]
    [Trait("Kind", "white-box")]
    public void TestNRGHealthCheckWaitForCatchup()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        AppendEntry heartbeat = Ae(N0, term: 1, commit: 3, pterm: 1, pindex: 3);

        node.Live(heartbeat);
        ExpectCatchup(node, from: (0, 0), to: (1, 3));

        node.Cu(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Pindex, Healthy(node)).ShouldBe((1UL, false));
        node.Cu(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        (node.State.Pindex, node.State.Commit, Healthy(node)).ShouldBe((2UL, 1UL, false));
        node.Raft.Applied(1);
        Healthy(node).ShouldBeFalse();

        node.Cu(Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((3UL, 2UL));
        node.Raft.Applied(2);
        Healthy(node).ShouldBeFalse();

        node.Live(heartbeat);
        (node.State.Catchup, node.State.Pindex, node.State.Commit, Healthy(node))
            .ShouldBe((null, 3UL, 3UL, false));
        node.Raft.Applied(3);
        Healthy(node).ShouldBeTrue();
    }

    [RaftFact]
    [Trait("ID", "2660")]
    [Trait("Kind", "white-box")]
    public void TestNRGHealthCheckWaitForDoubleCatchup()
    {
        using DetachedNode node = Open();
        node.Raft.AddPeer(N0);
        AppendEntry third = Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2, E);
        AppendEntry heartbeat = Ae(N0, term: 1, commit: 3, pterm: 1, pindex: 3);

        node.Live(Ae(N0, term: 1, commit: 2, pterm: 1, pindex: 2));
        ExpectCatchup(node, from: (0, 0), to: (1, 2));
        node.Cu(Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0, E));
        (node.State.Pindex, Healthy(node)).ShouldBe((1UL, false));

        // What is new is ignored while the node catches up.
        foreach (AppendEntry ae in (AppendEntry[])[third, heartbeat])
        {
            node.Live(ae);
            node.State.Catchup.ShouldNotBeNull();
            (node.State.Pindex, Healthy(node)).ShouldBe((1UL, false));
        }

        node.Cu(Ae(N0, term: 1, commit: 1, pterm: 1, pindex: 1, E));
        (node.State.Pindex, node.State.Commit).ShouldBe((2UL, 1UL));
        node.Raft.Applied(1);
        Healthy(node).ShouldBeFalse();
        node.State.Catchup.ShouldNotBeNull().Cindex.ShouldBe(2UL);

        node.Live(heartbeat);
        ExpectCatchup(node, from: (1, 2), to: (1, 3));
        Healthy(node).ShouldBeFalse();

        node.Cu(third);
        (node.State.Pindex, node.State.Commit).ShouldBe((3UL, 2UL));
        node.Raft.Applied(2);
        Healthy(node).ShouldBeFalse();

        node.Live(heartbeat);
        (node.State.Catchup, node.State.Pindex, node.State.Commit, Healthy(node))
            .ShouldBe((null, 3UL, 3UL, false));
        node.Raft.Applied(3);
        Healthy(node).ShouldBeTrue();
    }

    [RaftTheory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGFollowerPausesQuorumIfOverrun(bool replay)
    {
        const ulong Pause = 100_000;
        const ulong Warn = 10_000;
        using DetachedNode node = Open();
        AppendEntry heartbeat = Ae(N0, term: 1, commit: 0, pterm: 0, pindex: 0);

        Expect(answered: true, paused: false);
        node.Set(new() { ["commit"] = Pause, ["applied"] = 0 });
        Expect(answered: true, paused: false);
        node.Set(new() { ["commit"] = Pause + 1, ["applied"] = 0 });
        Expect(answered: false, paused: true);
        node.Set("applied", Pause + 1 - Warn - 1);
        Expect(answered: false, paused: true);
        node.Set("applied", Pause + 1 - Warn);
        Expect(answered: true, paused: false);

        if (!replay)
        {
            // The backlog is none, not a number below zero.
            node.Set(new()
            {
                ["quorumPaused"] = true,
                ["applied"] = Warn,
                ["papplied"] = Warn,
                ["commit"] = 0,
            });
            Expect(answered: true, paused: false);
        }

        void Expect(bool answered, bool paused)
        {
            node.TakeSent();
            if (replay)
            {
                node.Replay(heartbeat);
            }
            else
            {
                node.Live(heartbeat, Reply);
            }

            (AppendEntryResponse Answer, string Reply)? answer = node.TakeAnswer(Reply);
            (answer is { Answer.Success: true, Reply: "" }).ShouldBe(answered && !replay);
            node.State.QuorumPaused.ShouldBe(paused && !replay);
        }
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGSwitchToCandidateResetsQuorumPaused()
    {
        using DetachedNode node = Open();
        node.Set("quorumPaused", true);
        node.State.Term.ShouldBe(0UL);

        node.Raft.SwitchToCandidate();

        (node.State.Term, node.State.QuorumPaused).ShouldBe((1UL, false));
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGTrackPeerObserved()
    {
        const string A = "AAAAAAAA";
        const string B = "BBBBBBBB";
        const string C = "CCCCCCCC";
        using DetachedNode node = HandMade();
        node.Set(new()
        {
            ["managed"] = true,
            ["id"] = A,
            ["peers"] = new JsonObject { [A] = new JsonObject() },
        });
        node.State.Peers.Keys.ShouldContain(A);

        foreach (string peer in (string[])[B, A])
        {
            LastHeard(peer).ShouldBeNull();
            node.Raft.TrackPeer(peer);
            LastHeard(peer).ShouldNotBeNull();
        }

        node.State.Observed.Keys.ShouldBe([B]);

        // A member is no longer only observed.
        node.Set("peers", new JsonObject { [B] = new JsonObject() });
        node.Raft.TrackPeer(B);
        node.State.Observed.ShouldBeEmpty();
        LastHeard(B).ShouldNotBeNull();

        node.Set("removed", new JsonObject { [C] = node.State.Now });
        node.Raft.TrackPeer(C);
        LastHeard(C).ShouldBeNull();

        DateTimeOffset? LastHeard(string peer) => node.Raft.LastHeardFromPeer(peer);
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGPeersResponse()
    {
        const string Me = "meisself";
        using DetachedNode leader = HandMade();
        leader.Set(new()
        {
            ["id"] = Me,
            ["leader"] = Me,
            ["state"] = (int)RaftState.Leader,
            ["pindex"] = 10,
            ["commit"] = 10,
            ["applied"] = 10,
            ["peers"] = new JsonObject
            {
                [Me] = new JsonObject(),
                [N0] = new JsonObject { ["li"] = 10 },
                [N1] = new JsonObject { ["li"] = 3 },
                [N2] = new JsonObject { ["li"] = 0 },
            },
        });

        Report(leader).ShouldBe(
            [(N0, true, 0UL), (N2, false, 10UL), (Me, true, 0UL), (N1, false, 7UL)],
            ignoreOrder: true);

        using DetachedNode follower = HandMade();
        follower.Set(new()
        {
            ["id"] = Me,
            ["leader"] = N0,
            ["peers"] = new JsonObject
            {
                [Me] = new JsonObject(),
                [N0] = new JsonObject(),
                [N1] = new JsonObject(),
            },
        });
        Report(follower)
            .ShouldBe([(N0, false, 0UL), (Me, true, 0UL), (N1, false, 0UL)], ignoreOrder: true);

        // Seen within two heartbeats, the leader is current.
        follower.Raft.TrackPeer(N0);
        Report(follower).ShouldContain((N0, true, 0UL));

        static IEnumerable<(string Id, bool Current, ulong Lag)> Report(DetachedNode node)
            => node.Raft.Peers().Select(peer => (peer.Id, peer.Current, peer.Lag));
    }

    private static bool Healthy(DetachedNode node) => node.Raft.Healthy();

    private static void ExpectCatchup(
        DetachedNode node, (ulong Term, ulong Index) from, (ulong Term, ulong Index) to)
    {
        CatchupState catchup = node.State.Catchup.ShouldNotBeNull();
        (catchup.Pterm, catchup.Pindex, catchup.Cterm, catchup.Cindex)
            .ShouldBe((from.Term, from.Index, to.Term, to.Index));
    }
}
