using System.Reflection;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>
/// Every struct that crosses the boundary lies in memory as the library says: its size, its
/// alignment and where each field begins.
/// </summary>
public unsafe class LayoutTests : BoundaryTest
{
    [RaftFact]
    public void NrgRuntimeConfig_LiesInMemoryAsInTheLibrary()
    {
        NrgRuntimeConfig.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_RUNTIME_CONFIG,
            sizeof(NrgRuntimeConfig.Unmanaged),
            [
                (byte*)&it.struct_size - start, (byte*)&it.shards - start,
                (byte*)&it.sync_policy - start, (byte*)&it.clock - start,
                (byte*)&it.sync_interval_ns - start, (byte*)&it.seed - start,
                (byte*)&it.poll_spin_ns - start, (byte*)&it.backlog_bytes_max - start,
            ]);
    }

    [RaftFact]
    public void NrgTuning_LiesInMemoryAsInTheLibrary()
    {
        NrgTuning.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_TUNING,
            sizeof(NrgTuning.Unmanaged),
            [
                (byte*)&it.struct_size - start, (byte*)&it.reserved0 - start,
                (byte*)&it.election_min_ns - start, (byte*)&it.election_max_ns - start,
                (byte*)&it.campaign_min_ns - start, (byte*)&it.campaign_max_ns - start,
                (byte*)&it.heartbeat_ns - start, (byte*)&it.lost_quorum_interval_ns - start,
                (byte*)&it.lost_quorum_check_ns - start, (byte*)&it.lost_quorum_signal_ns - start,
                (byte*)&it.observer_interval_ns - start, (byte*)&it.peer_remove_timeout_ns - start,
                (byte*)&it.rescue_timeout_ns - start,
            ]);
    }

    [RaftFact]
    public void NrgReady_LiesInMemoryAsInTheLibrary()
    {
        NrgReady.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_READY,
            sizeof(NrgReady.Unmanaged),
            [
                (byte*)&it.token - start, (byte*)&it.ready_mask - start,
                (byte*)&it.reserved0 - start,
            ]);
    }

    [RaftFact]
    public void NrgProposalOutcome_LiesInMemoryAsInTheLibrary()
    {
        NrgProposalOutcome.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_PROPOSAL_OUTCOME,
            sizeof(NrgProposalOutcome.Unmanaged),
            [
                (byte*)&it.tag - start, (byte*)&it.index - start, (byte*)&it.status - start,
                (byte*)&it.reserved0 - start,
            ]);
    }

    [RaftFact]
    public void NrgMetrics_LiesInMemoryAsInTheLibrary()
    {
        NrgMetrics.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_METRICS,
            sizeof(NrgMetrics.Unmanaged),
            [
                (byte*)&it.struct_size - start, (byte*)&it.reserved0 - start,
                (byte*)&it.groups - start, (byte*)&it.leaders - start, (byte*)&it.commits - start,
                (byte*)&it.applied - start, (byte*)&it.syncs - start,
                (byte*)&it.sync_nanos - start, (byte*)&it.proposals_not_leader - start,
                (byte*)&it.proposals_backlog - start, (byte*)&it.proposals_unfit - start,
                (byte*)&it.proposals_closed - start, (byte*)&it.proposals_dropped - start,
                (byte*)&it.messages_sent - start, (byte*)&it.leader_changes - start,
                (byte*)&it.messages_malformed - start, (byte*)&it.poll_wakes - start,
                (byte*)&it.log_records_dropped - start, (byte*)&it.sync_times_dropped - start,
            ]);
    }

    [RaftFact]
    public void NrgNodeConfig_LiesInMemoryAsInTheLibrary()
    {
        NrgNodeConfig.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_NODE_CONFIG,
            sizeof(NrgNodeConfig.Unmanaged),
            [
                (byte*)&it.struct_size - start, (byte*)&it.flags - start, (byte*)&it.token - start,
                (byte*)&it.peer_id - start, (byte*)&it.group_name_ptr - start,
                (byte*)&it.group_name_len - start, (byte*)&it.store_root_ptr - start,
                (byte*)&it.store_root_len - start, (byte*)&it.loopback - start,
                (byte*)&it.log_kind - start, (byte*)&it.transport - start,
            ]);
    }

    [RaftFact]
    public void NrgNodeState_LiesInMemoryAsInTheLibrary()
    {
        NrgNodeState.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_NODE_STATE,
            sizeof(NrgNodeState.Unmanaged),
            [
                (byte*)&it.struct_size - start, (byte*)&it.role - start, (byte*)&it.flags - start,
                (byte*)&it.sync_policy - start, (byte*)&it.leader - start,
                (byte*)&it.leader_since_unix_nanos - start, (byte*)&it.vote - start,
                (byte*)&it.term - start, (byte*)&it.last_term - start,
                (byte*)&it.first_index - start, (byte*)&it.last_index - start,
                (byte*)&it.durable - start, (byte*)&it.commit - start,
                (byte*)&it.processed - start, (byte*)&it.applied - start,
                (byte*)&it.entries - start, (byte*)&it.bytes - start,
                (byte*)&it.overrun_count - start, (byte*)&it.created_unix_nanos - start,
                (byte*)&it.sync_interval_ns - start, (byte*)&it.cluster_size - start,
                (byte*)&it.quorum - start, (byte*)&it.proposal_queue_len - start,
                (byte*)&it.entry_queue_len - start, (byte*)&it.response_queue_len - start,
                (byte*)&it.apply_queue_len - start,
            ]);
    }

    [RaftFact]
    public void NrgPeer_LiesInMemoryAsInTheLibrary()
    {
        NrgPeer.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_PEER,
            sizeof(NrgPeer.Unmanaged),
            [
                (byte*)&it.id - start, (byte*)&it.last_heard_unix_nanos - start,
                (byte*)&it.lag - start, (byte*)&it.flags - start, (byte*)&it.reserved0 - start,
            ]);
    }

    [RaftFact]
    public void NrgBatchItem_LiesInMemoryAsInTheLibrary()
    {
        NrgBatchItem.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_BATCH_ITEM,
            sizeof(NrgBatchItem.Unmanaged),
            [
                (byte*)&it.index - start, (byte*)&it.data_ptr - start, (byte*)&it.data_len - start,
                (byte*)&it.entry_type - start, (byte*)&it.flags - start,
            ]);
    }

    [RaftFact]
    public void NrgLogRecord_LiesInMemoryAsInTheLibrary()
    {
        NrgLogRecord.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_LOG_RECORD,
            sizeof(NrgLogRecord.Unmanaged),
            [
                (byte*)&it.unix_nanos - start, (byte*)&it.token - start, (byte*)&it.term - start,
                (byte*)&it.index - start, (byte*)&it.group_name_ptr - start,
                (byte*)&it.group_name_len - start, (byte*)&it.text_ptr - start,
                (byte*)&it.text_len - start, (byte*)&it.level - start,
                (byte*)&it.reserved0 - start,
            ]);
    }

    [RaftFact]
    public void NrgOutbound_LiesInMemoryAsInTheLibrary()
    {
        NrgOutbound.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_OUTBOUND,
            sizeof(NrgOutbound.Unmanaged),
            [
                (byte*)&it.subscription - start, (byte*)&it.subject_ptr - start,
                (byte*)&it.subject_len - start, (byte*)&it.reply_ptr - start,
                (byte*)&it.reply_len - start, (byte*)&it.payload_ptr - start,
                (byte*)&it.payload_len - start, (byte*)&it.kind - start,
                (byte*)&it.flags - start,
            ]);
    }

    [RaftFact]
    public void NrgInbound_LiesInMemoryAsInTheLibrary()
    {
        NrgInbound.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_STRUCT_INBOUND,
            sizeof(NrgInbound.Unmanaged),
            [
                (byte*)&it.subscription - start, (byte*)&it.reply_offset - start,
                (byte*)&it.reply_len - start, (byte*)&it.payload_offset - start,
                (byte*)&it.payload_len - start,
            ]);
    }

    [RaftFact]
    public void NrgTestMessage_LiesInMemoryAsInTheLibrary()
    {
        NrgTestMessage.Unmanaged it = default;
        byte* start = (byte*)&it;
        Expect(
            NrgConstants.NRG_TEST_STRUCT_MESSAGE,
            sizeof(NrgTestMessage.Unmanaged),
            [
                (byte*)&it.source - start, (byte*)&it.subject_ptr - start,
                (byte*)&it.subject_len - start, (byte*)&it.reply_ptr - start,
                (byte*)&it.reply_len - start, (byte*)&it.payload_ptr - start,
                (byte*)&it.payload_len - start,
            ]);
    }

    [RaftFact]
    public void Layout_OfEveryStructTheLibraryKnows_IsComparedHere()
    {
        uint[] known = [.. Enumerable.Range(0, 2000).Select(id => (uint)id).Where(Exists)];

        IEnumerable<uint> declared = typeof(NrgConstants)
            .GetFields(BindingFlags.Static | BindingFlags.NonPublic)
            .Where(field => field.Name.StartsWith("NRG_STRUCT_", StringComparison.Ordinal)
                || field.Name.StartsWith("NRG_TEST_STRUCT_", StringComparison.Ordinal))
            .Select(field => (uint)field.GetRawConstantValue()!);
        known.ShouldBe(declared.Order());
        typeof(LayoutTests).GetMethods()
            .Count(test => test.Name.EndsWith(
                "_LiesInMemoryAsInTheLibrary", StringComparison.Ordinal))
            .ShouldBe(known.Length);
    }

    [RaftFact]
    public void Layout_WithTooLittleRoom_WritesTheNumbersAndNoOffset()
    {
        uint[] offsets = [uint.MaxValue, uint.MaxValue];
        nuint count = 0;
        nuint size = 0;
        nuint align = 0;
        int status;
        fixed (uint* room = offsets)
        {
            status = Interop.nrg_abi_layout(
                NrgConstants.NRG_STRUCT_READY,
                (IntPtr)room,
                2,
                (IntPtr)(&count),
                (IntPtr)(&size),
                (IntPtr)(&align));
        }

        status.ShouldBe(NrgConstants.NRG_STATUS_BUFFER_TOO_SMALL);
        (count, size, align).ShouldBe(((nuint)3, (nuint)16, (nuint)8));
        offsets.ShouldBe([uint.MaxValue, uint.MaxValue]);
    }

    private static bool Exists(uint id)
    {
        nuint count = 0;
        nuint size = 0;
        nuint align = 0;
        int status = Interop.nrg_abi_layout(
            id, IntPtr.Zero, 0, (IntPtr)(&count), (IntPtr)(&size), (IntPtr)(&align));
        return status == NrgConstants.NRG_STATUS_OK;
    }

    private static void Expect(uint id, int size, long[] offsets)
    {
        uint[] theirs = new uint[64];
        nuint count = 0;
        nuint theirSize = 0;
        nuint align = 0;
        fixed (uint* room = theirs)
        {
            Interop.nrg_abi_layout(
                id,
                (IntPtr)room,
                (nuint)theirs.Length,
                (IntPtr)(&count),
                (IntPtr)(&theirSize),
                (IntPtr)(&align))
                .ShouldBe(NrgConstants.NRG_STATUS_OK);
        }

        theirs.Take((int)count).Select(offset => (long)offset).ShouldBe(offsets);
        theirSize.ShouldBe((nuint)size);
        align.ShouldBe((nuint)8);
    }
}
