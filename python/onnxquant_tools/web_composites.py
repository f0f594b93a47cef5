"""Small models that are put together of several, exported session by session for Transformers.js.

Where no exporter writes a session under the name and with the inputs that Transformers.js asks
for, torch does. A picture or a sound becomes four tokens: more keys than a software device has
lanes are more than ONNX Runtime's attention holds there. Needs the environment of
scripts/test_exporters.sh.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
import transformers as tf

from onnxquant_tools.family_exports import (
    EXPORTERS,
    traceable_masks,
    write_tokenizer,
)
from onnxquant_tools.family_models import (
    DECODER,
    VISION,
    make_model,
    on_a_grid,
    random_model,
)
from onnxquant_tools.family_sizes import PLACE, VOCABULARY

_IDS = torch.arange(3, 11).reshape(2, 4)


class _Function(torch.nn.Module):  # type: ignore[misc]  # torch is not there where this is checked
    """A function of a model's parts, for torch to export."""

    def __init__(self, model: torch.nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def _export(
    path: Path,
    model: tf.PreTrainedModel,
    function: Callable[..., Any],
    inputs: dict[str, torch.Tensor],
    outputs: list[str],
) -> None:
    """Export a function of named tensors; the first dimension is open, and the second of ids."""
    axes = {name: {0: "batch_size"} for name in [*inputs, *outputs]}
    for name in inputs:
        if name in {"input_ids", "attention_mask"}:
            axes[name][1] = "sequence_length"
    with traceable_masks():
        torch.onnx.export(
            _Function(model, function).eval(), tuple(inputs.values()), str(path), dynamo=False,
            input_names=list(inputs), output_names=outputs, dynamic_axes=axes, opset_version=18,
        )  # fmt: skip


def _save_settings(folder: Path, model: tf.PreTrainedModel) -> None:
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)


def _embed_tokens(folder: Path, model: tf.PreTrainedModel) -> None:
    _export(
        folder / "embed_tokens.onnx", model, model.get_input_embeddings(),
        {"input_ids": _IDS}, ["inputs_embeds"],
    )  # fmt: skip


def _decoder(scratch: Path, folder: Path, model: tf.PreTrainedModel) -> None:
    """Write a Llama that reads embeddings, with fused attention, as onnxruntime-genai builds it."""
    text, built = scratch / "text", scratch / "built"
    model.save_pretrained(text)
    write_tokenizer(text)
    EXPORTERS["genai-embeds"]("llama", text, built)
    onnx.save(onnx.load(built / "model.onnx"), folder / "decoder_model_merged.onnx")


def _clip(scratch: Path, folder: Path) -> None:
    """Both halves in one file, and each in its own."""
    checkpoint = scratch / "checkpoint"
    on_a_grid(make_model("clip")).save_pretrained(checkpoint)
    write_tokenizer(checkpoint)
    EXPORTERS["optimum"]("clip", checkpoint, folder)
    model = tf.CLIPModel.from_pretrained(checkpoint)
    _export(
        folder / "text_model.onnx", model, model.get_text_features,
        {"input_ids": _IDS, "attention_mask": torch.ones_like(_IDS)}, ["text_embeds"],
    )  # fmt: skip
    _export(
        folder / "vision_model.onnx", model, model.get_image_features,
        {"pixel_values": torch.ones(2, 3, 32, 32)}, ["image_embeds"],
    )  # fmt: skip


def _vit_gpt2(scratch: Path, folder: Path) -> None:
    """A picture in, text out: optimum exports it."""
    decoder = tf.GPT2Config(
        vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4, n_positions=128,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        tf.ViTConfig(**VISION, patch_size=8), decoder
    )
    config.decoder_start_token_id, config.pad_token_id = 1, 0
    checkpoint = scratch / "checkpoint"
    on_a_grid(random_model(lambda: tf.VisionEncoderDecoderModel(config))).save_pretrained(
        checkpoint
    )
    write_tokenizer(checkpoint)
    from optimum.exporters.onnx import main_export

    task = "image-to-text-with-past"
    main_export(str(checkpoint), folder, task=task, do_validation=False, opset=18)


def _llava(scratch: Path, folder: Path) -> None:
    """Text and pictures in, text out."""
    vision = tf.CLIPVisionConfig(**{**VISION, "image_size": 16}, patch_size=8)
    config = tf.LlavaConfig(vision, tf.LlamaConfig(**DECODER), image_token_index=PLACE)
    model = on_a_grid(random_model(lambda: tf.LlavaForConditionalGeneration(config)))
    _save_settings(folder, model)
    _embed_tokens(folder, model)

    def features(pixels: torch.Tensor) -> torch.Tensor:
        # get_image_features gives a list, which a trace takes for one of as many as it has seen.
        states = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
        return model.model.multi_modal_projector(states[config.vision_feature_layer][:, 1:])

    _export(
        folder / "vision_encoder.onnx", model, features,
        {"pixel_values": torch.ones(2, 3, 16, 16)}, ["image_features"],
    )  # fmt: skip
    text = tf.LlamaForCausalLM(config.text_config)
    text.model, text.lm_head = model.model.language_model, model.lm_head
    _decoder(scratch, folder, text)


def _voxtral(scratch: Path, folder: Path) -> None:
    """Text and sound in, text out."""
    audio = {
        "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 256, "num_mel_bins": 16,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_source_positions": 16,
    }  # fmt: skip
    text = {**DECODER, "model_type": "llama", "head_dim": 16}
    config = tf.VoxtralConfig(audio_config=audio, text_config=text, audio_token_id=PLACE)
    model = on_a_grid(random_model(lambda: tf.VoxtralForConditionalGeneration(config)))
    _save_settings(folder, model)
    _embed_tokens(folder, model)
    _export(
        folder / "audio_encoder.onnx", model, model.get_audio_features,
        {"audio_values": torch.ones(1, 16, 32)}, ["audio_features"],
    )  # fmt: skip
    _decoder(scratch, folder, model.language_model)


COMPOSITES: dict[str, Callable[[Path, Path], None]] = {
    "clip": _clip, "vit-gpt2": _vit_gpt2, "llava": _llava, "voxtral": _voxtral,
}  # fmt: skip
