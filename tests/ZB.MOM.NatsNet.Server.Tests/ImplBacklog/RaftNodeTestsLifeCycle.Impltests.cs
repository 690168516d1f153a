using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>The life of nodes, and what is left of them.</summary>
[Collection("live")]
public class RaftNodeTestsLifeCycle
{
    [RaftFact(Live = true)]
    [Trait("ID", "2674")]
    [Trait("Kind", "live")]
    public void TestNRGKeepRunningOnServerShutdown()
    {
        using var group = new TestGroup<Adder>(1, RaftLogKind.Memory, _ => new Adder());
        Member<Adder> member = group.WaitOnLeader();
        member.Propose(1);
        group.WaitOnTotal(1);
        WalState held = member.Node.Inside().Wal;
        held.Msgs.ShouldBeGreaterThan(0UL);

        // Its server has no way to others any more; nobody has stopped the node.
        group.Runtime.SetRoutingReady(false);
        group.Advance(TimeSpan.FromSeconds(1));
        member.Node.Inside().Wal.ShouldBe(held);
        member.Node.LoadEntry(1).Entries.ShouldNotBeEmpty();

        member.Node.Stop();
        member.Node.WaitForStop();
        member.Node.Inside().Wal.Msgs.ShouldBe(0UL, "the log let go of what it held");
    }

    [RaftFact(Live = true)]
    [Trait("ID", "2634")]
    [Trait("Kind", "live")]
    public void TestNRGSystemClientCleanupFromAccount()
    {
        // What a group has of the transport are subscriptions; a client of its own it has not.
        const int Groups = 5;
        using var folder = new TestFolder();
        using var runtime = new RaftRuntime(new RaftRuntimeOptions
        {
            Timing = TestTiming.Reference,
            Seed = 1,
            ManualClock = true,
        });
        using var network = new LoopbackNetwork();
        string[] servers = [.. Enumerable.Range(1, 3).Select(OfMember)];
        string[] names = [.. Enumerable.Range(0, Groups).Select(at => $"TEST-{at}")];
        ulong before = NativeMethods.TestLiveObjects(
            NrgConstants.NRG_TEST_OBJECT_NODE, runtime.Handle);
        Listeners().ShouldAllBe(count => count == 0);

        Raft[] nodes = [.. names.SelectMany(name => servers.Select(server => Open(name, server)))];
        for (int step = 0; step < 1_000 && !names.All(HasLeader); step++)
        {
            ThrowHelper.Check(
                NativeMethods.TestClockAdvance(runtime.Handle, TimeSpan.FromMilliseconds(10)),
                "advance");
            Array.ForEach(nodes, Apply);
        }

        names.Where(name => !HasLeader(name)).ShouldBeEmpty();
        Listeners().ShouldAllBe(count => count == servers.Length);

        Array.ForEach(nodes, node => node.Stop());
        Array.ForEach(nodes, node => node.WaitForStop());
        Listeners().ShouldAllBe(count => count == 0);
        Array.ForEach(nodes, node => node.Dispose());
        SpinWait.SpinUntil(() => Alive() == before, TimeSpan.FromSeconds(10)).ShouldBeTrue();

        ulong Alive() => NativeMethods.TestLiveObjects(
            NrgConstants.NRG_TEST_OBJECT_NODE, runtime.Handle);

        bool HasLeader(string name) => nodes.Any(node => node.Group() == name && node.Leader());

        // A message that no node can read is heard and dropped.
        int[] Listeners() => Array.ConvertAll(names, name =>
        {
            NativeMethods.TestInject(network.Handle, $"$NRG.V.{name}", "", [], out int listeners)
                .ShouldBe(RaftStatus.Ok);
            return listeners;
        });

        Raft Open(string name, string server)
        {
            var config = new RaftConfig
            {
                PeerId = server,
                Name = name,
                StoreRoot = Path.Combine(folder.Path, server),
                Log = RaftLogKind.Memory,
            };
            RaftRuntime.Bootstrap(config, servers, allPeersKnown: true);
            return runtime.Open(config, network);
        }

        static void Apply(Raft node)
        {
            while (node.ApplyQ().TryTake() is { } batch)
            {
                using (batch)
                {
                    foreach (CommittedEntry committed in batch)
                    {
                        if (committed.Index > 0)
                        {
                            node.Applied(committed.Index);
                        }
                    }
                }
            }
        }
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGProcessAppendEntryResponseTermRace()
    {
        // The server looks for a data race with a detector. Here the compiler does; what is left
        // to see is that both threads get through and none of their work is lost.
        const int Rounds = 2_000;
        using DetachedNode node = DetachedNode.Open();
        var response = new AppendEntryResponse(Term: 0, Index: 0, Self, Success: false);
        var writer = new Thread(() =>
        {
            for (int term = 1; term <= Rounds; term++)
            {
                node.Set(new JsonObject { ["term"] = term });
            }
        });

        writer.Start();
        for (int round = 0; round < Rounds; round++)
        {
            node.Raft.ProcessAppendEntryResponse(response);
        }

        writer.Join();
        (node.State.Term, node.State.Role).ShouldBe(((ulong)Rounds, RaftState.Follower));
    }
}
