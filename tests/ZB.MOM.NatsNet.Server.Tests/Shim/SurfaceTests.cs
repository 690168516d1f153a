using System.Reflection;
using NSubstitute;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>The surface a port of the server compiles against.</summary>
public class SurfaceTests
{
    /// <summary>Every method of the server's RaftNode interface that a host calls.</summary>
    private static readonly string[] OfTheReference =
    [
        "Propose", "ProposeMulti", "ForwardProposal", "ProposeAddPeer", "ProposeRemovePeer",
        "EvictPeers", "RescueQuorum", "InRescue", "AdjustClusterSize", "AdjustBootClusterSize",
        "ClusterSize", "QuorumNeeded", "MembershipChangeInProgress", "PeerNames", "VotingPeerNames",
        "Peers", "LastHeardFromPeer", "LoadLastSnapshot", "InstallSnapshot",
        "CreateSnapshotCheckpoint", "SendSnapshot", "NeedSnapshot", "Applied", "Processed",
        "PauseApply", "ResumeApply", "DrainAndReplaySnapshot", "State", "Leader", "LeaderSince",
        "Leaderless", "HadPreviousLeader", "Term", "GroupLeader", "Progress", "IsObserver",
        "IsDeleted", "GetWriteErr", "Size", "Quorum", "Current", "Healthy", "StepDown", "Campaign",
        "CampaignImmediately", "SetObserver", "ApplyQ", "LeadChangeC", "QuitC", "ID", "Group",
        "Created", "Stop", "WaitForStop", "Delete", "RecreateInternalSubs", "IsSystemAccount",
        "GetTrafficAccountName",
    ];

    private static readonly Assembly TheShim = typeof(IRaftNode).Assembly;

    [RaftFact]
    public void IRaftNode_HasEveryMethodOfTheReference()
        => OfTheReference.Except(typeof(IRaftNode).GetMethods().Select(method => method.Name))
            .ShouldBeEmpty();

    [RaftFact]
    public void NoType_LivesInANamespaceThatWouldHideTheClassRaft()
    {
        // For code in ZB.MOM.NatsNet.Server a namespace ZB.MOM.NatsNet.Raft would win over the
        // class.
        TheShim.GetTypes()
            .Where(type => type.Namespace is { } space
                && (
                    space == "ZB.MOM.NatsNet.Raft"
                        || space.StartsWith("ZB.MOM.NatsNet.Raft.", StringComparison.Ordinal)))
            .ShouldBeEmpty();
        TheShim.GetExportedTypes().Select(type => type.Namespace).Distinct()
            .ShouldBe(["ZB.MOM.NatsNet.Server"]);
        TheShim.GetName().Name.ShouldBe("ZB.MOM.NatsNet.Raft");
    }

    [RaftTheory]
    [InlineData(typeof(IRaftNode))]
    [InlineData(typeof(IRaftApplyQueue))]
    [InlineData(typeof(IRaftLeadChange))]
    [InlineData(typeof(IRaftNodeCheckpoint))]
    [InlineData(typeof(IRaftTransport))]
    public void Interfaces_HaveNoMemberThatAMockCannotHave(Type type)
    {
        IEnumerable<Type> types = type.GetMethods()
            .SelectMany(
                method => method.GetParameters().Select(parameter => parameter.ParameterType)
                .Append(method.ReturnType));

        types.Where(used => used.IsByRefLike).ShouldBeEmpty();
    }

    [RaftFact]
    public void IRaftNode_CanBeMocked()
    {
        IRaftNode node = Substitute.For<IRaftNode>();
        IRaftApplyQueue queue = Substitute.For<IRaftApplyQueue>();
        node.ApplyQ().Returns(queue);
        node.TryPropose(7, Arg.Any<ReadOnlyMemory<byte>>()).Returns(RaftStatus.NotLeader);
        node.Progress().Returns((3UL, 2UL, 1UL));
        queue.Length.Returns(4);
        node.When(it => it.StepDown(Arg.Any<string[]>()))
            .Do(_ => throw new RaftException("raft: not leader", RaftStatus.NotLeader, "mock"));

        node.TryPropose(7, new byte[] { 1 }).ShouldBe(RaftStatus.NotLeader);
        node.TryPropose(8, new byte[] { 1 }).ShouldBe(RaftStatus.Ok);
        node.Progress().ShouldBe((3UL, 2UL, 1UL));
        node.ApplyQ().Length.ShouldBe(4);
        Should.Throw<RaftException>(() => node.StepDown(Ids.S2))
            .Status.ShouldBe(RaftStatus.NotLeader);
        node.Applied(5);
        node.Received(1).Applied(5);
    }

    [RaftFact]
    public void Names_AreTheServers()
    {
        ((
            RaftState[])[RaftState.Follower,
                RaftState.Leader, RaftState.Candidate, RaftState.Closed, (RaftState)9])
            .Select(state => state.Name())
            .ShouldBe(["FOLLOWER", "LEADER", "CANDIDATE", "CLOSED", "UNKNOWN"]);
        EntryType.LeaderTransfer.Name().ShouldBe("LeaderTransfer");
        ((EntryType)200).Name().ShouldBe("Unknown [200]");
        new Entry(EntryType.AddPeer, default).ChangesMembership().ShouldBeTrue();
        new Entry(default).ChangesMembership().ShouldBeFalse();
    }
}
