using System.Runtime.CompilerServices;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>
/// What goes through the boundary comes back as it was, whatever the collector does.
/// </summary>
public unsafe class EchoTests : BoundaryTest
{
    private const int Callers = 64;
    private const int Rounds = 60;

    [RaftFact]
    public void Echo_FromManyThreadsWhileMemoryMoves_YieldsTheSameEntries()
    {
        using var storm = new GarbageStorm();
        var failures = new System.Collections.Concurrent.ConcurrentQueue<string>();
        Thread[] callers =
        [
            .. Enumerable.Range(0, Callers)
                .Select(caller => new Thread(() => Call(caller, failures))),
        ];
        foreach (Thread caller in callers)
        {
            caller.Start();
        }

        foreach (Thread caller in callers)
        {
            caller.Join();
        }

        failures.ShouldBeEmpty();
        storm.Collections.ShouldBeGreaterThan(0);
    }

    [RaftTheory]
    [InlineData(5, 4u)]
    [InlineData(5, 6u)]
    [InlineData(0, 1u)]
    public void Echo_OfLengthsThatDoNotAddUp_IsRefused(int bytes, uint length)
    {
        RaftStatus status =
            NativeMethods.TestEchoBatch(new byte[bytes], [length], out BatchHandle? batch);

        status.ShouldBe(RaftStatus.InvalidArgument);
        batch.ShouldBeNull();
    }

    [RaftFact]
    public void Echo_OfNothing_IsABatchOfNothing()
    {
        NativeMethods.TestEchoBatch([], [], out BatchHandle? batch).ShouldBe(RaftStatus.Ok);

        using (batch)
        {
            NativeMethods.BatchItems(batch.ShouldNotBeNull(), out int count);
            count.ShouldBe(0);
        }
    }

    [RaftFact]
    public void ApplyBatch_AfterDispose_ThrowsInsteadOfReading()
    {
        NativeMethods.TestEchoBatch([1, 2, 3], [1, 2], out BatchHandle? handle)
            .ShouldBe(RaftStatus.Ok);
        var batch =
            new ApplyBatch(handle!, NativeMethods.BatchItems(handle!, out int count), count);
        EntryView kept = default;
        foreach (CommittedEntry committed in batch)
        {
            foreach (EntryView entry in committed)
            {
                kept = entry;
            }
        }

        kept.ToArray().ShouldBe([2, 3]);
        batch.Dispose();
        batch.Dispose();

        Should.Throw<ObjectDisposedException>(() => kept.ToArray());
        Should.Throw<ObjectDisposedException>(() => batch.LastIndex);
    }

    [RaftFact]
    public void ABatchThatNobodyHolds_IsReadToItsEndAndReleasedByTheCollector()
    {
        using var storm = new GarbageStorm();

        ReadThem();

        GC.Collect();
        GC.WaitForPendingFinalizers();
        LiveObjects.OfProcess()["batches"].ShouldBe(0UL);

        // In a frame of its own: nothing of it is left on the stack that the collector sees.
        [MethodImpl(MethodImplOptions.NoInlining)]
        static void ReadThem()
        {
            // Each view is its batch's only holder while it is read.
            for (int round = 0; round < 200; round++)
            {
                OnlyEntry().ToArray().ShouldBe([1, 2, 3]);
                OnlyEntry().Type.ShouldBe(EntryType.Normal);
            }
        }

        static EntryView OnlyEntry()
        {
            NativeMethods.TestEchoBatch([1, 2, 3], [3], out BatchHandle? handle)
                .ShouldBe(RaftStatus.Ok);
            var batch =
                new ApplyBatch(handle!, NativeMethods.BatchItems(handle!, out int count), count);
            return new EntryView(batch, 0);
        }
    }

    private static void Call(
        int caller, System.Collections.Concurrent.ConcurrentQueue<string> failures)
    {
        var random = new Random(caller);
        for (int round = 0; round < Rounds; round++)
        {
            uint[] lengths =
                [.. Enumerable.Range(0, random.Next(0, 40)).Select(_ => (uint)random.Next(0, 700))];
            byte[] packed = new byte[lengths.Sum(length => length)];
            random.NextBytes(packed);
            RaftStatus status =
                NativeMethods.TestEchoBatch(packed, lengths, out BatchHandle? batch);
            using (batch)
            {
                if (status != RaftStatus.Ok || !Equal(batch!, packed, lengths))
                {
                    failures.Enqueue($"caller {caller}, round {round}: {status}");
                    return;
                }
            }
        }
    }

    private static bool Equal(
        BatchHandle batch, ReadOnlySpan<byte> packed, ReadOnlySpan<uint> lengths)
    {
        NrgBatchItem.Unmanaged* items = NativeMethods.BatchItems(batch, out int count);
        if (count != lengths.Length)
        {
            return false;
        }

        for (int at = 0; at < count; at++)
        {
            var part = new ReadOnlySpan<byte>((void*)items[at].data_ptr, (int)items[at].data_len);
            if (!part.SequenceEqual(packed[..(int)lengths[at]]) || items[at].index != (ulong)at)
            {
                return false;
            }

            packed = packed[(int)lengths[at]..];
        }

        return packed.IsEmpty;
    }
}
