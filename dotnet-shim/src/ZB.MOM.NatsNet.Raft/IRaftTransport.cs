namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// What carries one node's messages: a server implements it over its own bus, one object for each
/// node it opens.
/// </summary>
/// <remarks>
/// <para>
/// All methods but <see cref="ChooseAccount"/> are called on the runtime's pump thread, one after
/// the other, in the order the engine decided on; every node of the runtime waits meanwhile. So
/// none of them may block, and <see cref="Publish"/> copies the message and returns. What a node
/// publishes has to reach each receiver in the order of the calls, and never the node itself.
/// Messages may get lost, the protocol repeats itself; queues and their bounds are the
/// transport's.
/// </para>
/// <para>
/// What the transport hears it hands to <see cref="RaftSubscription.Deliver"/>, from any thread,
/// also from inside a call of this interface on another node.
/// </para>
/// <para>
/// A method that throws does not harm the runtime: a lost message is counted and logged, a failed
/// subscription ends what needed it, the node itself if need be.
/// </para>
/// </remarks>
public interface IRaftTransport
{
    /// <summary>
    /// Which account the group's traffic belongs to (the server: the account's own, if it is
    /// configured so and every member supports it; else the system account). Asked when the node is
    /// opened, on the opening thread and without members, after each change of the members, on the
    /// pump, and by <see cref="IRaftNode.RecreateInternalSubs"/> on its caller's thread.
    /// </summary>
    /// <param name="peers">The members as the node knows them.</param>
    /// <returns>The account.</returns>
    RaftTrafficAccount ChooseAccount(IReadOnlyList<string> peers) => RaftTrafficAccount.System;

    /// <summary>
    /// Ends every subscription; what follows belongs to this account. Always the first call.
    /// </summary>
    /// <param name="account">The account.</param>
    void Reset(RaftTrafficAccount account);

    /// <summary>Begins to deliver what arrives on a subject.</summary>
    /// <param name="subscription">The subject, without wildcards, and where to deliver.</param>
    void Subscribe(RaftSubscription subscription);

    /// <summary>Ends a subscription.</summary>
    /// <param name="subscription">As it was given to <see cref="Subscribe"/>.</param>
    void Unsubscribe(RaftSubscription subscription);

    /// <summary>Sends a message. Copies it, does not block, keeps the order.</summary>
    /// <param name="subject">Where to. Nobody needs to listen.</param>
    /// <param name="reply">Where an answer goes; empty for nowhere.</param>
    /// <param name="payload">The message, valid during the call.</param>
    void Publish(string subject, string reply, ReadOnlyMemory<byte> payload);

    /// <summary>The node has ended. The last call, whatever came before.</summary>
    void Close();
}

/// <summary>The account of a server that a group's traffic uses.</summary>
/// <param name="Name">The account's name.</param>
/// <param name="IsSystem">Whether it is the system account.</param>
public sealed record RaftTrafficAccount(string Name, bool IsSystem)
{
    /// <summary>The system account under its usual name.</summary>
    public static RaftTrafficAccount System { get; } = new("$SYS", IsSystem: true);
}
