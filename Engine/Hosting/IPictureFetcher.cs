namespace Llama4Kernels.Hosting;

/// <summary>
/// Gets pictures that messages name by address. There is none unless the host registers one (as a singleton) or hands it to
/// <see cref="Llama4ChatClient"/>: which addresses may be asked, how long and how much is the host's to say. Called by several requests at once.
/// </summary>
public interface IPictureFetcher
{
    /// <summary>The bytes of a picture's file: JPEG or PNG.</summary>
    /// <param name="address">The address that the message names, not checked.</param>
    /// <param name="cancellation">Of the request.</param>
    /// <returns>The whole file. What it throws ends the request.</returns>
    Task<byte[]> FetchAsync(Uri address, CancellationToken cancellation);
}
