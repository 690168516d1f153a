using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ThreeNodes;

/// <summary>
/// What a run measured and proved; the JSON output has these names in snake case.
/// </summary>
internal sealed record Report
{
    public required string Input { get; init; }

    public required int Lines { get; init; }

    public required int ResumedAfter { get; init; }

    public required int Entries { get; init; }

    public required double Seconds { get; init; }

    /// <summary>Lines committed a second, the time without a leader left out.</summary>
    public required double CommitsPerSecond { get; init; }

    public required double CommitLatencyP50Ms { get; init; }

    public required double CommitLatencyP99Ms { get; init; }

    public string? KilledLeader { get; init; }

    public double? FailoverMs { get; init; }

    public double? FirstCommitAfterFailoverMs { get; init; }

    public required IReadOnlyList<ReplicaReport> Replicas { get; init; }

    public required string InputHash { get; init; }

    public required bool Equal { get; init; }

    internal string ToJson() => JsonSerializer.Serialize(this, ReportJson.Default.Report);

    internal void WriteTo(TextWriter writer)
    {
        writer.WriteLine();
        Line(writer, "input", $"{Input}, {Lines} lines");
        Line(writer, "entries", $"{Entries} proposed, {ResumedAfter} found from an earlier run");
        Line(
            writer,
            "commits/s",
            $"{CommitsPerSecond:0} while there was a leader, {Seconds:0.00} s in all");
        Line(
            writer,
            "commit latency",
            $"p50 {CommitLatencyP50Ms:0.000} ms, p99 {CommitLatencyP99Ms:0.000} ms, of a batch");
        Line(writer, "failover", FailoverMs is null
            ? "none, there was nothing left to propose"
            : $"{FailoverMs:0.0} ms from the kill of {KilledLeader} to a new leader, "
                + $"{FirstCommitAfterFailoverMs:0.0} ms to its first commit");
        foreach (ReplicaReport replica in Replicas)
        {
            string role = replica.Leader ? ", leader" : "";
            Line(writer, replica.Id, $"{replica.Hash}  {replica.Lines} lines{role}");
        }

        Line(writer, "input's hash", InputHash);
        Line(writer, "equal", Equal ? "yes" : "NO");
        writer.Flush();
    }

    private static void Line(TextWriter writer, string name, FormattableString text)
        => Line(writer, name, text.ToString(CultureInfo.InvariantCulture));

    private static void Line(TextWriter writer, string name, string text)
        => writer.WriteLine($"{name,-16}{text}");
}

/// <summary>One replica at the end of a run.</summary>
internal sealed record ReplicaReport(string Id, int Lines, string Hash, bool Leader, int Repeats);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(Report))]
internal sealed partial class ReportJson : JsonSerializerContext;
