using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Answers;

/// <summary>Several answers that are made at once, as one stream of what comes of any of them.</summary>
internal static class Choices
{
    /// <summary>Merges answers. The first one that fails ends them all, as does who stops reading.</summary>
    /// <param name="scope">The request: its time and what is measured of it.</param>
    /// <param name="count">How many.</param>
    /// <param name="answer">Begins one; the token gives it up.</param>
    public static IAsyncEnumerable<(int Choice, GenerationUpdate Update)> RunAsync(
        RequestScope scope, int count, Func<int, CancellationToken, IAsyncEnumerable<GenerationUpdate>> answer) =>
        count == 1 ? OneAsync(scope, answer(0, scope.Cancellation)) : AllAsync(scope, count, answer, scope.Cancellation);

    private static async IAsyncEnumerable<(int Choice, GenerationUpdate Update)> OneAsync(RequestScope scope, IAsyncEnumerable<GenerationUpdate> answer)
    {
        await foreach (GenerationUpdate update in answer.ConfigureAwait(false))
        {
            Count(scope, update);
            yield return (0, update);
        }
    }

    private static async IAsyncEnumerable<(int Choice, GenerationUpdate Update)> AllAsync(
        RequestScope scope, int count, Func<int, CancellationToken, IAsyncEnumerable<GenerationUpdate>> answer, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        // Answers do not run ahead of who reads by more than this, so that a slow one holds no more.
        Channel<(int, GenerationUpdate)> channel = Channel.CreateBounded<(int, GenerationUpdate)>(count * 4);
        Task writing = Task.WhenAll(Enumerable.Range(0, count).Select(WriteAsync));
        Task closing = CloseAsync();
        try
        {
            await foreach ((int Choice, GenerationUpdate Update) item in channel.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                Count(scope, item.Update);
                yield return item;
            }
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await closing.ConfigureAwait(false);
        }

        async Task WriteAsync(int choice)
        {
            try
            {
                await foreach (GenerationUpdate update in answer(choice, ending.Token).ConfigureAwait(false))
                {
                    await channel.Writer.WriteAsync((choice, update), ending.Token).ConfigureAwait(false);
                }
            }
            catch (Exception error)
            {
                // The first failure is what the reader meets; the others are of its making.
                channel.Writer.TryComplete(error);
                await ending.CancelAsync().ConfigureAwait(false);
            }
        }

        async Task CloseAsync()
        {
            await writing.ConfigureAwait(false);
            channel.Writer.TryComplete();
        }
    }

    private static void Count(RequestScope scope, GenerationUpdate update)
    {
        scope.Alive();
        if (update.TokenId is not null)
        {
            scope.Record.Token();
        }
    }
}
