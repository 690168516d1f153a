using System.Diagnostics;
using ThreeNodes;
using ZB.MOM.NatsNet.Server;

if (args is ["--help" or "-h"])
{
    Console.WriteLine(Arguments.Usage);
    return 0;
}

try
{
    return await RunAsync(Arguments.Parse(args));
}
catch (UsageException usage)
{
    await Console.Error.WriteLineAsync($"ThreeNodes: {usage.Message}\n\n{Arguments.Usage}");
    return 2;
}
catch (Exception failure) when (failure is RunFailedException or RaftException or IOException
    or UnauthorizedAccessException or DllNotFoundException)
{
    await Console.Error.WriteLineAsync($"ThreeNodes: {failure.Message}");
    return 1;
}

static async Task<int> RunAsync(Arguments arguments)
{
    TextWriter progress = arguments.Json ? Console.Error : Console.Out;
    InputLines input = InputLines.Read(arguments.Input);
    string root = arguments.Data ?? Directory.CreateTempSubdirectory("three-nodes-").FullName;
    Report report;
    try
    {
        await using Cluster cluster = await Cluster.StartAsync(arguments, root);
        report = await ReplicateAsync(arguments, input, cluster, progress);
    }
    catch when (arguments.Data is null)
    {
        if (Directory.EnumerateFileSystemEntries(root).Any())
        {
            await Console.Error.WriteLineAsync($"ThreeNodes: the files are kept in {root}");
        }
        else
        {
            Directory.Delete(root);
        }

        throw;
    }

    if (arguments.Json)
    {
        Console.Out.WriteLine(report.ToJson());
    }
    else
    {
        report.WriteTo(Console.Out);
    }

    if (arguments.Data is null && report.Equal)
    {
        Directory.Delete(root, recursive: true);
    }
    else if (!report.Equal)
    {
        await Console.Error.WriteLineAsync(
            $"ThreeNodes: the replicas differ; their files are in {root}");
    }

    return report.Equal ? 0 : 1;
}

static async Task<Report> ReplicateAsync(
    Arguments arguments, InputLines input, Cluster cluster, TextWriter progress)
{
    int resumed = await VerifyResumedAsync(input, cluster, progress);
    var proposer = new Proposer(cluster, input, arguments.Batch, resumed, progress);
    int total = input.Count;
    long start = Stopwatch.GetTimestamp();

    Failover? failover = null;
    if (resumed < total)
    {
        int half = resumed + ((total - resumed) / 2);
        await proposer.RunToAsync(half);
        failover = await Failover.HappenAsync(cluster, proposer, total, progress);
        int later = proposer.Committed + ((total - proposer.Committed) / 2);
        await proposer.RunToAsync(later);
        await cluster.OpenAsync(failover.Killed);
        progress.WriteLine($"restarted {failover.Killed}");
        await proposer.RunToAsync(total);
    }

    double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
    await cluster.UntilAsync(
        () => cluster.Running.All(replica => replica.Lines == total && replica.Replayed),
        "all replicas to apply every line");
    return Conclude(arguments, input, cluster, proposer, failover, resumed, seconds);
}

static async Task<int> VerifyResumedAsync(InputLines input, Cluster cluster, TextWriter progress)
{
    Replica leader = await cluster.WaitForLeaderAsync();
    (int lines, string hash) = leader.Read();
    if (lines == 0)
    {
        return 0;
    }

    if (lines > input.Count || hash != input.HashOfFirst(lines))
    {
        throw new RunFailedException(
            $"the {lines} lines stored by an earlier run are not the first lines of this input");
    }

    progress.WriteLine($"recovered {lines}");
    progress.Flush();
    return lines;
}

static Report Conclude(
    Arguments arguments, InputLines input, Cluster cluster, Proposer proposer, Failover? failover,
    int resumed, double seconds)
{
    ReplicaReport[] replicas =
    [
        .. cluster.Running.OrderBy(replica => replica.Id, StringComparer.Ordinal).Select(replica =>
        {
            (int lines, string hash) = replica.Read();
            return new ReplicaReport(
                replica.Id, lines, hash, ReferenceEquals(replica, cluster.Leader), replica.Repeats);
        }),
    ];
    string expected = input.HashOfFirst(input.Count);
    List<double> latencies = proposer.LatenciesMs;
    latencies.Sort();
    int entries = input.Count - resumed;
    return new Report
    {
        Input = arguments.Input,
        Lines = input.Count,
        ResumedAfter = resumed,
        Entries = entries,
        Seconds = seconds,
        CommitsPerSecond = Rate(entries, seconds - ((failover?.ToLeaderMs ?? 0) / 1000)),
        CommitLatencyP50Ms = Quantile(latencies, 0.50),
        CommitLatencyP99Ms = Quantile(latencies, 0.99),
        KilledLeader = failover?.Killed,
        FailoverMs = failover?.ToLeaderMs,
        FirstCommitAfterFailoverMs = failover?.ToCommitMs,
        Replicas = replicas,
        InputHash = expected,
        Equal = replicas.Length == arguments.Nodes
            && replicas.All(replica => replica.Hash == expected),
    };
}

static double Rate(int entries, double seconds) => entries == 0 ? 0 : entries / seconds;

static double Quantile(List<double> sorted, double quantile)
    => sorted.Count == 0 ? 0 : sorted[Math.Min(sorted.Count - 1, (int)(sorted.Count * quantile))];

/// <summary>
/// The loss of a leader in the middle of work, and how long the group was without one.
/// </summary>
internal sealed record Failover(string Killed, double ToLeaderMs, double ToCommitMs)
{
    internal static async Task<Failover> HappenAsync(
        Cluster cluster, Proposer proposer, int total, TextWriter progress)
    {
        Replica old = await cluster.WaitForLeaderAsync();
        proposer.Fill(total);
        string id = old.Id;
        long killed = Stopwatch.GetTimestamp();
        Task dropped = cluster.KillAsync(old);
        progress.WriteLine($"killed {id}, the leader, at line {proposer.Committed}");
        await proposer.AdoptLeaderAsync();
        double toLeader = Stopwatch.GetElapsedTime(killed).TotalMilliseconds;
        Replica next = await cluster.WaitForLeaderAsync();
        progress.WriteLine(
            $"{next.Id} leads in term {next.Leadership?.Term} after {toLeader:0.0} ms");
        if (proposer.Committed < total)
        {
            await proposer.RunToAsync(proposer.Committed + 1);
        }

        double toCommit = Stopwatch.GetElapsedTime(killed).TotalMilliseconds;
        await dropped;
        return new Failover(id, toLeader, toCommit);
    }
}
