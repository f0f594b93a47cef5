"""Tiny checkpoints with random weights, as transformers saves them."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from optimum.exporters.onnx import main_export
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "exporters"))
sys.path.append(str(ROOT / "python"))  # last: the package is the installed wheel

VOCABULARY = 64
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
TASKS = {"bert": "feature-extraction", "t5": "text2text-generation-with-past"}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "bert": lambda: BertModel(BertConfig(**SMALL)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SMALL, num_key_value_heads=2)),
    "qwen2": lambda: Qwen2ForCausalLM(
        Qwen2Config(**SMALL, num_key_value_heads=2, tie_word_embeddings=True)
    ),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4, n_positions=128)
    ),
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=16, sliding_window=4)
    ),
    "mistral": lambda: MistralForCausalLM(
        MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=4)
    ),
    "phi3": lambda: Phi3ForCausalLM(Phi3Config(**SMALL, num_key_value_heads=2)),
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(vocab_size=VOCABULARY, d_model=64, d_ff=128, d_kv=16, num_layers=2, num_heads=4)
    ),
}


def _tokenizer(folder: Path) -> None:
    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, VOCABULARY)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.save_pretrained(folder)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that makes a checkpoint of two layers of a family, once."""

    @functools.cache
    def make(family: str) -> Path:
        folder = tmp_path_factory.mktemp(family)
        torch.manual_seed(0)
        model = MODELS[family]().eval()
        for parameter in model.parameters():  # of a size that matters; gains of norms stay 1
            if parameter.dim() > 1:
                parameter.data = torch.randn_like(parameter) * parameter.shape[-1] ** -0.5
        model.save_pretrained(folder)
        _tokenizer(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def exported(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return a function that exports such a checkpoint with optimum, once."""

    @functools.cache
    def make(family: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{family}-onnx")
        task = TASKS.get(family, "text-generation-with-past")
        main_export(str(checkpoint(family)), folder, task=task, do_validation=False)
        return folder

    return make


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Return a function that exports a family's small model by an exporter, once."""
    from onnxquant_tools.family_exports import export

    root = tmp_path_factory.mktemp("families")

    def make(family: str, exporter: str) -> Path:
        folder = export(family, exporter, root)
        assert isinstance(folder, Path), folder
        return folder

    return make
