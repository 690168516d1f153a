using System.Buffers.Binary;
using System.Diagnostics;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Cluster;

/// <summary>
/// A program that is killed between two instructions and started again has everything it said was
/// committed, in every replica.
/// </summary>
[Collection("process")]
public class KillTests
{
    private const int Kills = 24;
    private const int KillsOfOneFolder = 6;
    private const int Seed = 20_261_124;

    [RaftFact(Processes = true)]
    [Trait("Kind", "process")]
    public void KillingTheSampleAtRandomMoments_LosesNoLineThatItReported()
    {
        var random = new Random(Seed);
        using var folder = new TestFolder();
        string input = Path.Combine(folder.Path, "input.txt");
        byte[][] lines = WriteInput(input, random);
        int kills = 0;
        int killsAfterCommits = 0;
        for (int number = 0; kills < Kills; number++)
        {
            string data = Path.Combine(folder.Path, $"data{number}");
            int reported = 0;
            for (int run = 0; run < KillsOfOneFolder && kills < Kills; run++)
            {
                using var sample = Sample.Start([input, "--data", data, "--batch", "8"]);
                WaitForTheMoment(sample, random);
                if (sample.HasEnded)
                {
                    ExpectSuccess(sample);
                }
                else
                {
                    sample.Kill();
                    kills++;
                    killsAfterCommits += sample.LastCommitted > 0 ? 1 : 0;
                }

                // What a run finds is checked at once, so that a line that was lost and proposed
                // again does not pass for one that was kept.
                if (sample.Found > 0)
                {
                    sample.Found.ShouldBeGreaterThanOrEqualTo(
                        reported, $"seed {Seed}, {data}, run {run}");
                }

                reported = Math.Max(reported, Math.Max(sample.LastCommitted, sample.Found));
            }

            ExpectEveryReplicaToHave(data, lines, reported);
        }

        killsAfterCommits.ShouldBeGreaterThanOrEqualTo(Kills / 3, "kills in the middle of work");
    }

    /// <summary>
    /// Every other time a while after the first report, else a while after the start, which may be
    /// in the middle of a recovery.
    /// </summary>
    private static void WaitForTheMoment(Sample sample, Random random)
    {
        bool afterReport = random.Next(2) == 0;
        var patience = Stopwatch.StartNew();
        while (afterReport && sample.LastCommitted == 0 && !sample.HasEnded)
        {
            patience.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60), "no line was committed");
            Thread.Sleep(1);
        }

        TimeSpan moment = TimeSpan.FromMilliseconds(random.Next(afterReport ? 700 : 2000));
        patience.Restart();
        while (patience.Elapsed < moment && !sample.HasEnded)
        {
            Thread.Sleep(1);
        }
    }

    private static void ExpectSuccess(Sample sample)
    {
        (int code, string errors) = sample.End();
        code.ShouldBe(0, errors);
    }

    /// <summary>
    /// Opens the folder as it was left, in this process, lets the members agree, and compares what
    /// each of them applies with the input, line by line.
    /// </summary>
    private static void ExpectEveryReplicaToHave(string data, byte[][] lines, int reported)
    {
        const string Group = "lines";
        RaftConfig[] configs =
        [
            .. ((string[])["NODE0001", "NODE0002", "NODE0003"]).Select(id => new RaftConfig
            {
                PeerId = id,
                Name = Group,
                StoreRoot = Path.Combine(data, id),
                Recovering = true,
            }),
        ];
        if (configs.Any(config => !File.Exists(Path.Combine(config.StoreDirectory, "peers.idx"))))
        {
            reported.ShouldBe(0, "lines were reported by a group that was never set up");
            return;
        }

        using var network = new LoopbackNetwork();
        using var runtime = new RaftRuntime(
            new RaftRuntimeOptions { ManualClock = true, Timing = RaftTiming.Fast });
        Replica[] replicas =
            [.. configs.Select(config => new Replica(runtime.Open(config, network)))];
        try
        {
            // With a complete leader everything that was committed is known to be; then the others
            // have to come level with it.
            for (int step = 0; step < 3000 && !Level(replicas); step++)
            {
                NativeMethods.TestClockAdvance(runtime.Handle, TimeSpan.FromMilliseconds(10))
                    .ShouldBe(RaftStatus.Ok);
                foreach (Replica replica in replicas)
                {
                    replica.Apply(lines);
                }
            }

            Level(replicas).ShouldBeTrue("the replicas do not come level");
            replicas.ShouldAllBe(replica => replica.Lines >= reported);
            replicas.Select(replica => replica.Lines).Distinct().ShouldHaveSingleItem();
        }
        finally
        {
            foreach (Replica replica in replicas)
            {
                replica.Node.Dispose();
            }
        }
    }

    private static bool Level(Replica[] replicas)
    {
        if (Array.Find(replicas, replica => replica.Node.Leader()) is not { } leader)
        {
            return false;
        }

        (ulong index, _, _) = leader.Node.Progress();
        return replicas.All(replica => replica.Node.Progress() is var progress
            && progress.Index == index && progress.Commit == index && progress.Applied == index);
    }

    /// <summary>Lines of many lengths, none like another; more than one run can commit.</summary>
    private static byte[][] WriteInput(string path, Random random)
    {
        byte[][] lines =
        [
            .. Enumerable.Range(1, 120_000).Select(number =>
            {
                byte[] line = new byte[8 + random.Next(120)];
                for (int at = 0; at < line.Length; at++)
                {
                    line[at] = (byte)random.Next('0', 'z');
                }

                return line;
            }),
        ];
        using var file = new BufferedStream(File.Create(path));
        foreach (byte[] line in lines)
        {
            file.Write(line);
            file.WriteByte((byte)'\n');
        }

        return lines;
    }

    /// <summary>A member, and how many lines it has applied.</summary>
    private sealed class Replica(Raft node)
    {
        internal Raft Node { get; } = node;

        internal int Lines { get; private set; }

        /// <summary>
        /// Applies what is committed. A line may come again, and is then the same.
        /// </summary>
        internal void Apply(byte[][] lines)
        {
            while (Node.ApplyQ().TryTake() is { } batch)
            {
                using (batch)
                {
                    foreach (CommittedEntry committed in batch)
                    {
                        foreach (EntryView entry in committed)
                        {
                            if (entry.Type == EntryType.Normal)
                            {
                                Check(entry.Data, lines);
                            }
                        }
                    }

                    if (batch.LastIndex > 0)
                    {
                        Node.Applied(batch.LastIndex);
                    }
                }
            }
        }

        private void Check(ReadOnlySpan<byte> entry, byte[][] lines)
        {
            int number = (int)BinaryPrimitives.ReadInt64LittleEndian(entry);
            number.ShouldBeInRange(1, Lines + 1, $"{Node.ID()} applied a line after a gap");
            entry[sizeof(long)..].SequenceEqual(lines[number - 1])
                .ShouldBeTrue($"line {number} of {Node.ID()}");
            Lines = Math.Max(Lines, number);
        }
    }
}
