"""Policies: what stays float32, what becomes 16 bits, what 4 bits."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from onnxquant import _native
from onnxquant.errors import PolicyError, UsageError


def policies() -> dict[str, str]:
    """Return the built-in policies' YAML by name."""
    return dict(_native.policies())


class Policy:
    """A policy: by name, from YAML, or made in code. Immutable: `with_…` give new ones.

    A mistake raises PolicyError, with line and column where there are some.
    """

    def __init__(self, yaml: str, origin: str = "policy") -> None:
        """Read a policy's YAML; messages begin with `origin`."""
        _native.check_policy(yaml, origin)
        self._yaml = yaml
        self._origin = origin
        self._rules: tuple[str, ...] = ()

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Return a built-in policy, as `policies()` lists them."""
        known = policies()
        if name not in known:
            _native.load_policy(f"{name}")  # raises, naming what is known, unless it is a file
            raise PolicyError(f"{name}: is a file; Policy.from_file reads it")
        return cls(known[name], name)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a YAML file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"{path}: the policy file cannot be read: {error}") from error
        return cls(text, os.fspath(path))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str = "policy") -> Self:
        """Take what the YAML would hold, as dicts, lists, strings and numbers."""
        return cls(_lines(content), origin)

    @classmethod
    def of(cls, policy: "str | os.PathLike[str] | Mapping[str, Any] | Policy") -> "Policy":
        """Take a name, a path (with a slash, or ending in .yaml or .yml), a dict or a policy.

        A built-in policy's name goes before a file or folder of that name.
        """
        if isinstance(policy, Policy):
            return policy
        if isinstance(policy, Mapping):
            return cls.from_dict(policy)
        if not isinstance(policy, str | os.PathLike):
            raise UsageError(
                f"a policy of type {type(policy).__name__}: expected a name, a YAML file, a dict "
                "or a Policy"
            )
        text = os.fspath(policy)
        is_path = isinstance(policy, os.PathLike) or text.endswith((".yaml", ".yml"))
        if not is_path and text in policies():
            return cls.from_name(text)
        if "\n" in text:
            raise PolicyError("a policy's text was given for its name; Policy(text) reads it")
        return cls.from_file(text) if is_path or "/" in text else cls.from_name(text)

    def with_rule(
        self,
        match: Mapping[str, Any],
        *,
        optional: bool = False,
        **settings: Any,
    ) -> Self:
        """Return the policy with one more rule, which wins over those before.

        policy.with_rule({"role": "lm_head"}, compute="float32", weights="float32")
        """
        rule: dict[str, Any] = {"match": match, **settings}
        if optional:
            rule["optional"] = True
        text = rule_text(rule)
        _native.check_rule(text, self._origin)
        changed = type(self)(self._yaml, self._origin)
        changed._rules = (*self._rules, text)
        return changed

    @property
    def yaml(self) -> str:
        """The policy's YAML, without the rules that were added."""
        return self._yaml

    @property
    def origin(self) -> str:
        """Where it is from: its name, its file, or "policy"."""
        return self._origin

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that were added, each as `--set` takes it."""
        return self._rules

    def __eq__(self, other: object) -> bool:
        """Say whether both hold the same text and the same added rules."""
        if not isinstance(other, Policy):
            return NotImplemented
        return (self._yaml, self._rules) == (other._yaml, other._rules)

    def __hash__(self) -> int:
        return hash((self._yaml, self._rules))

    def __repr__(self) -> str:
        added = f" and {len(self._rules)} rules" if self._rules else ""
        return f"<Policy {self._origin}{added}>"

    def _repr_html_(self) -> str:
        from onnxquant.html import preformatted

        return preformatted("\n".join([self._yaml.rstrip(), *(f"+ {{{r}}}" for r in self._rules)]))


def rule_text(rule: str | Mapping[str, Any]) -> str:
    """Return a rule as `--set` takes it: the inside of a flow mapping."""
    return rule if isinstance(rule, str) else _flow(rule)[1:-1]


def _lines(content: Mapping[str, Any]) -> str:
    """Return a policy as YAML with a line for each key and rule, so that rules can be added."""
    lines = [f"{key}: {_flow(value)}" for key, value in content.items() if key != "rules"]
    rules = content.get("rules", [])
    if not isinstance(rules, list | tuple):
        lines.append(f"rules: {_flow(rules)}")
    elif rules:
        lines += ["rules:", *(f"  - {_flow(rule)}" for rule in rules)]
    return "\n".join(lines) + "\n" if lines else "{}"


def _flow(value: Any) -> str:
    """Return YAML in flow style, which JSON is, but for keys: these are written plainly."""
    if isinstance(value, Mapping):
        pairs = (f"{key}: {_flow(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
