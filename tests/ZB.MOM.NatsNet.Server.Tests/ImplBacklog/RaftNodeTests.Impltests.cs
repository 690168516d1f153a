using ZB.MOM.NatsNet.Server.Tests.Support;
using static ZB.MOM.NatsNet.Server.Tests.Support.DetachedNode;
using static ZB.MOM.NatsNet.Server.Tests.Support.Ids;

namespace ZB.MOM.NatsNet.Server.Tests.ImplBacklog;

/// <summary>
/// The server's codec and single-node tests under their own names. What the steps mean is in the
/// catalogue of the server's tests; a comment here says where this engine differs on purpose.
/// </summary>
public class RaftNodeTests
{
    [RaftFact]
    [Trait("ID", "2618")]
    [Trait("Kind", "white-box")]
    public void TestNRGAppendEntryEncode()
    {
        AppendEntry ae = Ae("ELEVEN-CHAR", term: 1, commit: 0, pterm: 0, pindex: 0);
        Should.Throw<RaftException>(() => ae.Encode()).Status.ShouldBe(RaftStatus.LeaderLen);

        ae.Leader = "";
        ae.Encode().Length.ShouldBe(43);
        ae.Leader = "DEREK123";
        ae.Encode().Length.ShouldBe(43);

        // The result goes into the caller's buffer when it fits, and leaves it alone when not.
        byte[] small = new byte[32];
        ae.Encode(small).Length.ShouldBe(43);
        small.ShouldAllBe(@byte => @byte == 0);
        byte[] large = new byte[64];
        ae.Encode(large).Overlaps(large).ShouldBeTrue();
        large[0].ShouldBe((byte)'D');

        ae.Entries.AddRange(Enumerable.Repeat(new Entry(default), 65_536));
        Should.Throw<RaftException>(() => ae.Encode()).Status.ShouldBe(RaftStatus.TooManyEntries);
    }

    [RaftFact]
    [Trait("ID", "2619")]
    [Trait("Kind", "white-box")]
    public void TestNRGAppendEntryDecode()
    {
        Entry[] entries = [.. Enumerable.Repeat(new Entry(default), 65_535)];
        AppendEntry ae = Ae("12345678", term: 1, commit: 0, pterm: 0, pindex: 0, entries);
        byte[] bytes = ae.Encode();
        AppendEntry.Decode(bytes).Entries.Count.ShouldBe(65_535);

        DecodeFailure(bytes.AsSpan(0, bytes.Length - 1025)).ShouldBe(RaftStatus.BadAppendEntry);

        // An entry's length byte is the only one after the header that is not zero; no entry is
        // zero bytes long, because its type takes one.
        var random = new Random(2619);
        for (int damaged = 0; damaged < 100;)
        {
            int at = random.Next(42, bytes.Length);
            if (bytes[at] != 0)
            {
                byte[] copy = [.. bytes];
                copy[at] = 0;
                DecodeFailure(copy).ShouldBe(RaftStatus.BadAppendEntry);
                damaged++;
            }
        }
    }

    [RaftFact]
    [Trait("ID", "new")]
    [Trait("Kind", "white-box")]
    public void TestNRGAppendEntryDecodeTruncatedEntryLength()
    {
        var empty = new Entry(default);
        byte[] bytes = Ae("12345678", term: 1, commit: 0, pterm: 0, pindex: 0, empty).Encode();

        DecodeFailure(bytes.AsSpan(0, 44)).ShouldBe(RaftStatus.BadAppendEntry);
    }

    [RaftFact]
    [Trait("ID", "2718")]
    [Trait("Kind", "white-box")]
    public void TestNRGInitSingleMemRaftNodeDefaults()
    {
        using DetachedNode node = Open();

        NodeState state = node.State;

        state.Id.ShouldBe(Self);
        state.Peers.Keys.ShouldBe([Self]);
        (state.Csz, state.Qn).ShouldBe((1, 1));
        node.Raft.Peers().ShouldHaveSingleItem().Id.ShouldBe(Self);
        (node.Raft.ID(), node.Raft.ClusterSize()).ShouldBe((Self, 1));
        node.Raft.Quorum().ShouldBeTrue();
        (state.Role, state.Term, state.Vote, state.Leader)
            .ShouldBe((RaftState.Follower, 0UL, "", ""));
        (state.Pterm, state.Pindex, state.Commit, state.Processed, state.Applied, state.Aflr)
            .ShouldBe((0UL, 0UL, 0UL, 0UL, 0UL, 0UL));
        state.Initializing.ShouldBeTrue();
        (state.Asubj, state.Vsubj, state.Psubj)
            .ShouldBe(("$NRG.AE.TEST", "$NRG.V.TEST", "$NRG.P.TEST"));
        state.Areply.ShouldMatch(@"^\$NRG\.R\.[0-9A-Za-z]{8}$");
        state.Vreply.ShouldMatch(@"^\$NRG\.R\.[0-9A-Za-z]{8}$");
        (state.Prop, state.Entry, state.Resp, state.Reqs, state.Votes).ShouldBe((0, 0, 0, 0, 0));
        state.Leadc.ShouldBeNull();
    }

    [RaftFact]
    [Trait("ID", "2654")]
    [Trait("Kind", "white-box")]
    public void TestNRGMultipleStopsDontPanic()
    {
        using DetachedNode node = Open();

        for (int time = 0; time < 10; time++)
        {
            node.Raft.Stop();
        }

        node.State.Role.ShouldBe(RaftState.Closed);
    }

    private static RaftStatus DecodeFailure(ReadOnlySpan<byte> bytes)
    {
        byte[] copy = bytes.ToArray();
        return Should.Throw<RaftException>(() => AppendEntry.Decode(copy)).Status;
    }
}
