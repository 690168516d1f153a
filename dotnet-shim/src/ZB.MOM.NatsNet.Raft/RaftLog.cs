using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>Hands the engine's log records, and the shim's own, to the host's logger.</summary>
internal sealed partial class RaftLog(ILogger logger)
{
    internal const string Category = "ZB.MOM.NatsNet.Raft";

    internal void Write(ReadOnlySpan<NrgLogRecord.Unmanaged> records)
    {
        foreach (ref readonly NrgLogRecord.Unmanaged record in records)
        {
            LogLevel level = Level(record.level);
            if (!logger.IsEnabled(level))
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

    [LoggerMessage(1, LogLevel.Information, "started {Build}, loaded from {Path}")]
    internal partial void Started(string build, string path);

    [LoggerMessage(2, LogLevel.Critical, "node {Node} of group {Group} failed: {Reason}")]
    internal partial void NodeFailed(string group, string node, string reason);

    [LoggerMessage(3, LogLevel.Critical, "the pump failed; no node of the runtime gets events")]
    internal partial void PumpFailed(Exception failure);

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
}
