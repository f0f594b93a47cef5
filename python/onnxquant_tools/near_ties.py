"""How near the tokens that a runtime chose are to the CPU's first choices."""

from collections.abc import Sequence
from pathlib import Path

from onnxquant_tools.session import CausalModel

# In 4 bits the first choices after the prompts of the tests lie within a few tenths of a logit.
NEAR_TIE = 1.0


def distances(model: Path, prompt: Sequence[int], tokens: Sequence[int]) -> list[float]:
    """Return how far below the CPU's likeliest token each one lies, in logits."""
    session = CausalModel(model, "cpu")
    logits = session.step(prompt)[-1]
    found = []
    for token in tokens:
        found.append(float(logits.max() - logits[token]))
        logits = session.step([token])[-1]
    return found
