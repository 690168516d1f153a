namespace ZB.MOM.NatsNet.Server;

/// <summary>The engine refused a call, or a node failed.</summary>
public class RaftException : Exception
{
    /// <summary>Makes an exception.</summary>
    public RaftException()
        : this("raft: unknown failure")
    {
    }

    /// <summary>Makes an exception with a text.</summary>
    /// <param name="message">What happened.</param>
    public RaftException(string message)
        : this(message, (Exception?)null)
    {
    }

    /// <summary>Makes an exception with a text and a cause.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">The cause.</param>
    public RaftException(string message, Exception? innerException)
        : base(message, innerException) => Status = RaftStatus.Internal;

    /// <summary>Makes an exception from an outcome of the engine.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="status">The outcome.</param>
    /// <param name="group">The group it happened in, if one is known.</param>
    public RaftException(string message, RaftStatus status, string? group)
        : this(message, status, group, null)
    {
    }

    private protected RaftException(
        string message, RaftStatus status, string? group, Exception? innerException)
        : base(message, innerException)
    {
        Status = status;
        Group = group;
    }

    /// <summary>The engine's number for what happened.</summary>
    public RaftStatus Status { get; }

    /// <summary>The group it happened in; null when it concerns no group.</summary>
    public string? Group { get; }
}

/// <summary>
/// The engine panicked. The node that did it is unusable and has to be disposed; what it had
/// acknowledged is on disk, and opening it again recovers it. When a node is opened: the thread
/// that hands out the events has failed, all nodes of the runtime are stopped, and it has to be
/// disposed.
/// </summary>
public sealed class RaftFaultedException : RaftException
{
    /// <summary>Makes an exception.</summary>
    public RaftFaultedException()
        : this("raft: the engine has failed")
    {
    }

    /// <summary>Makes an exception with a text.</summary>
    /// <param name="message">What happened.</param>
    public RaftFaultedException(string message)
        : this(message, (Exception?)null)
    {
    }

    /// <summary>Makes an exception with a text and a cause.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">The cause.</param>
    public RaftFaultedException(string message, Exception? innerException)
        : this(message, RaftStatus.Faulted, null, innerException)
    {
    }

    /// <summary>Makes an exception from an outcome of the engine.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="status">The outcome.</param>
    /// <param name="group">The group it happened in, if one is known.</param>
    public RaftFaultedException(string message, RaftStatus status, string? group)
        : base(message, status, group)
    {
    }

    /// <param name="message">What happened.</param>
    /// <param name="status">The outcome.</param>
    /// <param name="group">The group it happened in, if one is known.</param>
    /// <param name="innerException">The cause.</param>
    internal RaftFaultedException(
        string message, RaftStatus status, string? group, Exception? innerException)
        : base(message, status, group, innerException)
    {
    }
}

/// <summary>Storage failed, or what is stored cannot be trusted.</summary>
public sealed class RaftStorageException : RaftException
{
    /// <summary>Makes an exception.</summary>
    public RaftStorageException()
    {
    }

    /// <summary>Makes an exception with a text.</summary>
    /// <param name="message">What happened.</param>
    public RaftStorageException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a text and a cause.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">The cause.</param>
    public RaftStorageException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Makes an exception from an outcome of the engine.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="status">The outcome.</param>
    /// <param name="group">The group it happened in, if one is known.</param>
    /// <param name="dataIsSafe">Whether what is stored is intact.</param>
    public RaftStorageException(string message, RaftStatus status, string? group, bool dataIsSafe)
        : base(message, status, group) => DataIsSafe = dataIsSafe;

    /// <summary>
    /// Whether everything acknowledged before the failure is intact where it is stored. True for a
    /// write that was refused (it was not acknowledged), for a missing directory and for a group
    /// never set up; false when stored bytes cannot be read back.
    /// </summary>
    public bool DataIsSafe { get; }
}
