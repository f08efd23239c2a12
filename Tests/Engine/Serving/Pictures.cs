using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Prompts with pictures of the sample model's tests.</summary>
internal static class Pictures
{
    /// <summary>A question about pictures, each of one tile.</summary>
    public static Prompt Ask(Llama4Model model, params string[] files)
    {
        PreprocessedImage[] images = [.. files.Select(file => ImagePreprocessor.Process(ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", file)), model.ImageOptions with { MaxTiles = 1 }))];
        return model.Chat.EncodePrompt([new ChatMessage(ChatRole.User, [.. images.Select(image => new ImageContent(image)), new TextContent("What is in the picture?")])]);
    }
}
