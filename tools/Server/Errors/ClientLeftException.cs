namespace Llama4Kernels.Server.Errors;

/// <summary>The client has closed its connection, or was left because it does not read. There is nobody to be told.</summary>
internal sealed class ClientLeftException() : Exception("The client is gone.");
