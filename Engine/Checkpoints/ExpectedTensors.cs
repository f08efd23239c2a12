using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>The tensors that follow from a configuration, under the names of the Hugging Face layout.</summary>
public static class ExpectedTensors
{
    /// <summary>Whether a name is one of the vision tower or its projector.</summary>
    public static bool IsVision(string name) =>
        name.StartsWith("vision_model.", StringComparison.Ordinal) || name.StartsWith("multi_modal_projector.", StringComparison.Ordinal);

    /// <summary>Lists them.</summary>
    /// <param name="config">The configuration; one without vision calls for no vision tensors.</param>
    /// <param name="prefix">What the names of text tensors begin with.</param>
    /// <param name="has">
    /// Whether the checkpoint has a tensor. Experts are stored fused, or one tensor for each (as FP8 releases do); each
    /// layer is taken to be in the form whose first tensor exists, and fused if neither does.
    /// </param>
    public static IReadOnlyList<ExpectedTensor> For(ModelConfig config, string prefix, Predicate<string> has)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(has);
        List<ExpectedTensor> list = [];
        TextConfig text = config.Text;
        list.Add(Plain($"{prefix}model.embed_tokens.weight", text.VocabSize, text.HiddenSize));
        // A tied head is often stored all the same; CheckpointValidator then compares it with the embedding.
        if (!config.TieWordEmbeddings || has($"{prefix}lm_head.weight"))
        {
            list.Add(Linear($"{prefix}lm_head.weight", text.VocabSize, text.HiddenSize));
        }
        list.Add(Plain($"{prefix}model.norm.weight", text.HiddenSize));
        for (int i = 0; i < text.Layers; i++)
        {
            AddTextLayer(list, text, $"{prefix}model.layers.{i}.", text.LayerKinds[i].IsMoe, has);
        }
        if (config.Vision is { } vision)
        {
            AddVision(list, vision, text.HiddenSize);
        }
        return list;
    }

    private static void AddTextLayer(List<ExpectedTensor> list, TextConfig text, string layer, bool moe, Predicate<string> has)
    {
        long hidden = text.HiddenSize;
        long queries = (long)text.Heads * text.HeadDim;
        long keys = (long)text.KvHeads * text.HeadDim;
        list.Add(Plain($"{layer}input_layernorm.weight", hidden));
        list.Add(Plain($"{layer}post_attention_layernorm.weight", hidden));
        AddProjection("q", queries, hidden);
        AddProjection("k", keys, hidden);
        AddProjection("v", keys, hidden);
        AddProjection("o", hidden, queries);
        string forward = $"{layer}feed_forward.";
        if (!moe)
        {
            AddSwiGlu(list, forward, hidden, text.IntermediateSizeMlp);
            return;
        }
        list.Add(Plain($"{forward}router.weight", text.Experts, hidden));
        AddSwiGlu(list, $"{forward}shared_expert.", hidden, text.IntermediateSize);
        string experts = $"{forward}experts.";
        if (!has($"{experts}gate_up_proj") && has($"{experts}0.gate_proj.weight"))
        {
            for (int e = 0; e < text.Experts; e++)
            {
                AddSwiGlu(list, $"{experts}{e}.", hidden, text.IntermediateSize);
            }
            return;
        }
        list.Add(Linear($"{experts}gate_up_proj", text.Experts, hidden, 2L * text.IntermediateSize));
        list.Add(Linear($"{experts}down_proj", text.Experts, text.IntermediateSize, hidden));

        void AddProjection(string name, long outputs, long inputs)
        {
            list.Add(Linear($"{layer}self_attn.{name}_proj.weight", outputs, inputs));
            if (text.AttentionBias)
            {
                list.Add(Plain($"{layer}self_attn.{name}_proj.bias", outputs));
            }
        }
    }

    private static void AddSwiGlu(List<ExpectedTensor> list, string prefix, long hidden, long width)
    {
        list.Add(Linear($"{prefix}gate_proj.weight", width, hidden));
        list.Add(Linear($"{prefix}up_proj.weight", width, hidden));
        list.Add(Linear($"{prefix}down_proj.weight", hidden, width));
    }

    private static void AddVision(List<ExpectedTensor> list, VisionConfig vision, long textHidden)
    {
        const string Tower = "vision_model.";
        long hidden = vision.HiddenSize;
        list.Add(Plain($"{Tower}patch_embedding.linear.weight", hidden, (long)vision.Channels * vision.PatchSize * vision.PatchSize));
        list.Add(Plain($"{Tower}class_embedding", hidden));
        list.Add(Plain($"{Tower}positional_embedding_vlm", vision.Patches + 1L, hidden));
        AddNorm($"{Tower}layernorm_pre");
        AddNorm($"{Tower}layernorm_post");
        for (int i = 0; i < vision.Layers; i++)
        {
            string layer = $"{Tower}model.layers.{i}.";
            foreach (char name in "qkvo")
            {
                AddBiased($"{layer}self_attn.{name}_proj", hidden, hidden);
            }
            AddBiased($"{layer}mlp.fc1", vision.IntermediateSize, hidden);
            AddBiased($"{layer}mlp.fc2", hidden, vision.IntermediateSize);
            AddNorm($"{layer}input_layernorm");
            AddNorm($"{layer}post_attention_layernorm");
        }
        list.Add(Plain($"{Tower}vision_adapter.mlp.fc1.weight", vision.ProjectorInputDim, vision.IntermediateSize));
        list.Add(Plain($"{Tower}vision_adapter.mlp.fc2.weight", vision.ProjectorOutputDim, vision.ProjectorOutputDim));
        list.Add(Plain("multi_modal_projector.linear_1.weight", textHidden, vision.OutputDim));

        void AddNorm(string name)
        {
            list.Add(Plain($"{name}.weight", hidden));
            list.Add(Plain($"{name}.bias", hidden));
        }

        void AddBiased(string name, long outputs, long inputs)
        {
            list.Add(Plain($"{name}.weight", outputs, inputs));
            list.Add(Plain($"{name}.bias", outputs));
        }
    }

    private static ExpectedTensor Linear(string name, params long[] shape) => new(name, shape, true);

    private static ExpectedTensor Plain(string name, params long[] shape) => new(name, shape, false);
}
