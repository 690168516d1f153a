using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// Hands the engine's log records, and the shim's own, to the host's logger. Nothing that a
/// provider throws gets past here: it must not end the pump, nor cut a release short.
/// </summary>
internal sealed partial class RaftLog
{
    internal const string Category = "ZB.MOM.NatsNet.Raft";

    private readonly ForgivingLogger _logger;

    internal RaftLog(ILogger host) => _logger = new ForgivingLogger(host);

    /// <summary>Records that the host's logger has thrown on.</summary>
    internal long Lost => _logger.Lost;

    internal void Write(ReadOnlySpan<NrgLogRecord.Unmanaged> records)
    {
        foreach (ref readonly NrgLogRecord.Unmanaged record in records)
        {
            LogLevel level = Level(record.level);
            if (!_logger.IsEnabled(level))
            {
                continue;
            }

            string text = Text(record.text_ptr, record.text_len);
            if (record.group_name_len == 0)
            {
                Record(level, text);
            }
            else
            {
                string group = Text(record.group_name_ptr, record.group_name_len);
                NodeRecord(level, group, record.term, record.index, text);
            }
        }
    }

    /// <summary>A copy of a node's record.</summary>
    internal static RaftProblem Problem(in NrgLogRecord.Unmanaged record) => new(
        DateTimeOffset.UnixEpoch.AddTicks((long)(record.unix_nanos / 100)),
        Level(record.level),
        record.term,
        record.index,
        Text(record.text_ptr, record.text_len));

    [LoggerMessage(1, LogLevel.Information, "started {Build}, loaded from {Path}")]
    internal partial void Started(string build, string path);

    [LoggerMessage(2, LogLevel.Critical, "node {Node} of group {Group} failed: {Reason}")]
    internal partial void NodeFailed(string group, string node, string reason);

    [LoggerMessage(3, LogLevel.Critical, "the pump failed; no node of the runtime gets events")]
    internal partial void PumpFailed(Exception failure);

    [LoggerMessage(4, LogLevel.Error, "node {Node} of group {Group} did not stop in order")]
    internal partial void NodeNotStopped(string group, string node, Exception? failure);

    [LoggerMessage(
        5, LogLevel.Error, "a callback on the end of node {Node} of group {Group} has thrown")]
    internal partial void CallbackFailed(string group, string node, Exception failure);

    [LoggerMessage(
        6,
        LogLevel.Warning,
        "the transport of node {Node} of group {Group} lost a message to {Subject}")]
    internal partial void MessageLost(
        string group, string node, string subject, Exception failure);

    [LoggerMessage(
        7,
        LogLevel.Error,
        "{Operation} of the transport of node {Node} of group {Group} has thrown")]
    internal partial void TransportFailed(
        string group, string node, string operation, Exception failure);

    [LoggerMessage(EventId = 10, Message = "{Text}")]
    private partial void Record(LogLevel level, string text);

    [LoggerMessage(EventId = 11, Message = "[{Group}, term {Term}, index {Index}] {Text}")]
    private partial void NodeRecord(
        LogLevel level, string group, ulong term, ulong index, string text);

    private static LogLevel Level(uint level) => level switch
    {
        Nrg.NRG_LOG_ERROR => LogLevel.Error,
        Nrg.NRG_LOG_WARN => LogLevel.Warning,
        Nrg.NRG_LOG_INFO => LogLevel.Information,
        _ => LogLevel.Debug,
    };

    private static unsafe string Text(IntPtr start, nuint length)
        => Encoding.UTF8.GetString(new ReadOnlySpan<byte>((void*)start, checked((int)length)));

    /// <summary>A logger that counts what another one throws on, and goes on.</summary>
    private sealed class ForgivingLogger(ILogger host) : ILogger
    {
        private long _lost;

        internal long Lost => Interlocked.Read(ref _lost);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => host.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel)
        {
#pragma warning disable CA1031 // Whatever a provider throws.
            try
            {
                return host.IsEnabled(logLevel);
            }
            catch (Exception)
            {
                Interlocked.Increment(ref _lost);
                return false;
            }
#pragma warning restore CA1031
        }

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
#pragma warning disable CA1031 // Whatever a provider throws.
            try
            {
                host.Log(logLevel, eventId, state, exception, formatter);
            }
            catch (Exception)
            {
                Interlocked.Increment(ref _lost);
            }
#pragma warning restore CA1031
        }
    }
}
