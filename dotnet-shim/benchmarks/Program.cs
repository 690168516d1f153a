using System.Diagnostics;
using System.Globalization;
using NatsRaft.Benchmarks;
using ZB.MOM.NatsNet.Server;

// What a C# caller sees: the cost of a proposal, the time until it is applied, how many a second.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
bool quick = args.Contains("--quick");
int rounds = quick ? 20 : 200;

Console.WriteLine("C# caller, three nodes in one process, 256-byte entries");
await using (Group memory = await Group.StartAsync(RaftLogKind.Memory, inline: false))
{
    await Proposals.MeasureAsync(memory, "propose, one at a time", batch: 1, rounds);
    await Proposals.MeasureAsync(memory, "propose, batches of 64", batch: 64, rounds);
    await Latency.MeasureAsync(memory, "memory, thread pool", quick ? 2_000 : 20_000);
}

await using (Group memory = await Group.StartAsync(RaftLogKind.Memory, inline: true))
{
    await Latency.MeasureAsync(memory, "memory, inline continuations", quick ? 2_000 : 20_000);
}

await using (Group file = await Group.StartAsync(RaftLogKind.File, inline: false))
{
    await Proposals.MeasureAsync(file, "synced file log, batches of 64", batch: 64, rounds / 4);
    await Latency.MeasureAsync(file, "synced file log, thread pool", quick ? 200 : 2_000);
}

/// <summary>The cost of handing entries over, and how many are applied a second.</summary>
internal static class Proposals
{
    private const int EntryBytes = 256;

    /// <summary>
    /// Proposed in a row, then waited for: far below the limit of a leader's backlog.
    /// </summary>
    private const int EntriesPerRound = 4096;

    internal static async Task MeasureAsync(Group group, string name, int batch, int rounds)
    {
        byte[] packed = new byte[EntryBytes * batch];
        uint[] lengths = [.. Enumerable.Repeat((uint)EntryBytes, batch)];
        await RoundAsync(group, packed, lengths);
        long calls = 0;
        long allocated = 0;
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < rounds; round++)
        {
            (long ticks, long bytes) = await RoundAsync(group, packed, lengths);
            calls += ticks;
            allocated += bytes;
        }

        double entries = (double)rounds * EntriesPerRound;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double nanos = calls * (1e9 / Stopwatch.Frequency) / entries;
        Console.WriteLine(
            $"  {name,-32}{nanos,8:0.0} ns/entry, {allocated / entries:0.00} B allocated/entry, "
            + $"{entries / seconds,10:0} applied/s");
    }

    private static async Task<(long Ticks, long Allocated)> RoundAsync(
        Group group, byte[] packed, uint[] lengths)
    {
        (long, long) cost = Propose(group, packed, lengths);
        IRaftApplyQueue queue = group.Leader.ApplyQ();
        for (int applied = 0; applied < EntriesPerRound;)
        {
            await queue.WaitAsync();
            while (queue.TryTake() is { } taken)
            {
                using (taken)
                {
                    applied += Group.Apply(group.Leader, taken);
                }
            }
        }

        return cost;
    }

    private static (long Ticks, long Allocated) Propose(Group group, byte[] packed, uint[] lengths)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        for (int proposed = 0; proposed < EntriesPerRound; proposed += lengths.Length)
        {
            RaftStatus status = lengths.Length == 1
                ? group.Leader.TryPropose(group.Term, packed.AsSpan())
                : group.Leader.TryProposeMulti(group.Term, packed.AsSpan(), lengths.AsSpan());
            if (status != RaftStatus.Ok)
            {
                throw new InvalidOperationException($"a proposal was refused: {status}");
            }
        }

        long ticks = Stopwatch.GetTimestamp() - start;
        return (ticks, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }
}

/// <summary>From the call that proposes an entry until the caller holds it as committed.</summary>
internal static class Latency
{
    internal static async Task MeasureAsync(Group group, string name, int count)
    {
        byte[] data = new byte[256];
        double[] micros = new double[count];
        IRaftApplyQueue queue = group.Leader.ApplyQ();
        long allocated = 0;
        for (int round = -count / 10; round < count; round++)
        {
            if (round == 0)
            {
                allocated = GC.GetTotalAllocatedBytes();
            }

            long start = Stopwatch.GetTimestamp();
            group.Leader.Propose(group.Term, data.AsSpan());
            for (int applied = 0; applied == 0;)
            {
                await queue.WaitAsync();
                while (queue.TryTake() is { } batch)
                {
                    using (batch)
                    {
                        applied += Group.Apply(group.Leader, batch);
                    }
                }
            }

            if (round >= 0)
            {
                micros[round] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            }
        }

        allocated = GC.GetTotalAllocatedBytes() - allocated;
        Array.Sort(micros);
        Console.WriteLine(
            $"  propose to applied, {name,-30} p50 {micros[count / 2],8:0.0} us, "
            + $"p99 {micros[count * 99 / 100],8:0.0} us, {allocated / count} B allocated/entry");
    }
}
