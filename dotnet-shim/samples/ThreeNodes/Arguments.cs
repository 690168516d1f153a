using System.Globalization;

namespace ThreeNodes;

/// <summary>What the command line asks for.</summary>
internal sealed record Arguments
{
    internal const string Usage =
        """
        ThreeNodes [input] [--data DIR] [--nodes 3] [--transport loopback|host] [--json]
                   [--batch 64] [--election 150-300]

          input        a text file; each line becomes one replicated entry
          --data       keep the nodes' files here and continue from them; a temporary folder else
          --nodes      members of the group, 3 to 9
          --transport  what carries the messages between them
          --json       print one JSON object at the end, and the progress on standard error
          --batch      lines proposed together
          --election   election timeouts in milliseconds, shortest and longest
        """;

    internal required string Input { get; init; }

    internal string? Data { get; init; }

    internal int Nodes { get; init; } = 3;

    /// <summary>Whether the host carries the messages; the engine's own network else.</summary>
    internal bool OnHost { get; init; }

    internal bool Json { get; init; }

    internal int Batch { get; init; } = 64;

    internal TimeSpan ElectionMin { get; init; } = TimeSpan.FromMilliseconds(150);

    internal TimeSpan ElectionMax { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>The input that comes with the program.</summary>
    private static string Shipped
        => Path.Combine(AppContext.BaseDirectory, "data", "river-gauges.csv");

    internal static Arguments Parse(string[] args)
    {
        var parsed = new Arguments { Input = Shipped };
        bool hasInput = false;
        for (int at = 0; at < args.Length; at++)
        {
            string option = args[at];
            switch (option)
            {
                case "--json":
                    parsed = parsed with { Json = true };
                    break;
                case "--data":
                    parsed = parsed with { Data = Path.GetFullPath(Next(args, ref at)) };
                    break;
                case "--nodes":
                    parsed = parsed with { Nodes = Number(option, Next(args, ref at), 3, 9) };
                    break;
                case "--batch":
                    parsed = parsed with { Batch = Number(option, Next(args, ref at), 1, 4096) };
                    break;
                case "--election":
                    parsed = parsed.WithElection(Next(args, ref at));
                    break;
                case "--transport":
                    parsed = parsed with { OnHost = IsHost(Next(args, ref at)) };
                    break;
                default:
                    if (option.StartsWith('-') || hasInput)
                    {
                        throw new UsageException($"unexpected argument '{option}'");
                    }

                    hasInput = true;
                    parsed = parsed with { Input = option };
                    break;
            }
        }

        return File.Exists(parsed.Input)
            ? parsed
            : throw new UsageException($"there is no file '{parsed.Input}'");
    }

    private static string Next(string[] args, ref int at)
        => ++at < args.Length
            ? args[at]
            : throw new UsageException($"{args[at - 1]} needs a value");

    private static int Number(string option, string text, int least, int most)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number >= least && number <= most
            ? number
            : throw new UsageException($"{option} takes a number from {least} to {most}");

    private static bool IsHost(string transport) => transport switch
    {
        "host" => true,
        "loopback" => false,
        _ => throw new UsageException("--transport is loopback or host"),
    };

    private Arguments WithElection(string text)
    {
        string[] ends = text.Split('-');
        if (ends.Length != 2)
        {
            throw new UsageException("--election takes two numbers, such as 150-300");
        }

        int shortest = Number("--election", ends[0], 20, 60_000);
        int longest = Number("--election", ends[1], shortest + 1, 120_000);
        return this with
        {
            ElectionMin = TimeSpan.FromMilliseconds(shortest),
            ElectionMax = TimeSpan.FromMilliseconds(longest),
        };
    }
}

/// <summary>The command line cannot be followed.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The run did not do what it has to prove.</summary>
internal sealed class RunFailedException(string message) : Exception(message);
