using System.Text;
using System.Text.Json.Nodes;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>
/// A node without a driver: the test is its network, its clock and its application. It settles
/// after each call, so what a step causes is to be seen when the step returns. Messages are written
/// as the catalogue writes them: AE(leader term commit @pterm/pindex …).
/// </summary>
internal sealed class DetachedNode : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly RaftRuntime _runtime;
    private readonly RaftConfig _config;
    private bool _holdsSync;

    private DetachedNode(
        bool handMade, RaftLogKind log, RaftTiming timing, IReadOnlyList<string> peers)
    {
        _runtime = new RaftRuntime(
            new RaftRuntimeOptions { Timing = timing, ManualClock = true, Seed = 1 });
        _config = new RaftConfig
        {
            PeerId = Ids.Self,
            Name = "TEST",
            StoreRoot = _folder.Path,
            Log = log,
        };
        if (!handMade)
        {
            RaftRuntime.Bootstrap(_config, peers, allPeersKnown: true);
        }

        uint flags = handMade
            ? NrgConstants.NRG_TEST_NODE_NO_LOG | NrgConstants.NRG_TEST_NODE_NO_TRANSPORT
            : 0;
        Raft = _runtime.OpenDetached(_config, flags);
    }

    /// <summary>The node itself.</summary>
    internal Raft Raft { get; private set; }

    /// <summary>E: one Normal entry with a payload as long as the server's sample.</summary>
    internal static Entry E { get; } =
        new(Enumerable.Range(0, 41).Select(at => (byte)at).ToArray());

    /// <summary>
    /// A single node, alone in its group, with a memory log unless the test is about files.
    /// </summary>
    internal static DetachedNode Open(
        RaftLogKind log = RaftLogKind.Memory,
        RaftTiming? timing = null,
        IReadOnlyList<string>? peers = null)
        => new(handMade: false, log, timing ?? TestTiming.Reference, peers ?? [Ids.Self]);

    /// <summary>A node made by hand: without a log and without subscriptions.</summary>
    internal static DetachedNode HandMade()
        => new(handMade: true, RaftLogKind.Memory, TestTiming.Reference, []);

    /// <summary>XFER(peer): an entry that names the next leader.</summary>
    internal static Entry Transfer(string peer) => About(EntryType.LeaderTransfer, peer);

    /// <summary>ADD(peer): an entry that adds a peer.</summary>
    internal static Entry Add(string peer) => About(EntryType.AddPeer, peer);

    /// <summary>RM(peer): an entry that removes a peer.</summary>
    internal static Entry Remove(string peer) => About(EntryType.RemovePeer, peer);

    /// <summary>
    /// AE(leader term commit @pterm/pindex …); without entries it is a heartbeat.
    /// </summary>
    internal static AppendEntry Ae(
        string leader, ulong term, ulong commit, ulong pterm, ulong pindex, params Entry[] entries)
        => new()
        {
            Leader = leader,
            Term = term,
            Commit = commit,
            PTerm = pterm,
            PIndex = pindex,
            Entries = [.. entries],
        };

    public void Dispose()
    {
        if (_holdsSync)
        {
            // A node whose last write is held never ends.
            HoldSync(false);
        }

        _runtime.Dispose();
        _folder.Dispose();
    }

    /// <summary>Ends the node and opens it again from its files.</summary>
    internal void Restart()
    {
        Raft.Stop();
        Raft.WaitForStop();
        Raft.Dispose();
        Reopen();
    }

    /// <summary>Opens a node that has ended again from its files.</summary>
    internal void Reopen() => Raft = _runtime.OpenDetached(_config);

    /// <summary>The whole state now.</summary>
    internal NodeState State => Raft.Inside();

    /// <summary>The files in the folder of snapshots, sorted.</summary>
    internal IReadOnlyList<string> SnapshotFiles()
        => [.. Directory.GetFiles(SnapshotFolder).Select(Path.GetFileName).Order()!];

    internal string SnapshotFolder => Path.Combine(State.Sd, "snapshots");

    /// <summary>Writes fields, past all rules of the protocol.</summary>
    internal void Set(JsonObject patch) => Raft.Set(patch);

    /// <summary>Writes one field, past all rules of the protocol.</summary>
    internal void Set(string field, JsonNode? value) => Set(new JsonObject { [field] = value });

    /// <summary>A call that has to fail; yields the failure's status.</summary>
    internal static RaftStatus Refusal(Action call)
        => Should.Throw<RaftException>(call).Status;

    /// <summary>
    /// The group report: each peer but the node itself, and whether no uncommitted change is about
    /// it.
    /// </summary>
    internal IReadOnlyDictionary<string, bool> Report()
    {
        NativeMethods.NodePeers(Raft.Handle, out NrgPeer.Unmanaged[] peers)
            .ShouldBe(RaftStatus.Ok);
        return peers
            .Where(peer => (peer.flags & NrgConstants.NRG_PEER_MEMBER) != 0)
            .Select(peer => (Id: PeerIds.Text(peer.id), peer.flags))
            .Where(peer => peer.Id != Raft.ID())
            .ToDictionary(
                peer => peer.Id, peer => (peer.flags & NrgConstants.NRG_PEER_KNOWN) != 0);
    }

    /// <summary>What the node sent since it was last asked, in order.</summary>
    internal IReadOnlyList<RaftMessage> TakeSent() => Raft.TakeSent();

    /// <summary>What the node sent to a subject since it was last asked, in order.</summary>
    internal IReadOnlyList<RaftMessage> TakeSentTo(string subject)
        => [.. TakeSent().Where(message => message.Subject == subject)];

    internal void HoldSync(bool hold)
    {
        Raft.HoldSync(hold);
        _holdsSync = hold;
    }

    internal void Advance(TimeSpan by) => Raft.Advance(by);

    /// <summary>Delivers an append entry as if it came on the group's subject.</summary>
    internal void Live(AppendEntry ae, string reply = "")
        => Raft.ProcessAppendEntry(ae, AppendEntryOrigin.Live, reply);

    /// <summary>
    /// Delivers an append entry as if it came on the inbox of the running catch-up.
    /// </summary>
    internal void Cu(AppendEntry ae, string reply = "")
        => CuSaved(State.Catchup.ShouldNotBeNull("no catch-up runs").Sub, ae, reply);

    /// <summary>Delivers an append entry on the inbox of a catch-up that the test kept.</summary>
    internal void CuSaved(ulong catchup, AppendEntry ae, string reply = "")
        => Raft.ProcessAppendEntry(ae, AppendEntryOrigin.Of(catchup), reply);

    /// <summary>Delivers an append entry as if it were read from the node's own log.</summary>
    internal void Replay(AppendEntry ae)
        => Raft.ProcessAppendEntry(ae, AppendEntryOrigin.Replay);

    /// <summary>Delivers VR(term last=lastTerm/lastIndex candidate).</summary>
    internal void Vr(
        ulong term, ulong lastTerm, ulong lastIndex, string candidate, string reply = "")
        => Raft.ProcessVoteRequest(new VoteRequest(term, lastTerm, lastIndex, candidate), reply);

    /// <summary>Delivers VRESP(term peer granted empty).</summary>
    internal void Vresp(ulong term, string peer, bool granted, bool empty = false)
        => Raft.HandleVoteResponse(new VoteResponse(term, peer, granted, empty));

    /// <summary>Delivers AR(term index peer ok), the answer to an append entry.</summary>
    internal void Ar(ulong term, ulong index, string peer, bool success)
        => Raft.ProcessAppendEntryResponse(new AppendEntryResponse(term, index, peer, success));

    /// <summary>Lets a peer answer each vote request from now on.</summary>
    internal void AnswerVotesWith(string peer, bool granted, bool empty = false)
        => Raft.AutoAnswer(peer, granted, empty);

    /// <summary>The leader of the log entry at an index, which must be there.</summary>
    internal string LeaderOfEntry(ulong index)
        => Raft.LoadEntry(index).Leader;

    /// <summary>The term of the log entry at an index, which must be there.</summary>
    internal ulong TermOfEntry(ulong index)
        => Raft.LoadEntry(index).Term;

    /// <summary>
    /// The one answer that went to a subject since the last look; null for silence.
    /// </summary>
    internal (AppendEntryResponse Answer, string Reply)? TakeAnswer(string subject)
    {
        IReadOnlyList<RaftMessage> answers = TakeSentTo(subject);
        if (answers.Count == 0)
        {
            return null;
        }

        RaftMessage answer = answers.ShouldHaveSingleItem();
        return (AppendEntryResponse.Decode(answer.Payload), answer.Reply);
    }

    private static Entry About(EntryType type, string peer)
        => new(type, Encoding.Latin1.GetBytes(peer));
}
