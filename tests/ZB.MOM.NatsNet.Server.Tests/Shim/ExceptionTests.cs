using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Shim;

/// <summary>Each outcome of the engine becomes the exception a caller expects.</summary>
public class ExceptionTests
{
    public static TheoryData<RaftStatus> Failures
        => [.. Enum.GetValues<RaftStatus>().Where(status => status != RaftStatus.Ok)];

    [RaftTheory]
    [MemberData(nameof(Failures))]
    public void Make_OfEveryFailure_SaysOperationGroupCodeAndText(RaftStatus status)
    {
        Exception made = ThrowHelper.Make(status, "Propose", "orders", "the engine's words");

        made.Message.ShouldContain("Propose");
        made.Message.ShouldContain("orders");
        made.Message.ShouldContain(status.ToString());
        made.Message.ShouldContain("the engine's words");
        made.Message.ShouldContain(ThrowHelper.Words(status));
        if (made is RaftException raft)
        {
            (raft.Status, raft.Group).ShouldBe((status, "orders"));
        }
    }

    [RaftTheory]
    [MemberData(nameof(Failures))]
    public void Make_OfEveryFailure_IsOfTheFamilyOfItsHundred(RaftStatus status)
    {
        Type made = ThrowHelper.Make(status, "Propose", "orders", "").GetType();

        made.ShouldBe(status switch
        {
            // A bug of the caller.
            RaftStatus.NullArgument or RaftStatus.InvalidArgument or RaftStatus.InvalidUtf8
                or RaftStatus.StructTooSmall or RaftStatus.BufferTooSmall or RaftStatus.BadConfig
                or RaftStatus.BadPeerId or RaftStatus.NoConfig => typeof(ArgumentException),
            RaftStatus.Unsupported => typeof(NotSupportedException),
            RaftStatus.Faulted or RaftStatus.Panic => typeof(RaftFaultedException),
            // Bytes of a group's folder that contradict themselves.
            RaftStatus.CorruptPeers or RaftStatus.SnapshotCorrupt => typeof(RaftStorageException),
            >= RaftStatus.IO and < RaftStatus.Panic => typeof(RaftStorageException),
            _ => typeof(RaftException),
        });
    }

    [RaftTheory]
    [InlineData(RaftStatus.IO, true)]
    [InlineData(RaftStatus.EntryStoreFailed, true)]
    [InlineData(RaftStatus.NoPeerState, true)]
    [InlineData(RaftStatus.BadDirectory, true)]
    [InlineData(RaftStatus.EntryLoadFailed, false)]
    [InlineData(RaftStatus.TruncateBelowCommit, true)]
    [InlineData(RaftStatus.Corrupt, false)]
    [InlineData(RaftStatus.CorruptPeers, false)]
    [InlineData(RaftStatus.SnapshotCorrupt, false)]
    public void StorageFailure_SaysWhetherWhatIsStoredIsIntact(RaftStatus status, bool safe)
        => ThrowHelper.Make(status, "Open", null, "").ShouldBeOfType<RaftStorageException>()
            .DataIsSafe.ShouldBe(safe);

    [RaftFact]
    public void Refusals_OfALiveGroup_CarryTheirStatusAndTheServersWords()
    {
        using TestGroup<Adder> group = AdderGroup.Create(3, RaftLogKind.Memory);
        Raft leader = group.WaitOnLeader().Node;
        Raft follower = group.NonLeaders()[0].Node;
        ulong term = leader.Term();

        Refusal(() => follower.Propose(term, ReadOnlyMemory<byte>.Empty)).ShouldBe(
            (RaftStatus.NotLeader, "Propose in group 'TEST': raft: not leader (NotLeader)"));
        Refusal(() => follower.StepDown()).Status.ShouldBe(RaftStatus.NotLeader);
        Refusal(() => leader.StepDown(Ids.S2, Ids.S3)).Status.ShouldBe(RaftStatus.TooManyPrefs);
        Refusal(() => leader.Campaign()).Status.ShouldBe(RaftStatus.AlreadyLeader);
        Refusal(() => leader.PauseApply()).Status.ShouldBe(RaftStatus.AlreadyLeader);
        Refusal(() => leader.AdjustBootClusterSize(5))
            .Status.ShouldBe(RaftStatus.AdjustBootCluster);
        Should.Throw<ArgumentException>(() => leader.StepDown("short"));

        // The same outcome as a value, for the hot path.
        follower.TryPropose(term, new byte[1]).ShouldBe(RaftStatus.NotLeader);
        leader.TryPropose(term + 1, new byte[1]).ShouldBe(RaftStatus.NotLeader);
        leader.TryPropose(term, new byte[1]).ShouldBe(RaftStatus.Ok);
        leader.TryProposeMulti(term, new byte[3], new uint[] { 1, 1 })
            .ShouldBe(RaftStatus.InvalidArgument);
    }

    [RaftFact]
    public void Open_OfAGroupThatWasNeverBootstrapped_IsAStorageFailureThatLosesNothing()
    {
        using var folder = new TestFolder();
        using var network = new LoopbackNetwork();
        using var runtime = new RaftRuntime(new RaftRuntimeOptions { ManualClock = true });
        var config = new RaftConfig { PeerId = Ids.Self, Name = "TEST", StoreRoot = folder.Path };

        RaftStorageException failure =
            Should.Throw<RaftStorageException>(() => runtime.Open(config, network));

        (failure.Status, failure.Group, failure.DataIsSafe)
            .ShouldBe((RaftStatus.NoPeerState, "TEST", true));
    }

    [RaftFact]
    public void Open_OfANodeThatIsOpen_IsRefused()
    {
        using TestGroup<Adder> group = AdderGroup.Create(1, RaftLogKind.Memory);

        Refusal(() => group.Runtime.Open(group.Members[0].Config, group.Network))
            .Status.ShouldBe(RaftStatus.AlreadyOpen);
    }

    private static (RaftStatus Status, string Message) Refusal(Action call)
    {
        RaftException refusal = Should.Throw<RaftException>(call);
        return (refusal.Status, refusal.Message);
    }
}
