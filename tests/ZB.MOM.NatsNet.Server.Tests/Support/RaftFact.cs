using System.Runtime.CompilerServices;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>
/// A fact with a time limit: a test that hangs in a native call fails by its name.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RaftFactAttribute : FactAttribute
{
    public RaftFactAttribute(
        [CallerFilePath] string? sourceFilePath = null,
        [CallerLineNumber] int sourceLineNumber = -1)
        : base(sourceFilePath, sourceLineNumber) => Timeout = Limits.Alone;

    /// <summary>Whether the test runs a live group, which may take longer.</summary>
    public bool Live
    {
        get => Timeout == Limits.Live;
        set => Timeout = value ? Limits.Live : Limits.Alone;
    }

    /// <summary>Whether the test starts and ends processes, which takes longer still.</summary>
    public bool Processes
    {
        get => Timeout == Limits.Processes;
        set => Timeout = value ? Limits.Processes : Limits.Alone;
    }
}

/// <summary>A theory with a time limit for each of its cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RaftTheoryAttribute : TheoryAttribute
{
    public RaftTheoryAttribute(
        [CallerFilePath] string? sourceFilePath = null,
        [CallerLineNumber] int sourceLineNumber = -1)
        : base(sourceFilePath, sourceLineNumber) => Timeout = Limits.Alone;

    /// <inheritdoc cref="RaftFactAttribute.Live"/>
    public bool Live
    {
        get => Timeout == Limits.Live;
        set => Timeout = value ? Limits.Live : Limits.Alone;
    }
}

/// <summary>How long a test may take, in milliseconds.</summary>
internal static class Limits
{
    internal const int Alone = 60_000;
    internal const int Live = 120_000;
    internal const int Processes = 280_000;
}

/// <summary>Live groups share the machine's time: their classes run one after another.</summary>
[CollectionDefinition("live", DisableParallelization = true)]
public sealed class LiveGroups;

/// <summary>Tests that count objects of the whole process, or change its environment.</summary>
[CollectionDefinition("process", DisableParallelization = true)]
public sealed class WholeProcess;
