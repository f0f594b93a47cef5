"""Families of models at a small random size, from transformers' own configurations.

Needs the environment of scripts/test_exporters.sh. Sizes differ from one another wherever the
family allows it, so that nothing is found by an accident of shapes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers as tf

from onnxquant_tools.family_sizes import VOCABULARY

TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}
DECODER = {**SMALL, **TOKENS, "num_key_value_heads": 2}
GEMMA = {**DECODER, "head_dim": 32, "sliding_window": 16}
VISION = {**{k: v for k, v in SMALL.items() if k != "vocab_size"}, "image_size": 32}
VISION.pop("max_position_embeddings")
SEQ2SEQ = {
    **TOKENS,
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "decoder_start_token_id": 1,
}


@dataclass(frozen=True)
class FamilyModel:
    """A family, how its small model is made, and what optimum calls its task."""

    make: Callable[[], tf.PreTrainedModel]
    task: str
    kind: str  # what goes in: "decoder", "seq2seq", "encoder", "vision", "audio", "clip", …


def _causal(config: Any) -> tf.PreTrainedModel:
    model: tf.PreTrainedModel = tf.AutoModelForCausalLM.from_config(config)
    return model


def _decoder(config: Callable[[], Any]) -> FamilyModel:
    return FamilyModel(lambda: _causal(config()), "text-generation-with-past", "decoder")


def _encoder(
    make: Callable[[], tf.PreTrainedModel], task: str = "feature-extraction"
) -> FamilyModel:
    return FamilyModel(make, task, "encoder")


def _vision(make: Callable[[], tf.PreTrainedModel], task: str) -> FamilyModel:
    return FamilyModel(make, task, "vision")


def _seq2seq(make: Callable[[], tf.PreTrainedModel]) -> FamilyModel:
    return FamilyModel(make, "text2text-generation-with-past", "seq2seq")


def _speech(make: Callable[[], tf.PreTrainedModel]) -> FamilyModel:
    return FamilyModel(make, "automatic-speech-recognition-with-past", "speech")


FAMILIES: dict[str, FamilyModel] = {
    "llama": _decoder(lambda: tf.LlamaConfig(**DECODER)),
    "mistral": _decoder(lambda: tf.MistralConfig(**DECODER)),
    "qwen2": _decoder(lambda: tf.Qwen2Config(**DECODER, tie_word_embeddings=True)),
    "qwen3": _decoder(lambda: tf.Qwen3Config(**DECODER, head_dim=32)),
    "smollm3": _decoder(lambda: tf.SmolLM3Config(**DECODER, no_rope_layers=[1, 0])),
    "phi": _decoder(lambda: tf.PhiConfig(**SMALL, **TOKENS, partial_rotary_factor=1.0)),
    "phi3": _decoder(lambda: tf.Phi3Config(**DECODER, original_max_position_embeddings=128)),
    "gpt2": _decoder(
        lambda: tf.GPT2Config(
            vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4, n_positions=128
        )
    ),
    "lfm2": _decoder(
        lambda: tf.Lfm2Config(
            **DECODER, layer_types=["conv", "full_attention"], block_multiple_of=32
        )
    ),
    "gemma": _decoder(lambda: tf.GemmaConfig(**{**DECODER, "head_dim": 32})),
    "gemma2": _decoder(lambda: tf.Gemma2Config(**GEMMA)),
    "gemma3": _decoder(
        lambda: tf.Gemma3TextConfig(
            **{**GEMMA, "num_hidden_layers": 3},
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        )
    ),
    "gemma3n": _decoder(
        lambda: tf.Gemma3nTextConfig(
            **{**GEMMA, "num_hidden_layers": 2, "intermediate_size": [96, 96]},
            layer_types=["sliding_attention", "full_attention"],
            vocab_size_per_layer_input=VOCABULARY,
            hidden_size_per_layer_input=16,
            num_kv_shared_layers=0,
            laurel_rank=8,
            activation_sparsity_pattern=[0.0, 0.0],
        )
    ),
    "gpt_oss": _decoder(
        lambda: tf.GptOssConfig(
            **{**DECODER, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16},
            layer_types=["sliding_attention", "full_attention"],
        )
    ),
    "qwen2_moe": _decoder(
        lambda: tf.Qwen2MoeConfig(
            **DECODER,
            num_experts=4,
            num_experts_per_tok=2,
            moe_intermediate_size=48,
            shared_expert_intermediate_size=56,
        )
    ),
    "qwen3_moe": _decoder(
        lambda: tf.Qwen3MoeConfig(
            **DECODER, head_dim=24, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48
        )
    ),
    "t5": _seq2seq(
        lambda: tf.T5ForConditionalGeneration(
            tf.T5Config(
                vocab_size=VOCABULARY,
                d_model=64,
                d_ff=96,
                d_kv=16,
                num_layers=2,
                num_heads=4,
                decoder_start_token_id=0,
            )
        )
    ),
    "marian": _seq2seq(
        lambda: tf.MarianMTModel(tf.MarianConfig(**SEQ2SEQ, max_position_embeddings=128))
    ),
    "bart": _seq2seq(
        lambda: tf.BartForConditionalGeneration(
            tf.BartConfig(**SEQ2SEQ, max_position_embeddings=128)
        )
    ),
    "whisper": _speech(
        lambda: tf.WhisperForConditionalGeneration(
            tf.WhisperConfig(
                **SEQ2SEQ, max_source_positions=1500, max_target_positions=64, num_mel_bins=16
            )
        )
    ),
    "moonshine": _speech(
        lambda: tf.MoonshineForConditionalGeneration(
            tf.MoonshineConfig(
                vocab_size=VOCABULARY,
                hidden_size=64,
                intermediate_size=96,
                encoder_num_hidden_layers=2,
                decoder_num_hidden_layers=2,
                encoder_num_attention_heads=4,
                decoder_num_attention_heads=4,
                max_position_embeddings=128,
            )
        )
    ),
    "bert": _encoder(lambda: tf.BertModel(tf.BertConfig(**SMALL))),
    "bert_classes": _encoder(
        lambda: tf.BertForSequenceClassification(tf.BertConfig(**SMALL, num_labels=5)),
        "text-classification",
    ),
    "xlm_roberta": _encoder(
        lambda: tf.XLMRobertaModel(tf.XLMRobertaConfig(**SMALL, pad_token_id=0))
    ),
    "embeddinggemma": _encoder(
        lambda: tf.Gemma3TextModel(
            tf.Gemma3TextConfig(
                **GEMMA,
                layer_types=["sliding_attention", "full_attention"],
                use_bidirectional_attention=True,
            )
        )
    ),
    "vit": _vision(
        lambda: tf.ViTForImageClassification(tf.ViTConfig(**VISION, patch_size=8, num_labels=7)),
        "image-classification",
    ),
    "dinov2": _vision(
        lambda: tf.Dinov2Model(
            tf.Dinov2Config(
                hidden_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                mlp_ratio=2,
                image_size=32,
                patch_size=8,
            )
        ),
        "feature-extraction",
    ),
    "clip": FamilyModel(
        lambda: tf.CLIPModel(
            tf.CLIPConfig(
                text_config={**SMALL, **TOKENS},
                vision_config={**VISION, "patch_size": 8},
                projection_dim=40,
            )
        ),
        "zero-shot-image-classification",
        "clip",
    ),
    "siglip": FamilyModel(
        lambda: tf.SiglipModel(
            tf.SiglipConfig(
                text_config={**SMALL, **TOKENS, "max_position_embeddings": 64},
                vision_config={**VISION, "patch_size": 8},
            )
        ),
        "zero-shot-image-classification",
        "clip",
    ),
    "yolos": _vision(
        lambda: tf.YolosForObjectDetection(
            tf.YolosConfig(
                **{**VISION, "image_size": [32, 32]},
                patch_size=8,
                num_detection_tokens=10,
                num_labels=5,
            )
        ),
        "object-detection",
    ),
    "detr": _vision(
        lambda: tf.DetrForObjectDetection(
            tf.DetrConfig(
                **{k: v for k, v in SEQ2SEQ.items() if "token" not in k and k != "vocab_size"},
                use_timm_backbone=False,
                use_pretrained_backbone=False,
                backbone_config=tf.ResNetConfig(
                    embedding_size=8,
                    hidden_sizes=[8, 16],
                    depths=[1, 1],
                    out_features=["stage2"],
                    layer_type="basic",
                ),
                num_queries=10,
                num_labels=5,
            )
        ),
        "object-detection",
    ),
    "sam": FamilyModel(
        lambda: tf.SamModel(
            tf.SamConfig(
                vision_config={
                    "hidden_size": 64,
                    "output_channels": 32,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 4,
                    "num_pos_feats": 16,
                    "image_size": 64,
                    "patch_size": 8,
                    "mlp_dim": 96,
                    "window_size": 4,
                    "global_attn_indexes": [1],
                },
                prompt_encoder_config={
                    "hidden_size": 32,
                    "image_size": 64,
                    "patch_size": 8,
                    "image_embedding_size": 8,
                    "mask_input_channels": 4,
                },
                mask_decoder_config={
                    "hidden_size": 32,
                    "mlp_dim": 48,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 4,
                    "iou_head_hidden_dim": 24,
                },
            )
        ),
        "feature-extraction",
        "sam",
    ),
    "vits": FamilyModel(
        lambda: tf.VitsModel(
            tf.VitsConfig(
                vocab_size=VOCABULARY,
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                ffn_dim=48,
                flow_size=32,
                spectrogram_bins=33,
                upsample_initial_channel=32,
                prior_encoder_num_wavenet_layers=2,
                prior_encoder_num_flows=2,
                duration_predictor_num_flows=2,
                posterior_encoder_num_wavenet_layers=2,
                depth_separable_num_layers=2,
                depth_separable_channels=2,
            )
        ),
        "text-to-audio",
        "vits",
    ),
}


def random_model(make: Callable[[], tf.PreTrainedModel]) -> tf.PreTrainedModel:
    """Return what is made, the same every time, with weights of sizes that matter."""
    torch.manual_seed(0)
    model = make().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            fan = parameter[0].numel()
            parameter.data = torch.randn_like(parameter) * fan**-0.5
        else:
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def on_a_grid(model: tf.PreTrainedModel) -> tf.PreTrainedModel:
    """Move weights to the nearest of 16 values, which 4 bits and 8 bits hold nearly without loss.

    Otherwise the error of right codes hides that of wrong ones. The lowest value is in nearly every
    block of 32: it says what a step is.
    """
    for parameter in model.parameters():
        if parameter.dim() > 1:
            step = parameter.detach().std() / 8
            parameter.data = (parameter.detach() / step).round().clamp(-8, 7) * step
    return model


def make_model(family: str) -> tf.PreTrainedModel:
    """Return the family's model."""
    return random_model(FAMILIES[family].make)
