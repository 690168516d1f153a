using Microsoft.Extensions.Logging;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// A warning or an error that a node has logged. From <see cref="Raft.LastProblem"/>.
/// </summary>
/// <param name="At">When, on the machine's clock.</param>
/// <param name="Level"><see cref="LogLevel.Warning"/> or <see cref="LogLevel.Error"/>.</param>
/// <param name="Term">The node's term then.</param>
/// <param name="Index">The log index it is about; 0 for none.</param>
/// <param name="Text">What happened.</param>
public sealed record RaftProblem(
    DateTimeOffset At, LogLevel Level, ulong Term, ulong Index, string Text);
