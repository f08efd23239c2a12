using System.Security.Cryptography;
using System.Text;

namespace Llama4Kernels.Server;

/// <summary>
/// The keys that a server takes. Only their hashes are kept; a key is compared with all of them, each in the same time whatever
/// it is.
/// </summary>
public sealed class ApiKeys
{
    /// <summary>The fewest characters of a key.</summary>
    public const int MinLength = 16;

    private readonly byte[][] _hashes;

    /// <summary>Takes keys.</summary>
    /// <exception cref="ArgumentException">There is none, or one is too short or not of printable ASCII without blanks.</exception>
    public ApiKeys(IEnumerable<string> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        string[] all = [.. keys];
        if (all.Length == 0)
        {
            throw new ArgumentException("There is no API key.", nameof(keys));
        }
        foreach (string key in all)
        {
            if (key.Length < MinLength || key.Any(c => c is <= ' ' or > '~'))
            {
                throw new ArgumentException($"An API key has {MinLength} or more characters of ASCII, none of them blank.", nameof(keys));
            }
        }
        _hashes = [.. all.Select(Hash)];
    }

    /// <summary>Reads a file of one key a line; empty lines and those that begin with # are skipped.</summary>
    /// <exception cref="ArgumentException">As for the constructor; the message names the file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ApiKeys Read(string path)
    {
        try
        {
            return new ApiKeys(Lines(path));
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>The keys of such a file, unchecked, for who asks a server with one of them.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<string> Lines(string path) => File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#');

    /// <summary>
    /// Whose key it is, as a text that tells nothing of the key and is another one for each key; null for a key that is not taken.
    /// </summary>
    internal string? TenantOf(string key)
    {
        byte[] hash = Hash(key);
        int found = -1;
        for (int i = 0; i < _hashes.Length; i++)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, _hashes[i]))
            {
                found = i;
            }
        }
        return found < 0 ? null : Convert.ToHexStringLower(_hashes[found]);
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
