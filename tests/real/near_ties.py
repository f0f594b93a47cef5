"""How near the tokens that a provider chose are to the CPU's first choices."""

from pathlib import Path

from onnxquant_tools.session import CausalModel
from real_model import PROMPT

# In 4 bits the first choices after the prompt lie within a few tenths of a logit.
NEAR_TIE = 1.0


def distances(model: Path, tokens: list[int]) -> list[float]:
    """Return how far below the CPU's likeliest token each one lies, in logits."""
    session = CausalModel(model, "cpu")
    logits = session.step(PROMPT)[-1]
    found = []
    for token in tokens:
        found.append(float(logits.max() - logits[token]))
        logits = session.step([token])[-1]
    return found
